//! Which UART is the serial line: one of the four places where a PC has them, one on a PCI card, or none. Found
//! at the start; [`crate::serial`] uses it.

use crate::bus;
use core::fmt;
use pollux_drivers::pci::{self, Bar, Class};
use uart_16550::backend::PioBackend;
use uart_16550::{BaudRate, Config, Uart16550};

/// A UART behind I/O ports.
pub type Uart = Uart16550<PioBackend>;

/// Where a PC has its serial ports.
const PLACES: [u16; 4] = [0x3f8, 0x2f8, 0x3e8, 0x2e8];
/// A simple communication controller: a serial port.
const SERIAL_CLASS: Class = Class { base: 7, sub: 0 };
/// How many ports a UART has.
const PORTS: u32 = 8;
const DEFAULT_BAUD: u32 = 115_200;
/// The fastest that a PC's UART can be set to.
const MAXIMUM_BAUD: u32 = 115_200;

/// Where to look for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum At {
    /// At the usual places, then on a PCI card.
    #[default]
    Anywhere,
    /// At these I/O ports.
    Port(u16),
    /// On the first PCI card that has one.
    Pci,
    /// Nowhere.
    Nowhere,
}

/// Which UART, and how fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Where it is.
    pub at: At,
    /// Bits per second.
    pub baud: u32,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            at: At::default(),
            baud: DEFAULT_BAUD,
        }
    }
}

impl Setting {
    /// What [`Setting::parse`] takes.
    pub const SYNTAX: &str =
        "pollux.serial=PORT[,BAUD] with PORT as in 0x2f8, or com1 to com4, pci, auto or none";

    /// Reads `PORT[,BAUD]`.
    pub fn parse(text: &str) -> Option<Self> {
        let (place, baud) = match text.split_once(',') {
            Some((place, baud)) => (place, baud.parse().ok()?),
            None => (text, DEFAULT_BAUD),
        };
        let at = match place {
            "auto" => At::Anywhere,
            "pci" => At::Pci,
            "none" => At::Nowhere,
            "com1" => At::Port(PLACES[0]),
            "com2" => At::Port(PLACES[1]),
            "com3" => At::Port(PLACES[2]),
            "com4" => At::Port(PLACES[3]),
            digits => At::Port(
                digits
                    .strip_prefix("0x")
                    .and_then(|digits| u16::from_str_radix(digits, 16).ok())
                    .filter(|port| (0x100..=0xfff8).contains(port))?,
            ),
        };
        // The divisor is a whole number of 16 bits.
        let is_baud = (50..=MAXIMUM_BAUD).contains(&baud) && MAXIMUM_BAUD.is_multiple_of(baud);
        is_baud.then_some(Self { at, baud })
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            At::Anywhere => write!(f, "no serial port was found"),
            At::Port(port) => write!(f, "no serial port answers at {port:#x}"),
            At::Pci => write!(f, "no serial port was found on a PCI card"),
            At::Nowhere => write!(f, "no serial port was asked for"),
        }
    }
}

/// Looks for the UART, and sets it to eight bits, no parity, one stop bit. Returns its first I/O port too.
pub fn find(setting: Setting) -> Option<(u16, Uart)> {
    let baud = setting.baud;
    match setting.at {
        At::Anywhere => PLACES
            .into_iter()
            .find_map(|port| open(port, baud))
            .or_else(|| find_on_pci(baud)),
        At::Port(port) => open(port, baud),
        At::Pci => find_on_pci(baud),
        At::Nowhere => None,
    }
}

/// A UART at these ports, as it is set already.
pub fn at(port: u16) -> Option<Uart> {
    // SAFETY: `find` has found one there.
    unsafe { Uart16550::new_port(port) }.ok()
}

fn open(port: u16, baud: u32) -> Option<(u16, Uart)> {
    // SAFETY: a UART or nothing is at the usual places, at what a card of this class has, and where the command
    // line says; nobody else uses it.
    let mut uart = unsafe { Uart16550::new_port(port) }.ok()?;
    let config = Config {
        baud_rate: BaudRate::Custom(baud),
        check_cts_before_sending: false,
        ..Config::default()
    };
    uart.init(config).ok()?;
    Some((port, uart))
}

fn find_on_pci(baud: u32) -> Option<(u16, Uart)> {
    let access = bus::space();
    let mut cards = bus::functions(&access).filter(|function| function.class == SERIAL_CLASS);
    cards.find_map(|card| {
        let Some(Bar::Io { port, length }) = pci::bar(&access, card.address, 0) else {
            return None;
        };
        if length < PORTS {
            return None;
        }
        pci::enable_ports(&access, card.address);
        open(port, baud)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_speeds_are_understood() {
        let parsed = |text| Setting::parse(text).map(|setting| (setting.at, setting.baud));
        assert_eq!(parsed("0x2f8,9600"), Some((At::Port(0x2f8), 9600)));
        assert_eq!(parsed("com2"), Some((At::Port(0x2f8), 115_200)));
        assert_eq!(parsed("pci,57600"), Some((At::Pci, 57_600)));
        assert_eq!(parsed("none"), Some((At::Nowhere, 115_200)));
        assert_eq!(parsed("auto"), Some((At::Anywhere, 115_200)));
    }

    #[test]
    fn what_no_uart_can_be_is_refused() {
        for text in [
            "",
            ",",
            "com5",
            "0x",
            "2f8",
            "0xffff",
            "0x40",
            "com1,",
            "com1,0",
            "com1,230400",
            "com1,100000",
            "com1,9600,8n1",
        ] {
            assert_eq!(Setting::parse(text), None, "{text}");
        }
    }
}
