//! Frames that are wrong in one place and right everywhere else, so that a test knows what they
//! are dropped for.
//!
//! All work on tagged frames with an IPv4 header of twenty octets, as [`crate::peer::Peer`] makes.

use etherparse::checksum::Sum16BitWords;

/// Where the tag is: its type, and two octets later its content.
pub const TAG: usize = 12;
/// Where the type of what the tag's frame carries is.
pub const TYPE: usize = 16;
/// Where the IPv4 header is.
pub const IPV4: usize = 18;
/// Where the ICMP message is.
pub const ICMP: usize = 38;

/// A copy of `frame` with `octets` at `offset`, checksums as they were.
pub fn with(frame: &[u8], offset: usize, octets: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame[offset..offset + octets.len()].copy_from_slice(octets);
    frame
}

/// A copy of `frame` with `octets` at `offset` of its IPv4 header, and the header's checksum right.
pub fn with_ipv4(frame: &[u8], offset: usize, octets: &[u8]) -> Vec<u8> {
    let mut frame = with(frame, IPV4 + offset, octets);
    seal_ipv4(&mut frame);
    frame
}

/// A copy of `frame` with `octets` at `offset` of its ICMP message, and the message's checksum
/// right.
pub fn with_icmp(frame: &[u8], offset: usize, octets: &[u8]) -> Vec<u8> {
    let mut frame = with(frame, ICMP + offset, octets);
    seal_icmp(&mut frame);
    frame
}

/// Makes the IPv4 checksum right. It covers what the header length says, but no less than a whole
/// header and no more than the frame.
pub fn seal_ipv4(frame: &mut [u8]) {
    let length = usize::from(frame[IPV4] & 0x0f) * 4;
    let end = (IPV4 + length.max(20)).min(frame.len());
    seal(&mut frame[IPV4..end], 10);
}

/// Makes the ICMP checksum right. It covers what the IPv4 total length says.
pub fn seal_icmp(frame: &mut [u8]) {
    let total = usize::from(u16::from_be_bytes([frame[IPV4 + 2], frame[IPV4 + 3]]));
    seal(&mut frame[ICMP..IPV4 + total], 2);
}

fn seal(octets: &mut [u8], at: usize) {
    octets[at..at + 2].fill(0);
    let sum = Sum16BitWords::new().add_slice(octets).ones_complement();
    octets[at..at + 2].copy_from_slice(&sum.to_be().to_be_bytes());
}

/// A copy of `frame` without its tag.
pub fn untagged(frame: &[u8]) -> Vec<u8> {
    [&frame[..TAG], &frame[TYPE..]].concat()
}

/// A copy of `frame` with one more tag before its own.
pub fn with_outer_tag(frame: &[u8], tpid: u16, tci: u16) -> Vec<u8> {
    let tag = [tpid.to_be_bytes(), tci.to_be_bytes()].concat();
    [&frame[..TAG], &tag, &frame[TAG..]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::Peer;

    #[test]
    fn sealing_gives_the_checksums_that_etherparse_gives() {
        let frame = Peer::request(b"odd");
        let mut broken = frame.clone();
        broken[IPV4 + 10..IPV4 + 12].fill(0x55);
        broken[ICMP + 2..ICMP + 4].fill(0x55);
        seal_ipv4(&mut broken);
        seal_icmp(&mut broken);
        assert_eq!(broken, frame);
    }

    #[test]
    fn tags_are_taken_out_and_put_in() {
        let frame = Peer::request(b"");
        let doubled = with_outer_tag(&frame, 0x88a8, 0x0064);
        assert_eq!(
            doubled[12..20],
            [0x88, 0xa8, 0x00, 0x64, 0x81, 0x00, 0x00, 0x2a]
        );
        assert_eq!(untagged(&frame)[12..14], [0x08, 0x00]);
    }
}
