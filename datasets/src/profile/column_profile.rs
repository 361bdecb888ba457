//! What one column looks like.

use std::{collections::BTreeMap, fmt};

use crate::{Cell, NAME_BYTES_MAX, Place, csv_reader::excerpt};

/// Numbers among other values, in a hundred, from which a column is one of numbers with mistakes in it.
const NUMBERS_PERCENT: u64 = 80;

/// What a column has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// Nothing at all.
    Empty,
    /// Numbers.
    Number,
    /// Truth values, or words for them.
    Boolean,
    /// A few different words.
    Category,
    /// Dates.
    Date,
    /// Any text.
    Text,
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "empty",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Category => "category",
            Self::Date => "date",
            Self::Text => "text",
        })
    }
}

/// Range and spread of the numbers of a column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Numbers {
    /// How many, at least 1.
    pub count: u64,
    /// The least.
    pub minimum: f64,
    /// The greatest.
    pub maximum: f64,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation, of the population.
    pub deviation: f64,
}

/// What a column looks like.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnProfile {
    /// Its name in the file.
    pub name: String,
    /// What it has.
    pub kind: ColumnType,
    /// Values that are not there.
    pub missing: u64,
    /// Its numbers, if it has any.
    pub numbers: Option<Numbers>,
    /// The first value that is no finite number in a column of numbers.
    pub odd: Option<(Place, String)>,
    /// How often each value is there; none if there are too many different ones: 4 096, fewer if
    /// there are more than 64 columns.
    pub levels: Option<BTreeMap<String, u64>>,
}

/// What was gathered of a column so far.
pub(crate) struct Gathered {
    missing: u64,
    present: u64,
    dates: u64,
    booleans: u64,
    numbers: u64,
    minimum: f64,
    maximum: f64,
    mean: f64,
    squares: f64,
    odd: Option<(Place, String)>,
    levels: Option<BTreeMap<String, u64>>,
}

impl Default for Gathered {
    fn default() -> Self {
        Self {
            missing: 0,
            present: 0,
            dates: 0,
            booleans: 0,
            numbers: 0,
            minimum: f64::INFINITY,
            maximum: f64::NEG_INFINITY,
            mean: 0.0,
            squares: 0.0,
            odd: None,
            levels: Some(BTreeMap::new()),
        }
    }
}

impl Gathered {
    pub(crate) fn take(
        &mut self,
        place: &Place,
        cell: &Cell<'_>,
        decimal_comma: bool,
        levels_max: usize,
    ) {
        if cell.is_missing() {
            self.missing += 1;
            return;
        }
        self.present += 1;
        if cell.is_boolean() {
            self.booleans += 1;
        }
        match cell.number(decimal_comma) {
            Some(number) => self.take_number(number),
            None => {
                self.dates += u64::from(cell.is_date());
                if self.odd.is_none() {
                    self.odd = Some((place.clone(), excerpt(&cell.word())));
                }
            }
        }
        self.take_level(cell, levels_max);
    }

    /// Welford 1962, "Note on a Method for Calculating Corrected Sums of Squares and Products".
    fn take_number(&mut self, number: f64) {
        self.numbers += 1;
        self.minimum = self.minimum.min(number);
        self.maximum = self.maximum.max(number);
        let distance = number - self.mean;
        self.mean += distance / self.numbers as f64;
        self.squares += distance * (number - self.mean);
    }

    fn take_level(&mut self, cell: &Cell<'_>, levels_max: usize) {
        let Some(levels) = &mut self.levels else { return };
        let word = cell.word();
        if let Some(count) = levels.get_mut(&*word) {
            *count += 1;
        } else if word.len() <= NAME_BYTES_MAX && levels.len() < levels_max {
            levels.insert(word.into_owned(), 1);
        } else {
            self.levels = None;
        }
    }

    pub(crate) fn finish(self, name: &str) -> ColumnProfile {
        let kind = self.kind();
        let numbers = (self.numbers > 0).then(|| Numbers {
            count: self.numbers,
            minimum: self.minimum,
            maximum: self.maximum,
            mean: self.mean,
            deviation: (self.squares / self.numbers as f64).max(0.0).sqrt(),
        });
        let odd = self.odd.filter(|_| kind == ColumnType::Number);
        let Self { missing, levels, .. } = self;
        ColumnProfile { name: name.to_owned(), kind, missing, numbers, odd, levels }
    }

    fn kind(&self) -> ColumnType {
        let all = self.present;
        if all == 0 {
            ColumnType::Empty
        } else if self.booleans == all {
            ColumnType::Boolean
        } else if self.numbers >= 1
            && self.numbers.saturating_mul(100) >= all.saturating_mul(NUMBERS_PERCENT)
        {
            ColumnType::Number
        } else if self.dates == all {
            ColumnType::Date
        } else if self
            .levels
            .as_ref()
            .is_some_and(|levels| (levels.len() as u64) <= (all / 4).max(2))
        {
            ColumnType::Category
        } else {
            ColumnType::Text
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(words: &[&str]) -> ColumnProfile {
        let mut gathered = Gathered::default();
        for (line, word) in (2..).zip(words) {
            gathered.take(&Place::Line(line), &Cell::Text((*word).into()), false, 100);
        }
        gathered.finish("x")
    }

    #[test]
    fn types_are_told_by_all_values() {
        let check =
            |words: &[&str], expected| assert_eq!(profile(words).kind, expected, "{words:?}");
        check(&["1", "2.5", "NA"], ColumnType::Number);
        check(&["1", "2", "3", "4", "x"], ColumnType::Number);
        check(&["yes", "no", "yes"], ColumnType::Boolean);
        check(&["true", "false"], ColumnType::Boolean);
        check(&["2026-11-23", "2026-11-24"], ColumnType::Date);
        check(&["a", "b", "a", "b", "a", "b", "a", "b"], ColumnType::Category);
        check(&["one thing", "another", "a third", "a fourth"], ColumnType::Text);
        check(&["", "NA"], ColumnType::Empty);
    }

    #[test]
    fn ranges_missing_values_and_mistakes_are_told() {
        let column = profile(&["1", "", "3", "5", "7", "oops"]);
        let numbers = column.numbers.unwrap();
        assert_eq!((numbers.count, column.missing), (4, 1));
        assert!(
            (numbers.mean - 4.0).abs() < 1e-12 && (numbers.deviation - 5_f64.sqrt()).abs() < 1e-12
        );
        assert!(numbers.minimum < 1.5 && numbers.maximum > 6.5);
        assert_eq!(column.odd, Some((Place::Line(7), "oops".to_owned())));
    }

    #[test]
    fn words_are_counted_until_there_are_too_many() {
        let levels = profile(&["a", "b", "a"]).levels.unwrap();
        assert_eq!(
            levels.into_iter().collect::<Vec<_>>(),
            [("a".to_owned(), 2), ("b".to_owned(), 1)]
        );
        let mut gathered = Gathered::default();
        for word in ["a", "b", "c"] {
            gathered.take(&Place::Row(1), &Cell::Text(word.into()), false, 2);
        }
        assert_eq!(gathered.levels, None);
    }
}
