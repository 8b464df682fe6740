//! See `pollux_fuzz::filter`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| pollux_fuzz::filter(octets));
