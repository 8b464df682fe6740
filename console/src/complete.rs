//! What Tab offers: the words that can stand where the cursor is.

use crate::command::Grammar;
use crate::commands::Completion;
use crate::commands::file::VLANS;
use crate::grep;
use crate::line::USUAL_COLUMNS;
use crate::reply::{MAXIMUM_LINE, Progress};
use crate::text::{clipped, text};
use crate::view::StatusView;
use crate::words::{Commands, Parts, Words};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};

/// How many words are shown when there are several.
const MOST: usize = 40;

/// The words that begin as what was typed does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completions {
    /// What all of them have behind what was typed, with a blank when there is only one.
    pub addition: String,
    /// The first of them, when there are several.
    pub choices: Vec<String>,
    /// How many there are.
    pub count: usize,
}

impl Completions {
    fn offer(&mut self, typed: &str, word: &str) {
        let Some(rest) = word.strip_prefix(typed) else {
            return;
        };
        self.count += 1;
        if self.count == 1 {
            self.addition = rest.into();
        } else {
            let both = self.addition.chars().zip(rest.chars());
            let common = both.take_while(|(one, other)| one == other);
            let length = common.map(|(character, _)| character.len_utf8()).sum();
            self.addition.truncate(length);
        }
        if self.choices.len() < MOST {
            self.choices.push(word.into());
        }
    }
}

/// The width of a column of the list, with the blank behind it.
const WIDTH: usize = 19;

impl Completions {
    /// Writes line `row` of the list of what can follow.
    pub(crate) fn line(
        &self,
        row: usize,
        view: &StatusView<'_>,
        out: &mut dyn Write,
    ) -> Result<Progress, fmt::Error> {
        let columns = view.console.columns.unwrap_or(USUAL_COLUMNS);
        // No line is longer than a reply's may be.
        let columns = usize::from(columns).min(MAXIMUM_LINE);
        let widest = self
            .choices
            .iter()
            .map(|choice| choice.chars().count().min(50));
        let width = WIDTH.max(widest.max().unwrap_or(0) + 1);
        let in_a_row = (columns / width).max(1);
        let Some(choices) = self.choices.chunks(in_a_row).nth(row) else {
            let lines = self.choices.len().div_ceil(in_a_row);
            if row > lines || self.count == self.choices.len() {
                return Ok(Progress::Done);
            }
            write!(out, "... {} in all", self.count)?;
            return Ok(Progress::Line);
        };
        for (index, choice) in choices.iter().enumerate() {
            let choice = clipped::<50>(choice);
            match index + 1 < choices.len() {
                true => write!(out, "{choice:<width$}")?,
                false => out.write_str(&choice)?,
            }
        }
        Ok(Progress::Line)
    }
}

impl Grammar {
    /// What can follow `line`, whose last word may be incomplete.
    pub fn complete(self, line: &str, view: &StatusView<'_>) -> Completions {
        // Of several commands, the last.
        let last = Commands::of(line).last();
        let line = last.map_or(line, |(_, command)| command);
        // What stands behind a `|` chooses lines.
        let chosen = Parts::of(line, '|').skip(1).last();
        let line = chosen.map_or(line, |(_, part)| part);
        let begins_word = line.ends_with(char::is_whitespace) || line.is_empty();
        let mut words: Vec<&str> = Words::new(line).collect();
        let typed = if begins_word { None } else { words.pop() };
        let typed = typed.unwrap_or("");
        let mut found = Completions::default();
        let mut before = words.as_slice();
        if let ["sudo", rest @ ..] = before {
            before = rest;
        }
        let offered = match before {
            [] if chosen.is_some() => Completion::words(&["grep"]),
            ["grep", ..] if chosen.is_some() => Completion::words(grep::OPTIONS),
            _ if chosen.is_some() => Completion::NOTHING,
            [] => Completion::COMMANDS,
            [name, arguments @ ..] => match self.find(name) {
                Ok(command) => (command.complete)(arguments),
                Err(_) => return found,
            },
        };
        if let Some(option) = offered.before_file
            && let Some(begun) = typed.strip_prefix(option)
        {
            for file in view.files {
                found.offer(begun, file.name);
            }
        }
        // Such an option alone is typed already.
        let words = offered.words.iter();
        for word in words.filter(|&&word| word != typed || offered.before_file != Some(word)) {
            found.offer(typed, word);
        }
        if offered.commands {
            self.commands()
                .for_each(|command| found.offer(typed, command.name));
        }
        if offered.interfaces {
            view.devices()
                .for_each(|device| found.offer(typed, device.device.name()));
        }
        if offered.files {
            view.files
                .iter()
                .for_each(|file| found.offer(typed, file.name));
            // Only for who begins to type them: there is one for each device.
            if typed.starts_with('/') {
                found.offer(typed, VLANS);
                // A text is made only for those that it may be.
                let named = typed.strip_prefix("/sys/class/net/").unwrap_or("");
                let named = named.split('/').next().unwrap_or("");
                let devices = view.devices();
                for device in devices.filter(|found| found.device.name().starts_with(named)) {
                    let path = text!("/sys/class/net/{}/oob_port", device.device.name());
                    found.offer(typed, &path);
                }
            }
        }
        if found.count == 1 {
            found.addition.push(' ');
            found.choices.clear();
        }
        found
    }
}
