//! The kernel of the appliance, as a library.
//!
//! It takes a machine from its boot loader to a poll loop that answers frames: processor, memory,
//! clock, serial line, network cards. There are no interrupts, no scheduler and no second address
//! space; after [`Kernel::run`] everything happens in [`poll`]. A binary on top of it says what is
//! configured; `src/main.rs` is the smallest.
//!
//! ```ignore
//! #![no_std]
//! #![no_main]
//!
//! pollux_kernel::entry!(main);
//!
//! fn main(mut kernel: pollux_kernel::Kernel) -> ! {
//!     kernel.configure_defaults();
//!     kernel.run()
//! }
//! ```
#![cfg_attr(not(test), no_std)]
// On the host only the parts are tested: nothing starts the machine.
#![cfg_attr(test, allow(dead_code))]

extern crate alloc;

mod aml;
pub mod boot;
mod bus;
pub mod clock;
mod company;
mod console;
mod cpu;
mod fault;
mod firmware;
mod housekeeping;
mod last_words;
mod machine;
mod memory;
mod memory_functions;
mod nics;
mod poll;
mod ports;
mod power;
mod screen;
mod seats;
mod serial;
mod uart;
mod virtio_mmio;
mod watchdog;

pub use ports::Port;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use boot::options::{ConsoleAt, Options};
use boot::{Boot, Files};
use bootloader_api::info::Optional;
use clock::Clock;
use core::net::Ipv4Addr;
use memory::SetUpError;
use pollux_console::refused::Refused;
use pollux_net::ethernet::{EthernetRegisterError, EthernetService};
use pollux_net::interface::Ipv4Cidr;
use pollux_net::neighbor::DEFAULT_CAPACITY;
use pollux_net::services::discard::{self, Discard};
use pollux_net::services::echo::{self, Echo};
use pollux_net::services::sink::{self, Sink};
use pollux_net::services::stamp::{self, Stamp};
use pollux_net::trace::Tracing;
use pollux_net::turns::Turns;
use pollux_net::udp::{RegisterError, UdpService};
use pollux_net::wire::ethernet::EtherType;
use screen::display::Display;

/// The version of the appliance.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Names the function in which a binary begins: `fn(Kernel) -> !`.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        /// Called by the kernel when the machine is set up.
        #[unsafe(no_mangle)]
        fn pollux_main(kernel: $crate::Kernel) -> ! {
            let main: fn($crate::Kernel) -> ! = $main;
            main(kernel)
        }
    };
}

#[cfg(not(test))]
unsafe extern "Rust" {
    /// What [`entry!`] defines.
    safe fn pollux_main(kernel: Kernel) -> !;
}

/// On the host there is no binary on top.
#[cfg(test)]
fn pollux_main(_: Kernel) -> ! {
    unreachable!("the kernel is not started on the host")
}

/// A machine that is set up and not serving yet.
pub struct Kernel {
    boot_method: &'static str,
    command_line: &'static str,
    options: Options<'static>,
    files: Files,
    /// The files that were typed at the console.
    uploaded: alloc::vec::Vec<pollux_console::commands::base64::Uploaded>,
    clock: Clock,
    usable_memory: u64,
    dma_octets: u64,
    ports: Vec<Port>,
    turns: Turns,
    /// What of the start was refused.
    refused: Refused,
    /// Whether the watchdog ended the last run.
    has_hung: bool,
    /// The machine in words.
    machine: Vec<String>,
    /// Whether the defaults wait for what is executed at the start.
    defaults_are_due: bool,
}

impl Kernel {
    /// The network cards, in the order of their names.
    pub fn ports(&self) -> &[Port] {
        &self.ports
    }

    /// The network cards, to be configured.
    pub fn ports_mut(&mut self) -> &mut [Port] {
        &mut self.ports
    }

    /// The clock.
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The files that were given with the kernel.
    pub const fn files(&self) -> &Files {
        &self.files
    }

    /// Has a UDP service on each card: `make` makes one for each, to be found at `port` of all its
    /// addresses. Allocates.
    ///
    /// # Errors
    ///
    /// [`RegisterError`] when the port is taken or there are too many services; cards before the one
    /// that refused it have it.
    pub fn serve<S: UdpService>(
        &mut self,
        port: u16,
        mut make: impl FnMut() -> S,
    ) -> Result<(), RegisterError> {
        for card in &mut self.ports {
            let services = card.interface.services_mut();
            services.register(None, port, Box::new(make()))?;
        }
        Ok(())
    }

    /// Has a service on Ethernet itself on each card: `make` makes one for each, to be found at `ether_type`.
    /// Allocates.
    ///
    /// # Errors
    ///
    /// [`EthernetRegisterError`] when the type is taken or none that can be served, or there are too many
    /// services; cards before the one that refused it have it.
    pub fn serve_ethernet<S: EthernetService>(
        &mut self,
        ether_type: EtherType,
        mut make: impl FnMut() -> S,
    ) -> Result<(), EthernetRegisterError> {
        for card in &mut self.ports {
            let services = card.interface.ethernet_services_mut();
            services.register(ether_type, Box::new(make()))?;
        }
        Ok(())
    }

    /// Serves UDP echo (port 7), discard (9), STAMP (862), the far end of `latmus` (59059) and of
    /// `oob-net-udp` (42042) on every card.
    pub fn serve_defaults(&mut self) {
        let rate = self.clock.rate();
        let registered = [
            self.serve(echo::PORT, Echo::new),
            self.serve(echo::LATMUS_PORT, Echo::for_latmus),
            self.serve(discard::PORT, || Discard),
            self.serve(stamp::PORT, || Stamp::new(clock::now, rate, false)),
            self.serve(sink::PORT, Sink::new),
        ];
        for error in registered.into_iter().filter_map(Result::err) {
            log::error!("udp: {error}");
        }
    }

    /// Makes `eth0.42` with 10.10.10.11/24 on the first card, and 42 the filter list, which is that of all cards. A machine
    /// without a card is left without. One that gets commands at the start gets this afterwards, and
    /// only if they gave it neither a VLAN device nor an address, so that it can be reached in any case.
    pub fn configure_defaults(&mut self) {
        const VID: u16 = 42;
        let address = Ipv4Addr::new(10, 10, 10, 11);
        let has_commands = self.options.config_file.is_some() || self.options.config.is_some();
        if has_commands && !self.defaults_are_due {
            self.defaults_are_due = true;
            return;
        }
        self.defaults_are_due = false;
        let is_bare = |port: &Port| {
            let interface = &port.interface;
            interface.devices().is_empty() && interface.addresses().next().is_none()
        };
        if !self.ports.iter().all(is_bare) {
            return;
        }
        let last = self.ports.iter().map(|port| port.interface.last_ifindex());
        let ifindex = last.max().map_or(0, |last| last.wrapping_add(1));
        let Some(port) = self.ports.first_mut() else {
            return;
        };
        let Some(cidr) = Ipv4Cidr::new(address, 24) else {
            return;
        };
        let done = port.configure(|interface| {
            interface.add_realtime_vlan("eth0.42", VID, cidr)?;
            interface.set_ifindex(VID, ifindex)
        });
        if let Err(error) = done {
            log::error!("eth0.42: {error}");
        }
        let list = port.interface.vlan_filter().clone();
        for port in self.ports.iter_mut().skip(1) {
            port.configure(|interface| interface.set_vlan_filter(list.clone()));
        }
    }

    /// Serves, for good.
    pub fn run(mut self) -> ! {
        for port in &mut self.ports {
            let tracing = if self.options.trace {
                Tracing::Lines
            } else {
                Tracing::Off
            };
            port.interface.set_tracing(tracing);
        }
        if let Some(seconds) = self.options.watchdog {
            match watchdog::arm(seconds) {
                Ok(true) => {
                    self.has_hung = true;
                    log::warn!("last run: restarted by the watchdog");
                }
                Ok(false) => {}
                Err(error) => log::error!("watchdog: {error}"),
            }
        }
        let kernel = Box::into_raw(Box::new(self));
        // SAFETY: the box is never freed, and the one reference to it is made from this pointer.
        unsafe {
            fault::watch(kernel);
            poll::run(&mut *kernel)
        }
    }
}

/// The one path after every entry. `read` reads what the loader left: only when whatever is wrong with
/// that can be reported.
fn start(read: impl FnOnce() -> Boot) -> ! {
    cpu::initialize();
    serial::initialize();
    pollux_main(set_up(read()))
}

/// Sets the machine up. A function of its own, so that the stack which it needs, much of it for moving
/// whole ports about, is given back before the poll loop, which never returns.
#[inline(never)]
fn set_up(boot: Boot) -> Kernel {
    let options = Options::parse(boot.command_line, |word| log::warn!("{word}"));
    fault::configure(options.after_fault, options.exit_port);
    if options.console != ConsoleAt::Serial
        && let Some(display) = boot.display.clone().or_else(Display::find_text_mode)
    {
        let is_direct = boot.info.physical_memory_offset == Optional::Some(0);
        screen::initialize(&display, if is_direct { boot::MAPPED } else { 0 });
    }
    serial::configure(match options.console {
        ConsoleAt::Screen => uart::Setting {
            at: uart::At::Nowhere,
            ..options.serial
        },
        _ => options.serial,
    });
    let left_out = boot.files.left_out();
    if left_out > 0 {
        log::warn!("boot: {left_out} files were given beyond what can be kept");
    }
    // SAFETY: every way in has physical memory mapped where it says.
    unsafe { memory::look_through_loader(&boot) };
    bus::initialize(boot.info.rsdp_addr.into_option(), options.pci);
    // Before any memory is given away, no card may write to it any more.
    let found = nics::Found::search(&boot, options.packed_queues);
    let initialize = |neighbors| {
        let heap_octets = found.heap_octets(neighbors);
        // SAFETY: nothing was allocated yet, `boot` is what the loader said, and it is called again only where it
        // has changed nothing.
        unsafe { memory::initialize(&boot, found.dma_octets(), heap_octets) }
    };
    let mut neighbors = options.neighbors;
    let mut memory = initialize(neighbors);
    if let (Err(error @ SetUpError::NotEnough { .. }), Some(number)) = (&memory, neighbors) {
        log::error!(
            "boot command line: 'pollux.neighbors={number}' ignored: {error}; each card has room for {DEFAULT_CAPACITY}"
        );
        neighbors = None;
        memory = initialize(neighbors);
    }
    let mut memory = match memory {
        Ok(memory) => memory,
        Err(error) => panic!("{error}"),
    };
    screen::map();
    if options.memory_test {
        memory.test_dma();
    }
    // SAFETY: these pages are mapped, and handed out to nobody else.
    unsafe { last_words::initialize(memory.kept.into_iter()) };
    if options.test_mode {
        memory::heap::fault_in_frame_path();
    }
    let rsdp = boot.info.rsdp_addr.into_option();
    power::initialize(rsdp);
    let clock = Clock::calibrate(options.clock, rsdp);
    if clock.source() == clock::Source::Assumed {
        log::warn!(
            "clock: nothing tells how fast the time stamp counter runs; all times are wrong"
        );
    }
    if !clock.is_invariant() {
        log::warn!("clock: the time stamp counter may change its rate (not invariant)");
    }
    let mut dma = memory.dma;
    let mut ports = ports::bring_up(found, &boot, &mut dma, &clock, neighbors);
    if options.all_vlans {
        ports.iter_mut().for_each(Port::pass_all_vlans);
    }
    seats::remember(&ports);
    if ports.is_empty() {
        log::warn!("no network card: nothing to serve");
        machine::log_devices();
    }
    let machine = machine::describe(&boot, &clock);
    let mut refused = Refused::new();
    // Once more, now that there is a heap to keep it in.
    Options::parse(boot.command_line, |word| {
        let before = boot.command_line.get(..word.offset).unwrap_or_default();
        let column = before.chars().count() + 1;
        refused.add("boot command line", 1, column, word.reason());
    });
    Kernel {
        boot_method: boot.method,
        command_line: boot.command_line,
        options,
        files: boot.files,
        uploaded: alloc::vec::Vec::new(),
        clock,
        usable_memory: memory.usable,
        dma_octets: memory.dma_octets,
        ports,
        turns: Turns::default(),
        refused,
        has_hung: false,
        machine,
        defaults_are_due: false,
    }
}
