//! The table of contributors.

use comfy_table::{Attribute, Cell, CellAlignment, Color, LineStyle, Row, Table, TableStyle};

use super::{super::report::ContributorRow, Style, grouped};

/// Columns of the longest bar.
const BAR: usize = 16;
/// Longest label that is shown whole.
const LABEL_CHARS_MAX: usize = 20;
/// What an honest contributor is called in the report.
const HONEST: &str = "honest";

pub(super) fn lines(rows: &[ContributorRow], style: Style) -> Vec<String> {
    let most = rows.iter().map(|row| row.credits).max().unwrap_or_default();
    let mut table = table(style);
    for row in rows {
        table.add_row(cells(row, most));
    }
    for column in table.column_iter_mut().skip(1).take(4) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut lines: Vec<String> = table.lines().map(|line| format!(" {line}")).collect();
    let mut note = |text: &str| lines.push(style.faint(format!("  {text}")));
    note(
        "value: thousandths of validation loss won, with its 95 % interval; last column: revealed now",
    );
    if rows.iter().any(|row| row.value > 0.0 && row.credits == 0) {
        note(
            "value without credits: an update that brings nothing new to what is public earns nothing",
        );
    }
    // Never a bare 0.
    for row in rows.iter().filter(|row| row.credits == 0) {
        let label: String = row.label.chars().take(LABEL_CHARS_MAX).collect();
        note(&format!("{label}, no credits: {}", row.reason[0]));
    }
    lines
}

/// The empty table: a header, a rule below it, and no frame.
fn table(style: Style) -> Table {
    let mut table = Table::new();
    let rule = LineStyle::none().fill('─').junction('─');
    table.load_style(TableStyle::new().header_separator(rule));
    if style.colour {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    let names = ["contributor", "rows", "value", "interval", "credits", "", "was"];
    table.set_header(names.map(|name| Cell::new(name).add_attribute(Attribute::Bold)));
    table
}

fn cells(row: &ContributorRow, most: u128) -> Row {
    let milli = |value: f64| format!("{:+.1}", 1000.0 * value);
    let interval = row
        .interval
        .map_or_else(String::new, |[low, high]| format!("{} … {}", milli(low), milli(high)));
    let colour = if row.kind == HONEST { Color::Green } else { Color::Red };
    let label: String = row.label.chars().take(LABEL_CHARS_MAX).collect();
    Row::from(vec![
        Cell::new(label),
        Cell::new(row.samples),
        Cell::new(milli(row.value)),
        Cell::new(interval).fg(Color::DarkGrey),
        Cell::new(grouped(row.credits)),
        Cell::new(bar(row.credits, most)).fg(colour),
        Cell::new(&row.kind).fg(colour),
    ])
}

/// A bar in eighths of a column.
fn bar(credits: u128, most: u128) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let share = credits as f64 / most.max(1) as f64;
    let length = (share * (8 * BAR) as f64).round();
    let eighths = (0..=8 * BAR).find(|eighths| *eighths as f64 >= length).unwrap_or(8 * BAR);
    "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
}
