//! The console as a terminal sees it: what is typed, and every line that comes back.

mod commands;
mod status_page;
mod support;
