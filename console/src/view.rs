//! What the kernel shows of itself to the console, so that replies can be about it.
//!
//! The kernel builds a [`StatusView`] on its stack for each line of a reply: it is made of borrowed
//! parts, and building it costs a few copied pointers. Nothing in it can change anything.

use pollux_net::device::{Link, Statistic};
use pollux_net::interface::Interface;
use pollux_net::time::TickRate;

/// The state of the appliance at one moment.
#[derive(Clone, Copy)]
pub struct StatusView<'a> {
    /// The version of the appliance, such as `0.1.0`.
    pub version: &'a str,
    /// Nanoseconds since the kernel was entered.
    pub uptime_ns: u64,
    /// How it was started.
    pub boot: BootView<'a>,
    /// Its clock.
    pub clock: ClockView<'a>,
    /// Its memory.
    pub memory: MemoryView,
    /// Its network cards.
    pub ports: &'a [PortView<'a>],
    /// Its poll loop.
    pub poll: PollView,
    /// Its serial console.
    pub console: ConsoleView,
}

/// How the appliance was started.
#[derive(Clone, Copy, Debug)]
pub struct BootView<'a> {
    /// The boot protocol: `pvh`, `multiboot2` or `bootloader`.
    pub method: &'a str,
    /// What the boot loader handed over as the command line; may be empty.
    pub command_line: &'a str,
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

/// The poll loop since it was entered.
#[derive(Clone, Copy, Debug)]
pub struct PollView {
    /// How often it went round.
    pub turns: u64,
    /// Turns that found at least one frame.
    pub busy_turns: u64,
    /// The longest turn, in ticks.
    pub longest_turn_ticks: u64,
}

/// The serial console.
#[derive(Clone, Copy, Debug)]
pub struct ConsoleView {
    /// Lines that were not printed because the ring towards the terminal was full.
    pub dropped_lines: u64,
}

impl StatusView<'_> {
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
