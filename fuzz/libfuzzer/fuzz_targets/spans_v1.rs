#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| octet_fuzz::run("spans_v1", bytes));
