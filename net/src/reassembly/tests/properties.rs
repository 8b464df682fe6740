//! What holds of any fragments, in any order: compared with a model that keeps every octet apart, and
//! with the fragments that our own sending side makes.

use super::*;
use crate::fragmentation::{Fragments, tests::any_options};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A datagram that is put together octet by octet, by the words of the rules.
#[derive(Default)]
struct Model {
    octets: BTreeMap<usize, u8>,
    ends_of_middles: Vec<usize>,
    ends_of_lasts: Vec<usize>,
    is_discarded: bool,
    deadline: u64,
}

impl Model {
    fn take(&mut self, sent: &Sent) -> Result<Option<Vec<u8>>, Refusal> {
        if self.is_discarded {
            return Err(Refusal::Discarded);
        }
        let end = sent.offset + sent.payload.len();
        let (mut middles, mut lasts) = (self.ends_of_middles.clone(), self.ends_of_lasts.clone());
        if sent.more { &mut middles } else { &mut lasts }.push(end);
        let ends_agree = lasts
            .iter()
            .all(|&last| lasts[0] == last && middles.iter().all(|&middle| middle < last));
        let mut new = 0;
        let mut different = 0;
        for (place, octet) in (sent.offset..).zip(&sent.payload) {
            match self.octets.get(&place) {
                None => new += 1,
                Some(there) => different += usize::from(there != octet),
            }
        }
        if !ends_agree {
            self.is_discarded = true;
            return Err(Refusal::ContradictoryEnd);
        }
        if (new, different) == (0, 0) {
            return Err(Refusal::Duplicate);
        }
        if new != sent.payload.len() {
            self.is_discarded = true;
            return Err(Refusal::Overlap);
        }
        (self.ends_of_middles, self.ends_of_lasts) = (middles, lasts);
        self.octets
            .extend((sent.offset..).zip(sent.payload.iter().copied()));
        let is_whole = self.ends_of_lasts.first() == Some(&self.octets.len());
        Ok(is_whole.then(|| self.octets.values().copied().collect()))
    }
}

/// Fragments of few datagrams of few hosts, few units long, whose octets nearly always depend on
/// their place only: so that they fit together, overlap and repeat each other.
fn hostile() -> impl Strategy<Value = Sent> {
    let what = (0..6_usize, 1..30_usize, any::<bool>(), 0..10_u8);
    (what, 1..3_u16, 0..2_u16, 0..4_u64).prop_map(
        |((unit, length, more, variant), host, identification, pause)| {
            let length = if more {
                length.next_multiple_of(8)
            } else {
                length
            };
            let tag = ((host - 1) * 2 + identification) as u8 * 50 + u8::from(variant == 0) * 25;
            let payload: Vec<u8> = (unit..)
                .flat_map(|unit| [tag + unit as u8; 8])
                .take(length)
                .collect();
            let sent = Sent::new(unit * 8, more, &payload);
            // Every fourth time or so, a time that brings some datagrams to their end.
            let pause = if pause == 0 { 25 * SECOND } else { pause };
            sent.from(host).of(identification).at(pause)
        },
    )
}

proptest! {
    #[test]
    fn a_stream_of_hostile_fragments_is_judged_as_the_rules_say(stream in prop::collection::vec(hostile(), 0..80)) {
        let mut reassembly = reassembly(8);
        let mut models: BTreeMap<([u8; 4], u16), Model> = BTreeMap::new();
        let mut now = 0;
        for mut sent in stream {
            now += sent.time;
            sent.time = now;
            let over = models.values().filter(|model| model.deadline <= now && !model.is_discarded);
            let over = over.count();
            models.retain(|_, model| model.deadline > now);
            let mut expired = 0;
            while reassembly.expire(at(now)).is_some() {
                expired += 1;
            }
            prop_assert_eq!(expired, over);
            let key = (sent.source, sent.identification);
            let model = models.entry(key).or_insert_with(|| Model {
                deadline: now + 60 * SECOND,
                ..Model::default()
            });
            let expected = model.take(&sent);
            if let Ok(Some(_)) = expected {
                models.remove(&key);
            }
            let found = sent.arrives(&mut reassembly);
            let found = found.map(|whole| whole.map(|whole| whole[20..].to_vec()));
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn any_fields_are_taken_or_refused_and_nothing_is_delivered_that_others_sent(
        stream in prop::collection::vec((0..40_u16, 0..8192_usize, 0..1500_usize, any::<bool>(), 0..4_u16), 0..200),
        contexts in 0..6_usize,
    ) {
        let mut reassembly = reassembly(contexts);
        for (host, unit, length, more, near) in stream {
            // Many are near the beginning, where they can become whole.
            let unit = if near > 0 { unit % 3 } else { unit };
            let length = if near > 0 { length % 25 } else { length };
            let sent = Sent::new(unit * 8, more, &vec![host as u8; length]).from(host);
            if let Ok(Some(whole)) = sent.arrives(&mut reassembly) {
                prop_assert!(whole[20..].iter().all(|&octet| octet == host as u8));
                prop_assert_eq!(&whole[12..16], &sent.source);
            }
            prop_assert!(reassembly.waiting() <= contexts);
        }
    }

    #[test]
    fn what_we_cut_in_pieces_is_put_together_again_in_any_order_with_repetitions(
        options in any_options(),
        length in 0..5000_usize,
        mtu in 68..1600_usize,
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        seed in any::<u64>(),
    ) {
        let mut original = Sent::new(0, false, &counting(length));
        original.options = options;
        let original = original.octets();
        let mut cursor = Fragments::new(&original, mtu, 0x1234).expect("a datagram to be sent");
        let mut pieces = Vec::new();
        let mut buffer = vec![0; mtu];
        while let Some(length) = cursor.write_next(&original, &mut buffer).expect("room") {
            pieces.push(buffer[..length].to_vec());
        }
        if pieces.len() == 1 {
            return Ok(());
        }
        // Some of them first, some twice; then the rest in an order that the seed says.
        let mut all: Vec<usize> = order.iter().map(|index| index.index(pieces.len())).collect();
        let mut rest: Vec<usize> = (0..pieces.len()).collect();
        rest.sort_by_key(|&place| (place as u64 + 1).wrapping_mul(seed | 1));
        all.extend(rest);

        let mut reassembly = reassembly(8);
        let mut arrived = vec![false; pieces.len()];
        for place in all {
            let outcome = receive(&mut reassembly, &pieces[place]);
            let is_new = !core::mem::replace(&mut arrived[place], true);
            if arrived.iter().all(|&there| there) {
                prop_assert_eq!(outcome, Ok(Some(original)));
                break;
            }
            prop_assert_eq!(outcome, if is_new { Ok(None) } else { Err(Refusal::Duplicate) });
        }
    }

    #[test]
    fn etherparse_reads_what_was_put_together(
        length in 9..3000_usize,
        cut in 1..100_usize,
    ) {
        let data = counting(length);
        let cut = (cut * 8).min((length - 1) & !7);
        let mut reassembly = reassembly(8);
        prop_assert_eq!(Sent::new(0, true, &data[..cut]).arrives(&mut reassembly), Ok(None));
        let whole = Sent::new(cut, false, &data[cut..]).arrives(&mut reassembly);
        let whole = whole.expect("taken").expect("whole");
        let slice = etherparse::Ipv4Slice::from_slice(&whole).expect("a sound datagram");
        let header = slice.header().to_header();
        prop_assert!(!slice.payload().fragmented);
        prop_assert_eq!(header.calc_header_checksum(), header.header_checksum);
        prop_assert_eq!(slice.payload().payload, &data[..]);
    }
}

/// Takes a fragment apart and hands it in.
fn receive(reassembly: &mut Reassembly, octets: &[u8]) -> Result<Option<Vec<u8>>, Refusal> {
    let (header, behind) = Ipv4Header::ref_from_prefix(octets).expect("20 octets");
    let (options, payload) = behind.split_at(header.header_length() - 20);
    let fragment = Fragment {
        arrival: Sent::new(0, false, b"").arrival(),
        header,
        options,
        payload,
    };
    Ok(match reassembly.insert(&fragment)? {
        Outcome::Incomplete => None,
        Outcome::Complete(whole) => Some(whole.datagram().to_vec()),
    })
}
