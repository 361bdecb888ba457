//! The command line of Sahakar.

use std::process::ExitCode;

fn main() -> ExitCode {
    sahakar::cli::main()
}
