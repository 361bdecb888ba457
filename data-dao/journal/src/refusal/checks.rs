//! Comparisons that refuse: what an entry says against what was recomputed, numbers and texts against their bounds.

use super::Refusal;
use crate::LIST_MAX;

impl Refusal {
    pub(crate) fn unknown(what: &'static str, id: impl ToString) -> Self {
        Self::Unknown { what, id: id.to_string() }
    }

    pub(crate) fn exists(what: &'static str, id: impl ToString) -> Self {
        Self::Exists { what, id: id.to_string() }
    }
}

/// Refuses unless what the entry says is what it had to be.
pub(crate) fn same<T: PartialEq + ToString>(
    what: impl ToString,
    expected: &T,
    got: &T,
) -> Result<(), Refusal> {
    if expected == got {
        return Ok(());
    }
    let (expected, got) = (expected.to_string(), got.to_string());
    Err(Refusal::Differs { what: what.to_string(), expected, got })
}

/// Refuses unless the list is the recomputed one, or left out since that is longer than
/// [`LIST_MAX`].
pub(crate) fn same_list<T: PartialEq + std::fmt::Debug>(
    what: &'static str,
    expected: &[T],
    got: &[T],
) -> Result<(), Refusal> {
    let left_out = got.is_empty() && expected.len() > LIST_MAX;
    if left_out || expected == got {
        return Ok(());
    }
    let (expected, got) = (format!("{expected:?}"), format!("{got:?}"));
    Err(Refusal::Differs { what: what.to_owned(), expected, got })
}

/// Refuses a number outside its bounds.
pub(crate) fn within(
    what: &'static str,
    got: impl Into<i128>,
    low: i128,
    high: i128,
) -> Result<(), Refusal> {
    let got = got.into();
    if (low..=high).contains(&got) {
        Ok(())
    } else {
        Err(Refusal::OutOfBounds { what, got, low, high })
    }
}

/// Refuses a text that is empty or longer than `max` bytes.
pub(crate) fn text_within(what: &'static str, text: &str, max: i128) -> Result<(), Refusal> {
    let length = i128::try_from(text.len()).expect("a length fits 128 bits");
    within(what, length, 1, max)
}
