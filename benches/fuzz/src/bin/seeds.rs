//! Writes the seed corpora, from real messages: `seeds FOLDER` makes `FOLDER/TARGET/CASE-INDEX`.

use std::{fs, path::Path, process::ExitCode};

use benches_fuzz::{
    Case, Verdict, cohort, datasets, fhe, identity, ledger, log, pine, protocol, round, run, secagg,
    strategy,
};

const TARGETS: &[(&str, &[Case])] = &[
    ("cohort", cohort::CASES),
    ("cohort_state", cohort::STATE_CASES),
    ("datasets", datasets::CASES),
    ("fhe", fhe::CASES),
    ("identity", identity::CASES),
    ("ledger", ledger::CASES),
    ("log", log::CASES),
    ("pine", pine::CASES),
    ("protocol", protocol::CASES),
    ("round", round::CASES),
    ("secagg", secagg::CASES),
    ("strategy", strategy::CASES),
];

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1) else {
        eprintln!("usage: seeds FOLDER");
        return ExitCode::FAILURE;
    };
    for (target, cases) in TARGETS {
        let folder = Path::new(&folder).join(target);
        fs::create_dir_all(&folder).expect("the folder can be made");
        for (selector, case) in (0..).zip(*cases) {
            for (index, seed) in (case.seeds)().into_iter().enumerate() {
                let input = [&[selector][..], &seed].concat();
                let taken = run(cases, &input) == Verdict::Taken;
                assert!(taken, "{target}: seed {index} of {} is refused", case.name);
                let path = folder.join(format!("{}-{index}", case.name));
                fs::write(&path, input).expect("the file can be written");
            }
        }
        println!("{target}: {} cases", cases.len());
    }
    ExitCode::SUCCESS
}
