//! The serial line: written through a ring, so that nobody ever waits for it.
//!
//! Lines go into the ring whole or not at all; those that find it full are dropped and counted. The
//! poll loop drains a few octets at a time when the wire is quiet. A machine without a UART works
//! the same, with nothing to see.

use crate::last_words::Recorder;
use crate::uart::{At, Setting, Uart};
use crate::{screen, uart};
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU16, Ordering};
use heapless::{Deque, String};
use log::{LevelFilter, Log, Metadata, Record};
use pollux_console::line::Eraser;
use spin::Mutex;

/// Octets that wait to be sent.
const RING: usize = 16 * 1024;
/// The longest line, without its ending.
pub const LINE: usize = 256;
const LINE_END: &str = "\r\n";
/// Octets that one call of [`Serial::drain`] sends. Each costs a microsecond on a real machine and
/// several in a virtual one, in which no frame is answered.
const DRAIN: usize = 4;

/// The serial line and what waits for it.
pub struct Serial {
    uart: Option<Uart>,
    ring: Deque<u8, RING>,
    dropped_lines: u64,
    /// While the cursor stands in a line that began with the prompt: what erases that.
    prompting: Option<Eraser>,
}

/// The one serial line.
static SERIAL: Mutex<Serial> = Mutex::new(Serial {
    uart: None,
    ring: Deque::new(),
    dropped_lines: 0,
    prompting: None,
});

/// The first I/O port of the UART, for [`Direct`]; 0 where there is none.
static PORT: AtomicU16 = AtomicU16::new(0);

/// Looks for a UART at the usual places, and sends the `log` crate's lines there.
pub fn initialize() {
    use_uart(Setting::default());
    if log::set_logger(&LOGGER).is_ok() {
        log::set_max_level(LevelFilter::Info);
    }
}

/// Uses the UART that the command line names. Nothing was sent yet: what is queued goes there.
pub fn configure(setting: Setting) {
    if setting != Setting::default() && !use_uart(setting) && setting.at != At::Nowhere {
        log::warn!("serial: {setting}");
    }
}

fn use_uart(setting: Setting) -> bool {
    let (port, uart) = uart::find(setting).unzip();
    PORT.store(port.unwrap_or(0), Ordering::Relaxed);
    SERIAL.lock().uart = uart;
    port.is_some()
}

/// The first I/O port of the UART, if there is one.
pub fn port() -> Option<u16> {
    Some(PORT.load(Ordering::Relaxed)).filter(|&port| port != 0)
}

/// Shows `work` what is queued, in pieces.
pub fn queued(mut work: impl FnMut(&str)) {
    let serial = SERIAL.lock();
    let (first, second) = serial.ring.as_slices();
    for octets in [first, second] {
        work(core::str::from_utf8(octets).unwrap_or(""));
    }
}

/// Queues one line, or drops it whole and counts it.
pub fn line(text: fmt::Arguments<'_>) {
    let mut line = String::<LINE>::new();
    // What does not fit is cut: a long line is worth more than none.
    let _ = line.write_fmt(text);
    SERIAL.lock().put_line(&line);
}

/// Runs `work` on the serial line.
pub fn with<T>(work: impl FnOnce(&mut Serial) -> T) -> T {
    work(&mut SERIAL.lock())
}

impl Serial {
    /// Queues one line, or drops it whole and counts it, and shows it on the screen. Takes the place of the prompt, if one is
    /// there; the console session shows it again.
    pub fn put_line(&mut self, line: &str) {
        screen::line(line);
        let erase = self.prompting.clone().unwrap_or_default();
        if self.room() < erase.len() + line.len() + LINE_END.len() {
            self.dropped_lines += 1;
            return;
        }
        self.put(&erase);
        self.put(line);
        self.put(LINE_END);
        self.prompting = None;
    }

    /// Queues the prompt or an echo behind it, or drops it whole. `eraser` erases then what is there.
    pub fn put_prompt(&mut self, text: &str, eraser: Eraser) {
        if self.room() >= text.len() {
            self.put(text);
            self.prompting = Some(eraser);
        }
    }

    /// Queues the end of the line behind the prompt.
    pub fn end_prompt(&mut self, text: &str) {
        if self.room() >= text.len() {
            self.put(text);
        }
        self.prompting = None;
    }

    /// Whether the cursor stands in a line that began with the prompt.
    pub const fn is_prompting(&self) -> bool {
        self.prompting.is_some()
    }

    /// Queues what there is room for: the callers have looked.
    fn put(&mut self, text: &str) {
        for octet in text.bytes() {
            let _ = self.ring.push_back(octet);
        }
    }

    /// How many octets can be queued.
    pub fn room(&self) -> usize {
        self.ring.capacity() - self.ring.len()
    }

    /// Lines that found no room.
    pub const fn dropped_lines(&self) -> u64 {
        self.dropped_lines
    }

    /// Sends a few of the queued octets, if the UART can take them now. Without a UART they are gone.
    pub fn drain(&mut self) {
        let (octets, _) = self.ring.as_slices();
        let octets = octets.get(..DRAIN.min(octets.len())).unwrap_or_default();
        let sent = match &mut self.uart {
            Some(uart) => uart.send_bytes(octets),
            None => octets.len(),
        };
        for _ in 0..sent {
            self.ring.pop_front();
        }
    }

    /// An octet that was typed.
    pub fn receive(&mut self) -> Option<u8> {
        self.uart.as_mut()?.try_receive_byte().ok()
    }

    /// Sends everything that is queued, waiting as long as it takes, but not forever. For the end
    /// only.
    pub fn flush(&mut self) {
        /// Some seconds, where the ring's contents take 1.4 at 115,200 baud.
        const ATTEMPTS: u32 = 4_000_000;
        for _ in 0..ATTEMPTS {
            if self.ring.is_empty() {
                return;
            }
            self.drain();
        }
    }
}

/// Sends everything that is queued. For the end only.
pub fn flush() {
    SERIAL.lock().flush();
}

/// The serial line and the screen as a fault uses them, and what is kept of it over the restart: no ring, no lock.
pub struct Direct {
    uart: Option<Uart>,
    screen: screen::Direct,
    recorder: Recorder,
}

impl Direct {
    /// Takes the UART as it is, and sends first what is queued, if nobody is in the middle of that.
    pub fn take() -> Self {
        if let Some(mut serial) = SERIAL.try_lock() {
            serial.flush();
        }
        Self {
            uart: port().and_then(uart::at),
            // SAFETY: nothing runs from now on but what writes here.
            screen: unsafe { screen::Direct::take() },
            recorder: Recorder::new(),
        }
    }

    /// Forgets what was written so far: it is not worth to be kept.
    pub fn begin_record(&mut self) {
        self.recorder = Recorder::new();
    }

    /// Keeps for the next start what was written since [`Self::begin_record`].
    pub fn keep_record(&mut self) {
        self.recorder.keep();
    }

    /// Shows on the screen what was written.
    pub fn finish(&mut self) {
        self.screen.show();
    }
}

impl Write for Direct {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        /// A UART that takes nothing for this long never will.
        const ATTEMPTS: u32 = 1_000_000;
        self.recorder.write_str(text)?;
        self.screen.write_str(text)?;
        let Some(uart) = &mut self.uart else {
            return Ok(());
        };
        for octet in text.bytes() {
            let mut send = |octet| (0..ATTEMPTS).any(|_| uart.try_send_byte(octet).is_ok());
            if octet == b'\n' && !send(b'\r') || !send(octet) {
                return Err(fmt::Error);
            }
        }
        Ok(())
    }
}

struct Logger;

static LOGGER: Logger = Logger;

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= LevelFilter::Info
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            line(*record.args());
        }
    }

    fn flush(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use pollux_console::line::{ERASE_LINE, LineEditor};

    fn without_uart() -> Serial {
        Serial {
            uart: None,
            ring: Deque::new(),
            dropped_lines: 0,
            prompting: None,
        }
    }

    fn queued(serial: &Serial) -> String<RING> {
        serial.ring.iter().map(|&octet| char::from(octet)).collect()
    }

    #[test]
    fn a_full_ring_drops_whole_lines_and_counts_them() {
        let mut serial = without_uart();
        let line = "x".repeat(98);
        for _ in 0..RING / 100 + 3 {
            serial.put_line(&line);
        }
        assert_eq!(serial.dropped_lines(), 3);
        assert_eq!(serial.room(), RING % 100);
        assert!(
            queued(&serial)
                .split_terminator(LINE_END)
                .all(|kept| kept == line)
        );
        // What still fits is kept.
        serial.put_line("y");
        assert!(queued(&serial).ends_with("x\r\ny\r\n"));
    }

    #[test]
    fn draining_is_bounded_and_makes_room_again() {
        let mut serial = without_uart();
        serial.put_line("0123456789");
        serial.drain();
        assert_eq!(queued(&serial), "456789\r\n");
        serial.flush();
        assert_eq!(serial.room(), RING);
    }

    #[test]
    fn a_line_takes_the_place_of_the_prompt_only_where_there_is_one() {
        let mut serial = without_uart();
        serial.put_line("first");
        let eraser = LineEditor::new().eraser();
        serial.put_prompt("pollux> ", eraser);
        assert!(serial.is_prompting());
        serial.put_line("second");
        assert!(!serial.is_prompting());
        let expected = ["first\r\npollux> ", ERASE_LINE, "second\r\n"].concat();
        assert_eq!(queued(&serial), expected.as_str());
    }
}
