//! The target `bundle` for `cargo fuzz`; what it does stands in `targets.rs`.

#![no_main]

#[allow(dead_code)]
#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::evidence_bundle(data));
