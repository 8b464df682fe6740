//! The screen: what a machine without a serial line has. Above stands a page with the state of the appliance,
//! below it the lines that the serial line shows.
//!
//! Nobody ever waits for it. What is to be seen is put into a grid of characters; the poll loop draws a few
//! octets of the difference at a time, when the wire is quiet ([`draw`]). Only a fault draws all of it at once.
//!
//! [`grid`] is what is to be seen, [`display`] what the loader or the graphics card offers to show it on.

pub mod display;
mod font;
mod grid;

use crate::boot::PhysicalRange;
use crate::{memory, serial};
use core::fmt::{self, Write};
use core::ptr::NonNull;
use display::{Display, Surface};
use grid::Grid;
use pollux_console::page;
use pollux_console::view::StatusView;
use spin::Mutex;

/// Where the screen's characters are and where they are drawn.
struct Screen {
    surface: Option<Surface>,
    grid: Grid,
    /// The line of the page that is written next.
    row: usize,
}

static SCREEN: Mutex<Screen> = Mutex::new(Screen {
    surface: None,
    grid: Grid::new(),
    row: 0,
});

/// Takes the display into use. Before [`map`] only a fault draws, if the loader's tables show the first `mapped`
/// octets of physical memory where they are.
pub fn initialize(display: &Display, mapped: u64) {
    let mut screen = SCREEN.lock();
    let mut surface = Surface::new(display);
    let PhysicalRange { start, end } = surface.physical();
    if end <= mapped
        && let Some(memory) = NonNull::new(start as *mut u8)
    {
        // SAFETY: the range is the display's, by its own description, and mapped there.
        unsafe { surface.attach(memory) };
    }
    screen.grid.set_size(surface.columns(), surface.rows());
    screen.surface = Some(surface);
    // What was said before.
    serial::queued(|text| screen.grid.log_part(text));
}

/// Maps the display's memory by the tables that are in use now, clears it, and draws what has been logged.
pub fn map() {
    let mut screen = SCREEN.lock();
    let Some(surface) = &mut screen.surface else {
        return;
    };
    let PhysicalRange { start, end } = surface.physical();
    match memory::map_screen(start, end - start) {
        Ok(mapped) => {
            // SAFETY: the range is the display's, by its own description, and mapped there for good.
            unsafe { surface.attach(mapped) };
            surface.clear();
        }
        Err(error) => {
            screen.surface = None;
            drop(screen);
            log::warn!("screen: cannot be mapped: {error}");
            return;
        }
    }
    screen.draw_all();
}

/// Whether there is one.
pub fn is_there() -> bool {
    SCREEN.lock().surface.is_some()
}

/// Puts a line below the others.
pub fn line(text: &str) {
    let mut screen = SCREEN.lock();
    if screen.surface.is_some() {
        screen.grid.log(text);
    }
}

/// Writes the next line of the page. Returns whether more follow.
pub fn page_line(view: &StatusView<'_>) -> bool {
    let mut screen = SCREEN.lock();
    let Screen { grid, row, .. } = &mut *screen;
    let mut line = grid.page_line(*row);
    let is_written = page::line(view, *row, &mut line).unwrap_or(true);
    if is_written && !grid.page_is_full(*row) {
        grid.end_page_line(*row, line);
        *row += 1;
        return true;
    }
    grid.end_page(*row);
    *row = 0;
    false
}

/// Draws a few octets of what is to be seen and is not.
pub fn draw() {
    let mut screen = SCREEN.lock();
    let Screen { surface, grid, .. } = &mut *screen;
    if let Some(surface) = surface {
        surface.draw(grid);
    }
}

impl Screen {
    /// Draws everything.
    fn draw_all(&mut self) {
        if let Some(surface) = &mut self.surface {
            self.grid.look_from_the_start();
            while surface.draw(&mut self.grid) {}
        }
    }
}

/// The screen as a fault uses it: without the lock, drawn at once.
pub struct Direct(());

impl Direct {
    /// Takes the screen from whoever had it.
    ///
    /// # Safety
    ///
    /// Nothing else that runs from now on uses the screen.
    pub unsafe fn take() -> Self {
        // SAFETY: whoever held the lock never runs again.
        unsafe { SCREEN.force_unlock() };
        Self(())
    }

    /// Shows what was written.
    pub fn show(&mut self) {
        SCREEN.lock().draw_all();
    }
}

impl Write for Direct {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut screen = SCREEN.lock();
        if screen.surface.is_some() {
            screen.grid.log_part(text);
        }
        Ok(())
    }
}
