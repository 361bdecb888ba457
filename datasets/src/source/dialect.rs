//! How a CSV file separates its values, guessed from its beginning.

use std::collections::BTreeSet;

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

/// Numbers with a comma, and none with a point; but `1.234,5` or `1,234.5` tells by itself.
fn has_decimal_comma(records: &[StringRecord]) -> bool {
    let (mut commas, mut points) = (0, 0);
    for field in records.iter().flatten() {
        let number = field.bytes().all(|b| b.is_ascii_digit() || b"+-eE.,".contains(&b));
        if !number || !field.bytes().any(|b| b.is_ascii_digit()) {
            continue;
        }
        match (field.matches(',').count(), field.matches('.').count()) {
            (1, 0) => commas += 1,
            (0, 1) => points += 1,
            // Of both the last is the decimal sign, and the other one stands between thousands.
            (1, 1..) if field.rfind('.') < field.find(',') => return true,
            (1.., 1) if field.rfind(',') < field.find('.') => return false,
            // A date with points, a list.
            _ => {}
        }
    }
    commas > 0 && points == 0
}

/// A first record of words, none of which is a number or missing. Its first cells may be blank, as programs leave them over the
/// numbers of rows; then the words differ, and no record has such a blank in its place.
fn has_header(records: &[StringRecord], decimal_comma: bool) -> bool {
    let Some((first, others)) = records.split_first() else { return true };
    let blank = first.iter().take_while(|field| field.is_empty()).count();
    let names: Vec<&str> = first.iter().skip(blank).collect();
    let is_name = |field: &&str| {
        let cell = Cell::Text((*field).into());
        !cell.is_missing() && cell.number(decimal_comma).is_none()
    };
    if !names.iter().all(is_name) {
        return false;
    }
    let different = || names.iter().collect::<BTreeSet<_>>().len() == names.len();
    let filled = |record: &StringRecord| record.iter().take(blank).all(|field| !field.is_empty());
    blank == 0
        || (!names.is_empty() && different() && !others.is_empty() && others.iter().all(filled))
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
        // A day has points, but is no number; of two signs in a number the last is the decimal one.
        check("a;b\n23.11.2026;1,5\n", b';', b'"', [true, true]);
        check("a;b\n1.234;2\n1.234,5;3\n", b';', b'"', [true, true]);
        check("a;b\n1,234;2\n1,234.5;3\n", b';', b'"', [true, false]);
        check("a;b\n1,234,567;2\n", b';', b'"', [true, false]);
        // The commas of the numbers are many, but the semicolons are in every line.
        check("a;b;c\n1,5;2,5;3,5\n1;2,5;3\n", b';', b'"', [true, true]);
    }

    #[test]
    fn a_header_may_be_blank_over_the_numbers_of_rows() {
        check(",a,b\n0,1,x\n1,2,y\n", b',', b'"', [true, false]);
        check(",,a,b\nu,0,1,x\nu,1,2,y\n", b',', b'"', [true, false]);
        // A row that lacks values is no header.
        for head in
            [",1,b\n0,1,x\n", ",a,b\n,1,x\n", ",a,a\n0,b,c\n", "a,,b\n0,1,x\n", ",x\n", ",\n1,2\n"]
        {
            check(head, b',', b'"', [false, false]);
        }
    }

    #[test]
    fn a_line_that_is_cut_off_is_not_looked_at() {
        assert_eq!(CsvDialect::of("a,b\n1,2\n3;4;5", false).delimiter, b',');
    }
}
