//! The command language of the appliance: what can be typed, and what is said in return.
//!
//! The kernel's poll loop calls it when the wire is quiet: it feeds serial bytes to a
//! [`line::LineEditor`], parses a finished line with a [`command::Grammar`], carries out the
//! [`command::Command`] and prints its [`reply::Reply`] line by line, one a call, as its serial ring
//! has room. Nothing here does input or output, changes the appliance, allocates or waits, and no
//! input panics. A bug in what a command says lives here; a bug in what it does lives in `kernel/`.
//!
//! ```
//! use pollux_console::command::{Command, Grammar};
//!
//! let grammar = Grammar::default();
//! assert_eq!(grammar.parse("sudo status # how are you?"), Ok(Some(Command::Status)));
//! let error = grammar.parse("statsu").expect_err("a typing error");
//! assert_eq!(error.to_string(), "unknown command 'statsu'; did you mean 'status'?");
//! ```
//!
//! - [`commands`] has one file for each command: how it is written, its line of help, its reply.
//! - [`command`] is the grammar made of them, [`error`] what it says about a line that is not in it.
//! - [`view`] is what the kernel shows of itself, so that replies can be about it.
//! - [`trace`] is the line printed for each answered echo request.
#![no_std]
#![forbid(unsafe_code)]

pub mod command;
pub mod commands;
pub mod error;
pub mod line;
pub mod reply;
mod suggest;
mod text;
pub mod trace;
pub mod view;
