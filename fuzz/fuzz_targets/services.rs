//! See `pollux_fuzz::services`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| pollux_fuzz::services(octets));
