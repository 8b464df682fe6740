//! Services on Ethernet itself: frames of an EtherType of their own, in either plane.
//!
//! A service gets each frame where it stands in its receive buffer, and writes its answer into the same
//! place. It runs in the poll loop: it must not wait, must not allocate, and what it does must take a
//! bounded time. The rules that keep two responders from answering each other for good, and one from
//! being used against a third, are those of [`crate::loop_rules`] as far as a frame can meet them: what
//! was for a group of stations is never answered, and no answer is longer than what was asked. A frame
//! carries nothing by which an answer could be told from a question: a protocol that is answered in kind
//! must bring that along, in its payload.

use crate::arrival::Arrival;
use crate::wire::ethernet::EtherType;
use alloc::boxed::Box;
use core::any::Any;
use core::fmt;

/// How many services there can be.
pub const CAPACITY: usize = 8;

/// Something that serves an EtherType.
pub trait EthernetService: Any + Send {
    /// What it is called in lists and counters: lower case, stable.
    fn name(&self) -> &'static str;

    /// Takes a frame, and says what becomes of it.
    fn receive(&mut self, frame: EthernetFrame<'_>) -> EthernetResponse;
}

/// A frame, in the buffer in which it arrived.
#[derive(Debug)]
pub struct EthernetFrame<'a> {
    /// Of which type it is.
    pub ether_type: EtherType,
    /// From whom, in which VLAN, with what priority, and when.
    pub arrival: &'a Arrival,
    /// What stands behind the header. A frame of less than 64 octets was padded on its way: the
    /// protocol must know its own length (IEEE 802.3 §3.2.7).
    pub payload: &'a mut [u8],
}

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EthernetResponse {
    /// The first octets of the payload go back to who sent it.
    Answer {
        /// How many, at most as many as came.
        length: usize,
    },
    /// The service has taken it, and there is nothing to say.
    Consumed,
    /// The service cannot do anything with it.
    Decline,
}

/// The services of an interface, by EtherType.
#[derive(Default)]
pub struct EthernetServices {
    entries: heapless::Vec<(EtherType, Box<dyn EthernetService>), CAPACITY>,
}

/// Why a service was not registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EthernetRegisterError {
    /// It is the length of an IEEE 802.3 frame, not a type.
    NotAType(EtherType),
    /// The stack itself serves this type.
    Reserved(EtherType),
    /// Another service has this type.
    Taken {
        /// Its name.
        name: &'static str,
    },
    /// There are [`CAPACITY`] services already.
    Full,
}

impl fmt::Display for EthernetRegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAType(EtherType(value)) => write!(
                f,
                "{value:#06x} is a length: types begin at {:#06x}",
                EtherType::FIRST
            ),
            Self::Reserved(EtherType(value)) => {
                write!(f, "type {value:#06x} is served by the stack itself")
            }
            Self::Taken { name } => write!(f, "the type is taken by the service {name}"),
            Self::Full => write!(f, "there are {CAPACITY} services already"),
        }
    }
}

impl core::error::Error for EthernetRegisterError {}

impl EthernetServices {
    /// None.
    pub const fn new() -> Self {
        Self {
            entries: heapless::Vec::new(),
        }
    }

    /// Has `service` serve the frames of a type.
    ///
    /// # Errors
    ///
    /// Nothing has changed then.
    pub fn register(
        &mut self,
        ether_type: EtherType,
        service: Box<dyn EthernetService>,
    ) -> Result<(), EthernetRegisterError> {
        if ether_type.is_length() {
            return Err(EthernetRegisterError::NotAType(ether_type));
        }
        if ether_type.is_tag() || matches!(ether_type, EtherType::IPV4 | EtherType::ARP) {
            return Err(EthernetRegisterError::Reserved(ether_type));
        }
        if let Some(taken) = self.find_mut(ether_type) {
            return Err(EthernetRegisterError::Taken { name: taken.name() });
        }
        let pushed = self.entries.push((ether_type, service));
        pushed.map_err(|_| EthernetRegisterError::Full)
    }

    /// The types that are served, and by whom.
    pub fn iter(&self) -> impl Iterator<Item = (EtherType, &'static str)> + '_ {
        let entries = self.entries.iter();
        entries.map(|(ether_type, service)| (*ether_type, service.name()))
    }

    /// The service of a type, by its own type `S`.
    pub fn get_mut<S: EthernetService>(&mut self, ether_type: EtherType) -> Option<&mut S> {
        let service: &mut dyn Any = self.find_mut(ether_type)?;
        service.downcast_mut()
    }

    pub(crate) fn find_mut(&mut self, ether_type: EtherType) -> Option<&mut dyn EthernetService> {
        let mut entries = self.entries.iter_mut();
        let (_, service) = entries.find(|(taken, _)| *taken == ether_type)?;
        Some(service.as_mut())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    struct Silent(u32);

    impl EthernetService for Silent {
        fn name(&self) -> &'static str {
            "silent"
        }

        fn receive(&mut self, _frame: EthernetFrame<'_>) -> EthernetResponse {
            self.0 += 1;
            EthernetResponse::Consumed
        }
    }

    #[test]
    fn a_type_has_one_service_and_is_a_type_that_is_free() {
        let mut services = EthernetServices::new();
        let mut register = |ether_type| {
            let registered = services.register(EtherType(ether_type), Box::new(Silent(0)));
            registered.map_err(|error| error.to_string())
        };
        assert_eq!(register(0x88b5), Ok(()));
        for (ether_type, message) in [
            (0x88b5, "the type is taken by the service silent"),
            (0x05ff, "0x05ff is a length: types begin at 0x0600"),
            (0x0800, "type 0x0800 is served by the stack itself"),
            (0x0806, "type 0x0806 is served by the stack itself"),
            (0x8100, "type 0x8100 is served by the stack itself"),
            (0x88a8, "type 0x88a8 is served by the stack itself"),
        ] {
            assert_eq!(register(ether_type), Err(message.to_string()));
        }
        for ether_type in 0x9000..0x9007 {
            assert_eq!(register(ether_type), Ok(()));
        }
        let full = register(0x9007);
        assert_eq!(full, Err("there are 8 services already".to_string()));
        assert_eq!(services.iter().count(), CAPACITY);
        assert!(services.get_mut::<Silent>(EtherType(0x9006)).is_some());
        assert!(services.get_mut::<Silent>(EtherType(0x9007)).is_none());
    }
}
