//! The console's session: what was typed becomes commands, commands are carried out, and replies are
//! printed a line at a time when there is room.
//!
//! The language is `pollux-console`'s; here it meets the appliance.

mod script;
mod view;

pub use view::{Shown, with_view};

use crate::ports::Port;
use crate::serial::{self, LINE};
use crate::{Kernel, fault, power, seats};
use alloc::vec::Vec;
use core::fmt::Write;
use heapless::{Deque, String};
use pollux_console::cards::Cards;
use pollux_console::command::{Command, Commands, Grammar, Request};
use pollux_console::commands::arping::ArpingLine;
use pollux_console::commands::base64::Upload;
use pollux_console::commands::config::Config;
use pollux_console::commands::fault::Fault;
use pollux_console::commands::file::STATUS_QUESTION;
use pollux_console::commands::ping::PingLine;
use pollux_console::commands::stty::Stty;
use pollux_console::commands::turns::TurnsAction;
use pollux_console::error::ParseError;
use pollux_console::line::{CAPACITY, LineEditor, MAXIMUM_ECHO};
use pollux_console::reply::{Asked, PROMPT, Progress, Reply};
use pollux_console::trace::TraceLines;
use pollux_net::services::sink::{self, Message, Sink};
use pollux_net::time::Instant;
use pollux_net::trace::Tracing;
use pollux_net::turns::Turns;
use script::{Place, Script, column, scripts};
use view::file_views;

/// Octets that may be typed ahead while a reply is printed.
const TYPED_AHEAD: usize = 512;
/// Lines that are freed at a time.
const FREED: usize = 32;
/// Octets that one slice takes from the UART: what its FIFO holds.
const INPUT: usize = 16;
const CTRL_C: u8 = 0x03;
/// The exit status of QEMU after `poweroff` under test is `2 * POWEROFF_VALUE + 1`.
const POWEROFF_VALUE: u8 = 0x10;

/// A console session, from the start to the end.
pub struct Session {
    grammar: Grammar,
    editor: LineEditor,
    typed: Deque<u8, TYPED_AHEAD>,
    /// What is executed at the start: the start-up file, then the commands on the boot command line.
    scripts: [Option<Script>; 2],
    reply: Option<Reply>,
    /// The commands behind the one of the last line that was typed which is under way.
    rest: String<CAPACITY>,
    /// Whether one of that line was refused, or asked somebody who did not answer.
    line_has_failed: bool,
    /// The same when the last command was over: what `$?` stands for.
    has_failed: bool,
    /// The file that is being typed, and whether a program does it.
    upload: Option<(Upload, bool)>,
    /// The configuration that was kept last, or the one after the start, as commands.
    saved: Vec<alloc::string::String>,
    /// Lines that nobody needs any more, and that are freed a few at a time.
    discarded: Vec<alloc::string::String>,
    /// What takes down the configuration after the start, so that what changed since can be told.
    baseline: Option<Reply>,
    /// Whether a trace line may be printed next. Every other turn is for what was typed, lest a flood of
    /// trace lines keeps anybody from turning them off.
    trace_has_turn: bool,
    /// The echo request of which not all lines were printed yet.
    traced: Option<TraceLines>,
    /// What is to be done when the reply is out.
    then: Option<Last>,
    /// Whether the terminal was asked how wide it is, before the first prompt.
    has_asked: bool,
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
            scripts: scripts(kernel),
            reply: Some(Reply::banner()),
            rest: String::new(),
            line_has_failed: false,
            has_failed: false,
            upload: None,
            saved: Vec::new(),
            discarded: Vec::new(),
            baseline: Some(Reply::to(Request {
                command: Command::Config(Config::Save),
                json: false,
                only: Vec::new(),
            })),
            trace_has_turn: false,
            traced: None,
            then: None,
            has_asked: false,
        }
    }

    /// Takes what was typed, as far as there is room. The rest waits in the UART, which holds back a
    /// sender that heeds it; unless only a Ctrl-C, which may be behind all that, ends the reply under way:
    /// then the oldest makes room.
    pub fn input(&mut self) {
        let is_endless = self.reply.as_ref().is_some_and(Reply::is_endless);
        serial::with(|serial| {
            for _ in 0..INPUT {
                if self.typed.is_full() && (!is_endless || self.has_ctrl_c()) {
                    break;
                }
                let Some(octet) = serial.receive() else {
                    break;
                };
                if self.typed.is_full() {
                    self.typed.pop_front();
                }
                let _ = self.typed.push_back(octet);
            }
        });
    }

    /// Prints one line, or executes one that was typed.
    pub fn print(&mut self, kernel: &mut Kernel, now: Instant) {
        if serial::with(|serial| serial.room()) < LINE.max(MAXIMUM_ECHO) + 2 {
            return;
        }
        // What a command left to be done comes before its reply, and before what is typed next.
        let mut ports = kernel.ports.iter_mut();
        if ports.any(Port::carry_on) {
            return;
        }
        if !self.discarded.is_empty() {
            let left = self.discarded.len().saturating_sub(FREED);
            self.discarded.truncate(left);
            return;
        }
        self.trace_has_turn = !self.trace_has_turn;
        if self.reply.is_some() {
            if self.is_interrupted() {
                self.interrupt(kernel);
            } else if self.print_answer(kernel) {
            } else if self.print_reply(kernel, now) == Progress::Waiting && !self.replies_in_json()
            {
                self.print_trace(kernel);
            }
        } else if !self.rest.is_empty() && self.upload.is_none() {
            self.execute_next(kernel, now);
        } else if self.trace_has_turn && self.print_trace(kernel) {
        } else if let Some((script, line)) = self.next_of_a_script() {
            serial::line(format_args!("{PROMPT}{line}"));
            if let Some((upload, _)) = &mut self.upload {
                if upload.take(line) {
                    self.finish_upload(kernel);
                }
                return;
            }
            let parsed = self.grammar.parse(line);
            self.execute(kernel, now, parsed, Some((script, line)));
        } else if kernel.defaults_are_due {
            kernel.configure_defaults();
        } else if self.baseline.is_some() {
            self.take_baseline(kernel, now);
        } else {
            self.edit(kernel, now);
        }
    }

    /// Takes down some of the configuration, a few lines at a time, without printing them.
    fn take_baseline(&mut self, kernel: &Kernel, now: Instant) {
        const LINES: usize = 16;
        for _ in 0..LINES {
            let shown = Shown::of(&self.saved, &self.editor, self.has_failed);
            let Some(baseline) = &mut self.baseline else {
                return;
            };
            let mut line = String::<LINE>::new();
            let progress = with_view(kernel, now, shown, |view| {
                baseline.next_line(view, &mut line)
            });
            // A look that found nothing is not the end.
            if !matches!(progress, Ok(Progress::Line | Progress::Waiting)) {
                self.saved = baseline.take_kept().unwrap_or_default();
                self.baseline = None;
            }
        }
    }

    /// Whether a program asked, in whose JSON value no trace line must stand.
    fn replies_in_json(&self) -> bool {
        self.reply.as_ref().is_some_and(Reply::is_json)
    }

    /// The next command of what is executed at the start.
    fn next_of_a_script(&mut self) -> Option<(Place, &'static str)> {
        let mut scripts = self.scripts.iter_mut().flatten();
        scripts.find_map(|script| script.next(self.upload.is_some()))
    }

    /// Executes the next command of the line that was typed last.
    fn execute_next(&mut self, kernel: &mut Kernel, now: Instant) {
        let line = core::mem::take(&mut self.rest);
        let mut commands = Commands::of(&line);
        let parsed = match commands.next() {
            Some((_, command)) => self.grammar.parse(command),
            None => Ok(None),
        };
        if let Some((next, _)) = commands.next() {
            // It fits: it is a part of what did.
            let _ = self.rest.push_str(line.get(next..).unwrap_or(""));
        }
        self.execute(kernel, now, parsed, None);
    }

    /// Whether Ctrl-C is among what was typed.
    fn has_ctrl_c(&self) -> bool {
        self.typed.iter().any(|&octet| octet == CTRL_C)
    }

    /// Takes what was typed up to Ctrl-C, if that was typed: it ends the reply under way, unless the
    /// appliance ends with it.
    fn is_interrupted(&mut self) -> bool {
        if self.then.is_some() || !self.has_ctrl_c() {
            return false;
        }
        while self.typed.pop_front().is_some_and(|octet| octet != CTRL_C) {}
        true
    }

    /// Prints the line of an answer to the ping or arping under way, if one came.
    fn print_answer(&self, kernel: &mut Kernel) -> bool {
        let Some((reply, asked)) = self
            .reply
            .as_ref()
            // The heading comes first.
            .filter(|reply| reply.is_begun())
            .and_then(|reply| Some((reply, reply.asks()?)))
        else {
            return false;
        };
        let mut line = String::<LINE>::new();
        let mut interfaces = kernel.ports.iter_mut().map(|port| &mut port.interface);
        let came = match asked {
            Asked::Echo(destination) => interfaces
                .find_map(|interface| interface.take_ping_reply())
                .map(|reply| write!(line, "{}", PingLine { destination, reply })),
            Asked::Arp(address) => interfaces
                .find_map(|interface| interface.take_arping_reply())
                .map(|reply| write!(line, "{}", ArpingLine { address, reply })),
        };
        if came.is_some() && reply.shows_answer(&line) {
            serial::with(|serial| serial.put_line(&line));
        }
        came.is_some()
    }

    /// Prints a trace line, or a text that came in for the sink, if there is one.
    fn print_trace(&mut self, kernel: &mut Kernel) -> bool {
        if self.traced.is_none() {
            self.traced = take_trace(kernel);
        }
        if let Some(traced) = &mut self.traced {
            let mut line = String::<LINE>::new();
            let _ = traced.write_line(&mut line);
            if traced.is_over() {
                self.traced = None;
            }
            serial::with(|serial| serial.put_line(&line));
        } else if let Some(message) = take_message(kernel) {
            serial::line(format_args!("{}: {message}", message.source));
        } else {
            return false;
        }
        true
    }

    fn interrupt(&mut self, kernel: &mut Kernel) {
        self.rest.clear();
        if self.reply.as_mut().is_some_and(Reply::interrupt) {
            serial::line(format_args!("^C"));
            return;
        }
        let mut reply = self.reply.take();
        if let Some(reply) = &mut reply {
            self.discarded = reply.take_looked_at();
        }
        if reply.is_some_and(|reply| reply.is_trace()) {
            for port in &mut kernel.ports {
                // What waits to be printed goes with it.
                port.interface.set_tracing(Tracing::Off);
            }
            self.traced = None;
        }
        serial::line(format_args!("^C"));
    }

    fn print_reply(&mut self, kernel: &mut Kernel, now: Instant) -> Progress {
        let mut line = String::<LINE>::new();
        let shown = Shown::of(&self.saved, &self.editor, self.has_failed);
        let Some(reply) = &mut self.reply else {
            return Progress::Done;
        };
        let progress = with_view(kernel, now, shown, |view| reply.next_line(view, &mut line));
        let progress = progress.unwrap_or(Progress::Done);
        match progress {
            Progress::Line => serial::with(|serial| serial.put_line(&line)),
            Progress::Waiting => {}
            Progress::Done => {
                self.line_has_failed |= reply.has_failed();
                self.has_failed = self.line_has_failed;
                if reply.asks().is_some() {
                    for port in &mut kernel.ports {
                        port.interface.stop_ping();
                        port.interface.stop_arping();
                    }
                }
                self.discarded = match reply.take_kept() {
                    Some(kept) => core::mem::replace(&mut self.saved, kept),
                    None => reply.take_looked_at(),
                };
                self.reply = None;
                if let Some(last) = self.then.take() {
                    serial::flush();
                    carry_out_last(last, kernel);
                }
            }
        }
        progress
    }

    /// Feeds the editor what was typed, up to the end of a line, and keeps the prompt on the screen.
    fn edit(&mut self, kernel: &mut Kernel, now: Instant) {
        if !serial::with(|serial| serial.is_prompting()) {
            // Behind a line that the next trace line is about to follow, nobody could read it.
            if self.typed.is_empty() && (self.traced.is_some() || trace_is_waiting(kernel)) {
                return;
            }
            let mut prompt = Echo::default();
            if !core::mem::replace(&mut self.has_asked, true) {
                let _ = self.editor.ask_columns(&mut prompt);
                let _ = self.editor.redraw(&mut prompt);
            } else if self.editor.is_empty() {
                let _ = prompt.0.push_str(PROMPT);
            } else {
                let _ = self.editor.redraw(&mut prompt);
            }
            self.put_prompt(&prompt);
            return;
        }
        for _ in 0..INPUT {
            if serial::with(|serial| serial.room()) < MAXIMUM_ECHO + 2 || self.edit_one(kernel, now)
            {
                return;
            }
        }
    }

    /// Shows the prompt or an echo behind it.
    fn put_prompt(&self, echo: &Echo) {
        serial::with(|serial| serial.put_prompt(&echo.0, self.editor.eraser()));
    }

    /// Feeds the editor one octet. Returns whether there is none, or it ended a line.
    fn edit_one(&mut self, kernel: &mut Kernel, now: Instant) -> bool {
        let Some(octet) = self.typed.pop_front() else {
            return true;
        };
        if octet == CTRL_C && self.upload.take().is_some() {
            serial::with(|serial| serial.end_prompt("\r\n"));
            serial::line(format_args!("^C: the file is not kept"));
        }
        let mut echo = Echo::default();
        let grammar = self.grammar;
        let line = self.editor.feed(octet, &mut echo);
        if let (Some(line), Some((upload, _))) = (line, &mut self.upload) {
            let is_over = match line {
                Ok(line) => upload.take(line),
                Err(error) => {
                    upload.take_wrong(error);
                    false
                }
            };
            self.editor.forget_last();
            serial::with(|serial| serial.end_prompt(&echo.0));
            if is_over {
                self.finish_upload(kernel);
            }
            return true;
        }
        let Some(line) = line else {
            let tab = self.editor.take_tab();
            self.put_prompt(&echo);
            return tab && self.complete(kernel, now);
        };
        match line {
            Ok(line) if grammar.is_root_prompt(line) => {
                self.reply = Some(Reply::to_root_prompt());
            }
            Ok(line) => {
                // A program's question is no command of its own: who asks again is told the same.
                self.line_has_failed = self.has_failed && line == STATUS_QUESTION;
                // It fits: it is no longer than a line. It is read in a turn of its own.
                let _ = self.rest.push_str(line);
            }
            Err(error) => {
                self.line_has_failed = true;
                self.reply = Some(Reply::refusal(error.into()));
            }
        }
        serial::with(|serial| serial.end_prompt(&echo.0));
        true
    }

    /// Keeps the file of which the last line was typed.
    fn finish_upload(&mut self, kernel: &mut Kernel) {
        let Some((upload, json)) = self.upload.take() else {
            return;
        };
        let kept = upload.finish().and_then(|file| {
            let reply = Reply::to_upload(&file, json);
            file.keep(&mut kernel.uploaded)?;
            Ok(reply)
        });
        self.line_has_failed |= kept.is_err();
        self.reply = Some(kept.unwrap_or_else(|refusal| Reply::not_done(refusal, json)));
    }

    /// Types what can only follow, or begins to list what can. Returns whether it lists.
    fn complete(&mut self, kernel: &Kernel, now: Instant) -> bool {
        let (grammar, line) = (self.grammar, self.editor.before_cursor());
        let found = with_view(
            kernel,
            now,
            Shown::of(&self.saved, &self.editor, self.has_failed),
            |view| grammar.complete(line, view),
        );
        let mut echo = Echo::default();
        if found.count < 2 || !found.addition.is_empty() {
            self.editor.complete(&found, &mut echo);
            self.put_prompt(&echo);
            return false;
        }
        let _ = self.editor.leave(&mut echo);
        serial::with(|serial| serial.end_prompt(&echo.0));
        self.reply = Some(Reply::choices(found));
        true
    }

    /// Carries out what a line says, and begins to reply. An error in a script is told with its place.
    fn execute(
        &mut self,
        kernel: &mut Kernel,
        now: Instant,
        parsed: Result<Option<Request>, ParseError>,
        place: Option<(Place, &str)>,
    ) {
        let request = match parsed {
            Ok(Some(request)) => request,
            Ok(None) => return,
            Err(error) => {
                self.line_has_failed = true;
                match place {
                    Some((place, _)) => place.report(&mut kernel.refused, error.column, &error),
                    None => self.reply = Some(Reply::refusal(error)),
                }
                return;
            }
        };
        if let Some((place, line)) = place
            && let Some(error) = request.refusal_in_script(line)
        {
            self.line_has_failed = true;
            place.report(&mut kernel.refused, error.column, &error);
            return;
        }
        let done = if let Command::Remove(remove) = &request.command {
            let is_given = |name: &str| kernel.files.iter().any(|file| file.name() == name);
            remove.carry_out(&mut kernel.uploaded, is_given)
        } else {
            let interfaces = kernel.ports.iter_mut().map(|port| &mut port.interface);
            let files = file_views(&kernel.files, &kernel.uploaded);
            Cards::new(interfaces, &files, now).carry_out(&request.command)
        };
        if let Err(refusal) = done {
            self.line_has_failed = true;
            match place {
                Some((place, line)) => {
                    place.report(&mut kernel.refused, column(&refusal, line), &refusal);
                }
                None => self.reply = Some(Reply::not_done(refusal, request.json)),
            }
            return;
        }
        for port in &mut kernel.ports {
            // The card's own filter follows what was changed.
            port.configure(|_| ());
        }
        match request.command {
            Command::Upload(ref heading) => {
                self.upload = Some((Upload::new(heading.clone()), request.json));
                // There is nothing to reply yet that Ctrl-C could end.
                return;
            }
            Command::Turns(TurnsAction::Reset) => kernel.turns = Turns::default(),
            Command::Stty(Stty::Columns(columns)) => self.editor.set_columns(columns),
            Command::Reboot => self.then = Some(Last::Reboot),
            Command::Poweroff => self.then = Some(Last::Poweroff),
            Command::Fault(fault) => self.then = Some(Last::Fault(fault)),
            _ => {}
        }
        self.reply = Some(Reply::to(request));
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

fn take_trace(kernel: &mut Kernel) -> Option<TraceLines> {
    let mut ports = kernel.ports.iter_mut();
    let (record, frame) = ports.find_map(|port| port.interface.trace_mut().take())?;
    Some(TraceLines::new(record, frame))
}

fn carry_out_last(last: Last, kernel: &mut Kernel) {
    if let Last::Fault(fault) = last {
        return fault::provoke(fault);
    }
    // Whoever comes next must find no card that sends, or writes to memory that was ours.
    seats::let_go_of_all(&mut kernel.ports, &kernel.clock);
    match (last, kernel.options.exit_port) {
        (Last::Poweroff, Some(port)) => power::exit(port, POWEROFF_VALUE),
        (Last::Poweroff, None) => power::off(),
        _ => power::reboot(),
    }
}
