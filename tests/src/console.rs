//! The serial console of an appliance, over the pipes of its process.
//!
//! A thread collects what is printed, so that nothing is lost while a test does something else and
//! a failed test can show everything. Replies are recognized by the prompt that follows them.

use std::io::{Read, Write};
use std::process::{ChildStdin, ChildStdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::PATIENCE;

/// What the appliance prints when it waits for a command.
pub const PROMPT: &str = "pollux> ";
/// The longest that nothing may be printed before a reply is whole: how long all of it takes depends on how long it is.
const REPLY_LIMIT: Duration = PATIENCE;
/// How long a prompt is waited for before it is asked for again.
const RETRY_AFTER: Duration = Duration::from_secs(2);

#[derive(Default)]
struct Printed {
    bytes: Mutex<Vec<u8>>,
    more: Condvar,
    /// Whether no more can come. It is set while `bytes` are held.
    is_over: AtomicBool,
}

/// A console.
pub struct Console {
    keys: ChildStdin,
    printed: Arc<Printed>,
    /// Words typed by [`Console::fresh_prompt`].
    words: u32,
}

/// A place in what the console printed.
#[derive(Clone, Copy, Debug)]
pub struct Mark(usize);

impl Console {
    pub(crate) fn new(keys: ChildStdin, mut screen: ChildStdout) -> Self {
        let printed = Arc::new(Printed::default());
        let collector = Arc::clone(&printed);
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            loop {
                let length = screen.read(&mut chunk).unwrap_or(0);
                let mut bytes = collector.bytes.lock().expect("no holder panics");
                bytes.extend_from_slice(&chunk[..length]);
                collector.is_over.store(length == 0, Ordering::Relaxed);
                collector.more.notify_all();
                if length == 0 {
                    return;
                }
            }
        });
        Self {
            keys,
            printed,
            words: 0,
        }
    }

    /// Types bytes as they are.
    ///
    /// # Panics
    ///
    /// The process has ended.
    pub fn type_bytes(&mut self, bytes: &[u8]) {
        self.keys
            .write_all(bytes)
            .and_then(|()| self.keys.flush())
            .expect("the console takes input");
    }

    /// Has a command carried out to which there is nothing to say.
    ///
    /// # Panics
    ///
    /// There was something to say.
    pub fn obeys(&mut self, line: &str) {
        assert_eq!(self.command(line), "", "{line}");
    }

    /// Types a command and returns its reply, without the echo and the next prompt. What the log says of a link meanwhile
    /// is no reply.
    ///
    /// # Panics
    ///
    /// No prompt followed, and nothing else any more.
    pub fn command(&mut self, line: &str) -> String {
        let mark = self.mark();
        self.type_bytes(format!("{line}\r").as_bytes());
        let echo = format!("{line}\n");
        let end = format!("\n{PROMPT}");
        let after = |text: &str| {
            let (_, reply) = text.split_once(&echo)?;
            match reply.strip_suffix(&end) {
                Some(reply) => Some(without_links(reply)),
                None => (reply == PROMPT).then(String::new),
            }
        };
        loop {
            let before = self.mark();
            // To make text of all there is for each octet that comes would take longer than it takes to come.
            let may_end = |printed: &[u8]| printed.ends_with(PROMPT.as_bytes());
            match self.find(mark, Instant::now() + REPLY_LIMIT, may_end, after) {
                Ok(reply) => return reply,
                Err(text) => assert!(
                    self.mark().0 > before.0 && self.is_open(),
                    "the console printed nothing for {REPLY_LIMIT:?}, and of the reply to `{line}` only:\n{text}"
                ),
            }
        }
    }

    /// Gives up whatever was being typed and waits until everything that was typed before has been
    /// dealt with and there is a fresh prompt.
    ///
    /// # Panics
    ///
    /// There was none in time.
    pub fn fresh_prompt(&mut self) {
        let deadline = Instant::now() + REPLY_LIMIT;
        let mark = self.mark();
        loop {
            // A word of its own each time, after Ctrl-C: only its reply is the end of what was
            // before it. Where noise swallowed it, the next one will do.
            self.words += 1;
            let word = format!("word{}", self.words);
            self.type_bytes(format!("\x03{word}\r").as_bytes());
            let reply = format!("unknown command '{word}'");
            let ends = |text: &str| {
                let (_, rest) = text.rsplit_once(&reply)?;
                rest.ends_with(&format!("\n{PROMPT}")).then_some(())
            };
            let patience = Instant::now() + RETRY_AFTER;
            match self.find(mark, patience.min(deadline), |_| true, ends) {
                Ok(()) => return,
                Err(text) => assert!(
                    Instant::now() < deadline && self.is_open(),
                    "the console did not come back to a prompt within {REPLY_LIMIT:?}, but:\n{text}"
                ),
            }
        }
    }

    /// Waits for the first prompt.
    ///
    /// # Panics
    ///
    /// There was none within `limit`.
    pub fn wait_for_prompt(&self, limit: Duration) {
        let ends = |text: &str| text.ends_with(PROMPT).then_some(());
        self.wait(Mark(0), limit, "the prompt", ends);
    }

    /// Waits until `text` was printed after `mark`, and returns everything after `mark`.
    ///
    /// # Panics
    ///
    /// It was not within `limit`.
    pub fn wait_for(&self, mark: Mark, text: &str, limit: Duration) -> String {
        let found = |printed: &str| printed.contains(text).then(|| printed.to_owned());
        self.wait(mark, limit, &format!("`{text}`"), found)
    }

    /// Whether the process may still print something.
    pub fn is_open(&self) -> bool {
        !self.is_over().load(Ordering::Relaxed)
    }

    /// What is set once the process can print nothing any more.
    pub(crate) fn is_over(&self) -> &AtomicBool {
        &self.printed.is_over
    }

    /// The end of what was printed so far.
    pub fn mark(&self) -> Mark {
        Mark(self.printed.bytes.lock().expect("no holder panics").len())
    }

    /// Everything that was printed so far.
    pub fn log(&self) -> String {
        self.since(Mark(0))
    }

    /// Everything that was printed so far after `mark`.
    pub fn since(&self, mark: Mark) -> String {
        plain(&self.printed.bytes.lock().expect("no holder panics")[mark.0..])
    }

    /// Waits until `found` finds something in what was printed after `mark`.
    fn wait<T>(
        &self,
        mark: Mark,
        limit: Duration,
        what: &str,
        found: impl Fn(&str) -> Option<T>,
    ) -> T {
        self.find(mark, Instant::now() + limit, |_| true, found)
            .unwrap_or_else(|text| {
                panic!("the console did not print {what} within {limit:?}, but:\n{text}")
            })
    }

    /// As [`Console::wait`], or returns what was printed instead. What is printed is only looked into where `may_be` says
    /// that it may be there.
    fn find<T>(
        &self,
        mark: Mark,
        deadline: Instant,
        may_be: impl Fn(&[u8]) -> bool,
        found: impl Fn(&str) -> Option<T>,
    ) -> Result<T, String> {
        let mut bytes = self.printed.bytes.lock().expect("no holder panics");
        loop {
            let printed = &bytes[mark.0..];
            if may_be(printed)
                && let Some(value) = found(&plain(printed))
            {
                return Ok(value);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || !self.is_open() {
                return Err(plain(printed));
            }
            let wait = self.printed.more.wait_timeout(bytes, left);
            bytes = wait.expect("no holder panics").0;
        }
    }
}

/// A reply's lines, each with its end again, but for those by which the log tells, whenever it happens, that a port's link
/// changed.
fn without_links(reply: &str) -> String {
    let is_of_link = |line: &&str| {
        line.split_once(": link ").is_some_and(|(port, state)| {
            port.starts_with("eth")
                && !port.contains(' ')
                && (state == "down" || state == "up" || state.starts_with("up, "))
        })
    };
    let lines = reply.split('\n').filter(|line| !is_of_link(line));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// What a terminal would show, roughly: no carriage returns, and no line that was erased.
fn plain(bytes: &[u8]) -> String {
    const ERASED: [&str; 2] = ["\x1b[K", "\x1b[J"];
    // How wide it is it is asked behind its user's back.
    const HOW_WIDE: &str = "\x1b7\x1b[999C\x1b[6n\x1b8";
    let text = String::from_utf8_lossy(bytes).replace('\r', "");
    let text = text.replace(HOW_WIDE, "");
    let shown = |line, end| str::rsplit(line, end).next().unwrap_or(line);
    let lines = text
        .split('\n')
        .map(|line| ERASED.into_iter().fold(line, shown));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_erased_line_is_not_shown() {
        assert_eq!(
            plain(b"pollux> sta\r\x1b[K[0] count=84\r\n\r\x1b[Kpollux> sta"),
            "[0] count=84\npollux> sta"
        );
    }

    #[test]
    fn what_the_log_says_of_a_link_is_no_reply() {
        let said =
            "eth0: link up, 1000 Mbit/s\nport eth0\neth12: link up\n  link  up\neth1: link down";
        assert_eq!(without_links(said), "port eth0\n  link  up\n");
        assert_eq!(without_links("eth0: link up"), "");
        let kept = "[1.2] eth0: link up\neth0: link is what it was";
        assert_eq!(without_links(kept), format!("{kept}\n"));
    }
}
