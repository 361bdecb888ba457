//! The Markdown table.

use std::fmt::Write as _;

use crate::{
    figures::Figure,
    machine::Machine,
    row::{Limits, Row},
};

const NUMBERS: &str = "d | n (added) | scheme | encode | seal | receive | verify | add | other party | open (once) | B/parameter | × f32 | seal ÷ AES-CTR | seal ÷ ChaCha20 | add ÷ f32 add";

/// The whole report.
pub(crate) fn markdown(
    machine: &Machine,
    limits: &[Limits],
    rows: &[Row],
    parts: &[(String, f64)],
    figures: &[Figure],
) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    let Machine { model, cores, features, load_before, load_after } = machine;
    let features = features.join(", ");
    writeln!(
        text,
        "{model}, {cores} cores, {features}; load {load_before} before, {load_after} after."
    )?;
    writeln!(
        text,
        "One thread; least CPU time of several runs, in ms **per million parameters** and contributor.\n"
    )?;
    writeln!(
        text,
        "### Figures to reach, at 10^6 parameters\n\n| figure | measured | to reach | |\n|---|---|---|---|"
    )?;
    for figure in figures {
        let Figure { what, unit, measured, to_reach } = figure;
        let verdict = if figure.is_reached() { "reached" } else { "**missed**" };
        let ratio = measured / to_reach;
        writeln!(text, "| {what} | {measured:.3} {unit} | {to_reach} | {verdict} ({ratio:.2}) |")?;
    }
    writeln!(
        text,
        "\n### Limits of the machine, plain f32 vectors\n\n| d | f32 add | copy | AES-256-CTR of 4 B/parameter |\n|---|---|---|---|"
    )?;
    for limits in limits {
        let scale = 1e6 / f64::from(limits.dimension);
        let [add, copy, aes] =
            [limits.f32_add_ms, limits.copy_ms, limits.aes_of_words_ms].map(|ms| ms * scale);
        writeln!(text, "| {} | {add:.3} | {copy:.3} | {aes:.3} |", power(limits.dimension))?;
    }
    writeln!(
        text,
        "\n### Parts of sealing, MPC standard, 10^6 parameters\n\n| part | ms |\n|---|---|"
    )?;
    for (part, ms) in parts {
        writeln!(text, "| {part} | {ms:.3} |")?;
    }
    writeln!(
        text,
        "\n### All rows\n\n| {NUMBERS} |\n|{}",
        "---|".repeat(NUMBERS.split('|').count())
    )?;
    for row in rows {
        line(&mut text, row, limits)?;
    }
    Ok(text)
}

fn line(text: &mut String, row: &Row, limits: &[Limits]) -> std::fmt::Result {
    let ms =
        |ms: Option<f64>| ms.map_or_else(|| "–".to_owned(), |ms| significant(row.per_million(ms)));
    let ratio = |ratio: Option<f64>| ratio.map_or_else(|| "–".to_owned(), significant);
    let plain = limits.iter().find(|limits| limits.dimension == row.dimension);
    let seal = |stream: Option<f64>| ratio(stream.map(|stream| row.seal_ms / stream));
    let per = row.bytes_per_parameter();
    let contributors = match row.contributors {
        0 => "–".to_owned(),
        contributors => format!("{contributors} ({})", row.added),
    };
    writeln!(
        text,
        "| {} | {contributors} | {} | {} | {} | {} | {} | {} | {} | {} | {per:.3} | {:.3} | {} | {} | {} |",
        power(row.dimension),
        row.scheme,
        ms(row.encode_ms),
        significant(row.per_million(row.seal_ms)),
        ms(row.receive_ms),
        ms(row.verify_ms),
        ms(row.add_ms),
        ms(row.other_ms),
        ms(row.open_ms),
        per / 4.0,
        seal(row.aes_ms),
        seal(row.chacha_ms),
        ratio(row.add_ms.zip(plain).map(|(add, plain)| add / plain.f32_add_ms)),
    )
}

fn power(dimension: u32) -> String {
    format!("10^{}", dimension.ilog10())
}

/// Three significant digits.
fn significant(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
