//! See `pollux_fuzz::console`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| pollux_fuzz::console(octets));
