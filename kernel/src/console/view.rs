//! What replies and the screen are about: the appliance, as `pollux-console` is shown it.

use crate::boot::Files;
use crate::serial;
use crate::{Kernel, VERSION, cpu, last_words, memory, watchdog};
use alloc::string::String;
use alloc::vec::Vec;
use pollux_console::commands::base64::Uploaded;
use pollux_console::line::LineEditor;
use pollux_console::view::{
    BootView, ClockView, ConsoleView, FileView, MemoryView, PortView, StatusView,
};
use pollux_net::device::Device;
use pollux_net::time::Instant;

/// What a session adds to what is to be seen.
#[derive(Clone, Copy, Default)]
pub struct Shown<'a> {
    saved: &'a [String],
    columns: Option<u16>,
    has_failed: bool,
}

impl<'a> Shown<'a> {
    pub(super) fn of(saved: &'a [String], editor: &LineEditor, has_failed: bool) -> Self {
        Self {
            saved,
            columns: editor.columns(),
            has_failed,
        }
    }
}

/// Shows `work` the state of the appliance.
pub fn with_view<T>(
    kernel: &Kernel,
    now: Instant,
    shown: Shown<'_>,
    work: impl FnOnce(&StatusView<'_>) -> T,
) -> T {
    let files = file_views(&kernel.files, &kernel.uploaded);
    let statistics: Vec<_> = kernel
        .ports
        .iter()
        .map(|port| |index| port.statistics().nth(index))
        .collect();
    let ports: Vec<_> = kernel
        .ports
        .iter()
        .zip(&statistics)
        .map(|(port, statistics)| PortView {
            name: port.name(),
            model: port.device.model(),
            driver: port.device.driver(),
            link: port.link,
            interface: &port.interface,
            statistics,
        })
        .collect();
    let (heap_used, heap_size) = memory::heap::usage();
    work(&StatusView {
        version: VERSION,
        now,
        uptime_ns: kernel.clock.since_start(now),
        boot: BootView {
            method: kernel.boot_method,
            command_line: kernel.command_line,
            last_end: last_words::last().or(kernel
                .has_hung
                .then_some("the watchdog restarted the machine")),
            watchdog: watchdog::armed(),
        },
        clock: ClockView {
            rate: kernel.clock.rate(),
            source: kernel.clock.source().name(),
            invariant: kernel.clock.is_invariant(),
        },
        smi_count: cpu::interruptions::count(),
        memory: MemoryView {
            total_bytes: kernel.usable_memory,
            heap_used_bytes: heap_used as u64,
            heap_size_bytes: heap_size as u64,
            dma_bytes: kernel.dma_octets,
            frame_path_allocations: memory::heap::allocations_in_frame_path(),
        },
        ports: &ports,
        poll: &kernel.turns,
        console: ConsoleView {
            dropped_lines: serial::with(|serial| serial.dropped_lines()),
            columns: shown.columns,
            has_failed: shown.has_failed,
            refused: &kernel.refused,
        },
        machine: &kernel.machine,
        files: &files,
        saved: shown.saved,
    })
}

/// The files that were typed, and those that were given with the kernel.
pub(super) fn file_views<'a>(files: &'a Files, uploaded: &'a [Uploaded]) -> Vec<FileView<'a>> {
    let views = files.iter().map(|file| FileView {
        name: file.name(),
        octets: file.octets,
    });
    uploaded.iter().map(Uploaded::view).chain(views).collect()
}
