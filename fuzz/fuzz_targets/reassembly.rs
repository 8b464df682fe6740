//! See `pollux_fuzz::reassembly`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| pollux_fuzz::reassembly(octets));
