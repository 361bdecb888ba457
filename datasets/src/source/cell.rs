//! One value of a record, as its file has it.

use std::{borrow::Cow, str::FromStr};

/// Words that stand for a value that is not there, beside nothing at all, in any case: those of R, pandas, SQL and the
/// UCI repository. `none` and `-` are not among them: they are classes and categories as well.
const MISSING_WORDS: [&str; 6] = ["?", "na", "n/a", "nan", "null", "#n/a"];

/// One value of a record.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'a> {
    /// Not there.
    Missing,
    /// A number, which may be infinite.
    Number(f64),
    /// A truth value.
    Boolean(bool),
    /// Text: in a CSV file everything.
    Text(Cow<'a, str>),
}

impl Cell<'_> {
    /// Whether there is no value, or a word for none.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        match self {
            Self::Missing => true,
            Self::Number(number) => number.is_nan(),
            Self::Boolean(_) => false,
            Self::Text(text) => {
                text.is_empty()
                    || (text.len() <= 4
                        && MISSING_WORDS.iter().any(|w| text.eq_ignore_ascii_case(w)))
            }
        }
    }

    /// The number that it is, if an `f32` can be so large; `true` and `false` are 1 and 0.
    ///
    /// * `decimal_comma` — whether `1,5` is one and a half.
    #[must_use]
    pub fn number(&self, decimal_comma: bool) -> Option<f64> {
        match self {
            Self::Missing => None,
            Self::Number(number) => Some(*number).filter(fits),
            Self::Boolean(value) => Some(f64::from(u8::from(*value))),
            Self::Text(text) => number_from_text(text, decimal_comma),
        }
    }

    /// As [`Cell::number`], but rounded once: the text of an `f32` gives that very `f32`.
    #[must_use]
    pub fn single(&self, decimal_comma: bool) -> Option<f32> {
        let single = match self {
            Self::Text(text) if let Some(single) = parsed(text, decimal_comma) => Some(single),
            _ => self.number(decimal_comma).map(single_from_double),
        };
        single.filter(|n: &f32| n.is_finite())
    }

    /// Whether it is a truth value, or a word for one.
    #[must_use]
    pub fn is_boolean(&self) -> bool {
        match self {
            Self::Boolean(_) => true,
            Self::Text(text) => {
                ["true", "false", "yes", "no"].iter().any(|w| text.eq_ignore_ascii_case(w))
            }
            _ => false,
        }
    }

    /// Whether it begins with a date: `2026-11-23`, `23.11.2026`, `11/23/2026`, with or without a time behind it.
    #[must_use]
    pub fn is_date(&self) -> bool {
        let Self::Text(text) = self else { return false };
        let day = text.split(['T', ' ']).next().unwrap_or_default();
        ['-', '.', '/'].iter().any(|separator| {
            let parts: Vec<&str> = day.split(*separator).collect();
            let digits = |part: &&str| part.bytes().all(|b| b.is_ascii_digit());
            let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
            parts.iter().all(digits) && matches!(lengths[..], [4, 1..=2, 1..=2] | [1..=2, 1..=2, 4])
        })
    }

    /// The word that it is, for a label or for people.
    #[must_use]
    pub fn word(&self) -> Cow<'_, str> {
        match self {
            Self::Missing => Cow::Borrowed(""),
            Self::Number(number) => Cow::Owned(number.to_string()),
            Self::Boolean(value) => Cow::Borrowed(if *value { "true" } else { "false" }),
            Self::Text(text) => Cow::Borrowed(text),
        }
    }
}

fn number_from_text(text: &str, decimal_comma: bool) -> Option<f64> {
    let number = match parsed(text, decimal_comma) {
        Some(number) => Some(number),
        None if text.eq_ignore_ascii_case("true") => Some(1.0),
        None if text.eq_ignore_ascii_case("false") => Some(0.0),
        None => None,
    };
    number.filter(fits)
}

/// Where a comma is the decimal sign, a point stands between thousands, or is a mistake: 1.234 is not one and a bit. Nobody
/// can tell, so that it is no number.
fn parsed<T: FromStr>(text: &str, decimal_comma: bool) -> Option<T> {
    if !decimal_comma {
        return text.parse().ok();
    }
    if text.contains('.') {
        return None;
    }
    text.replacen(',', ".", 1).parse().ok()
}

fn fits(number: &f64) -> bool {
    single_from_double(*number).is_finite()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "what overflows is infinite and refused by the caller"
)]
const fn single_from_double(number: f64) -> f32 {
    number as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Cell<'_> {
        Cell::Text(Cow::Borrowed(text))
    }

    #[test]
    fn words_for_nothing_are_missing_and_words_that_may_be_classes_are_not() {
        for word in ["", "NA", "n/a", "NaN", "NULL", "?", "#N/A"] {
            assert!(text(word).is_missing(), "{word}");
        }
        for word in ["none", "-", "0", "nano"] {
            assert!(!text(word).is_missing(), "{word}");
        }
        assert!(Cell::Number(f64::NAN).is_missing() && !Cell::Number(f64::INFINITY).is_missing());
    }

    #[test]
    fn numbers_are_finite_and_a_decimal_comma_counts_only_where_it_is_used() {
        assert_eq!(text("1.5").number(false), Some(1.5));
        assert_eq!(text("-1,5").number(true), Some(-1.5));
        assert_eq!(text("-1,5").number(false), None);
        assert_eq!(text("1,000,000").number(true), None);
        for word in ["inf", "nan", "1e999", "x", ""] {
            assert_eq!(text(word).number(true), None, "{word}");
        }
        for word in ["1.234", "1.234,5", "1.5", ".5"] {
            assert_eq!(text(word).number(true), None, "{word}");
            assert_eq!(text(word).single(true), None, "{word}");
        }
        assert_eq!(text("1.234").single(false), Some(1.234));
        // Rounded once, with a comma as with a point: by way of an f64 it would be 1.
        assert_eq!(text("1,000000059604644775390626").single(true), Some(1.0 + f32::EPSILON));
        assert_eq!(text("1e300").number(false), None, "it does not fit an f32");
    }

    #[test]
    fn dates_are_told_from_numbers_and_words() {
        for word in ["2026-11-23", "2026-11-23T10:00:00Z", "23.11.2026", "1/2/2026 10:00"] {
            assert!(text(word).is_date(), "{word}");
        }
        for word in ["2026", "1.2", "1.2.3", "a-b-c", "--", ""] {
            assert!(!text(word).is_date(), "{word}");
        }
    }
}
