//! The entries of a map, in `bpftool`'s layout: a few octets of one on a line.

use crate::reply::Progress;
use core::fmt::{self, Write};
use heapless::Vec;
use pollux_net::filter::Map;

/// Where the entries of a map are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Dump {
    place: u32,
    pub row: usize,
    written: usize,
    is_over: bool,
}

impl Dump {
    /// Writes the next line of a map's entries. A few vacant places are passed at a time.
    pub(super) fn next_line(
        &mut self,
        map: &Map,
        json: bool,
        out: &mut dyn Write,
    ) -> Result<Progress, fmt::Error> {
        const AT_ONCE: usize = 64;
        if self.is_over {
            return Ok(Progress::Done);
        }
        for _ in 0..AT_ONCE {
            if self.place >= map.maximum_entries() {
                self.is_over = true;
                match (json, self.written) {
                    (true, 0) => out.write_str("[]")?,
                    (true, _) => out.write_str("]")?,
                    (false, 1) => out.write_str("Found 1 element")?,
                    (false, count) => write!(out, "Found {count} elements")?,
                }
                return Ok(Progress::Line);
            }
            if let Some((key, value)) = map.entry(self.place) {
                let number = self.place.to_ne_bytes();
                let key = key.unwrap_or(&number);
                if json && self.row == 0 {
                    out.write_str(if self.written == 0 { "[" } else { "," })?;
                }
                if entry_row(self.row, key, value, json, out)? {
                    self.row += 1;
                    return Ok(Progress::Line);
                }
                self.written += 1;
            }
            self.row = 0;
            self.place += 1;
        }
        Ok(Progress::Waiting)
    }
}

/// Octets of a line, where they take several.
const ROW: usize = 16;
/// Octets of a key and its value that stand on one line.
const SHORT: usize = 48;

/// Writes line `row` of an entry. Returns whether there is such a line.
pub(super) fn entry_row(
    row: usize,
    key: &[u8],
    value: &[u8],
    json: bool,
    out: &mut dyn Write,
) -> Result<bool, fmt::Error> {
    let chunk = |octets: &[u8], row: usize| {
        let first = row.saturating_mul(ROW);
        let rest = octets.get(first..).unwrap_or_default();
        let length = rest.len().min(ROW);
        Vec::<u8, ROW>::from_slice(rest.get(..length).unwrap_or_default()).unwrap_or_default()
    };
    let (key_rows, value_rows) = (key.len().div_ceil(ROW), value.len().div_ceil(ROW));
    if json {
        let (is_key, row) = match row.checked_sub(key_rows) {
            None => (true, row),
            Some(row) if row < value_rows => (false, row),
            Some(_) => return Ok(false),
        };
        let (octets, rows) = if is_key {
            (key, key_rows)
        } else {
            (value, value_rows)
        };
        match (row, is_key) {
            (0, true) => out.write_str("{\"key\":[")?,
            (0, false) => out.write_str("\"value\":[")?,
            _ => {}
        }
        let is_last = row + 1 == rows;
        let part = chunk(octets, row);
        for (index, octet) in part.iter().enumerate() {
            let comma = if is_last && index + 1 == part.len() {
                ""
            } else {
                ","
            };
            write!(out, "\"0x{octet:02x}\"{comma}")?;
        }
        match (is_last, is_key) {
            (true, true) => out.write_str("],")?,
            (true, false) => out.write_str("]}")?,
            _ => {}
        }
        return Ok(true);
    }
    if key.len() + value.len() <= SHORT {
        if row > 0 {
            return Ok(false);
        }
        write!(out, "key: {}  value: {}", Octets(key), Octets(value))?;
        return Ok(true);
    }
    match row {
        0 => out.write_str("key:")?,
        row if row <= key_rows => write!(out, "{}", Octets(&chunk(key, row - 1)))?,
        row if row == key_rows + 1 => out.write_str("value:")?,
        row if row <= key_rows + 1 + value_rows => {
            write!(out, "{}", Octets(&chunk(value, row - key_rows - 2)))?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// Octets with blanks between them.
struct Octets<'a>(&'a [u8]);

impl fmt::Display for Octets<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, octet) in self.0.iter().enumerate() {
            let blank = if index == 0 { "" } else { " " };
            write!(f, "{blank}{octet:02x}")?;
        }
        Ok(())
    }
}
