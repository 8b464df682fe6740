//! What the kernel shows of itself to the console, so that replies can be about it.
//!
//! The kernel builds a [`StatusView`] on its stack for each line of a reply: it is made of borrowed
//! parts, and building it costs a few copied pointers. Nothing in it can change anything.

use crate::refused::Refused;
use alloc::string::String;
use pollux_net::device::{Link, Statistic};
use pollux_net::interface::{Interface, VlanDevice};
use pollux_net::neighbor::Listed;
use pollux_net::time::{Instant, TickRate};
use pollux_net::turns::Turns;

/// The state of the appliance at one moment.
#[derive(Clone, Copy)]
pub struct StatusView<'a> {
    /// The version of the appliance, such as `0.1.0`.
    pub version: &'a str,
    /// Now, in the stack's time.
    pub now: Instant,
    /// Nanoseconds since the kernel was entered.
    pub uptime_ns: u64,
    /// How it was started.
    pub boot: BootView<'a>,
    /// Its clock.
    pub clock: ClockView<'a>,
    /// Its memory.
    pub memory: MemoryView,
    /// How many System Management Interrupts there were, where the processor counts them.
    pub smi_count: Option<u32>,
    /// Its network cards.
    pub ports: &'a [PortView<'a>],
    /// Its poll loop.
    pub poll: &'a Turns,
    /// Its serial console.
    pub console: ConsoleView<'a>,
    /// The machine in words, a line for each thing.
    pub machine: &'a [String],
    /// The files that were given with the kernel.
    pub files: &'a [FileView<'a>],
    /// The configuration that was saved last, a command a line.
    pub saved: &'a [String],
}

/// A file that was given with the kernel.
#[derive(Clone, Copy, Debug)]
pub struct FileView<'a> {
    /// Its base name.
    pub name: &'a str,
    /// What is in it.
    pub octets: &'a [u8],
}

/// A device of whichever card.
#[derive(Clone, Copy)]
pub(crate) struct DeviceView<'a> {
    /// Its number, which it keeps: the cards come first, then the VLAN devices in the order in which they were added.
    pub ifindex: u32,
    /// The card.
    pub port: &'a PortView<'a>,
    /// The device: the card's own, or that of a VLAN.
    pub device: &'a VlanDevice,
}

/// How the appliance was started.
#[derive(Clone, Copy, Debug)]
pub struct BootView<'a> {
    /// The boot protocol: `pvh`, `multiboot2` or `bootloader`.
    pub method: &'a str,
    /// What the boot loader handed over as the command line; may be empty.
    pub command_line: &'a str,
    /// How the run before this one ended, if that was by a fault or by the watchdog.
    pub last_end: Option<&'a str>,
    /// The hardware watchdog that is armed, and after how many seconds it restarts the machine.
    pub watchdog: Option<(&'a str, u32)>,
}

/// The clock: the processor's time stamp counter.
#[derive(Clone, Copy, Debug)]
pub struct ClockView<'a> {
    /// How fast it runs; every duration on the status page is worked out with it.
    pub rate: TickRate,
    /// How the rate was found, such as `CPUID leaf 0x15` or `PIT`.
    pub source: &'a str,
    /// Whether the processor promises that the rate never changes.
    pub invariant: bool,
}

/// Memory, in octets.
#[derive(Clone, Copy, Debug)]
pub struct MemoryView {
    /// Usable memory of the machine.
    pub total_bytes: u64,
    /// What of the heap is in use.
    pub heap_used_bytes: u64,
    /// The whole heap.
    pub heap_size_bytes: u64,
    /// Descriptor rings and frame buffers.
    pub dma_bytes: u64,
    /// How often the heap was used while frames were being answered: 0, or there is a bug.
    pub frame_path_allocations: u64,
}

/// A network card with its driver and the stack's side of it.
#[derive(Clone, Copy)]
pub struct PortView<'a> {
    /// Its name, such as `eth0`.
    pub name: &'a str,
    /// The card's model, such as `82540EM`.
    pub model: &'a str,
    /// The driver's name, such as `e1000`.
    pub driver: &'a str,
    /// The link as last read.
    pub link: Link,
    /// Addresses, VLAN devices, filter list, counters, trace and residence times (in ticks).
    pub interface: &'a Interface,
    /// The driver's statistics by index from 0, `None` after the last one; for a device that is
    /// `&|index| device.statistics().nth(index)`.
    pub statistics: &'a dyn Fn(usize) -> Option<Statistic>,
}

/// The serial console.
#[derive(Clone, Copy, Debug)]
pub struct ConsoleView<'a> {
    /// Lines that were not printed because the ring towards the terminal was full.
    pub dropped_lines: u64,
    /// How many columns the terminal has, if it was told.
    pub columns: Option<u16>,
    /// Whether something of the last line was refused, or nobody answered it.
    pub has_failed: bool,
    /// What of the start was refused.
    pub refused: &'a Refused,
}

/// What a look at a part of a list finds.
pub(crate) enum Look<T> {
    /// What stands at the place.
    Found(T),
    /// Nothing at this place and the next ones, so many in all.
    Ahead(usize),
    /// There is no such place.
    Over,
}

impl<'a> StatusView<'a> {
    /// Who is known at a place of the listings of neighbors of all cards, one card after the other; of those
    /// who `is_meant`. What is not meant, and empty places, are passed over as far as one look may.
    pub(crate) fn neighbor(
        &self,
        place: usize,
        is_meant: impl Fn(&PortView<'a>, &Listed) -> bool,
    ) -> Look<(&'a PortView<'a>, Listed)> {
        /// So many places are looked at.
        const PLACES: usize = 128;
        let mut begin = 0;
        for port in self.ports {
            let table = port.interface.neighbors();
            let end = begin + table.places();
            if place < end {
                let last = end.min(place + PLACES);
                for at in place..last {
                    let known = table.at(at - begin, self.now);
                    match known.filter(|known| is_meant(port, known)) {
                        Some(known) if at == place => return Look::Found((port, known)),
                        Some(_) => return Look::Ahead(at - place),
                        None => {}
                    }
                }
                return Look::Ahead(last - place);
            }
            begin = end;
        }
        Look::Over
    }

    /// The device at `index`: the cards' own first, then those of VLANs, card by card.
    pub(crate) fn device(&self, index: usize) -> Option<DeviceView<'a>> {
        if let Some(port) = self.ports.get(index) {
            return Some(DeviceView {
                ifindex: port.interface.ifindex(),
                port,
                device: port.interface.card_device(),
            });
        }
        let mut index = index - self.ports.len();
        for port in self.ports {
            let devices = port.interface.devices();
            if let Some(device) = devices.get(index) {
                return Some(DeviceView {
                    ifindex: device.ifindex(),
                    port,
                    device,
                });
            }
            index -= devices.len();
        }
        None
    }

    /// All devices, in this order.
    pub(crate) fn devices(&self) -> impl Iterator<Item = DeviceView<'a>> + '_ {
        (0..).map_while(|index| self.device(index))
    }

    /// The device called `name`.
    pub(crate) fn device_named(&self, name: &str) -> Option<DeviceView<'a>> {
        self.ports.iter().find_map(|port| {
            let device = port.interface.device_named(name)?;
            let ifindex = match device.vid() {
                0 => port.interface.ifindex(),
                _ => device.ifindex(),
            };
            Some(DeviceView {
                ifindex,
                port,
                device,
            })
        })
    }

    /// Whether a line is printed for each answered echo request, on at least one port.
    pub(crate) fn trace_is_on(&self) -> bool {
        self.ports
            .iter()
            .any(|port| port.interface.trace().is_enabled())
    }

    /// Trace records of all ports that were lost because nobody printed them in time.
    pub(crate) fn trace_dropped(&self) -> u64 {
        self.ports.iter().fold(0, |sum, port| {
            sum.saturating_add(port.interface.trace().dropped())
        })
    }
}
