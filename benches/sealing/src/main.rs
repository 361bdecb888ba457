//! Time and bytes of every mode of sealing, beside the limits of the machine and other systems: one run, one table.
//!
//! `benches/sealing/run.sh` runs it with `TenSEAL` beside it; alone:
//! `cargo run --release -p benches-sealing -- [--dimensions 10000,…] [--contributors 10,…] [--json FILE]`

mod fhe;
mod figures;
mod limits;
mod machine;
mod mpc;
mod prio_sum;
mod row;
mod stopwatch;
mod table;
mod verified;
mod world;

use std::{fs, path::PathBuf};

use anyhow::Context as _;
use clap::Parser;
use privacy_fhe::{FheParameters, FheRequirements, NttEngine, TfheEngine};
use privacy_secagg::EncodingParameters;

use crate::{
    row::{Limits, Row},
    world::World,
};

/// Contributors for which 12 bits fit three lanes (DESIGN §10).
const FEW_CONTRIBUTORS: u32 = 32;

/// Measures every mode of sealing.
#[derive(Parser)]
struct Arguments {
    /// Coordinates of updates.
    #[arg(long, value_delimiter = ',', default_value = "10000,100000,1000000,10000000")]
    dimensions: Vec<u32>,
    /// Contributors of a round.
    #[arg(long, value_delimiter = ',', default_value = "10,100,1000")]
    contributors: Vec<u32>,
    /// Only schemes whose names begin with this: MPC, FHE.
    #[arg(long, default_value = "")]
    only: String,
    /// Rows of another program (`tenseal_ckks.py`) for the same table.
    #[arg(long)]
    merge: Option<PathBuf>,
    /// Where to write all that was measured.
    #[arg(long)]
    json: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mut machine = machine::Machine::observed();
    let (mut all_limits, mut rows): (Vec<Limits>, Vec<Row>) = (Vec::new(), Vec::new());
    let merged = match &arguments.merge {
        Some(path) => {
            let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
            serde_json::from_str(&text).context("reading the rows to merge")?
        }
        None => Vec::new(),
    };
    for &dimension in &arguments.dimensions {
        all_limits.push(limits::of_plain(dimension)?);
        for &contributors in &arguments.contributors {
            cell(dimension, contributors, &arguments.only, &mut rows)?;
        }
        if dimension <= prio_sum::DIMENSION_MAX {
            rows.push(prio_sum::measure(&mut World::new(dimension, 1))?);
        }
        let others = merged.iter().filter(|row: &&Row| row.dimension == dimension);
        rows.extend(others.cloned());
    }
    for row in &mut rows {
        limits::of_bytes(row)?;
    }
    let parts = parts()?;
    machine.done();
    let figures = figures::figures(&rows, &all_limits);
    print!("{}", table::markdown(&machine, &all_limits, &rows, &parts, &figures)?);
    if let Some(path) = &arguments.json {
        let all = serde_json::json!({
            "machine": machine, "limits": all_limits, "rows": rows, "parts": parts, "figures": figures,
        });
        fs::write(path, serde_json::to_vec_pretty(&all)?)?;
    }
    Ok(())
}

/// All of our modes at one dimension and one number of contributors.
fn cell(dimension: u32, contributors: u32, only: &str, rows: &mut Vec<Row>) -> anyhow::Result<()> {
    eprintln!("d = {dimension}, n = {contributors}");
    let clip = World::clip_norm()?;
    let standard = EncodingParameters::standard(clip, dimension, contributors)?;
    let compact = EncodingParameters::compact(clip, dimension, contributors)?;
    let mut world = World::new(dimension, contributors);
    if "MPC".starts_with(only) {
        mpc_modes(&mut world, [standard, compact], rows)?;
    }
    if "FHE".starts_with(only) {
        fhe_modes(&mut world, &standard, rows)?;
    }
    Ok(())
}

fn mpc_modes(
    world: &mut World,
    [standard, compact]: [EncodingParameters; 2],
    rows: &mut Vec<Row>,
) -> anyhow::Result<()> {
    let bits = |parameters: &EncodingParameters| parameters.ring().bits();
    let name = format!("MPC standard, {} bits, with values", bits(&standard));
    rows.push(mpc::measure(&name, world, &standard)?);
    let name = format!("MPC compact, {} bits, no values", bits(&compact));
    rows.push(mpc::measure(&name, world, &compact)?);
    rows.push(verified::measure("MPC verified (PINE), with values", world, &standard)?);
    Ok(())
}

fn fhe_modes(
    world: &mut World,
    standard: &EncodingParameters,
    rows: &mut Vec<Row>,
) -> anyhow::Result<()> {
    let World { dimension, contributors, .. } = *world;
    let requirements = |value_bits: u32, contributors_max| FheRequirements {
        dimension,
        coordinate_max: (1 << (value_bits - 1)) - 1,
        contributors_max,
        inner_product_bits: 0,
    };
    let wide = FheParameters::checked(requirements(16, contributors))?;
    let values = world.integers(16);
    let engine = NttEngine::new();
    rows.push(fhe::measure("FHE 16 bits, NTT", world, wide, &values, &engine)?);
    rows.push(fhe::measure("FHE 16 bits, tfhe", world, wide, &values, &TfheEngine)?);
    drop(values);
    if contributors <= FEW_CONTRIBUTORS {
        let narrow = FheParameters::checked(requirements(12, FEW_CONTRIBUTORS))?;
        let values = world.integers(12);
        let name = "FHE 12 bits (n ≤ 32), NTT";
        rows.push(fhe::measure(name, world, narrow, &values, &engine)?);
    }
    let valued = FheParameters::checked(FheRequirements {
        dimension,
        coordinate_max: standard.coordinate_max(),
        contributors_max: contributors,
        inner_product_bits: standard.ring().bits() - 1,
    })?;
    let values: Vec<_> =
        world.updates(standard)?.iter().map(|update| update.values().to_vec()).collect();
    rows.push(fhe::measure(
        "FHE with values (standard encoding), NTT",
        world,
        valued,
        &values,
        &engine,
    )?);
    Ok(())
}

fn parts() -> anyhow::Result<Vec<(String, f64)>> {
    let dimension = 1_000_000;
    let standard = EncodingParameters::standard(World::clip_norm()?, dimension, 1000)?;
    let parts = mpc::parts(&mut World::new(dimension, 1000), &standard)?;
    Ok(parts.into_iter().map(|(part, ms)| (part.to_owned(), ms)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_opens_to_the_plain_sum_and_is_in_the_table() {
        let mut rows = Vec::new();
        cell(2000, 4, "", &mut rows).unwrap();
        rows.push(prio_sum::measure(&mut World::new(100, 1)).unwrap());
        let machine = machine::Machine::observed();
        let text = table::markdown(&machine, &[], &rows, &[], &[]).unwrap();
        for scheme in
            ["MPC standard", "MPC compact", "MPC verified", "FHE 16 bits, tfhe", "Prio3SumVec"]
        {
            assert!(rows.iter().any(|row| row.scheme.starts_with(scheme)), "{scheme}");
            assert!(text.contains(scheme), "{scheme}");
        }
    }

    #[test]
    fn rows_of_the_other_program_are_read() {
        let text =
            r#"[{"scheme": "other", "dimension": 10, "seal_ms": 1.5, "add_ms": 2, "bytes": 40}]"#;
        let rows: Vec<Row> = serde_json::from_str(text).unwrap();
        assert_eq!(rows[0].add_ms, Some(2.0));
        assert!((rows[0].bytes_per_parameter() - 4.0).abs() < 1e-9);
        assert!((rows[0].per_million(rows[0].seal_ms) - 150_000.0).abs() < 1e-6);
    }
}
