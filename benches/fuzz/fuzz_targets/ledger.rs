#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    benches_fuzz::run(benches_fuzz::ledger::CASES, data);
});
