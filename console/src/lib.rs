//! The command language of the appliance: what can be typed, and what is said in return.
//!
//! The kernel's poll loop calls it when the wire is quiet: it feeds serial bytes to a
//! [`line::LineEditor`], parses a finished line with a [`command::Grammar`], carries out the
//! [`command::Command`] and prints its [`reply::Reply`] line by line, one a call, as its serial ring
//! has room. What a command changes it changes on [`cards::Cards`], which the kernel lends it: the stack's
//! side of the network cards. Nothing here does input or output, touches a card or waits, and no input
//! panics; parsing and changing may allocate.
//!
//! ```
//! use pollux_console::command::{Command, Grammar};
//!
//! let grammar = Grammar::default();
//! let request = grammar.parse("sudo status # how are you?").expect("is right");
//! assert_eq!(request.map(|request| request.command), Some(Command::Status(None)));
//! let error = grammar.parse("statsu").expect_err("a typing error");
//! assert_eq!(error.to_string(), "unknown command 'statsu'; did you mean 'status'?");
//! ```
//!
//! - [`commands`] has one file for each command: how it is written, its line of help, its reply.
//! - [`command`] is the grammar made of them, [`error`] what it says about a line that is not in it.
//! - [`grep`] chooses among the lines of a reply.
//! - [`cards`] is what commands change.
//! - [`view`] is what the kernel shows of itself, so that replies can be about it.
//! - [`complete`] is what Tab offers.
//! - [`refused`] is what of the start was refused, and [`suggest`] what may have been meant.
//! - [`page`] is what a screen shows all the time.
//! - [`trace`] is the line printed for each answered echo request.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod cards;
pub mod command;
pub mod commands;
pub mod complete;
pub mod error;
pub mod grep;
mod habits;
mod json;
pub mod line;
mod listing;
pub mod page;
pub mod refused;
pub mod reply;
pub mod suggest;
mod text;
pub mod trace;
pub mod view;
mod words;
