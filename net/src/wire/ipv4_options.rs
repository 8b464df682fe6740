//! IPv4 options (RFC 791 §3.1): walked safely, and brought up to date for an echo reply.
//!
//! Options are rare, so this is not the fast path; but they are an old way to make a stack run in
//! circles or out of bounds, so every step checks that it moves forward and stays inside.

use core::net::Ipv4Addr;

const END_OF_LIST: u8 = 0;
const NO_OPERATION: u8 = 1;
const RECORD_ROUTE: u8 = 7;
const TIMESTAMP: u8 = 68;
const LOOSE_SOURCE_ROUTE: u8 = 131;
const STRICT_SOURCE_ROUTE: u8 = 137;

/// The pointer of a record route or timestamp option counts from 1, and the data follow it.
const FIRST_POINTER: u8 = 4;
const TIMESTAMP_FIRST_POINTER: u8 = 5;
/// The high-order bit of a timestamp that does not count from midnight UT (RFC 791 §3.1).
const NOT_UNIVERSAL_TIME: u32 = 1 << 31;

/// Why a datagram's options keep it from being answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionsError {
    /// An option's length or pointer leads outside.
    Malformed,
    /// A loose or strict source route.
    SourceRoute,
}

/// Checks `options` from end to end, without changing anything.
///
/// # Errors
///
/// [`OptionsError`] when a length is below 2 or leads beyond the end, or there is a source route.
/// Unknown options are passed over (RFC 1122 §3.2.1.8).
pub fn check(options: &[u8]) -> Result<(), OptionsError> {
    let mut rest = options;
    loop {
        rest = match *rest {
            [] | [END_OF_LIST, ..] => return Ok(()),
            [NO_OPERATION, ref after @ ..] => after,
            [LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE, ..] => {
                return Err(OptionsError::SourceRoute);
            }
            [_, length, ..] if length >= 2 => rest
                .get(usize::from(length)..)
                .ok_or(OptionsError::Malformed)?,
            _ => return Err(OptionsError::Malformed),
        };
    }
}

/// Adds our `address` to record route options and our address and `milliseconds` to timestamp
/// options that have room for them (RFC 1122 §3.2.2.6), in options that [`check`] accepted.
/// `milliseconds` count from an arbitrary instant, and say so.
pub fn record(options: &mut [u8], address: Ipv4Addr, milliseconds: u32) {
    let mut rest = options;
    loop {
        let length = match *rest {
            [] | [END_OF_LIST, ..] => return,
            [NO_OPERATION, ..] => 1,
            [_] | [_, 0, ..] => return,
            [_, length, ..] => usize::from(length),
        };
        let Some((option, after)) = rest.split_at_mut_checked(length) else {
            return;
        };
        match option.first() {
            Some(&RECORD_ROUTE) => record_route(option, address),
            Some(&TIMESTAMP) => record_timestamp(option, address, milliseconds),
            _ => {}
        }
        rest = after;
    }
}

/// Writes `value` where the option's pointer points, and moves the pointer behind it. `false` when
/// there is no room.
fn append(option: &mut [u8], value: &[u8]) -> bool {
    let Some(&pointer) = option.get(2) else {
        return false;
    };
    let Some(slot) = at(pointer, option).and_then(|rest| rest.get_mut(..value.len())) else {
        return false;
    };
    slot.copy_from_slice(value);
    if let Some(field) = option.get_mut(2) {
        *field = pointer.saturating_add(value.len() as u8);
    }
    true
}

/// The octets from `pointer`, which counts from 1, to the option's end.
fn at(pointer: u8, option: &mut [u8]) -> Option<&mut [u8]> {
    option.get_mut(usize::from(pointer).checked_sub(1)?..)
}

/// RFC 791 §3.1, "Record Route".
fn record_route(option: &mut [u8], address: Ipv4Addr) {
    if let [_, _, pointer, ..] = *option
        && pointer >= FIRST_POINTER
    {
        append(option, &address.octets());
    }
}

/// RFC 791 §3.1, "Internet Timestamp", flags 0 (timestamps only), 1 (addresses too) and 3 (only if
/// the next address is ours).
fn record_timestamp(option: &mut [u8], address: Ipv4Addr, milliseconds: u32) {
    let [_, _, pointer, overflow_and_flag, ..] = *option else {
        return;
    };
    if pointer < TIMESTAMP_FIRST_POINTER {
        return;
    }
    let time = (milliseconds | NOT_UNIVERSAL_TIME).to_be_bytes();
    let [a, b, c, d] = address.octets();
    let [t0, t1, t2, t3] = time;
    let both = [a, b, c, d, t0, t1, t2, t3];
    let is_next = at(pointer, option).is_some_and(|rest| rest.starts_with(&address.octets()));
    let written = match overflow_and_flag & 0x0f {
        0 => append(option, &time),
        1 => append(option, &both),
        3 if is_next => append(option, &both),
        _ => return,
    };
    // A host that finds no room counts itself, up to 15 times, in the upper half of the flag octet.
    if !written
        && let Some(field) = option.get_mut(3)
        && let Some(counted) = field.checked_add(0x10)
    {
        *field = counted;
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;

    const OWN: Ipv4Addr = Ipv4Addr::new(10, 10, 10, 11);

    #[test]
    fn known_and_unknown_options_pass() {
        for options in [
            &[][..],
            &[1, 1, 1, 0],
            &[0, 99, 0, 1],
            &[7, 7, 4, 0, 0, 0, 0, 1],
            &[0x94, 4, 0, 0],
            &[200, 2, 1, 0],
        ] {
            assert_eq!(check(options), Ok(()), "{options:?}");
        }
    }

    #[test]
    fn lengths_that_stand_still_or_lead_outside_are_refused() {
        for options in [
            &[7, 0, 4, 0][..],
            &[7, 1, 4, 0],
            &[7, 5, 4, 0],
            &[1, 1, 1, 7],
            &[200, 255, 0, 0],
        ] {
            assert_eq!(check(options), Err(OptionsError::Malformed), "{options:?}");
        }
    }

    #[test]
    fn source_routes_are_refused_as_such() {
        assert_eq!(
            check(&[131, 7, 4, 10, 0, 0, 1, 0]),
            Err(OptionsError::SourceRoute)
        );
        assert_eq!(check(&[1, 137, 3, 4]), Err(OptionsError::SourceRoute));
    }

    #[test]
    fn record_route_takes_our_address_until_it_is_full() {
        let mut options = [7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        record(&mut options, OWN, 0);
        assert_eq!(options, [7, 11, 8, 10, 10, 10, 11, 0, 0, 0, 0, 0]);
        record(&mut options, OWN, 0);
        assert_eq!(options, [7, 11, 12, 10, 10, 10, 11, 10, 10, 10, 11, 0]);
        record(&mut options, OWN, 0);
        assert_eq!(options, [7, 11, 12, 10, 10, 10, 11, 10, 10, 10, 11, 0]);
    }

    #[test]
    fn timestamps_say_that_they_do_not_count_from_midnight() {
        let mut only_time = [68, 8, 5, 0, 0, 0, 0, 0];
        record(&mut only_time, OWN, 0x1234);
        assert_eq!(only_time, [68, 8, 9, 0, 0x80, 0, 0x12, 0x34]);

        let mut with_address = [68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        record(&mut with_address, OWN, 7);
        assert_eq!(with_address, [68, 12, 13, 1, 10, 10, 10, 11, 0x80, 0, 0, 7]);

        let mut for_another = [68, 12, 5, 3, 10, 0, 0, 1, 0, 0, 0, 0];
        record(&mut for_another, OWN, 7);
        assert_eq!(for_another, [68, 12, 5, 3, 10, 0, 0, 1, 0, 0, 0, 0]);

        let mut for_us = [68, 12, 5, 3, 10, 10, 10, 11, 0, 0, 0, 0];
        record(&mut for_us, OWN, 7);
        assert_eq!(for_us, [68, 12, 13, 3, 10, 10, 10, 11, 0x80, 0, 0, 7]);
    }

    #[test]
    fn a_full_timestamp_option_counts_the_hosts_that_found_no_room() {
        let mut full = [68, 4, 5, 0xe0];
        record(&mut full, OWN, 7);
        assert_eq!(full, [68, 4, 5, 0xf0]);
        record(&mut full, OWN, 7);
        assert_eq!(full, [68, 4, 5, 0xf0]);
    }

    #[test]
    fn a_pointer_before_the_data_changes_nothing() {
        for pointer in 0..4 {
            let before = [7, 7, pointer, 1, 2, 3, 4, 0];
            let mut options = before;
            record(&mut options, OWN, 7);
            assert_eq!(options, before);
        }
        for pointer in 0..5 {
            let before = [68, 12, pointer, 1, 1, 2, 3, 4, 5, 6, 7, 8];
            let mut options = before;
            record(&mut options, OWN, 7);
            assert_eq!(options, before);
        }
    }

    #[test]
    fn the_longest_option_is_filled_to_its_last_octet() {
        let mut options = [0; 40];
        options[0] = 7;
        options[1] = 39;
        options[2] = 36;
        record(&mut options, OWN, 7);
        assert_eq!(options[2], 40);
        assert_eq!(options[35..], [10, 10, 10, 11, 0]);
        record(&mut options, OWN, 7);
        assert_eq!(options[35..], [10, 10, 10, 11, 0]);
    }

    #[test]
    fn options_behind_the_end_of_the_list_are_not_touched() {
        let before = [1, 0, 7, 7, 4, 0, 0, 0];
        let mut options = before;
        record(&mut options, OWN, 7);
        assert_eq!(options, before);
    }

    proptest! {
        #[test]
        fn any_octets_are_walked_to_an_end(mut options in prop::collection::vec(any::<u8>(), 0..=40)) {
            let _ = check(&options);
            record(&mut options, OWN, 7);
        }
    }
}
