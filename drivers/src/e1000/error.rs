//! Why a card could not be brought up.

use core::fmt;

use pollux_net::wire::ethernet::MacAddress;

use crate::dma::OutOfDmaMemory;

/// Why a card could not be brought up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum E1000Error {
    /// The registers read as all ones: the card is not there, or does not decode its addresses.
    Gone,
    /// The reset bit did not clear itself.
    StuckInReset,
    /// The EEPROM did not deliver a word in time.
    EepromTimeout {
        /// Which word of the EEPROM.
        word: u8,
    },
    /// Neither the card's receive address register nor its EEPROM holds an address that a station
    /// could bear.
    InvalidMacAddress(MacAddress),
    /// There is no room for the rings and their buffers.
    OutOfDmaMemory(OutOfDmaMemory),
}

impl fmt::Display for E1000Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("the card's registers read as all ones: it is not there"),
            Self::StuckInReset => f.write_str("the card does not come out of its reset"),
            Self::EepromTimeout { word } => {
                write!(f, "the card's eeprom does not deliver word {word}")
            }
            Self::InvalidMacAddress(address) => write!(
                f,
                "the card's eeprom holds {address}, which is no station address"
            ),
            Self::OutOfDmaMemory(error) => write!(f, "no room for the card's rings: {error}"),
        }
    }
}

impl core::error::Error for E1000Error {}

impl From<OutOfDmaMemory> for E1000Error {
    fn from(error: OutOfDmaMemory) -> Self {
        Self::OutOfDmaMemory(error)
    }
}
