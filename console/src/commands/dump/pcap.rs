//! Frames as a pcap file with nanoseconds, in hexadecimal: `xxd -r -p` makes the file of it, blanks and line ends
//! aside. The format is that of draft-ietf-opsawg-pcap, least significant octet first.

use super::Shown;
use crate::view::StatusView;
use core::fmt::{self, Write};
use pollux_net::capture::OCTETS;

const MAGIC: u32 = 0xa1b2_3c4d;
const VERSION: [u16; 2] = [2, 4];
const LINKTYPE_ETHERNET: u32 = 1;
/// Octets of a frame on a line.
const WIDTH: usize = 64;

/// Writes line `row` of frame `frame`. Returns whether there is one. In JSON it is an array of strings.
pub(super) fn line(
    frames: &[Shown],
    frame: usize,
    row: usize,
    json: bool,
    view: &StatusView<'_>,
    out: &mut dyn Write,
) -> Result<bool, fmt::Error> {
    // The file's header stands in front of the first frame, or of none.
    let row = match (frame, row) {
        (0, 0) => {
            if json {
                out.write_str("{\"pcap\":[")?;
            }
            file_header(json, out)?;
            return Ok(true);
        }
        (0, row) => row - 1,
        (_, row) => row,
    };
    let Some(shown) = frames.get(frame) else {
        if json && row == 0 {
            out.write_str("]}")?;
        }
        return Ok(json && row == 0);
    };
    let octets = shown.record.octets();
    if row == 0 {
        lead(json, out)?;
        record_header(shown, view, out)?;
    } else {
        let Some(some) = octets.chunks(WIDTH).nth(row - 1) else {
            return Ok(false);
        };
        lead(json, out)?;
        hexadecimal(some, out)?;
    }
    end(json, out)?;
    Ok(true)
}

fn file_header(json: bool, out: &mut dyn Write) -> fmt::Result {
    if json {
        out.write_char('"')?;
    }
    hexadecimal(&MAGIC.to_le_bytes(), out)?;
    for part in VERSION {
        hexadecimal(&part.to_le_bytes(), out)?;
    }
    // Two fields that nobody uses, the most octets of a frame, the kind of frames.
    for field in [0, 0, OCTETS as u32, LINKTYPE_ETHERNET] {
        hexadecimal(&field.to_le_bytes(), out)?;
    }
    end(json, out)
}

fn record_header(shown: &Shown, view: &StatusView<'_>, out: &mut dyn Write) -> fmt::Result {
    let seen_ns = shown.seen_ns(view);
    let (seconds, nanoseconds) = (seen_ns / 1_000_000_000, seen_ns % 1_000_000_000);
    let kept = shown.record.octets().len() as u32;
    let fields = [
        seconds as u32,
        nanoseconds as u32,
        kept,
        shown.record.length() as u32,
    ];
    for field in fields {
        hexadecimal(&field.to_le_bytes(), out)?;
    }
    Ok(())
}

fn lead(json: bool, out: &mut dyn Write) -> fmt::Result {
    if json { out.write_str(",\"") } else { Ok(()) }
}

fn end(json: bool, out: &mut dyn Write) -> fmt::Result {
    if json { out.write_char('"') } else { Ok(()) }
}

fn hexadecimal(octets: &[u8], out: &mut dyn Write) -> fmt::Result {
    for octet in octets {
        write!(out, "{octet:02x}")?;
    }
    Ok(())
}
