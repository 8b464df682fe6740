//! The console as a terminal sees it: what is typed, and every line that comes back.

mod base64;
mod bpftool;
mod commands;
mod completion;
mod documents;
mod dump;
mod evl;
mod ip;
mod json;
mod screen_page;
mod status_page;
mod support;
mod sysctl;
mod terminal;
mod tools;
