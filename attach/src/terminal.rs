//! This terminal, lent to the appliance until Ctrl-].

use crate::line::Line;
use nix::sys::termios::{self, SetArg, Termios};
use std::io::{self, Read, Write};
use std::path::Path;

/// Ctrl-], as in `telnet`.
const DETACH: u8 = 0x1d;
/// To the end of what somebody left half typed, and away with it: the prompt is shown again.
const FRESH_LINE: &[u8] = b"\x05\x15";

/// The terminal's settings, which come back whatever happens.
struct Settings(Termios);

impl Drop for Settings {
    fn drop(&mut self) {
        // Nothing can be done about a terminal that is gone.
        let _ = termios::tcsetattr(io::stdin(), SetArg::TCSADRAIN, &self.0);
    }
}

/// Passes keys on, and shows what comes back.
pub fn lend(line: &Line, path: &Path) -> io::Result<()> {
    println!("attached to {}: Ctrl-] detaches", path.display());
    let before = Settings(termios::tcgetattr(io::stdin())?);
    let mut raw = before.0.clone();
    termios::cfmakeraw(&mut raw);
    termios::tcsetattr(io::stdin(), SetArg::TCSADRAIN, &raw)?;
    line.send(FRESH_LINE)?;
    let said = pass(line);
    drop(before);
    println!("\n{}", said?);
    Ok(())
}

/// Returns why it is over.
fn pass(line: &Line) -> io::Result<&'static str> {
    let mut room = [0; 4096];
    loop {
        let (shown, typed) = line.wait_with(io::stdin())?;
        if shown {
            let length = line.receive(&mut room)?;
            if length == 0 {
                return Ok("the appliance has ended");
            }
            let mut output = io::stdout().lock();
            output.write_all(&room[..length])?;
            output.flush()?;
        }
        if typed {
            let length = io::stdin().lock().read(&mut room)?;
            let keys = &room[..length];
            let end = keys.iter().position(|&key| key == DETACH);
            line.send(&keys[..end.unwrap_or(length)])?;
            if end.is_some() || length == 0 {
                return Ok("detached; the appliance goes on");
            }
        }
    }
}
