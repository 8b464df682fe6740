//! See `pollux_fuzz::partial_checksum`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| pollux_fuzz::partial_checksum(octets));
