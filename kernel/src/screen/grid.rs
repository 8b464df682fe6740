//! What is to be seen on the screen: a grid of characters, the page above, the log below. It does not know how
//! a character is drawn.

use core::fmt::{self, Write};

/// The most columns and rows that are used of a screen.
pub const COLUMNS: usize = 160;
pub const ROWS: usize = 64;
/// How many cells are compared with what is shown, in one look for something to draw.
const LOOKS: usize = 64;
/// A cell of this bit is highlighted.
const HIGHLIGHT: u8 = 0x80;

/// A character of ASCII, and whether it is highlighted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell(u8);

impl Cell {
    const BLANK: Self = Self(b' ');

    /// A cell for `character`; `?` where the font has none.
    fn new(character: char, is_highlighted: bool) -> Self {
        let octet = match character {
            ' '..='~' => character as u8,
            _ => b'?',
        };
        Self(octet | if is_highlighted { HIGHLIGHT } else { 0 })
    }

    /// The character.
    pub const fn character(self) -> u8 {
        self.0 & !HIGHLIGHT
    }

    /// Whether it is highlighted.
    pub const fn is_highlighted(self) -> bool {
        self.0 & HIGHLIGHT != 0
    }
}

/// A cell that is to be drawn, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    pub row: usize,
    pub column: usize,
    pub cell: Cell,
}

type Row = [Cell; COLUMNS];

/// The grid.
pub struct Grid {
    columns: usize,
    rows: usize,
    wanted: [Row; ROWS],
    shown: [Row; ROWS],
    /// How many rows the page takes; the row behind is a line of dashes.
    page: usize,
    /// Where the log goes on.
    row: usize,
    column: usize,
    /// Where is looked next for a difference.
    look: (usize, usize),
}

impl Grid {
    /// One without cells.
    pub const fn new() -> Self {
        Self {
            columns: 0,
            rows: 0,
            wanted: [[Cell::BLANK; COLUMNS]; ROWS],
            shown: [[Cell::BLANK; COLUMNS]; ROWS],
            page: 0,
            row: 0,
            column: 0,
            look: (0, 0),
        }
    }

    /// Says how many cells the screen has. All of them are blank.
    pub fn set_size(&mut self, columns: usize, rows: usize) {
        self.columns = columns.min(COLUMNS);
        self.rows = rows.min(ROWS);
    }

    /// Puts a line below the others of the log.
    pub fn log(&mut self, text: &str) {
        self.log_part(text);
        self.end_line();
    }

    /// Puts a part of a line, or several lines, below the others. What a terminal obeys is left out.
    pub fn log_part(&mut self, text: &str) {
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            match character {
                '\n' => self.end_line(),
                '\x1b' => {
                    // A control sequence ends with a letter (ECMA-48 §5.4).
                    characters.find(char::is_ascii_alphabetic);
                }
                character if character.is_control() => {}
                character => self.put(character),
            }
        }
    }

    fn put(&mut self, character: char) {
        if self.column >= self.columns {
            self.end_line();
        }
        let (row, column) = (self.row, self.column);
        let cell = self.wanted.get_mut(row).and_then(|row| row.get_mut(column));
        if let Some(cell) = cell {
            *cell = Cell::new(character, false);
        }
        self.column += 1;
    }

    /// Goes to the next row, for which the others move up where there is none.
    fn end_line(&mut self) {
        self.column = 0;
        self.row += 1;
        if self.row < self.rows {
            return;
        }
        let first = self.log_start();
        if let Some(log) = self.wanted.get_mut(first..self.rows)
            && !log.is_empty()
        {
            log.rotate_left(1);
        }
        self.row = self.rows.saturating_sub(1);
        if let Some(row) = self.wanted.get_mut(self.row) {
            *row = [Cell::BLANK; COLUMNS];
        }
    }

    /// The log's first row.
    const fn log_start(&self) -> usize {
        match self.page {
            0 => 0,
            page => page + 1,
        }
    }

    /// Begins a line of the page.
    pub const fn page_line(&self, row: usize) -> Line {
        Line {
            cells: [Cell::BLANK; COLUMNS],
            columns: self.columns,
            column: 0,
            is_highlighted: row == 0,
        }
    }

    /// Puts a line of the page where it belongs. A page that grew takes the room of the oldest lines of the log.
    pub fn end_page_line(&mut self, row: usize, line: Line) {
        if row >= self.page {
            self.set_page(row + 1);
        }
        if let Some(to) = self.wanted.get_mut(row) {
            *to = line.cells;
            if line.is_highlighted {
                for cell in to.iter_mut() {
                    cell.0 |= HIGHLIGHT;
                }
            }
        }
    }

    /// Whether there is no room for row `row` of the page: the log keeps half of the screen.
    pub const fn page_is_full(&self, row: usize) -> bool {
        row >= self.rows / 2
    }

    /// Ends the page, with `rows` rows.
    pub fn end_page(&mut self, rows: usize) {
        if rows < self.page {
            self.set_page(rows);
        }
    }

    /// Gives the page that many rows. Where it grew the log moves down, without its oldest rows if need be; where
    /// it shrank the log stays.
    fn set_page(&mut self, rows: usize) {
        let before = self.log_start();
        self.page = rows;
        let start = self.log_start();
        if start > before {
            let end = (self.row + 1).min(self.rows);
            let kept = end
                .saturating_sub(before)
                .min(self.rows.saturating_sub(start));
            self.wanted.copy_within(end - kept..end, start);
            self.row = (start + kept).saturating_sub(1);
        }
        // What is neither the page's any more nor the log's yet: the old dashes, and what the page gave up.
        let blank = match start > before {
            true => before.saturating_sub(1)..start,
            false => rows..before,
        };
        for row in self.wanted.get_mut(blank).unwrap_or_default() {
            *row = [Cell::BLANK; COLUMNS];
        }
        let dashes = rows..(rows + 1).min(start);
        for row in self.wanted.get_mut(dashes).unwrap_or_default() {
            *row = [Cell(b'-'); COLUMNS];
        }
    }

    /// Has the next look begin at the first cell.
    pub const fn look_from_the_start(&mut self) {
        self.look = (0, 0);
    }

    /// The next cell that is not shown as it should be, after at most [`LOOKS`] looks. It is taken to be shown
    /// from now on.
    pub fn next_change(&mut self) -> Looked {
        for _ in 0..LOOKS {
            let (row, column) = self.look;
            self.look = match (column + 1 < self.columns, row + 1 < self.rows) {
                (true, _) => (row, column + 1),
                (false, true) => (row + 1, 0),
                (false, false) => (0, 0),
            };
            let wanted = self.wanted.get(row).and_then(|row| row.get(column));
            let shown = self.shown.get_mut(row).and_then(|row| row.get_mut(column));
            if let (Some(&cell), Some(shown)) = (wanted, shown)
                && cell != *shown
                && column < self.columns
            {
                *shown = cell;
                return Looked::Changed(Change { row, column, cell });
            }
            if self.look == (0, 0) {
                return Looked::AtEnd;
            }
        }
        Looked::Same
    }
}

/// What a look for a change found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looked {
    /// A cell that is to be drawn.
    Changed(Change),
    /// None so far.
    Same,
    /// None up to the last cell; the next look begins at the first.
    AtEnd,
}

/// A line of the page, while it is written.
pub struct Line {
    cells: Row,
    columns: usize,
    column: usize,
    is_highlighted: bool,
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            // What does not fit is cut.
            if let Some(cell) = self.cells.get_mut(self.column)
                && self.column < self.columns
            {
                *cell = Cell::new(character, false);
                self.column += 1;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(columns: usize, rows: usize) -> Box<Grid> {
        let mut grid = Box::new(Grid::new());
        grid.set_size(columns, rows);
        grid
    }

    /// What is to be seen, and what is shown after everything was drawn that was found to differ.
    fn text(grid: &mut Grid) -> Vec<String> {
        let is_over = |looked| looked == Looked::AtEnd;
        let looks = (0..10_000).map(|_| grid.next_change()).position(is_over);
        assert!(looks.is_some());
        assert!(!matches!(grid.next_change(), Looked::Changed(_)));
        grid.look_from_the_start();
        let (columns, rows) = (grid.columns, grid.rows);
        let visible = |rows: &[Row]| {
            rows.iter()
                .map(|row| row[..columns].to_vec())
                .collect::<Vec<_>>()
        };
        assert!(visible(&grid.wanted[..rows]) == visible(&grid.shown[..rows]));
        let text = |row: &Row| {
            row[..columns]
                .iter()
                .map(|cell| char::from(cell.character()))
                .collect::<String>()
        };
        grid.shown[..rows]
            .iter()
            .map(|row| text(row).trim_end().to_owned())
            .collect()
    }

    fn page(grid: &mut Grid, lines: &[&str]) {
        for (row, line) in lines.iter().enumerate() {
            let mut to = grid.page_line(row);
            let _ = to.write_str(line);
            grid.end_page_line(row, to);
        }
        grid.end_page(lines.len());
    }

    #[test]
    fn lines_are_broken_at_the_edge_and_move_up_at_the_bottom() {
        let mut grid = grid(5, 3);
        grid.log("one");
        grid.log("two and");
        assert_eq!(text(&mut grid), ["two a", "nd", ""]);
        grid.log("three");
        assert_eq!(text(&mut grid), ["nd", "three", ""]);
    }

    #[test]
    fn the_page_takes_room_from_the_log_and_gives_it_back() {
        let mut grid = grid(6, 8);
        grid.log("first");
        page(&mut grid, &["title", "state"]);
        assert_eq!(
            text(&mut grid),
            ["title", "state", "------", "first", "", "", "", ""]
        );
        grid.log("second");
        page(&mut grid, &["title", "state", "more"]);
        assert_eq!(
            text(&mut grid),
            [
                "title", "state", "more", "------", "first", "second", "", ""
            ]
        );
        for _ in 0..9 {
            grid.log("last");
        }
        page(&mut grid, &["title"]);
        let shown = text(&mut grid);
        assert_eq!(shown[..2], ["title", "------"]);
        assert_eq!(shown[4..], ["last", "last", "last", ""]);
        assert!(grid.next_page_rows_are_blank(2..4));
    }

    #[test]
    fn a_page_that_is_longer_than_the_screen_leaves_half_of_it_to_the_log() {
        let grid = grid(10, 25);
        assert!(!grid.page_is_full(11));
        assert!(grid.page_is_full(12));
    }

    #[test]
    fn what_a_terminal_obeys_is_not_shown_and_what_the_font_lacks_is_marked() {
        let mut grid = grid(20, 3);
        grid.log("\r\x1b[Kan \x1b[1mumlaut: \u{e4}\t.");
        assert_eq!(text(&mut grid)[0], "an umlaut: ?.");
    }

    #[test]
    fn only_what_differs_is_drawn() {
        let mut grid = grid(20, 3);
        grid.log("uptime 41");
        text(&mut grid);
        grid.row = 0;
        grid.log("uptime 42");
        let changes: Vec<_> = (0..10)
            .map(|_| grid.next_change())
            .filter(|looked| matches!(looked, Looked::Changed(_)))
            .collect();
        let cell = Cell::new('2', false);
        assert_eq!(
            changes,
            [Looked::Changed(Change {
                row: 0,
                column: 8,
                cell
            })]
        );
    }

    #[test]
    fn a_screen_of_no_size_takes_everything_and_shows_nothing() {
        let mut grid = grid(0, 0);
        grid.log("text\ntext");
        page(&mut grid, &["title"]);
        assert_eq!(grid.next_change(), Looked::AtEnd);
    }

    impl Grid {
        fn next_page_rows_are_blank(&self, rows: core::ops::Range<usize>) -> bool {
            self.wanted[rows]
                .iter()
                .all(|row| *row == [Cell::BLANK; COLUMNS])
        }
    }
}
