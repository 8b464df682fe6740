//! What is printed for each answered echo request while `trace` is on, and the dump of its frame.
//!
//! It is the line of EVL's `oob-net-icmp`, to the letter, so that what people wrote to read that
//! program's output reads ours. Its dump has the frame as it arrived, with the VLAN tag.

use crate::commands::dump::decode::Decoded;
use crate::text::clipped;
use core::fmt::{self, Write};
use pollux_net::trace::{TraceRecord, TracedFrame};

/// A record, displayed as its line, without line ending.
///
/// `count` is the length of the IPv4 datagram, `ifindex` the number of the real device, `type` 0
/// for a frame to this host, `halen` and `mac` the length and the value of the asker's address.
#[derive(Clone, Copy, Debug)]
pub struct TraceLine<'a>(pub &'a TraceRecord);

impl fmt::Display for TraceLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let record = self.0;
        write!(
            f,
            "[{}] count={}, proto={:#x}, ifindex={}, type={}, halen={}, mac={}",
            record.sequence,
            record.octets,
            record.ether_type.0,
            record.ifindex,
            record.packet_type,
            record.source.0.len(),
            record.source
        )
    }
}

/// How many octets of a frame stand on a line.
const OCTETS_PER_LINE: usize = 16;

/// The lines about one echo request: its own, then the dump of its frame where that was recorded.
#[derive(Clone, Debug)]
pub struct TraceLines {
    record: TraceRecord,
    frame: Option<TracedFrame>,
    row: usize,
}

impl TraceLines {
    /// All lines about this request.
    pub const fn new(record: TraceRecord, frame: Option<TracedFrame>) -> Self {
        let row = 0;
        Self { record, frame, row }
    }

    /// Whether all were written.
    pub fn is_over(&self) -> bool {
        let dump = self.frame.as_ref().map_or(0, |frame| {
            2 + frame.octets().len().div_ceil(OCTETS_PER_LINE)
        });
        self.row > dump
    }

    /// Writes the next line, without line ending.
    ///
    /// # Errors
    ///
    /// [`fmt::Error`] when `out` refused it.
    pub fn write_line(&mut self, out: &mut dyn Write) -> fmt::Result {
        let row = self.row;
        self.row += 1;
        match (&self.frame, row) {
            (_, 0) | (None, _) => write!(out, "{}", TraceLine(&self.record)),
            (Some(frame), 1) => write!(out, "== dumping ICMP request, length={}", frame.length()),
            (Some(frame), row) => {
                let line = frame.octets().chunks(OCTETS_PER_LINE).nth(row - 2);
                match line {
                    Some(octets) => octets
                        .iter()
                        .try_for_each(|octet| write!(out, "{octet:02x} ")),
                    None => {
                        let decoded = Decoded {
                            octets: frame.octets(),
                            length: frame.length(),
                            with_stations: true,
                        };
                        write!(out, "{}", clipped::<200>(decoded))
                    }
                }
            }
        }
    }
}
#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use pollux_net::wire::ethernet::{EtherType, MacAddress};
    use std::string::ToString;

    #[test]
    fn is_the_line_that_oob_net_icmp_prints() {
        let record = TraceRecord {
            sequence: 0,
            octets: 84,
            ether_type: EtherType::IPV4,
            ifindex: 2,
            packet_type: 0,
            source: MacAddress([0x52, 0x54, 0, 0x12, 0x34, 0x56]),
        };
        assert_eq!(
            TraceLine(&record).to_string(),
            "[0] count=84, proto=0x800, ifindex=2, type=0, halen=6, mac=52:54:00:12:34:56"
        );
    }

    #[test]
    fn a_frame_is_dumped_sixteen_octets_a_line_and_in_words() {
        let record = TraceRecord {
            sequence: 0,
            octets: 28,
            ether_type: EtherType::IPV4,
            ifindex: 2,
            packet_type: 0,
            source: MacAddress([2, 0, 0, 0, 0, 1]),
        };
        #[rustfmt::skip]
        let request = [
            0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 0x02, 0x00, 0x00, 0x00, 0x00, 0x01,
            0x81, 0x00, 0x00, 0x2a, 0x08, 0x00,
            0x45, 0x00, 0x00, 0x1c, 0x12, 0x34, 0x40, 0x00, 0x40, 0x01, 0x00, 0x85,
            10, 10, 10, 10, 10, 10, 10, 11,
            0x08, 0x00, 0xe5, 0xca, 0x12, 0x34, 0x00, 0x01,
        ];
        let mut octets = [0; pollux_net::capture::OCTETS];
        octets[..request.len()].copy_from_slice(&request);
        let frame = TracedFrame::new(&octets, request.len());
        let mut lines = TraceLines::new(record, Some(frame));
        let mut text = std::string::String::new();
        while !lines.is_over() {
            lines.write_line(&mut text).expect("a string");
            text.push('\n');
        }
        assert_eq!(
            text,
            "\
[0] count=28, proto=0x800, ifindex=2, type=0, halen=6, mac=02:00:00:00:00:01
== dumping ICMP request, length=46
52 54 00 12 34 56 02 00 00 00 00 01 81 00 00 2a 
08 00 45 00 00 1c 12 34 40 00 40 01 00 85 0a 0a 
0a 0a 0a 0a 0a 0b 08 00 e5 ca 12 34 00 01 
02:00:00:00:00:01 > 52:54:00:12:34:56, vlan 42, IP 10.10.10.10 > 10.10.10.11: ICMP echo request, id 4660, seq 1, length 8
"
        );
        let mut line = TraceLines::new(record, None);
        line.write_line(&mut std::string::String::new())
            .expect("a string");
        assert!(line.is_over(), "without a frame, a line is all");
    }
}
