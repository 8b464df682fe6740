//! What the device says of checksums, and what is made of it.

use pollux_net::device::SoundFrame;
use pollux_net::device::TransportChecksum::{self, Unverified, Verified};

use super::*;

in_each_format!(
    the_flags_of_the_header_mean_what_the_specification_says,
    what_was_not_agreed_upon_is_not_believed_until_another_device_agrees,
    what_was_said_of_a_frame_is_still_known_when_its_turn_comes,
    a_partial_checksum_is_completed_where_it_is_that_of_udp,
    a_frame_that_is_asked_about_twice_is_completed_once,
);

/// The device may say something of checksums.
const GUEST_CSUM: u64 = 1 << 1;
/// In the header's flags.
const NEEDS_CHECKSUM: u8 = 1;
const DATA_VALID: u8 = 2;
/// Where UDP begins in a frame with a tag, and where in it the checksum stands.
const START: u16 = 38;
const OFFSET: u16 = 6;

/// The header in front of a frame with these flags and these places.
fn header(flags: u8, start: u16, offset: u16) -> [u8; 10] {
    let ([a, b], [c, d]) = (start.to_le_bytes(), offset.to_le_bytes());
    [flags, 0, 0, 0, 0, 0, a, b, c, d]
}

/// What comes up of `frame` behind such a header: the word about it, and its octets.
fn heard<Q: Virtqueue>(
    bench: &mut Bench<Q>,
    header: [u8; 10],
    frame: &[u8],
) -> (TransportChecksum, Vec<u8>) {
    bench.model().frame_header = header;
    bench.model().receive(frame);
    let mut heard = None;
    bench.turn(64, |received| {
        assert_eq!(received.damage, None);
        let octets = received.buffer[..received.length].to_vec();
        heard = Some((received.checksum, octets));
        // The header must not go out with it, which the model checks.
        Verdict::Answer {
            length: received.length,
        }
    });
    bench.take_sent();
    heard.unwrap()
}

/// Devices of either version, as far as the format of the queues permits.
fn both<Q: Virtqueue>() -> Vec<Bench<Q>> {
    let mut benches = std::vec![bench::<Q>()];
    if Q::FEATURES == Features::empty() {
        let legacy = bring_up::<Q>(|model| {
            model.is_mmio = true;
            model.is_legacy = true;
            model.offered = OFFERED_LEGACY | GUEST_CSUM;
            model.limits = [256; 3];
        });
        benches.push(legacy.unwrap());
    }
    benches
}

/// A frame to the device on VLAN 42, from 10.10.10.10:40000 to 10.10.10.11:7 with "hello": its checksum is left to somebody
/// else.
fn partial() -> Vec<u8> {
    let mut frame = frame_on(42, 18, 0);
    frame.extend([0x45, 0, 0, 33, 0, 0, 0x40, 0, 64, 17, 0x12, 0x9b]);
    frame.extend([10, 10, 10, 10, 10, 10, 10, 11]);
    frame.extend([0x9c, 0x40, 0, 7, 0, 13, 0x28, 0x47]);
    frame.extend(b"hello");
    frame
}

/// The same as it is on a wire.
fn whole() -> Vec<u8> {
    let mut frame = partial();
    frame[44..46].copy_from_slice(&[0xf7, 0x91]);
    frame
}

fn the_flags_of_the_header_mean_what_the_specification_says<Q: Virtqueue>() {
    for mut bench in both::<Q>() {
        assert!(bench.device.can_verify_checksums());
        // Not before it is told so.
        let (said, _) = heard(&mut bench, header(DATA_VALID, 0, 0), &whole());
        assert_eq!(said, Unverified);
        for believes in [false, true, false, true] {
            bench.device.set_checksum_verification(believes);
            for flags in 0..=255_u8 {
                let frame = match flags & NEEDS_CHECKSUM {
                    0 => whole(),
                    _ => partial(),
                };
                let is_right = flags & (NEEDS_CHECKSUM | DATA_VALID) != 0;
                let expected = match is_right && believes {
                    true => Verified,
                    false => Unverified,
                };
                let heard = heard(&mut bench, header(flags, START, OFFSET), &frame);
                assert_eq!(heard, (expected, whole()), "{flags:#x}");
            }
        }
    }
}

fn what_was_not_agreed_upon_is_not_believed_until_another_device_agrees<Q: Virtqueue>() {
    let mut bench = bring_up::<Q>(|model| model.offered &= !GUEST_CSUM).unwrap();
    assert!(!bench.device.can_verify_checksums());
    bench.device.set_checksum_verification(true);
    for flags in 0..=255 {
        let heard = heard(&mut bench, header(flags, START, OFFSET), &partial());
        assert_eq!(heard, (Unverified, partial()));
    }
    // The next device in its place offers it, and the one after that does not.
    for offers in [true, false, true] {
        bench.model().offered &= !GUEST_CSUM;
        bench.model().offered |= if offers { GUEST_CSUM } else { 0 };
        bench.model().status = 0;
        for _ in 0..40 {
            bench.device.refresh_link();
        }
        assert_eq!(bench.device.can_verify_checksums(), offers);
        let (said, _) = heard(&mut bench, header(DATA_VALID, 0, 0), &whole());
        assert_eq!(said, if offers { Verified } else { Unverified });
    }
}

fn what_was_said_of_a_frame_is_still_known_when_its_turn_comes<Q: Virtqueue>() {
    let mut bench = bench::<Q>();
    bench.device.set_checksum_verification(true);
    for flags in [DATA_VALID, 0, NEEDS_CHECKSUM] {
        bench.model().frame_header = header(flags, START, OFFSET);
        bench.model().receive(&partial());
    }
    bench.turn(64, |_| Verdict::Defer);
    let mut heard = Vec::new();
    let mut receiver = Script(|received: Received<'_>| {
        heard.push((
            received.checksum,
            received.buffer[..received.length].to_vec(),
        ));
        Verdict::Release
    });
    bench.device.process_deferred(64, &mut receiver);
    assert_eq!(
        heard,
        [
            (Verified, partial()),
            (Unverified, partial()),
            (Verified, whole())
        ]
    );
}

fn a_partial_checksum_is_completed_where_it_is_that_of_udp<Q: Virtqueue>() {
    for mut bench in both::<Q>() {
        bench.device.set_checksum_verification(true);
        // Whatever the device says, of a tagged frame and of another.
        let mut untagged = partial();
        untagged.drain(12..16);
        for (frame, right) in [(partial(), START), (untagged, START - 4)] {
            for start in (0..80).chain([0x2600, u16::MAX - 5, u16::MAX]) {
                for offset in [0, 4, OFFSET, 16, 0x0600, u16::MAX] {
                    let flags = NEEDS_CHECKSUM | DATA_VALID;
                    let (said, octets) = heard(&mut bench, header(flags, start, offset), &frame);
                    let is_right = (start, offset) == (right, OFFSET);
                    let expected = if is_right { Verified } else { Unverified };
                    assert_eq!(said, expected, "{start} {offset}");
                    assert_eq!(octets != frame, is_right, "{start} {offset}");
                }
            }
        }
        // A sum that is not that of the pseudo header.
        let mut wrong = partial();
        wrong[45] ^= 1;
        let heard = heard(&mut bench, header(NEEDS_CHECKSUM, START, OFFSET), &wrong);
        assert_eq!(heard, (Unverified, wrong));
    }
}

fn a_frame_that_is_asked_about_twice_is_completed_once<Q: Virtqueue>() {
    /// Asks about a frame that it then leaves to be handed up.
    struct Twice<F>(F);
    impl<F: FnMut(TransportChecksum, Vec<u8>)> Receiver for Twice<F> {
        fn receive_usual<S>(&mut self, frame: &mut S, length: usize) -> Option<Verdict>
        where
            S: SoundFrame + ?Sized,
        {
            let said = frame.transport_checksum();
            (self.0)(said, frame.bytes()[..length].to_vec());
            None
        }

        fn receive(&mut self, frame: Received<'_>) -> Verdict {
            (self.0)(frame.checksum, frame.buffer[..frame.length].to_vec());
            Verdict::Release
        }
    }
    let mut bench = bench::<Q>();
    bench.device.set_checksum_verification(true);
    bench.model().frame_header = header(NEEDS_CHECKSUM, START, OFFSET);
    bench.model().receive(&partial());
    let mut heard = Vec::new();
    let mut receiver = Twice(|said, octets| heard.push((said, octets)));
    bench.device.process(Batch::of(64), &mut receiver);
    assert_eq!(heard, [(Verified, whole()), (Verified, whole())]);
}
