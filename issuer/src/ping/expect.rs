//! What the answer to a request must look like, byte for byte.
//!
//! The whole expected frame is built anew for every answer and compared with what came. Of the
//! answer's own fields only those that a responder may choose are taken over: IPv4 identification,
//! the don't-fragment flag and, unless one is demanded, the TTL.

use etherparse::IpNumber;

use super::{Settings, answering_link};
use crate::frame::{Echo, Link, Received, SHORTEST_FRAME};

/// Octets of an ICMP echo header.
const ICMP_LEN: usize = 8;
const ECHO_REPLY: u8 = 0;
/// Octets of the longest padding that a sender may add: a tagged frame may be filled up to 64.
const LONGEST_PADDED_FRAME: usize = SHORTEST_FRAME + 4;

/// The judge of one session's answers.
pub struct Expectation {
    settings: Settings,
    link: Link,
    payload: Vec<u8>,
    frame: Vec<u8>,
}

/// What a received frame is.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not meant as an answer to this session.
    Foreign,
    /// The answer to a request, right in every byte.
    Answer {
        /// The request.
        number: u64,
        /// The answer's TTL.
        ttl: u8,
    },
    /// Meant as an answer, but wrong.
    Wrong {
        /// The request it seems to answer, if that can be told.
        number: Option<u64>,
        /// What is wrong.
        wrong: String,
    },
}

impl Expectation {
    /// The judge for a session with `settings`.
    pub fn new(settings: &Settings) -> Self {
        Self {
            settings: settings.clone(),
            link: answering_link(settings),
            payload: vec![0; settings.size],
            frame: Vec::new(),
        }
    }

    /// Judges a frame. `request` gives the number of the request that was last sent with a
    /// sequence number, if there was one.
    pub fn judge(&mut self, frame: &[u8], request: impl Fn(u16) -> Option<u64>) -> Verdict {
        if !self.concerns_us(frame) {
            return Verdict::Foreign;
        }
        let wrong = |number, wrong: &str| Verdict::Wrong {
            number,
            wrong: wrong.to_owned(),
        };
        let Some(received) = Received::parse(frame) else {
            return wrong(None, "a frame shorter than its headers");
        };
        let Some(header) = received.ipv4() else {
            return wrong(
                None,
                &format!("not IPv4 but type {:#06x}", received.ether_type.0),
            );
        };
        let icmp = received.payload.get(header.slice().len()..);
        let Some(&[kind, _, _, _, id0, id1, sequence0, sequence1]) =
            icmp.and_then(|icmp| icmp.first_chunk::<ICMP_LEN>())
        else {
            return wrong(None, "a datagram shorter than an echo reply");
        };
        let id = u16::from_be_bytes([id0, id1]);
        let is_ours =
            header.protocol() == IpNumber::ICMP && kind == ECHO_REPLY && id == self.settings.id;
        if !is_ours && received.is_sound_ipv4() {
            return Verdict::Foreign;
        }
        let Some(number) = request(u16::from_be_bytes([sequence0, sequence1])) else {
            return wrong(None, "a sequence number that was not sent");
        };
        let ttl = header.ttl();
        if ttl == 0 {
            return wrong(Some(number), "TTL 0");
        }
        fill_payload(number, &mut self.payload);
        let expected = Echo {
            tos: self.settings.tos,
            identification: header.identification(),
            dont_fragment: header.dont_fragment(),
            ttl: self.settings.ttl.unwrap_or(ttl),
            id: self.settings.id,
            sequence: number as u16,
            ..Echo::new(
                self.settings.target,
                self.settings.station.address,
                &self.payload,
            )
        };
        expected.write_reply(&self.link, &mut self.frame);
        match self.difference(frame, received.link) {
            None => Verdict::Answer { number, ttl },
            Some(difference) => wrong(Some(number), &difference),
        }
    }

    /// Whether a frame is from the peer or for us and not some other protocol's business. An
    /// answer with one byte wrong, wherever it is, still concerns us.
    fn concerns_us(&self, frame: &[u8]) -> bool {
        let (Some(destination), Some(source)) = (frame.get(..6), frame.get(6..12)) else {
            return !frame.is_empty();
        };
        let from_peer = source == self.link.source;
        let for_us = destination == self.link.destination;
        let sound_arp = || Received::parse(frame).is_some_and(|received| received.arp().is_some());
        let to_group = destination[0] & 1 == 1;
        // What a peer says to everybody (neighbour discovery and the like) is not an answer, an
        // answer said to everybody is.
        let names_us = || {
            Received::parse(frame)
                .and_then(|received| received.ipv4())
                .is_some_and(|header| {
                    header.destination() == self.settings.station.address.octets()
                })
        };
        (for_us || from_peer && (!to_group || names_us())) && !sound_arp()
    }

    /// The first thing in which `frame` is not the expected one.
    fn difference(&self, frame: &[u8], link: Link) -> Option<String> {
        let expected = self.frame.as_slice();
        let content = self.link.header_len() + 20 + ICMP_LEN + self.payload.len();
        if let Some(offset) = (0..content.min(frame.len())).find(|&at| frame[at] != expected[at]) {
            if link.tag != self.link.tag {
                return Some(format!(
                    "the tag is {}, not {}",
                    tag_words(&link),
                    tag_words(&self.link)
                ));
            }
            return Some(format!(
                "{} at offset {offset} is {:#04x}, not {:#04x}",
                self.field(offset),
                frame[offset],
                expected[offset]
            ));
        }
        let Some(padding) = frame.get(content..) else {
            return Some(format!("{} octets long, not {content}", frame.len()));
        };
        if padding.iter().any(|&octet| octet != 0) {
            return Some("the padding is not zero".to_owned());
        }
        if !padding.is_empty() && frame.len() > LONGEST_PADDED_FRAME {
            return Some(format!("{} octets long, not {content}", frame.len()));
        }
        None
    }

    /// The name of the field at `offset` of an expected frame.
    fn field(&self, offset: usize) -> &'static str {
        let header_len = self.link.header_len();
        match offset {
            0..6 => return "the destination address",
            6..12 => return "the source address",
            _ if offset < header_len => return "the type",
            _ => {}
        }
        match offset - header_len {
            0 => "the IPv4 version and header length",
            1 => "the type of service",
            2..4 => "the total length",
            4..6 => "the identification",
            6..8 => "the fragment field",
            8 => "the TTL",
            9 => "the protocol",
            10..12 => "the IPv4 checksum",
            12..16 => "the IPv4 source",
            16..20 => "the IPv4 destination",
            20 => "the ICMP type",
            21 => "the ICMP code",
            22..24 => "the ICMP checksum",
            24..26 => "the ICMP identifier",
            26..28 => "the ICMP sequence number",
            _ => "the payload",
        }
    }
}

fn tag_words(link: &Link) -> String {
    link.tag.map_or_else(
        || "absent".to_owned(),
        |tag| {
            let dei = u8::from(tag.dei);
            format!("VID {} PCP {} DEI {dei}", tag.vid, tag.pcp)
        },
    )
}

/// Fills a payload with bytes that no other request of the session has.
pub fn fill_payload(number: u64, payload: &mut [u8]) {
    // SplitMix64, begun at a point of its own for each number.
    let mut state = number.wrapping_mul(0xd134_2543_de82_ef95);
    for chunk in payload.chunks_mut(8) {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^= word >> 31;
        chunk.copy_from_slice(&word.to_le_bytes()[..chunk.len()]);
    }
}
