//! The line that is printed for each answered echo request while `trace` is on.
//!
//! It is the line of EVL's `oob-net-icmp`, to the letter, so that what people wrote to read that
//! program's output reads ours.

use core::fmt;
use pollux_net::trace::TraceRecord;

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
}
