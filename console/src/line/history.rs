//! The lines before, which the cursor keys bring back.

use super::Line;
use heapless::Deque;

/// How many lines can be called back.
pub const HISTORY: usize = 16;

/// The lines before, and which of them is shown.
#[derive(Debug, Default)]
pub(super) struct History {
    /// The oldest first.
    lines: Deque<Line, HISTORY>,
    /// How many lines back the one shown is; 0 for the one being typed.
    back: usize,
    /// The line being typed, while one of these is shown.
    draft: Line,
}

impl History {
    pub(super) const fn new() -> Self {
        Self {
            lines: Deque::new(),
            back: 0,
            draft: Line::new(),
        }
    }

    /// The next line is a new one.
    pub(super) const fn leave(&mut self) {
        self.back = 0;
    }

    /// Keeps a line, unless it is empty or the same as the last one.
    pub(super) fn remember(&mut self, line: &Line) {
        let is_same = self.lines.back().is_some_and(|last| last == line);
        if is_same || line.trim().is_empty() {
            return;
        }
        if self.lines.is_full() {
            self.lines.pop_front();
        }
        // There is room: it was just made.
        let _ = self.lines.push_back(line.clone());
    }

    /// Forgets the line that was kept last.
    pub(super) fn forget_last(&mut self) {
        self.lines.pop_back();
    }

    /// Puts the line before the one shown into `line`. Returns whether there is one.
    pub(super) fn previous(&mut self, line: &mut Line) -> bool {
        self.back < self.lines.len() && self.show(self.back + 1, line)
    }

    /// Puts the line behind the one shown into `line`. Returns whether there is one.
    pub(super) fn next(&mut self, line: &mut Line) -> bool {
        self.back > 0 && self.show(self.back - 1, line)
    }

    fn show(&mut self, back: usize, line: &mut Line) -> bool {
        if self.back == 0 {
            self.draft.clone_from(line);
        }
        let place = self.lines.len().checked_sub(back);
        let found = match back {
            0 => Some(&self.draft),
            _ => place.and_then(|place| self.lines.iter().nth(place)),
        };
        let Some(found) = found else {
            return false;
        };
        line.clone_from(found);
        self.back = back;
        true
    }
}
