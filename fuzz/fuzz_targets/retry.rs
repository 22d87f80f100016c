#![no_main]
// The macro exports the symbol that libFuzzer calls.
#![allow(unsafe_code)]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::retry(data));
