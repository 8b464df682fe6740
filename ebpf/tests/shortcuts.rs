//! The shortcut through a program says what the program says, of every frame, and counts the same.

mod common;

use common::{
    Random, Slot, add, call, compile_with, datagram, exit, load, mov, mov_register, slot,
};
use pollux_ebpf::{Filter, Frame};

/// The number of `bpf_skb_load_bytes`.
const LOAD_BYTES: i32 = 26;

/// Has two of the same program decide about a frame, one of them by carrying the program out.
fn compare(quick: &mut Filter, full: &mut Filter, octets: &[u8]) {
    let Some(frame) = Frame::new(octets, 7) else {
        return;
    };
    let decision = quick.decide(&frame, &|| 1);
    assert_eq!(decision, full.decide_in_full(&frame, &|| 1), "{octets:x?}");
    assert_eq!(quick.statistics(), full.statistics(), "{octets:x?}");
}

/// The frame itself, cut off anywhere, and with each octet changed.
fn variants(frame: &[u8]) -> Vec<Vec<u8>> {
    let mut variants: Vec<_> = (0..=frame.len()).map(|end| frame[..end].to_vec()).collect();
    for at in 0..frame.len() {
        for change in [1, 2, 0x0f, 0x80, 0xff] {
            let mut changed = frame.to_vec();
            changed[at] ^= change;
            variants.push(changed);
        }
    }
    variants
}

#[test]
fn the_usual_filters_have_one_however_they_were_compiled() {
    let plain = datagram(Some(42), 42_042);
    let mut with_options = plain.clone();
    with_options[18] = 0x46;
    with_options.splice(38..38, [0; 4]);
    let untagged = datagram(None, 42_042);
    for name in ["accept", "drop", "packet_port", "udp_port"] {
        for options in [&["-mcpu=v1"][..], &["-mcpu=v2"], &["-mcpu=v3"], &["-O1"]] {
            let object = compile_with(name, options);
            let [mut quick, mut full] = [(); 2].map(|()| Filter::load(&object, 1).expect("good"));
            assert!(quick.has_shortcut(), "{name} {options:?}");
            for frame in [&plain, &with_options, &untagged] {
                for variant in variants(frame) {
                    compare(&mut quick, &mut full, &variant);
                }
            }
            let verdicts = quick.statistics().verdicts;
            let verdict = if name == "drop" { 0 } else { 1 };
            assert!(verdicts[verdict] > 100, "{name} {options:?}: {verdicts:?}");
        }
    }
}

#[test]
fn what_does_more_than_look_has_none() {
    let programs = ["count", "loop", "seven", "qinq"].map(|name| compile_with(name, &["-g"]));
    let has_shortcut =
        programs.map(|object| Filter::load(&object, 1).expect("good").has_shortcut());
    assert_eq!(has_shortcut, [false; 4]);
    // A verdict that nobody knows beforehand.
    let random = [call(7), exit()];
    assert!(!load(&random).expect("a good one").has_shortcut());
}

#[test]
fn a_shortcut_is_not_taken_where_the_fuel_does_not_last() {
    let object = compile_with("packet_port", &[]);
    let [mut quick, mut full] = [(); 2].map(|()| Filter::load(&object, 1).expect("good"));
    for fuel in 0..40 {
        quick.set_fuel(fuel);
        full.set_fuel(fuel);
        compare(&mut quick, &mut full, &datagram(Some(42), 42_042));
    }
    let statistics = quick.statistics();
    assert!(
        statistics.out_of_fuel > 10 && statistics.verdicts[1] > 10,
        "{statistics:?}"
    );
}

/// A number that some octets of a frame may have.
fn wanted(random: &mut Random, octets: &[u8]) -> i32 {
    let number = octets
        .iter()
        .fold(0, |all, octet| all << 8 | i32::from(*octet));
    match random.below(8) {
        0 => number ^ 1 << random.below(16),
        _ => number,
    }
}

/// Compares R0, or another register, with what stands in `octets`, and jumps to the end if they differ.
fn test(random: &mut Random, register: u8, octets: &[u8], program: &mut Vec<Slot>) {
    let mut number = wanted(random, octets);
    if random.below(3) == 0 {
        let mask = random.one_of(&[0xff, 0xfff, 0xf, 0xff00, 0x1fff]);
        program.push(slot(0x57, register, 0, 0, mask));
        number &= mask;
    }
    // The distance is filled in at last.
    program.push(match random.below(6) {
        0 => slot(0x15, register, 0, 1, number ^ 1),
        1 => slot(0x45, register, 0, 0, !number & 0xff),
        2 => slot(0x56, register, 0, 0, number),
        _ => slot(0x55, register, 0, 0, number),
    });
    program.push(mov(9, 1));
}

/// Looks at a field as filters do, and leaves for the end if it is not as it is in `frame`.
fn look(random: &mut Random, frame: &[u8], program: &mut Vec<Slot>) {
    let payload = &frame[14..];
    let octets = random.one_of(&[1, 2, 4]);
    let at = random.below(30) as usize;
    let field = &payload[at..at + octets];
    let (absolute, indirect, of_stack) = match octets {
        1 => (0x30, 0x50, 0x71),
        2 => (0x28, 0x48, 0x69),
        _ => (0x20, 0x40, 0x61),
    };
    match random.below(4) {
        0 => {
            program.push(slot(absolute, 0, 0, 0, at as i32));
            test(random, 0, field, program);
        }
        1 => {
            // Behind a header whose length is in it.
            program.extend([slot(0x30, 0, 0, 0, 4), slot(0x57, 0, 0, 0, 15)]);
            program.extend([slot(0x67, 0, 0, 0, 2), mov_register(7, 0)]);
            let distance = usize::from(payload[4] & 15) * 4;
            let more = random.below(12) as usize;
            program.push(slot(indirect, 0, 7, 0, more as i32));
            test(random, 0, &payload[distance + more..][..octets], program);
        }
        2 => {
            let (from, length) = (random.below(20) as usize, 4 + random.below(20) as i32);
            program.extend([mov_register(1, 6), mov(2, from as i32), mov_register(3, 10)]);
            program.extend([add(3, -32), mov(4, length), call(LOAD_BYTES)]);
            program.push(slot(0x55, 0, 0, 0, 0));
            let within = random.below(length as u64) as usize;
            program.push(slot(of_stack, 8, 10, within as i16 - 32, 0));
            let mut field = payload[from + within..][..octets].to_vec();
            field.reverse();
            test(random, 8, &field, program);
        }
        _ => {
            program.extend([mov_register(1, 6), mov(2, 4), mov_register(3, 10)]);
            program.extend([add(3, -32), mov(4, 20), call(LOAD_BYTES)]);
            program.push(slot(0x55, 0, 0, 0, 0));
            program.extend([slot(0x71, 2, 10, -32, 0), slot(0x67, 2, 0, 0, 2)]);
            program.extend([slot(0x57, 2, 0, 0, 60), add(2, 4 + 2), mov_register(1, 6)]);
            program.extend([mov_register(3, 10), add(3, -40), mov(4, 2)]);
            program.extend([call(LOAD_BYTES), slot(0x55, 0, 0, 0, 0)]);
            program.push(slot(0x69, 2, 10, -40, 0));
            let at = 4 + usize::from(payload[4] & 15) * 4 + 2;
            test(random, 2, &[payload[at + 1], payload[at]], program);
        }
    }
}

#[test]
fn random_filters_are_decided_as_if_they_had_none() {
    const PROGRAMS: usize = 20_000;
    let mut random = Random::seeded(0x1234_5678_9abc_def1);
    let [mut with_shortcut, mut taken] = [0_usize; 2];
    for _ in 0..PROGRAMS {
        let frame = datagram(Some(42), 42_042);
        let mut program = vec![mov_register(6, 1)];
        // What is not written is zero, and may be compared.
        program.extend([-32, -24, -16, -8, -40].map(|place| slot(0x7a, 10, 0, place, 0)));
        for _ in 0..1 + random.below(4) {
            look(&mut random, &frame, &mut program);
        }
        program.extend([mov(0, 1), exit()]);
        let end = program.len();
        program.extend([mov(0, random.one_of(&[2, 3, 0, 7])), exit()]);
        for (number, slot) in program.iter_mut().enumerate() {
            if matches!(slot[0], 0x15 | 0x45 | 0x55 | 0x56) && slot[2] == 0 {
                let distance = (end - number - 1) as i16;
                slot[2..4].copy_from_slice(&distance.to_le_bytes());
            }
        }
        let [mut quick, mut full] = [(); 2].map(|()| load(&program).expect("a good program"));
        with_shortcut += usize::from(quick.has_shortcut());
        compare(&mut quick, &mut full, &frame);
        taken += usize::from(quick.has_shortcut() && quick.statistics().verdicts[1] == 1);
        for _ in 0..8 {
            let mut changed = frame.clone();
            let at = 12 + random.below(34) as usize;
            changed[at] ^= 1 << random.below(8);
            changed.truncate(12 + random.below(60) as usize);
            compare(&mut quick, &mut full, &changed);
        }
    }
    assert!(with_shortcut > PROGRAMS / 4, "{with_shortcut}");
    assert!(taken > PROGRAMS / 8, "{taken}");
}
