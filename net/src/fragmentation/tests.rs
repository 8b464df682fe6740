extern crate std;
use super::*;
use crate::wire::checksum::{self, tests::seal};
use etherparse::Ipv4Slice;
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

/// A datagram from 10.10.10.11 to 10.10.10.10 with these flags, options and data.
fn datagram(flags: [u8; 2], options: &[u8], payload: &[u8]) -> Vec<u8> {
    let header_length = 20 + options.len();
    let total = ((header_length + payload.len()) as u16).to_be_bytes();
    let mut octets = vec![0x40 | (header_length / 4) as u8, 0x10, total[0], total[1]];
    octets.extend([0, 0, flags[0], flags[1], 64, 17, 0, 0]);
    octets.extend([10, 10, 10, 11, 10, 10, 10, 10]);
    octets.extend(options);
    seal(&mut octets, 10);
    octets.extend(payload);
    octets
}

fn counting(length: usize) -> Vec<u8> {
    (0..length).map(|place| (place / 8 + place) as u8).collect()
}

/// All fragments, each in a buffer just as long as the MTU; checks what must hold of any.
fn fragments(datagram: &[u8], mtu: usize) -> Vec<Vec<u8>> {
    let mut cursor = Fragments::new(datagram, mtu, 0x1234).expect("a datagram to be sent");
    let mut written = Vec::new();
    let announced = cursor.remaining();
    let mut buffer = vec![0xee; mtu];
    while let Some(length) = cursor
        .write_next(datagram, &mut buffer)
        .expect("room for an MTU")
    {
        written.push(buffer[..length].to_vec());
        assert_eq!(cursor.remaining(), announced - written.len());
    }
    assert_eq!(
        cursor.write_next(datagram, &mut buffer),
        Ok(None),
        "after the last"
    );
    written
}

#[test]
fn a_datagram_longer_than_the_mtu_is_cut_at_multiples_of_eight() {
    let whole = datagram([0, 0], &[], &counting(100));
    let parts = fragments(&whole, 68);
    assert_eq!(parts.len(), 3);
    for (part, start) in [
        (
            &parts[0],
            [0x45, 0x10, 0, 68, 0x12, 0x34, 0x20, 0x00, 64, 17],
        ),
        (
            &parts[1],
            [0x45, 0x10, 0, 68, 0x12, 0x34, 0x20, 0x06, 64, 17],
        ),
        (
            &parts[2],
            [0x45, 0x10, 0, 24, 0x12, 0x34, 0x00, 0x0c, 64, 17],
        ),
    ] {
        assert_eq!(part[..10], start);
        assert_eq!(part[12..20], [10, 10, 10, 11, 10, 10, 10, 10]);
        assert!(checksum::is_valid(&part[..20]));
    }
    let data: Vec<u8> = parts.iter().flat_map(|part| &part[20..]).copied().collect();
    assert_eq!(data, counting(100));
}

#[test]
fn a_datagram_that_fits_is_left_whole_with_its_flags() {
    for flags in [[0, 0], [0x40, 0]] {
        let whole = datagram(flags, &[1, 1, 1, 0], &counting(44));
        let parts = fragments(&whole, 68);
        assert_eq!(parts.len(), 1);
        assert_eq!(parts[0][..4], whole[..4]);
        assert_eq!(parts[0][4..8], [0x12, 0x34, flags[0], flags[1]]);
        assert_eq!(parts[0][12..], whole[12..]);
        assert!(checksum::is_valid(&parts[0][..24]));
    }
    let empty = datagram([0, 0], &[], &[]);
    assert_eq!(fragments(&empty, 68).len(), 1);
}

#[test]
fn the_last_fragment_uses_all_the_room_there_is() {
    // An MTU of 70 has room for 50 octets of data, of which 48 are a multiple of eight.
    for (payload, lengths) in [
        (50, &[70][..]),
        (51, &[68, 23]),
        (98, &[68, 70]),
        (99, &[68, 68, 23]),
    ] {
        let parts = fragments(&datagram([0, 0], &[], &counting(payload)), 70);
        let found: Vec<usize> = parts.iter().map(Vec::len).collect();
        assert_eq!(found, lengths, "{payload} octets");
    }
}

#[test]
fn dont_fragment_is_respected_as_rfc_791_section_3_2_says() {
    let whole = datagram([0x40, 0], &[], &counting(49));
    let error = Fragments::new(&whole, 68, 1).expect_err("DF is set");
    assert_eq!(error, FragmentationError::DontFragment);
    assert!(Fragments::new(&whole, 69, 1).is_ok());
}

#[test]
fn only_options_with_the_copied_flag_stand_in_later_fragments() {
    // Record route (7) is not copied, nor are NOP and end of list; router alert (148) and security
    // (130) are.
    let options = [
        7, 7, 4, 0, 0, 0, 0, 1, 148, 4, 0, 0, 130, 3, 0, 0, 136, 4, 0, 0,
    ];
    let parts = fragments(&datagram([0, 0], &options, &counting(100)), 68);
    assert_eq!(parts[0][0], 0x4a);
    assert_eq!(parts[0][20..40], options);
    for part in &parts[1..] {
        assert_eq!(part[0], 0x47);
        // The end of the list stands at its fourth option: 136 comes behind it.
        assert_eq!(part[20..28], [148, 4, 0, 0, 130, 3, 0, 0]);
        assert!(checksum::is_valid(&part[..28]));
    }
    let data = parts[1..].iter().flat_map(|part| &part[28..]);
    let data: Vec<u8> = parts[0][40..].iter().chain(data).copied().collect();
    assert_eq!(data, counting(100));
}

#[test]
fn forty_octets_of_options_leave_room_for_one_unit() {
    let mut options = vec![1; 40];
    options[..4].copy_from_slice(&[148, 4, 0, 0]);
    let parts = fragments(&datagram([0, 0], &options, &counting(64)), 68);
    let lengths: Vec<usize> = parts.iter().map(Vec::len).collect();
    assert_eq!(lengths, [68, 64, 40]);
}

#[test]
fn what_is_no_whole_datagram_is_refused() {
    let whole = datagram([0, 0], &[1, 1, 1, 0], &counting(50));
    for length in 0..whole.len() {
        let error = Fragments::new(&whole[..length], 68, 1).expect_err("cut short");
        assert_eq!(error, FragmentationError::NotADatagram, "{length} octets");
    }
    for flags in [[0x20, 0], [0, 1]] {
        let fragment = datagram(flags, &[], &counting(50));
        let error = Fragments::new(&fragment, 68, 1).expect_err("a fragment");
        assert_eq!(error, FragmentationError::NotADatagram);
    }
    let mut short_header = datagram([0, 0], &[], &counting(50));
    short_header[0] = 0x44;
    let error = Fragments::new(&short_header, 68, 1).expect_err("a header of 16 octets");
    assert_eq!(error, FragmentationError::NotADatagram);
}

#[test]
fn options_that_overrun_each_other_are_refused() {
    for options in [[148, 0, 0, 0], [148, 1, 0, 0], [148, 5, 0, 0], [1, 1, 1, 7]] {
        let whole = datagram([0, 0], &options, &counting(50));
        let error = Fragments::new(&whole, 68, 1).expect_err("bad options");
        assert_eq!(error, FragmentationError::Options, "{options:?}");
    }
}

#[test]
fn an_mtu_below_68_octets_is_refused() {
    let whole = datagram([0, 0], &[], &counting(50));
    for mtu in [0, 28, 67] {
        let error = Fragments::new(&whole, mtu, 1).expect_err("too small");
        assert_eq!(error, FragmentationError::MtuTooSmall(mtu));
    }
}

#[test]
fn a_buffer_that_is_too_short_loses_nothing() {
    let whole = datagram([0, 0], &[], &counting(100));
    let mut cursor = Fragments::new(&whole, 68, 0x1234).expect("a datagram to be sent");
    let mut short = [0xee; 67];
    assert_eq!(
        cursor.write_next(&whole, &mut short),
        Err(BufferTooShort(68))
    );
    assert_eq!(short, [0xee; 67]);
    let mut buffer = [0; 68];
    assert_eq!(cursor.write_next(&whole, &mut buffer), Ok(Some(68)));
    assert_eq!(buffer[..], fragments(&whole, 68)[0]);
}

#[test]
fn padding_behind_the_datagram_is_not_sent() {
    let mut padded = datagram([0, 0], &[], &counting(50));
    let parts = fragments(&padded, 68);
    padded.extend([0xee; 30]);
    assert_eq!(fragments(&padded, 68), parts);
}

/// Options that can be walked to their end.
pub(crate) fn any_options() -> impl Strategy<Value = Vec<u8>> {
    let option = prop_oneof![
        Just(vec![1]),
        (any::<u8>(), prop::collection::vec(any::<u8>(), 0..8)).prop_map(|(kind, data)| {
            let kind = if kind <= 1 { 148 } else { kind };
            [&[kind, data.len() as u8 + 2][..], &data].concat()
        }),
    ];
    prop::collection::vec(option, 0..6).prop_map(|options| {
        let mut all = Vec::new();
        for option in options {
            if all.len() + option.len() <= 40 {
                all.extend(option);
            }
        }
        all.resize(all.len().next_multiple_of(4), 0);
        all
    })
}

proptest! {
    #[test]
    fn etherparse_finds_in_every_fragment_what_rfc_791_wants(
        options in any_options(),
        length in 0..4000_usize,
        mtu in 68..1600_usize,
    ) {
        let payload = counting(length);
        let whole = datagram([0, 0], &options, &payload);
        let parts = fragments(&whole, mtu);
        let mut data = Vec::new();
        for (place, part) in parts.iter().enumerate() {
            prop_assert!(part.len() <= mtu);
            let slice = Ipv4Slice::from_slice(part).expect("a sound datagram");
            let header = slice.header().to_header();
            prop_assert_eq!(header.calc_header_checksum(), header.header_checksum);
            prop_assert_eq!(usize::from(header.total_len), part.len());
            prop_assert_eq!(header.identification, 0x1234);
            prop_assert!(!header.dont_fragment);
            prop_assert_eq!(header.more_fragments, place + 1 < parts.len());
            prop_assert_eq!(usize::from(header.fragment_offset.value()) * 8, data.len());
            prop_assert_eq!((header.dscp.value(), header.ecn.value()), (4, 0));
            prop_assert_eq!((header.time_to_live, header.protocol.0), (64, 17));
            prop_assert_eq!(header.source, [10, 10, 10, 11]);
            prop_assert_eq!(header.destination, [10, 10, 10, 10]);
            data.extend_from_slice(slice.payload().payload);
        }
        prop_assert_eq!(data, payload);
    }

    #[test]
    fn any_octets_are_cut_or_refused(
        octets in prop::collection::vec(any::<u8>(), 0..200),
        version_and_length in 0x40..0x50_u8,
        mtu in 60..100_usize,
    ) {
        let mut octets = octets;
        if let [first, _, high, low, ..] = &mut octets[..] {
            *first = version_and_length;
            *high = 0;
            *low = (*low).min(180);
        }
        if let Ok(mut cursor) = Fragments::new(&octets, mtu, 1) {
            let mut buffer = [0; 100];
            for _ in 0..50 {
                let _ = cursor.write_next(&octets, &mut buffer).expect("room");
            }
            prop_assert_eq!(cursor.remaining(), 0);
        }
    }
}
