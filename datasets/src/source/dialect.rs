//! How a CSV file separates its values, guessed from its beginning.

use csv::{ReaderBuilder, StringRecord, Trim};

use crate::Cell;

/// Separators in use, the likeliest first.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Records that are looked at.
const RECORDS: usize = 200;

/// How a CSV file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CsvDialect {
    /// Between values: comma, semicolon, tabulator or bar.
    pub delimiter: u8,
    /// Around values: `"` or `'`.
    pub quote: u8,
    /// Whether the first line names the columns.
    pub header: bool,
    /// Whether `1,5` is one and a half.
    pub decimal_comma: bool,
}

impl CsvDialect {
    /// Guesses from the beginning of a text; its last line may be cut off.
    pub(crate) fn of(head: &str, whole: bool) -> Self {
        let end = if whole { head.len() } else { head.rfind('\n').map_or(head.len(), |at| at + 1) };
        let head = head[..end].trim_start_matches('\u{feff}');
        let quote = if !head.contains('"') && single_quoted(head) { b'\'' } else { b'"' };
        let scored =
            DELIMITERS.map(|delimiter| (score(&records(head, delimiter, quote)), delimiter));
        // Of equal ones the first: commas.
        let best = scored.iter().rev().max_by_key(|(score, _)| *score);
        let delimiter = best.map_or(b',', |(_, delimiter)| *delimiter);
        let rows = records(head, delimiter, quote);
        let decimal_comma = delimiter != b',' && has_decimal_comma(&rows);
        Self { delimiter, quote, header: has_header(&rows, decimal_comma), decimal_comma }
    }

    /// A reader of this dialect.
    pub(crate) fn reader<R: std::io::Read>(self, source: R) -> csv::Reader<R> {
        ReaderBuilder::new()
            .flexible(true)
            .has_headers(false)
            .trim(Trim::All)
            .delimiter(self.delimiter)
            .quote(self.quote)
            .from_reader(source)
    }

    /// Its separator in words.
    #[must_use]
    pub const fn delimiter_name(self) -> &'static str {
        match self.delimiter {
            b';' => "semicolons",
            b'\t' => "tabulators",
            b'|' => "bars",
            _ => "commas",
        }
    }
}

fn records(head: &str, delimiter: u8, quote: u8) -> Vec<StringRecord> {
    let dialect = CsvDialect { delimiter, quote, header: false, decimal_comma: false };
    dialect.reader(head.as_bytes()).into_records().take(RECORDS).map_while(Result::ok).collect()
}

/// How many records have as many values as most have, if that is more than one; then how many values.
fn score(records: &[StringRecord]) -> (usize, usize) {
    let mut widths: Vec<usize> = records.iter().map(StringRecord::len).collect();
    widths.sort_unstable();
    let runs = widths.chunk_by(|a, b| a == b).filter(|run| run[0] > 1);
    runs.map(|run| (run.len(), run[0])).max().unwrap_or((0, 0))
}

/// Whether `'` stands next to separators on both sides more often than anywhere else it could.
fn single_quoted(head: &str) -> bool {
    let bytes = head.as_bytes();
    let edge = |at: Option<usize>| {
        at.and_then(|at| bytes.get(at))
            .is_none_or(|b| DELIMITERS.contains(b) || b"\r\n".contains(b))
    };
    let quotes = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\'');
    let (mut outer, mut inner) = (0, 0);
    for (at, _) in quotes {
        if edge(at.checked_sub(1)) || edge(Some(at + 1)) { outer += 1 } else { inner += 1 }
    }
    outer >= 4 && inner == 0
}

/// Numbers with a comma, and none with a point.
fn has_decimal_comma(records: &[StringRecord]) -> bool {
    let (mut commas, mut points) = (0, 0);
    for field in records.iter().flatten() {
        let number = field.bytes().all(|b| b.is_ascii_digit() || b"+-eE.,".contains(&b));
        if number && field.bytes().any(|b| b.is_ascii_digit()) {
            commas += usize::from(field.contains(','));
            points += usize::from(field.contains('.'));
        }
    }
    commas > 0 && points == 0
}

/// A first record of words that are all different, none of which is a number or missing.
fn has_header(records: &[StringRecord], decimal_comma: bool) -> bool {
    let Some(first) = records.first() else { return true };
    let names = first.iter().map(|field| Cell::Text(field.into()));
    !names.into_iter().any(|cell| cell.is_missing() || cell.number(decimal_comma).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(head: &str, delimiter: u8, quote: u8, [header, decimal_comma]: [bool; 2]) {
        let expected = CsvDialect { delimiter, quote, header, decimal_comma };
        assert_eq!(CsvDialect::of(head, true), expected, "{head:?}");
    }

    #[test]
    fn separators_quotes_headers_and_commas_are_guessed() {
        check("a,b\n1,2\n3,4\n", b',', b'"', [true, false]);
        check("a;b\n1,5;2\n-3,25;4\n", b';', b'"', [true, true]);
        check("a\tb\n1.5\t2\n", b'\t', b'"', [true, false]);
        check("a|b|c\n1|2|3\n", b'|', b'"', [true, false]);
        check("1,2\n3,4\n", b',', b'"', [false, false]);
        check("'a','b'\n'x,y','2'\n", b',', b'\'', [true, false]);
        check("a,b\nit's,2\nO'Hara,3\n'tis,4\n", b',', b'"', [true, false]);
        check("\"a;b\",c\n\"1;2\",3\n", b',', b'"', [true, false]);
        check("alone\n1\n2\n", b',', b'"', [true, false]);
        check("", b',', b'"', [true, false]);
        // The commas of the numbers are many, but the semicolons are in every line.
        check("a;b;c\n1,5;2,5;3,5\n1;2,5;3\n", b';', b'"', [true, true]);
    }

    #[test]
    fn a_line_that_is_cut_off_is_not_looked_at() {
        assert_eq!(CsvDialect::of("a,b\n1,2\n3;4;5", false).delimiter, b',');
    }
}
