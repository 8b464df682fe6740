//! A terminal with somebody at it: a pseudo-terminal of this machine, with a program that draws what an xterm would.

use nix::pty::{Winsize, openpty};
use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZero;
use std::process::{Child, Command};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::PATIENCE;

/// How long something may take to appear.
const LIMIT: Duration = PATIENCE;
/// What asks where the cursor is, to which a terminal answers by itself.
const WHERE: &[u8] = b"\x1b[6n";

struct Drawn {
    screen: vt100::Parser,
    /// Whether the other end is gone.
    is_over: bool,
}

/// A terminal, and the program that runs at it.
pub struct Terminal {
    keys: File,
    drawn: Arc<(Mutex<Drawn>, Condvar)>,
    columns: u16,
    program: Child,
}

impl Terminal {
    /// Runs `command` at a terminal of this size.
    ///
    /// # Panics
    ///
    /// There is no pseudo-terminal, or the program does not start.
    pub fn run(command: &mut Command, rows: u16, columns: u16) -> Self {
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let ends = openpty(&size, None).expect("there are pseudo-terminals");
        let ours = File::from(ends.master);
        let its = || ends.slave.try_clone().expect("has room for a descriptor");
        let command = command.stdin(its()).stdout(its()).stderr(its());
        let program = command.spawn().expect("the program starts");
        drop(ends.slave);
        let size = |size| NonZero::new(size).expect("has a size");
        let drawn = Arc::new((
            Mutex::new(Drawn {
                screen: vt100::Parser::new(size(rows), size(columns), 0),
                is_over: false,
            }),
            Condvar::new(),
        ));
        let clone = || ours.try_clone().expect("has room for a descriptor");
        let (printed, answers, screen) = (clone(), clone(), Arc::clone(&drawn));
        std::thread::spawn(move || draw(printed, answers, &screen, columns));
        Self {
            keys: ours,
            drawn,
            columns,
            program,
        }
    }

    /// Presses keys.
    ///
    /// # Panics
    ///
    /// The terminal is gone.
    pub fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("takes keys");
    }

    /// Waits until the rows, without the blanks at their ends, and the cursor's row and column are as `wanted`.
    ///
    /// # Panics
    ///
    /// They are not within [`PATIENCE`], or the program has ended.
    pub fn wait_until(&mut self, wanted: impl Fn(&[String], (u16, u16)) -> bool) {
        let deadline = Instant::now() + LIMIT;
        let (drawn, changed) = &*self.drawn;
        let mut drawn = drawn.lock().expect("no holder panics");
        loop {
            let screen = drawn.screen.screen();
            let rows = screen.rows(0, self.columns);
            let rows: Vec<String> = rows.map(|row| row.trim_end().to_owned()).collect();
            if wanted(&rows, screen.cursor_position()) {
                return;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let status = self.program.try_wait();
            assert!(
                !left.is_zero() && !drawn.is_over,
                "the terminal, whose program's status is {status:?}, does not show what it should, but, with the cursor at {:?}:\n{}",
                screen.cursor_position(),
                rows.join("\n")
            );
            let wait = changed.wait_timeout(drawn, left);
            drawn = wait.expect("no holder panics").0;
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// Draws what is printed, and answers what is asked, until the other end is gone.
fn draw(mut printed: File, mut answers: File, drawn: &(Mutex<Drawn>, Condvar), columns: u16) {
    let (screen, changed) = drawn;
    let mut asked = 0;
    let mut octet = [0];
    // One at a time, so that the answer is where the cursor was when it was asked.
    while next(&mut printed, &mut octet) {
        let mut drawn = screen.lock().expect("no holder panics");
        drawn.screen.process(&octet);
        asked = match octet[0] {
            octet if octet == WHERE[asked] => asked + 1,
            octet => usize::from(octet == WHERE[0]),
        };
        if asked == WHERE.len() {
            asked = 0;
            let (row, column) = drawn.screen.screen().cursor_position();
            let column = (column + 1).min(columns);
            let _ = write!(answers, "\x1b[{};{column}R", row + 1);
        }
        changed.notify_all();
    }
    screen.lock().expect("no holder panics").is_over = true;
    changed.notify_all();
}

/// Reads an octet, if there is one yet.
fn next(printed: &mut File, octet: &mut [u8; 1]) -> bool {
    // Linux may find nothing printed, then the other end closed, and miss what was printed in between: the first error says
    // only that no more is printed, the second that nothing is left.
    printed.read_exact(octet).is_ok() || printed.read_exact(octet).is_ok()
}
