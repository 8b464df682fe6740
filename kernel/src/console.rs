//! The console's session: what was typed becomes commands, commands are carried out, and replies are
//! printed a line at a time when there is room.
//!
//! The language is `pollux-console`'s; here it meets the appliance.

use crate::boot::options::Options;
use crate::serial::{self, LINE};
use crate::{Kernel, VERSION, fault, memory, power};
use alloc::vec::Vec;
use core::fmt::Write;
use heapless::{Deque, String};
use pollux_console::command::{Command, Grammar};
use pollux_console::commands::fault::Fault;
use pollux_console::commands::trace::Switch;
use pollux_console::error::ParseError;
use pollux_console::line::{LineEditor, MAXIMUM_ECHO};
use pollux_console::reply::{PROMPT, Progress, Reply};
use pollux_console::trace::TraceLine;
use pollux_console::view::{
    BootView, ClockView, ConsoleView, MemoryView, PollView, PortView, StatusView,
};
use pollux_net::device::Device;
use pollux_net::services::sink::{self, Message, Sink};
use pollux_net::time::Instant;

/// Octets that may be typed ahead while a reply is printed.
const TYPED_AHEAD: usize = 512;
/// Octets that one slice takes from the UART: what its FIFO holds.
const INPUT: usize = 16;
/// The exit status of QEMU after `poweroff` under test is `2 * POWEROFF_VALUE + 1`.
const POWEROFF_VALUE: u8 = 0x10;

/// A console session, from the start to the end.
pub struct Session {
    grammar: Grammar,
    editor: LineEditor,
    typed: Deque<u8, TYPED_AHEAD>,
    /// Lines of the start-up file that were not executed yet.
    script: Option<core::str::Lines<'static>>,
    reply: Option<Reply>,
    /// Whether a trace line may be printed next. Every other turn is for what was typed, lest a flood of
    /// trace lines keeps anybody from turning them off.
    trace_has_turn: bool,
    /// What is to be done when the reply is out.
    then: Option<Last>,
}

/// What ends the appliance, after the reply was printed.
#[derive(Clone, Copy)]
enum Last {
    Reboot,
    Poweroff,
    Fault(Fault),
}

impl Session {
    /// A session that begins with the banner, and then the start-up file.
    pub fn new(kernel: &Kernel) -> Self {
        Self {
            grammar: Grammar {
                test_mode: kernel.options.test_mode,
            },
            editor: LineEditor::new(),
            typed: Deque::new(),
            script: script(kernel),
            reply: Some(Reply::banner()),
            trace_has_turn: false,
            then: None,
        }
    }

    /// Takes what was typed, as far as there is room. The rest waits in the UART, which holds back a
    /// sender that heeds it.
    pub fn input(&mut self) {
        serial::with(|serial| {
            for _ in 0..INPUT {
                if self.typed.is_full() {
                    break;
                }
                let Some(octet) = serial.receive() else {
                    break;
                };
                let _ = self.typed.push_back(octet);
            }
        });
    }

    /// Prints one line, or executes one that was typed.
    pub fn print(&mut self, kernel: &mut Kernel, now: Instant) {
        if serial::with(|serial| serial.room()) < LINE.max(MAXIMUM_ECHO) + 2 {
            return;
        }
        self.trace_has_turn = !self.trace_has_turn;
        if self.reply.is_some() {
            self.print_reply(kernel, now);
        } else if self.trace_has_turn
            && let Some(record) = take_trace(kernel)
        {
            serial::line(format_args!("{}", TraceLine(&record)));
        } else if self.trace_has_turn
            && let Some(message) = take_message(kernel)
        {
            serial::line(format_args!("{}: {message}", message.source));
        } else if let Some(script) = &mut self.script {
            match script.next() {
                Some(line) => {
                    serial::line(format_args!("{PROMPT}{line}"));
                    self.execute(kernel, self.grammar.parse(line));
                }
                None => self.script = None,
            }
        } else {
            self.edit(kernel);
        }
    }

    fn print_reply(&mut self, kernel: &Kernel, now: Instant) {
        let mut line = String::<LINE>::new();
        let progress = match &mut self.reply {
            Some(reply) => with_view(kernel, now, |view| reply.next_line(view, &mut line)),
            None => return,
        };
        match progress {
            Ok(Progress::Line) => serial::with(|serial| serial.put_line(&line)),
            Ok(Progress::Done) | Err(_) => {
                self.reply = None;
                if let Some(last) = self.then.take() {
                    serial::flush();
                    carry_out_last(last, &kernel.options);
                }
            }
        }
    }

    /// Feeds the editor what was typed, up to the end of a line, and keeps the prompt on the screen.
    fn edit(&mut self, kernel: &mut Kernel) {
        if !serial::with(|serial| serial.is_prompting()) {
            // Behind a line that the next trace line is about to follow, nobody could read it.
            if self.typed.is_empty() && trace_is_waiting(kernel) {
                return;
            }
            let mut prompt = Echo::default();
            if self.editor.is_empty() {
                let _ = prompt.0.push_str(PROMPT);
            } else {
                let _ = self.editor.redraw(&mut prompt);
            }
            serial::with(|serial| serial.put_prompt(&prompt.0));
            return;
        }
        for _ in 0..INPUT {
            if serial::with(|serial| serial.room()) < MAXIMUM_ECHO + 2 || self.edit_one(kernel) {
                return;
            }
        }
    }

    /// Feeds the editor one octet. Returns whether there is none, or it ended a line.
    fn edit_one(&mut self, kernel: &mut Kernel) -> bool {
        let Some(octet) = self.typed.pop_front() else {
            return true;
        };
        let mut echo = Echo::default();
        let parsed = match self.editor.feed(octet, &mut echo) {
            Some(Ok(line)) => self.grammar.parse(line),
            Some(Err(error)) => Err(error.into()),
            None => {
                serial::with(|serial| serial.put_prompt(&echo.0));
                return false;
            }
        };
        serial::with(|serial| serial.end_prompt(&echo.0));
        self.execute(kernel, parsed);
        true
    }

    /// Carries out what a line says, and begins to reply.
    fn execute(&mut self, kernel: &mut Kernel, parsed: Result<Option<Command>, ParseError>) {
        let command = match parsed {
            Ok(Some(command)) => command,
            Ok(None) => return,
            Err(error) => {
                self.reply = Some(Reply::refusal(error));
                return;
            }
        };
        match command {
            Command::Trace(Some(switch)) => {
                for port in &mut kernel.ports {
                    port.interface.trace_mut().set_enabled(switch == Switch::On);
                }
            }
            Command::Reboot => self.then = Some(Last::Reboot),
            Command::Poweroff => self.then = Some(Last::Poweroff),
            Command::Fault(fault) => self.then = Some(Last::Fault(fault)),
            Command::Help(_) | Command::Status | Command::Trace(None) => {}
        }
        self.reply = Some(Reply::to(command));
    }
}

/// What the editor wants shown.
#[derive(Default)]
struct Echo(String<MAXIMUM_ECHO>);

impl Write for Echo {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.0.push_str(text).map_err(|_| core::fmt::Error)
    }
}

/// The lines of the start-up file, if there is one.
fn script(kernel: &Kernel) -> Option<core::str::Lines<'static>> {
    let name = kernel.options.config_file?;
    let Some(file) = kernel.files.find(name) else {
        log::error!("start-up file '{name}' was not given with the kernel");
        return None;
    };
    match core::str::from_utf8(file.octets) {
        Ok(text) => Some(text.lines()),
        Err(error) => {
            log::error!(
                "start-up file '{name}': not text from octet {} on",
                error.valid_up_to()
            );
            None
        }
    }
}

fn trace_is_waiting(kernel: &Kernel) -> bool {
    kernel
        .ports
        .iter()
        .any(|port| port.interface.trace().is_waiting())
}

/// A text that came in for the sink, which is there to be printed.
fn take_message(kernel: &mut Kernel) -> Option<Message> {
    kernel.ports.iter_mut().find_map(|port| {
        let services = port.interface.services_mut();
        services.get_mut::<Sink>(None, sink::PORT)?.take()
    })
}

fn take_trace(kernel: &mut Kernel) -> Option<pollux_net::trace::TraceRecord> {
    kernel
        .ports
        .iter_mut()
        .find_map(|port| port.interface.trace_mut().take())
}

/// Shows `work` the state of the appliance.
fn with_view<T>(kernel: &Kernel, now: Instant, work: impl FnOnce(&StatusView<'_>) -> T) -> T {
    let statistics: Vec<_> = kernel
        .ports
        .iter()
        .map(|port| |index| port.device.statistics().nth(index))
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
        uptime_ns: kernel.clock.since_start(now),
        boot: BootView {
            method: kernel.boot_method,
            command_line: kernel.command_line,
        },
        clock: ClockView {
            rate: kernel.clock.rate(),
            source: kernel.clock.source().name(),
            invariant: kernel.clock.is_invariant(),
        },
        memory: MemoryView {
            total_bytes: kernel.usable_memory,
            heap_used_bytes: heap_used as u64,
            heap_size_bytes: heap_size as u64,
            dma_bytes: kernel.dma_octets,
            frame_path_allocations: memory::heap::allocations_in_frame_path(),
        },
        ports: &ports,
        poll: PollView {
            turns: kernel.turns.count,
            busy_turns: kernel.turns.busy,
            longest_turn_ticks: kernel.turns.longest.0,
        },
        console: ConsoleView {
            dropped_lines: serial::with(|serial| serial.dropped_lines()),
        },
    })
}

fn carry_out_last(last: Last, options: &Options<'_>) {
    match last {
        Last::Reboot => power::reboot(),
        Last::Poweroff => match options.exit_port {
            Some(port) => power::exit(port, POWEROFF_VALUE),
            None => power::off(),
        },
        Last::Fault(fault) => fault::provoke(fault),
    }
}
