//! What a fault reported, kept over the restart: in a page of memory that firmware and loaders leave alone when the
//! processor is reset. The next start reads it, once, and tells it on the console and in `status`.
//!
//! No such page is the same on all machines, so there are several, each at an address of its own, as far as the
//! memory there is free. The first that still holds a whole report counts. A machine whose firmware clears memory
//! at every start keeps none.

use core::fmt::{self, Write};
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{AtomicPtr, Ordering};
use heapless::String;
use spin::Once;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Where the pages are. OVMF unpacks itself over the first; the second lies in the first 32 MiB.
pub const PLACES: [u64; 3] = [0x00ff_f000, 0x01c0_0000, 0x03f0_0000];
/// Octets of a page.
pub const PAGE: u64 = 4096;
/// The longest report that is kept: an exception with all registers and some counters.
const TEXT: usize = 1024;
/// Says that a report follows; the last digit is the version of the layout.
const MAGIC: u64 = u64::from_le_bytes(*b"PollLst1");

/// What is kept.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Record {
    magic: u64,
    /// Of the text.
    checksum: u64,
    length: u64,
    text: [u8; TEXT],
}

const _: () = assert!(size_of::<Record>() == 24 + TEXT && size_of::<Record>() as u64 <= PAGE);

impl Record {
    const EMPTY: Self = Self {
        magic: 0,
        checksum: 0,
        length: 0,
        text: [0; TEXT],
    };

    fn new(text: &str) -> Self {
        let mut record = Self::EMPTY;
        let octets = text.as_bytes().iter();
        record.length = octets.len().min(TEXT) as u64;
        for (to, &octet) in record.text.iter_mut().zip(octets) {
            *to = octet;
        }
        record.magic = MAGIC;
        record.checksum = checksum(&record.text);
        record
    }

    /// The report, if all of it is there.
    fn text(&self) -> Option<String<TEXT>> {
        let is_whole = self.magic == MAGIC && self.checksum == checksum(&self.text);
        let text = self.text.get(..usize::try_from(self.length).ok()?)?;
        let text = core::str::from_utf8(text).ok().filter(|_| is_whole)?;
        String::try_from(text).ok()
    }
}

/// FNV-1a of 64 bits.
fn checksum(octets: &[u8]) -> u64 {
    octets.iter().fold(0xcbf2_9ce4_8422_2325, |sum, &octet| {
        (sum ^ u64::from(octet)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The pages that can be used.
static PAGES: [AtomicPtr<Record>; PLACES.len()] = [const { AtomicPtr::new(null_mut()) }; 3];
/// What the last run said at its end.
static LAST: Once<String<TEXT>> = Once::new();

/// Reads what the last run said, and makes the pages ready for what this one may have to say.
///
/// # Safety
///
/// Each of `pages` is mapped for reading and writing, for good, and nothing else uses it.
pub unsafe fn initialize(pages: impl Iterator<Item = NonNull<u8>>) {
    let mut found = None;
    for (slot, page) in PAGES.iter().zip(pages) {
        let record = page.as_ptr().cast::<Record>();
        // SAFETY: as above; a page has room for a record, at a multiple of its alignment, and any octets are one.
        let before = unsafe { core::ptr::replace(record, Record::EMPTY) };
        found = found.or_else(|| before.text());
        slot.store(record, Ordering::Relaxed);
    }
    if let Some(text) = found {
        for line in text.lines() {
            log::warn!("last run: {line}");
        }
        LAST.call_once(|| text);
    }
}

/// The first line of what the last run reported at its end, if it ended by a fault.
pub fn last() -> Option<&'static str> {
    LAST.get()?.lines().next()
}

/// Collects what is to be kept.
pub struct Recorder(String<TEXT>);

impl Recorder {
    pub const fn new() -> Self {
        Self(String::new())
    }

    /// Keeps it.
    pub fn keep(&self) {
        let record = Record::new(&self.0);
        for page in &PAGES {
            let page = page.load(Ordering::Relaxed);
            if !page.is_null() {
                // SAFETY: `initialize` was promised that the page stays mapped and is nobody else's.
                unsafe { page.write_volatile(record) };
            }
        }
    }
}

impl Write for Recorder {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            // What does not fit is cut.
            let _ = self.0.push(character);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_as_it_was_written_and_a_long_one_is_cut() {
        let record = Record::new("exception 14: page fault\n  rip 5\n");
        assert_eq!(
            record.text().as_deref(),
            Some("exception 14: page fault\n  rip 5\n")
        );
        let long = "x".repeat(5_000);
        let text = Record::new(&long).text().expect("is whole");
        assert_eq!(text, "x".repeat(TEXT).as_str());
    }

    #[test]
    fn what_was_damaged_or_never_written_is_no_report() {
        let whole = Record::new("panicked at the end");
        assert!(Record::EMPTY.text().is_none());
        let octets = whole.as_bytes();
        for place in 0..octets.len() {
            let mut damaged = octets.to_vec();
            damaged[place] ^= 0x10;
            let damaged = Record::read_from_bytes(&damaged).expect("has the size");
            let text = damaged.text();
            // Another length shows other octets of the same text, which are all there.
            assert!(text.is_none() || (16..24).contains(&place), "{place}");
        }
        let noise: Vec<u8> = (0..size_of::<Record>()).map(|n| (n * 7) as u8).collect();
        assert!(
            Record::read_from_bytes(&noise)
                .expect("has the size")
                .text()
                .is_none()
        );
    }

    #[test]
    fn the_next_start_reads_it_once() {
        let layout =
            std::alloc::Layout::from_size_align(PAGE as usize, PAGE as usize).expect("is valid");
        // SAFETY: the layout is not empty.
        let page =
            NonNull::new(unsafe { std::alloc::alloc_zeroed(layout) }).expect("there is memory");
        // SAFETY: the page was just allocated, and is never freed.
        unsafe { initialize([page].into_iter()) };
        assert_eq!(last(), None);
        let mut recorder = Recorder::new();
        let _ = write!(recorder, "provoked\nmore");
        recorder.keep();
        // SAFETY: as above.
        unsafe { initialize([page].into_iter()) };
        assert_eq!(last(), Some("provoked"));
        // SAFETY: as above; the record lies in it.
        assert!(unsafe { page.cast::<Record>().read() }.text().is_none());
    }
}
