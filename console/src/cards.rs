//! What the kernel lends a command that changes something: the stack's side of its network cards.
//!
//! A command looks everything up first and changes it then, so that one that is refused has changed
//! nothing. None of this touches a card: the kernel sets each card's own filter afterwards.

use crate::command::Command;
use crate::commands::{
    arping, bpftool, dump, ethtool, evl, file, icmp, ip, latency, ping, sysctl, trace,
};
use crate::error::{Refusal, Word};
use crate::suggest::{Near, nearest};
use crate::text::clipped;
use crate::view::FileView;
use alloc::vec::Vec;
use core::net::Ipv4Addr;
use pollux_net::interface::{ConfigurationError, Interface};
use pollux_net::neighbor::Resolution;
use pollux_net::time::Instant;

/// The network cards, to be changed.
pub struct Cards<'a> {
    interfaces: Vec<&'a mut Interface>,
    files: &'a [FileView<'a>],
    now: Instant,
}

/// With so many names of devices one that is wrong is compared. Where there are more, to compare it with each would take
/// long, and the nearest of some is not the one that was meant.
const COMPARED: usize = 16;

/// A device: the card it stands on, and its VLAN; 0 for the card's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub card: usize,
    pub vid: u16,
}

impl<'a> Cards<'a> {
    /// These cards, in the order of their names, at `now`; and the files that were given with the kernel.
    pub fn new(
        interfaces: impl IntoIterator<Item = &'a mut Interface>,
        files: &'a [FileView<'a>],
        now: Instant,
    ) -> Self {
        Self {
            interfaces: interfaces.into_iter().collect(),
            files,
            now,
        }
    }

    /// Does what a command says, as a whole or not at all. What only the kernel can do, such as
    /// restarting the machine, it does itself, when the reply is out.
    ///
    /// # Errors
    ///
    /// [`Refusal`] when it cannot be done.
    pub fn carry_out(&mut self, command: &Command) -> Result<(), Refusal> {
        match command {
            Command::Ip(ip) => ip::carry_out(ip, self),
            Command::Evl(evl) => evl::carry_out(evl, self),
            Command::Bpftool(bpftool) => bpftool::carry_out(bpftool, self),
            Command::File(access) => file::carry_out(access, self),
            Command::Responder(responder) => icmp::carry_out(responder, self),
            Command::Ping(ping) => ping::carry_out(ping, self),
            Command::Arping(arping) => arping::carry_out(arping, self),
            Command::Sysctl(sysctl) => sysctl::carry_out(sysctl, self),
            Command::Dump(dump) => dump::carry_out(dump, self),
            Command::Latency(latency) => latency::carry_out(*latency, self),
            Command::Ethtool(ethtool) => ethtool::carry_out(ethtool, self),
            Command::Trace(Some(switch)) => {
                trace::carry_out(*switch, self);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// What is in the file called `name`.
    pub(crate) fn file(&self, name: &str) -> Result<&'a [u8], Refusal> {
        let file = self.files.iter().find(|file| file.name == name);
        let file = file.ok_or_else(|| Refusal::NoSuchFile(clipped(name)))?;
        Ok(file.octets)
    }

    /// When the command is carried out.
    pub(crate) const fn now(&self) -> Instant {
        self.now
    }

    /// Whether a device is called `name`.
    pub(crate) fn has(&self, name: &str) -> bool {
        let mut interfaces = self.interfaces.iter();
        interfaces.any(|interface| interface.device_named(name).is_some())
    }

    /// The device called `name`.
    pub(crate) fn find(&self, name: &str) -> Result<Place, Refusal> {
        for (card, interface) in self.interfaces.iter().enumerate() {
            if let Some(device) = interface.device_named(name) {
                let vid = device.vid();
                return Ok(Place { card, vid });
            }
        }
        let names = || {
            self.interfaces.iter().flat_map(|interface| {
                let devices = interface.devices().iter().map(|device| device.name());
                core::iter::once(interface.name()).chain(devices)
            })
        };
        let near = match names().nth(COMPARED) {
            None => nearest(name, names()),
            Some(_) => Near::new(),
        };
        Err(Refusal::NoSuchInterface {
            word: clipped(name),
            near,
        })
    }

    /// The card called `name`.
    pub(crate) fn card_called(&self, name: &str) -> Result<usize, Refusal> {
        match self.find(name)? {
            Place { card, vid: 0 } => Ok(card),
            _ => Err(Refusal::NotACard(clipped(name))),
        }
    }

    /// The VLAN device called `name`; `reason` says why a card will not do.
    pub(crate) fn vlan_device(&self, name: &str, reason: &'static str) -> Result<Place, Refusal> {
        match self.find(name)? {
            Place { vid: 0, .. } => Err(Refusal::NotAVlanDevice {
                word: clipped(name),
                reason,
            }),
            place => Ok(place),
        }
    }

    /// The card at a place that was found.
    pub(crate) fn interface(&mut self, card: usize) -> Result<&mut Interface, Refusal> {
        match self.interfaces.get_mut(card) {
            Some(interface) => Ok(interface),
            None => Err(Refusal::NoCard),
        }
    }

    /// All cards.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Interface> {
        self.interfaces.iter_mut().map(|interface| &mut **interface)
    }

    /// Asks for the neighbor through which `address` is reached.
    pub(crate) fn solicit(
        &mut self,
        address: Ipv4Addr,
        place: Option<Place>,
        permanent: bool,
        over_gateway: bool,
    ) -> Result<(), Refusal> {
        let now = self.now;
        let mut unreachable = Refusal::Unreachable {
            address,
            over_gateway: false,
        };
        for (card, interface) in self.interfaces.iter_mut().enumerate() {
            let hop = match place {
                Some(place) if place.card != card => continue,
                Some(place) => interface.routes().next_hop_in(place.vid, address),
                None => interface.routes().next_hop(address),
            };
            let Ok(hop) = hop else {
                continue;
            };
            if hop.address != address && !over_gateway {
                unreachable = Refusal::Unreachable {
                    address,
                    over_gateway: true,
                };
                continue;
            }
            return match interface.solicit(hop.vid, hop.address, permanent, now) {
                Resolution::TooManyQuestions => Err(Refusal::TooManyQuestions),
                Resolution::Known(_) | Resolution::Wait => Ok(()),
            };
        }
        Err(unreachable)
    }
}

/// Says what a step of the configuration was about.
pub(crate) fn about(subject: &str) -> impl Fn(ConfigurationError) -> Refusal {
    let subject: Word = clipped(subject);
    move |error| Refusal::Configuration {
        subject: subject.clone(),
        error,
    }
}

/// Says that nothing can be sent in VLAN `vid` of a card, because its device is down, or the card, without which the device is of
/// no use either.
pub(crate) fn down(interface: &Interface, vid: u16) -> Refusal {
    let mut devices = [0, vid].into_iter().filter_map(|vid| interface.device(vid));
    let down = devices.find(|device| !device.is_up());
    Refusal::Down(clipped(down.map_or("", |device| device.name())))
}
