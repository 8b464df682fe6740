//! Cards that leave, and cards that come back.
//!
//! A card is let go of before its machine is left, and when it is to be taken out of its slot: it is stopped and kept from
//! reaching memory, and its port stays, with all that is configured. One that is put back in its place gets its
//! addresses again, and its driver, which sees it answer, brings it to work.
//!
//! [`Seat::look_after`] is called by housekeeping, before the state of the port's link is read. A seat without a
//! slot of its own costs accesses to configuration space only while its link is down: two, where nothing has changed.

use crate::bus::{self, Space};
use crate::clock::Clock;
use crate::nics::Place;
use crate::ports::Port;
use pci_types::PciAddress;
use pollux_drivers::pci::access::ConfigPorts;
use pollux_drivers::pci::hot_plug::{Event, HotPlugSlot};
use pollux_drivers::pci::{self, seat};
use spin::Once;

/// How many cards are kept from memory after a fault.
const MAXIMUM_CARDS: usize = 32;

/// Cards that may reach memory, for [`silence`].
static CARDS: Once<heapless::Vec<PciAddress, MAXIMUM_CARDS>> = Once::new();

/// The place of a card at work.
pub struct Seat {
    /// What is kept of its configuration, if it is on a PCI bus.
    kept: Option<seat::Seat>,
    /// The bridge of its slot, if it can be taken out.
    bridge: Option<PciAddress>,
    /// That slot, if no port before this one looks after it.
    slot: Option<HotPlugSlot>,
    /// It was let go of: its driver must not touch it.
    is_away: bool,
}

impl Seat {
    /// The seat of a card that was brought up at `place`, when `ports` were brought up before.
    pub fn new(place: Place, ports: &[Port]) -> Self {
        let Place::Pci(address) = place else {
            return Self {
                kept: None,
                bridge: None,
                slot: None,
                is_away: false,
            };
        };
        let space = bus::space();
        let slot = HotPlugSlot::find(&space, bus::functions(&space), address);
        let bridge = slot.as_ref().map(HotPlugSlot::bridge);
        // Several functions of one card share its slot.
        let is_shared = ports
            .iter()
            .any(|port| bridge.is_some() && port.seat.bridge == bridge);
        Self {
            kept: Some(seat::Seat::new(&space, address)),
            bridge,
            slot: slot.filter(|_| !is_shared),
            is_away: false,
        }
    }

    /// Whether its driver must not touch it.
    pub const fn is_away(&self) -> bool {
        self.is_away
    }
}

/// Looks after the seat of one of the ports, one step.
pub fn look_after(ports: &mut [Port], index: usize) {
    let Some(port) = ports.get_mut(index) else {
        return;
    };
    if port.seat.slot.is_none() && port.link().up {
        return;
    }
    let space = bus::space();
    if let Some(mut slot) = port.seat.slot {
        let bridge = port.seat.bridge;
        let functions = ports.iter_mut().filter(|port| port.seat.bridge == bridge);
        slot.look_after(&space, functions, |port, event| port.follow(event, &space));
        if let Some(port) = ports.get_mut(index) {
            port.seat.slot = Some(slot);
        }
    }
    if let Some(port) = ports.get_mut(index)
        && !port.link().up
    {
        port.look_for_its_card(&space);
    }
}

/// Lets go of all cards, before the machine is left.
pub fn let_go_of_all(ports: &mut [Port], clock: &Clock) {
    for port in ports {
        if port.seat.is_away {
            continue;
        }
        port.device.let_go(|microseconds| clock.wait(microseconds));
        port.close(&bus::space());
    }
}

impl Port {
    /// Does what its slot asks for.
    fn follow(&mut self, event: Event, space: &Space) {
        match event {
            Event::Wanted if self.seat.is_away => {}
            Event::Wanted => {
                log::warn!(
                    "{}: the button of its slot was pressed; it may be taken out",
                    self.name()
                );
                self.device.let_go_at_once();
                self.close(space);
            }
            Event::Pulled => {
                log::error!("{}: it was taken out of its slot", self.name());
                self.device.let_go_at_once();
            }
            Event::Ready => log::info!("{}: a card was put in its slot", self.name()),
        }
        self.seat.is_away = event.takes_power();
        if let (false, Some(kept)) = (self.seat.is_away, &mut self.seat.kept) {
            kept.expect();
            // Before its driver sees it answer.
            self.look_for_its_card(space);
        }
    }

    /// Keeps its card from reaching memory.
    fn close(&self, space: &Space) {
        if let Some(kept) = &self.seat.kept {
            pci::disable_bus_master(space, kept.address());
        }
    }

    /// Gives its card, if that is back, what it had.
    fn look_for_its_card(&mut self, space: &Space) {
        if self.seat.is_away {
            return;
        }
        let Some(kept) = &mut self.seat.kept else {
            return;
        };
        let address = kept.address();
        match kept.look(space) {
            None => {}
            Some(seat::Change::Restored) => log::info!(
                "{}: a card is at pci {address} again, and has its addresses",
                self.name()
            ),
            Some(seat::Change::Foreign { vendor, device }) => log::error!(
                "{}: the card at pci {address} is {vendor:04x}:{device:04x} now, which is another; it is not used before the next start",
                self.name()
            ),
        }
    }
}

/// Notes which cards may reach memory.
pub fn remember(ports: &[Port]) {
    let kept = ports.iter().filter_map(|port| port.seat.kept.as_ref());
    let addresses = kept.map(seat::Seat::address);
    CARDS.call_once(|| addresses.take(MAXIMUM_CARDS).collect());
}

/// Keeps all cards from reaching memory, whatever they do. For the end after a fault: it neither allocates nor
/// locks, and reaches what the ports reach.
pub fn silence() {
    // SAFETY: nothing else runs from now on.
    let ports = unsafe { ConfigPorts::new() };
    for &address in CARDS.get().into_iter().flatten() {
        pci::disable_bus_master(&ports, address);
    }
}
