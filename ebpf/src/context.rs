//! The context of a program: `struct __sk_buff`, as far as it makes sense for a frame that just came in.
//!
//! There is no such structure in memory: a field is worked out when the program reads it. A program may
//! read a part of a field, as compilers make it do, and write none.

use crate::frame::Frame;

/// Octets of the structure.
const SIZE: u64 = 192;

/// What its 32-bit words are called, in the order in which they stand.
const WORDS: [&str; 48] = [
    "len",
    "pkt_type",
    "mark",
    "queue_mapping",
    "protocol",
    "vlan_present",
    "vlan_tci",
    "vlan_proto",
    "priority",
    "ingress_ifindex",
    "ifindex",
    "tc_index",
    "cb",
    "cb",
    "cb",
    "cb",
    "cb",
    "hash",
    "tc_classid",
    "data",
    "data_end",
    "napi_id",
    "family",
    "remote_ip4",
    "local_ip4",
    "remote_ip6",
    "remote_ip6",
    "remote_ip6",
    "remote_ip6",
    "local_ip6",
    "local_ip6",
    "local_ip6",
    "local_ip6",
    "remote_port",
    "local_port",
    "data_meta",
    "flow_keys",
    "flow_keys",
    "tstamp",
    "tstamp",
    "wire_len",
    "gso_segs",
    "sk",
    "sk",
    "gso_size",
    "tstamp_type",
    "hwtstamp",
    "hwtstamp",
];

/// The name of the field at `offset`; `None` outside the structure.
pub fn name_at(offset: i64) -> Option<&'static str> {
    let word = usize::try_from(offset).ok()? / 4;
    WORDS.get(word).copied()
}

/// Whether a program can read `octets` octets, a power of two of them, at `offset`.
pub fn is_readable(offset: i64, octets: u64) -> bool {
    let Ok(offset) = u64::try_from(offset) else {
        return false;
    };
    let inside = offset < SIZE && octets <= 4 && offset & octets.wrapping_sub(1) == 0;
    inside && is_supported(offset / 4)
}

/// Whether [`word`] says something about it.
const fn is_supported(index: u64) -> bool {
    matches!(index, 0..=10 | 17)
}

/// The word at which `index` stands. The fields that a frame does not have yet when it came in are zero.
fn word(frame: &Frame<'_>, index: u64) -> u32 {
    let from_network = |octets| u32::from(u16::from_be_bytes(octets));
    // As two octets in network order look to a little-endian machine.
    let in_network_order = |octets| u32::from(u16::from_le_bytes(octets));
    match index {
        0 => frame.payload().len() as u32,
        1 => match frame.group() {
            (true, _) => 1,
            (false, true) => 2,
            (false, false) => 0,
        },
        4 => in_network_order(frame.protocol()),
        5 => u32::from(frame.tag().is_some()),
        6 => frame.tag().map_or(0, |(_, control)| from_network(control)),
        7 => frame
            .tag()
            .map_or(0, |(protocol, _)| in_network_order(protocol)),
        9 | 10 => frame.ifindex(),
        _ => 0,
    }
}

/// Reads `octets` octets at `offset`; `None` where there are none to read.
#[inline]
pub fn read(frame: &Frame<'_>, offset: u64, octets: u64) -> Option<u64> {
    let is_right = is_readable(i64::try_from(offset).ok()?, octets);
    is_right.then(|| read_checked(frame, offset, octets))
}

/// Reads `octets` octets at `offset`, where [`is_readable`] says that they are.
#[inline]
pub fn read_checked(frame: &Frame<'_>, offset: u64, octets: u64) -> u64 {
    let shifted = word(frame, offset / 4) >> ((offset % 4) << 3);
    let value = match octets {
        1 => shifted & 0xff,
        2 => shifted & 0xffff,
        _ => shifted,
    };
    u64::from(value)
}
