//! See `pollux_fuzz::receive`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| pollux_fuzz::receive(octets));
