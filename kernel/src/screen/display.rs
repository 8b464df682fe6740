//! What a screen's picture is made of: pixels in memory, or characters that the graphics card draws itself.

use super::font::{Font, MAXIMUM_WIDTH};
use super::grid::{Cell, Change, Grid, Looked};
use crate::boot::PhysicalRange;
use crate::bus;
use core::fmt;
use core::ptr::NonNull;
use pollux_drivers::pci::Class;
use x86_64::instructions::port::Port;

/// At most this many octets are written in one slice of the poll loop: half a microsecond's worth on the
/// slowest of PCI buses, where they are written together.
const SLICE: usize = 128;
/// Of a display that draws characters itself, as many cells.
const CELLS: usize = 4;
/// The most octets of a pixel.
const PIXEL: usize = 4;
/// Where a PC's graphics card has the characters of its text mode, and how many of them.
const TEXT_START: u64 = 0xb_8000;
const TEXT_COLUMNS: usize = 80;
const TEXT_ROWS: usize = 25;
/// Light grey on black, and white on blue (the attribute octet of the text mode).
const PLAIN_ATTRIBUTE: u16 = 0x07 << 8;
const HIGHLIGHT_ATTRIBUTE: u16 = 0x1f << 8;

/// A colour: red, green, blue.
type Color = [u8; 3];
const INK: Color = [0xd0, 0xd0, 0xd0];
const PAPER: Color = [0, 0, 0];
const HIGHLIGHTED_INK: Color = [0xff, 0xff, 0xff];
const HIGHLIGHTED_PAPER: Color = [0x1c, 0x3f, 0x7a];

/// What the loader or the graphics card says of the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Display {
    /// Pixels.
    Pixels(Pixels),
    /// Characters of 16 bits each, of which the upper eight are colours.
    Text {
        /// Physical address of the first.
        start: u64,
        /// How many in a line.
        columns: usize,
        /// How many lines.
        rows: usize,
    },
}

impl fmt::Display for Display {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pixels(pixels) => {
                let Pixels {
                    start,
                    pitch,
                    width,
                    height,
                    octets,
                    ..
                } = pixels;
                let bits = octets * 8;
                write!(
                    f,
                    "{width} by {height} pixels of {bits} bits at {start:#x}, {pitch} octets a line"
                )
            }
            Self::Text {
                start,
                columns,
                rows,
            } => {
                write!(f, "text, {columns} columns and {rows} rows, at {start:#x}")
            }
        }
    }
}

/// A frame buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pixels {
    /// Physical address of the first pixel, the upper left one.
    pub start: u64,
    /// Octets from one line to the next.
    pub pitch: usize,
    /// Pixels in a line.
    pub width: usize,
    /// Lines.
    pub height: usize,
    /// Octets of a pixel, 2 to 4.
    pub octets: usize,
    /// For red, green and blue: the lowest bit and how many there are.
    pub colors: [(u8, u8); 3],
}

impl Pixels {
    /// Checks that it can be drawn on.
    pub fn checked(self) -> Option<Self> {
        let is_color = |&(position, size): &(u8, u8)| {
            (1..=8).contains(&size) && usize::from(position) + usize::from(size) <= self.octets * 8
        };
        let is_right = self.start != 0
            && (2..=PIXEL).contains(&self.octets)
            && self.width > 0
            && self.width * self.octets <= self.pitch
            && self.pitch <= 1 << 17
            && (1..=1 << 14).contains(&self.height)
            && self.colors.iter().all(is_color);
        is_right.then_some(self)
    }

    /// The octets of a pixel, as a number.
    fn pixel(&self, color: Color) -> u32 {
        let parts = color.into_iter().zip(self.colors);
        parts.fold(0, |pixel, (value, (position, size))| {
            pixel | u32::from(value >> (8 - size)) << position
        })
    }
}

impl Display {
    /// Asks the VGA card, if there is one, whether it shows the text mode that every PC begins in. For loaders that
    /// say nothing of the screen.
    pub fn find_text_mode() -> Option<Self> {
        const VGA: Class = Class { base: 3, sub: 0 };
        let space = bus::space();
        if !bus::functions(&space).any(|function| function.class == VGA) {
            return None;
        }
        const GRAPHICS_INDEX: u16 = 0x3ce;
        const GRAPHICS_DATA: u16 = 0x3cf;
        const MISCELLANEOUS: u8 = 6;
        // SAFETY: these are registers of a VGA card; selecting one has no effect.
        let mode: u8 = unsafe {
            Port::new(GRAPHICS_INDEX).write(MISCELLANEOUS);
            Port::new(GRAPHICS_DATA).read()
        };
        // Bit 0 is set in graphics modes; bits 2 and 3 say where the memory is: 3 is 0xb8000.
        (mode & 0b1101 == 0b1100).then_some(Self::TEXT)
    }

    /// A text mode, if it can be one.
    pub fn text(start: u64, columns: usize, rows: usize) -> Option<Self> {
        let is_right = start != 0 && (1..=255).contains(&columns) && (1..=255).contains(&rows);
        is_right.then_some(Self::Text {
            start,
            columns,
            rows,
        })
    }

    /// The text mode that every PC begins in.
    const TEXT: Self = Self::Text {
        start: TEXT_START,
        columns: TEXT_COLUMNS,
        rows: TEXT_ROWS,
    };

    /// Where its memory is.
    fn physical(&self) -> PhysicalRange {
        let (start, length) = match self {
            Self::Pixels(pixels) => (pixels.start, pixels.pitch * pixels.height),
            Self::Text {
                start,
                columns,
                rows,
            } => (*start, columns * rows * size_of::<u16>()),
        };
        PhysicalRange {
            start,
            end: start.saturating_add(length as u64),
        }
    }
}

/// A display that is drawn on.
pub struct Surface {
    display: Display,
    font: Font,
    /// Where its memory is mapped, if it is.
    memory: Option<NonNull<u8>>,
    /// The character that is being drawn, and its next line.
    under_way: Option<(Change, usize)>,
}

// SAFETY: the memory is reached through the one surface, which its owner keeps behind a lock.
unsafe impl Send for Surface {}

impl Surface {
    /// One whose memory is not mapped yet.
    pub fn new(display: &Display) -> Self {
        let width = match display {
            Display::Pixels(pixels) => pixels.width,
            Display::Text { .. } => 0,
        };
        Self {
            display: display.clone(),
            font: Font::for_width(width),
            memory: None,
            under_way: None,
        }
    }

    /// How many characters have room in a line.
    pub fn columns(&self) -> usize {
        match &self.display {
            Display::Pixels(pixels) => pixels.width / self.font.width(),
            Display::Text { columns, .. } => *columns,
        }
    }

    /// How many lines of characters have room.
    pub fn rows(&self) -> usize {
        match &self.display {
            Display::Pixels(pixels) => pixels.height / self.font.height(),
            Display::Text { rows, .. } => *rows,
        }
    }

    /// Where its memory is.
    pub fn physical(&self) -> PhysicalRange {
        self.display.physical()
    }

    /// Says where its memory is mapped.
    ///
    /// # Safety
    ///
    /// All of the memory is mapped there for writing, for good, and nothing else uses it.
    pub unsafe fn attach(&mut self, memory: NonNull<u8>) {
        self.memory = Some(memory);
    }

    /// Makes all of it blank, and hides the cursor of a text mode. For the start: it takes milliseconds.
    pub fn clear(&mut self) {
        let PhysicalRange { start, end } = self.physical();
        let length = (end - start) as usize;
        match self.display {
            Display::Pixels(_) => {
                const BLACK: [u8; 64] = [0; 64];
                for offset in (0..length).step_by(BLACK.len()) {
                    let count = BLACK.len().min(length - offset);
                    self.write(offset, BLACK.get(..count).unwrap_or_default());
                }
            }
            Display::Text { .. } => {
                hide_cursor();
                let blank = (PLAIN_ATTRIBUTE | u16::from(b' ')).to_le_bytes();
                for offset in (0..length).step_by(blank.len()) {
                    self.write(offset, &blank);
                }
            }
        }
    }

    /// Draws a few octets of what `grid` wants shown. Returns whether there may be more.
    pub fn draw(&mut self, grid: &mut Grid) -> bool {
        match &self.display {
            Display::Pixels(_) => self.draw_lines(grid),
            &Display::Text { columns, .. } => self.draw_cells(grid, columns),
        }
    }

    fn draw_cells(&mut self, grid: &mut Grid, columns: usize) -> bool {
        for _ in 0..CELLS {
            match grid.next_change() {
                Looked::Changed(Change { row, column, cell }) => {
                    let attribute = match cell.is_highlighted() {
                        true => HIGHLIGHT_ATTRIBUTE,
                        false => PLAIN_ATTRIBUTE,
                    };
                    let octets = (attribute | u16::from(cell.character())).to_le_bytes();
                    self.write((row * columns + column) * octets.len(), &octets);
                }
                Looked::Same => break,
                Looked::AtEnd => return false,
            }
        }
        true
    }

    fn draw_lines(&mut self, grid: &mut Grid) -> bool {
        let (change, first) = match self.under_way.take() {
            Some(under_way) => under_way,
            None => match grid.next_change() {
                Looked::Changed(change) => (change, 0),
                looked => return looked != Looked::AtEnd,
            },
        };
        let Display::Pixels(pixels) = &self.display else {
            return false;
        };
        let font = self.font;
        let octets = font.width() * pixels.octets;
        let end = font.height().min(first + (SLICE / octets).max(1));
        for line in first..end {
            let mut drawn = [0; MAXIMUM_WIDTH * PIXEL];
            let ink = font.line(change.cell.character(), line);
            render(pixels, change.cell, ink, &mut drawn);
            let y = change.row * font.height() + line;
            let offset = y * pixels.pitch + change.column * octets;
            self.write(offset, drawn.get(..octets).unwrap_or_default());
        }
        self.under_way = (end < font.height()).then_some((change, end));
        true
    }

    /// Writes to the display's memory, as far as that reaches and is mapped.
    fn write(&self, offset: usize, octets: &[u8]) {
        let PhysicalRange { start, end } = self.physical();
        let room = ((end - start) as usize).saturating_sub(offset);
        if let Some(memory) = self.memory
            && octets.len() <= room
        {
            // SAFETY: all of the range is mapped there (promised to `attach`), and this part lies in it; no
            // reference to it is ever made.
            unsafe {
                let to = memory.as_ptr().add(offset);
                core::ptr::copy_nonoverlapping(octets.as_ptr(), to, octets.len());
            }
        }
    }
}

/// Puts one line of a glyph into `drawn`, pixel by pixel; `ink` says how much of each pixel is ink.
fn render(pixels: &Pixels, cell: Cell, ink: &[u8], drawn: &mut [u8]) {
    let (front, back) = match cell.is_highlighted() {
        true => (HIGHLIGHTED_INK, HIGHLIGHTED_PAPER),
        false => (INK, PAPER),
    };
    for (to, &ink) in drawn.chunks_exact_mut(pixels.octets).zip(ink) {
        let mut color = back;
        for ((mixed, front), back) in color.iter_mut().zip(front).zip(back) {
            let sum = u16::from(front) * u16::from(ink) + u16::from(back) * u16::from(255 - ink);
            *mixed = (sum / 255) as u8;
        }
        let pixel = pixels.pixel(color).to_le_bytes();
        to.copy_from_slice(pixel.get(..pixels.octets).unwrap_or_default());
    }
}

/// Hides the cursor of the text mode.
fn hide_cursor() {
    const CONTROLLER_INDEX: u16 = 0x3d4;
    const CONTROLLER_DATA: u16 = 0x3d5;
    const CURSOR_START: u8 = 0x0a;
    const OFF: u8 = 1 << 5;
    // SAFETY: a card that shows text mode has these registers, and this one concerns the cursor only.
    unsafe {
        Port::new(CONTROLLER_INDEX).write(CURSOR_START);
        Port::new(CONTROLLER_DATA).write(OFF);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BGRX: [(u8, u8); 3] = [(16, 8), (8, 8), (0, 8)];

    fn pixels() -> Pixels {
        Pixels {
            start: 0xfd00_0000,
            pitch: 640 * 4 + 64,
            width: 640,
            height: 480,
            octets: 4,
            colors: BGRX,
        }
    }

    /// A surface on the host's memory, and that memory.
    fn surface(pixels: Pixels) -> (Surface, &'static [u8]) {
        let length = pixels.pitch * pixels.height;
        let memory = vec![0x55_u8; length].leak();
        let mut surface = Surface::new(&Display::Pixels(pixels));
        let start = NonNull::new(memory.as_mut_ptr()).expect("is not null");
        // SAFETY: the memory is that long and never freed.
        unsafe { surface.attach(start) };
        // SAFETY: as above; the tests look at it while nobody draws.
        (surface, unsafe {
            core::slice::from_raw_parts(start.as_ptr(), length)
        })
    }

    #[test]
    fn a_slice_writes_no_more_octets_than_it_may() {
        let (mut surface, memory) = surface(pixels());
        surface.clear();
        let mut grid = Box::new(Grid::new());
        grid.set_size(surface.columns(), surface.rows());
        grid.log(&"@".repeat(20));
        let mut before = memory.to_vec();
        let mut slices = 0;
        while surface.draw(&mut grid) {
            let changed = before
                .iter()
                .zip(memory)
                .filter(|(before, now)| before != now)
                .count();
            assert!(changed <= SLICE, "{changed}");
            before.copy_from_slice(memory);
            slices += 1;
        }
        assert!(slices > 20 * 4, "{slices}");
        assert_eq!(surface.under_way, None);
    }

    #[test]
    fn a_glyph_stands_where_it_belongs_and_nothing_is_written_beside_it() {
        let (mut surface, memory) = surface(pixels());
        surface.clear();
        let mut grid = Box::new(Grid::new());
        grid.set_size(surface.columns(), surface.rows());
        grid.log("");
        grid.log("  X");
        while surface.draw(&mut grid) {}
        let font = surface.font;
        for (offset, octets) in (0..).step_by(4).zip(memory.chunks_exact(4)) {
            let (y, x) = (offset / pixels().pitch, offset % pixels().pitch / 4);
            let inside = (2 * font.width()..3 * font.width()).contains(&x)
                && (font.height()..2 * font.height()).contains(&y);
            let ink = match inside {
                true => font.line(b'X', y - font.height())[x - 2 * font.width()],
                false => 0,
            };
            let level = (u16::from(ink) * 0xd0 / 255) as u8;
            assert_eq!(octets, [level, level, level, 0], "{x} {y}");
        }
    }

    #[test]
    fn pixels_of_two_and_three_octets_hold_their_colors() {
        let small = Pixels {
            octets: 2,
            colors: [(11, 5), (5, 6), (0, 5)],
            ..pixels()
        };
        assert_eq!(small.pixel([0xff, 0, 0]), 0xf800);
        assert_eq!(small.pixel([0, 0xff, 0xff]), 0x07ff);
        let mut drawn = [0; 9];
        let three = Pixels {
            octets: 3,
            ..pixels()
        };
        let mut line = Grid::new().page_line(0);
        let _ = core::fmt::Write::write_str(&mut line, "x");
        let mut grid = Box::new(Grid::new());
        grid.set_size(1, 1);
        grid.log_part("x");
        let Looked::Changed(change) = grid.next_change() else {
            panic!("a cell is to be drawn");
        };
        render(&three, change.cell, &[255, 0, 255], &mut drawn);
        assert_eq!(drawn, [0xd0, 0xd0, 0xd0, 0, 0, 0, 0xd0, 0xd0, 0xd0]);
    }

    #[test]
    fn a_description_that_cannot_be_is_refused() {
        assert_eq!(pixels().checked(), Some(pixels()));
        let wrong = [
            Pixels {
                octets: 1,
                ..pixels()
            },
            Pixels {
                octets: 5,
                ..pixels()
            },
            Pixels {
                pitch: 2559,
                ..pixels()
            },
            Pixels {
                pitch: usize::MAX,
                ..pixels()
            },
            Pixels {
                height: 0,
                ..pixels()
            },
            Pixels {
                height: usize::MAX,
                ..pixels()
            },
            Pixels {
                start: 0,
                ..pixels()
            },
            Pixels {
                colors: [(28, 8), (8, 8), (0, 8)],
                ..pixels()
            },
            Pixels {
                colors: [(16, 0), (8, 8), (0, 8)],
                ..pixels()
            },
        ];
        for wrong in wrong {
            assert_eq!(wrong.clone().checked(), None, "{wrong:?}");
        }
    }
}
