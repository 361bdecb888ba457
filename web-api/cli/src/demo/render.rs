//! The demonstration's report for a terminal: a pure function to text of at most 100 columns.

mod chart;
mod contributors;

use std::fmt::Display;

use super::report::{DemoReport, SaleSummary, VoteSummary};

/// Widest line.
pub const WIDTH_MAX: usize = 100;
/// Smallest units of a currency's unit in the books.
const UNITS: u128 = 10_000;

/// Whether to colour.
#[derive(Debug, Clone, Copy)]
struct Style {
    colour: bool,
}

impl Style {
    fn paint(self, code: &str, text: impl Display) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_string() }
    }

    fn title(self, text: &str) -> String {
        self.paint("1", text)
    }

    fn faint(self, text: impl Display) -> String {
        self.paint("2", text)
    }

    /// A check mark or a cross.
    fn verdict(self, holds: bool) -> String {
        if holds { self.paint("32", "✓") } else { self.paint("31", "✗") }
    }
}

/// Renders `report`.
///
/// * `colour` — whether the text goes to a terminal that shows colours.
#[must_use]
pub fn render(report: &DemoReport, colour: bool) -> String {
    let style = Style { colour };
    let mut lines = vec![String::new()];
    lines.extend(headline(report, style));
    section(&mut lines, style, "Accuracy on rows that nobody trained on");
    lines.extend(chart::lines(&report.rounds, &report.central, style));
    section(&mut lines, style, "Who contributed what, measured without reading anyone's update");
    lines.extend(contributors::lines(&report.contributors, style));
    section(&mut lines, style, "What left a contributor's machine");
    lines.extend(bytes(report, style));
    section(&mut lines, style, "One prediction sold");
    lines.extend(sale(&report.sale, style));
    section(&mut lines, style, "One vote held");
    lines.extend(vote(&report.vote, style));
    section(&mut lines, style, "The ledger");
    lines.extend(ledger(report, style));
    if !report.next.is_empty() {
        section(&mut lines, style, "Where to look next");
        lines.extend(report.next.iter().map(|next| format!("  {next}")));
    }
    let fitted = lines.iter().map(|line| fitted(line.trim_end()));
    fitted.collect::<Vec<_>>().join("\n") + "\n"
}

fn section(lines: &mut Vec<String>, style: Style, title: &str) {
    lines.extend([String::new(), style.title(title)]);
}

fn headline(report: &DemoReport, style: Style) -> Vec<String> {
    let (contributors, rounds) = (report.contributors.len(), report.rounds.len());
    let first = format!(
        "{contributors} wineries trained one model in {rounds} rounds; none showed its rows or its updates."
    );
    let mut lines = vec![style.title(&first)];
    if let (Some(federated), Some(central)) = (report.rounds.last(), report.central.last()) {
        lines.push(format!(
            "It grades {} of unseen wines correctly; trained in one place on all honest data: {}.",
            style.paint("1;32", percent(federated.test_accuracy)),
            percent(central.test_accuracy),
        ));
    }
    lines
}

fn bytes(report: &DemoReport, style: Style) -> Vec<String> {
    let Some(last) = report.rounds.last() else { return vec!["  no round settled".to_owned()] };
    let (sent, parameters) = (last.upload_bytes_per_contributor, report.config.parameters);
    let bits = u64::from(report.config.ring_bits);
    let ratio = sent as f64 / (4 * parameters.max(1)) as f64;
    let epsilon = last.epsilon.map_or_else(
        || "∞ (no noise is added)".to_owned(),
        |epsilon| match report.config.delta {
            Some(delta) => format!("{epsilon:.2} at δ = {delta:e}"),
            None => format!("{epsilon:.2}"),
        },
    );
    let constant = sent.saturating_sub((parameters * bits).div_ceil(8));
    let size =
        format!("{} bytes per round: {ratio:.2} × the plain f32 vector", grouped(sent.into()));
    let made_of = match report.config.mode.as_str() {
        "mpc" => format!("{bits} bits per parameter + {constant} bytes of keys and signatures."),
        "fhe" => {
            "ciphertext, key shares, signatures; little of it grows with the model.".to_owned()
        }
        _ => "shares, proofs, keys and signatures.".to_owned(),
    };
    let readers = match report.config.mode.as_str() {
        "mpc" => "Reading one update takes both aggregators; each alone sees noise.",
        "fhe" => {
            "Reading one update takes the aggregator and several contributors that keep the keys."
        }
        _ => "As in mode mpc, and each update proved that its norm is within bound.",
    };
    vec![
        format!("  {size}:"),
        format!("  {made_of}"),
        format!("  {}", style.faint(readers)),
        format!("  ε so far: {epsilon}"),
    ]
}

fn sale(sale: &SaleSummary, style: Style) -> Vec<String> {
    let probable = sale.probabilities.iter().max_by(|a, b| a.1.total_cmp(&b.1));
    let prediction = probable.map_or_else(String::new, |(class, probability)| {
        format!("“{class}” at {}", percent(*probability))
    });
    let truth = sale.truth.as_ref().map_or_else(String::new, |truth| {
        let right = probable.is_some_and(|(class, _)| class == truth);
        style.faint(if right { " (it is)".to_owned() } else { format!(" (it is “{truth}”)") })
    });
    let (price, version) = (money(sale.price, &sale.currency), sale.version);
    let mut lines = vec![format!(
        "  {} v{version} says {prediction}{truth} for {price}, split as the log says:",
        sale.model
    )];
    let part =
        |line: &super::report::SaleLine| format!("{} {}", line.label, money(line.amount, ""));
    lines.extend(wrapped(&sale.lines.iter().map(part).collect::<Vec<_>>(), " · "));
    let included = if sale.inclusion_verified {
        "its place in the log was verified"
    } else {
        "not found in the log"
    };
    lines.push(format!(
        "  {} receipt {}: {included}",
        style.verdict(sale.inclusion_verified),
        short(&sale.receipt)
    ));
    lines
}

fn vote(vote: &VoteSummary, style: Style) -> Vec<String> {
    let total = vote.votes_for + vote.votes_against + vote.abstain;
    let share = |weight: u128| percent(weight as f64 / total.max(1) as f64);
    vec![
        format!("  {}", style.paint("3", format!("“{}”", vote.title))),
        format!(
            "  {} for, {} against, {} abstained, by earned credits",
            share(vote.votes_for),
            share(vote.votes_against),
            share(vote.abstain)
        ),
        format!("  {} {}: {}", style.verdict(vote.executed), vote.state, vote.effect),
    ]
}

fn ledger(report: &DemoReport, style: Style) -> Vec<String> {
    let ledger = &report.ledger;
    let ok = ledger.audit == "ok";
    let found = if ok {
        "every credit, payment and ballot recomputed from the log alone".to_owned()
    } else {
        format!("the audit failed: {}", ledger.audit)
    };
    let mut lines = vec![
        format!("  {} {} entries: {found}", style.verdict(ok), ledger.entries),
        format!("    root {}", style.faint(&ledger.root)),
    ];
    if let Some(bytes) = report.peak_rss_bytes {
        let seconds: f64 = report.rounds.iter().map(|round| round.wall_seconds).sum();
        let mebibytes = bytes / (1 << 20);
        let note = format!(
            "    {seconds:.1} s of rounds, {mebibytes} MiB of memory at most, all processes together ({})",
            report.config.device
        );
        lines.push(style.faint(note));
    }
    lines
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// `1234567` as `1 234 567`.
fn grouped(number: u128) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

/// An amount in 10⁻⁴ of the currency's unit.
fn money(amount: u128, currency: &str) -> String {
    let (whole, rest) = (amount / UNITS, amount % UNITS);
    format!("{}.{rest:04} {currency}", grouped(whole)).trim_end().to_owned()
}

/// The first twelve characters of an id.
fn short(id: &str) -> String {
    let start: String = id.chars().take(12).collect();
    if start.len() < id.len() { format!("{start}…") } else { start }
}

/// Columns that `text` takes, escape sequences aside.
fn columns(text: &str) -> usize {
    let mut columns = 0;
    let mut escape = false;
    for character in text.chars() {
        match character {
            '\u{1b}' => escape = true,
            'm' if escape => escape = false,
            _ if escape => {}
            _ => columns += 1,
        }
    }
    columns
}

/// `text`, cut if it is too wide: names are others' to choose.
fn fitted(text: &str) -> String {
    if columns(text) <= WIDTH_MAX {
        return text.to_owned();
    }
    let mut cut = String::new();
    let mut escape = false;
    let mut left = WIDTH_MAX - 1;
    for character in text.chars() {
        escape |= character == '\u{1b}';
        if !escape && left == 0 {
            continue;
        }
        if !escape {
            left -= 1;
        }
        escape &= character != 'm';
        cut.push(character);
    }
    cut + "…"
}

/// Parts in lines of the report's width, indented.
fn wrapped(parts: &[String], between: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            Some(line) if columns(line) + columns(between) + columns(part) <= WIDTH_MAX => {
                line.push_str(between);
                line.push_str(part);
            }
            _ => lines.push(format!("    {part}")),
        }
    }
    lines
}

#[cfg(test)]
mod tests;
