//! What a round has of each group into which its contributors are dealt, where the terms have a rule over groups
//! ([`FederationTerms::groups`](crate::FederationTerms::groups)).
//!
//! ```text
//!  accepted set ─dealt by round and model─► groups, each of the minimum cohort or more
//!       │                                      │ a sum and a tag of its own
//!       ▼                                      ▼
//!  one root, one commitment per party      rule over the means ─► one step, probes for each group
//! ```
//!
//! A round of one group is written as before there were groups, so that records of then are read as they were.

use privacy_identity::{Decode, DecodeError, Encode, Reader, Writer, list_to_writer};
use privacy_secagg::{EncodingParameters, QuantizedProbe};

use aggregator_strategy::GroupRule;

/// Other groups than the first: at most this many.
const OTHERS_MAX: usize = GroupRule::GROUPS_MAX as usize - 1;

/// Stands where the exponent of a probe stands, which is never so small, if there are probes of several groups.
const SEVERAL_GROUPS: i64 = i64::MIN;

/// The opened sum of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupSum {
    /// The sum, as integers, `[vector_len]`.
    pub sum: Vec<i64>,
    /// The sum of the linear tags, where the cohort has a key.
    pub tag: Option<[u64; 2]>,
}

/// The probes of one group. Along which novelty is measured is the same for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupProbes {
    /// The value probe of the step, as far as the rule took this group's mean.
    pub value: QuantizedProbe,
    /// Its contrast, as far.
    pub contrast: QuantizedProbe,
}

/// Writes the sums of all groups: of one group as if there were none.
pub(crate) fn sums_to_writer(
    (sum, tag): (&[i64], Option<[u64; 2]>),
    others: &[GroupSum],
    writer: &mut Writer,
) {
    sum_to_writer(sum, writer);
    writer.u8(u8::from(tag.is_some()) | (u8::from(!others.is_empty()) << 1));
    tag_to_writer(tag, writer);
    if others.is_empty() {
        return;
    }
    writer.u32(u32::try_from(others.len()).expect("at most GROUPS_MAX"));
    for other in others {
        sum_to_writer(&other.sum, writer);
        writer.u8(u8::from(other.tag.is_some()));
        tag_to_writer(other.tag, writer);
    }
}

/// Reads what [`sums_to_writer`] wrote.
pub(crate) fn sums_from_reader(
    reader: &mut Reader<'_>,
) -> Result<(GroupSum, Vec<GroupSum>), DecodeError> {
    let sum = sum_from_reader(reader)?;
    let form = reader.u8()?;
    let first = GroupSum { sum, tag: tag_from_reader(form & 1, reader)? };
    if form < 2 {
        return Ok((first, Vec::new()));
    }
    if form > 3 {
        return Err(DecodeError::invalid("tag of the sum", form));
    }
    let count = others_from_reader(reader)?;
    let mut others = Vec::new();
    for _ in 0..count {
        let sum = sum_from_reader(reader)?;
        let form = reader.u8()?;
        others.push(GroupSum { sum, tag: tag_from_reader(form, reader)? });
    }
    Ok((first, others))
}

/// Writes that probes of other groups follow, if they do: before those of the first.
pub(crate) fn several_to_writer(others: &[GroupProbes], writer: &mut Writer) {
    if !others.is_empty() {
        writer.i64(SEVERAL_GROUPS);
    }
}

/// Whether [`several_to_writer`] wrote that other groups follow.
pub(crate) fn several_from_reader(reader: &mut Reader<'_>) -> Result<bool, DecodeError> {
    if !reader.starts_with(&SEVERAL_GROUPS.to_be_bytes()) {
        return Ok(false);
    }
    reader.i64().map(|_mark| true)
}

/// Writes the probes of the other groups; of none nothing.
pub(crate) fn probes_to_writer(others: &[GroupProbes], writer: &mut Writer) {
    if !others.is_empty() {
        list_to_writer(others, writer);
    }
}

/// Reads what [`probes_to_writer`] wrote of at least one.
pub(crate) fn probes_from_reader(reader: &mut Reader<'_>) -> Result<Vec<GroupProbes>, DecodeError> {
    let count = others_from_reader(reader)?;
    (0..count).map(|_| Decode::decode(reader)).collect()
}

fn others_from_reader(reader: &mut Reader<'_>) -> Result<usize, DecodeError> {
    match reader.length("groups", OTHERS_MAX)? {
        0 => Err(DecodeError::invalid("groups", "one group is written without a list")),
        count => Ok(count),
    }
}

fn sum_to_writer(sum: &[i64], writer: &mut Writer) {
    writer.u32(u32::try_from(sum.len()).expect("at most DIMENSION_MAX"));
    for value in sum {
        // A ring has at most 32 bits, so a centred sum fits an i32.
        writer
            .array(&i32::try_from(*value).expect("centred in a ring of <= 32 bits").to_be_bytes());
    }
}

fn sum_from_reader(reader: &mut Reader<'_>) -> Result<Vec<i64>, DecodeError> {
    let length = reader.length("sum", EncodingParameters::DIMENSION_MAX as usize)?;
    let (words, _) = reader.take(4 * length)?.as_chunks::<4>();
    Ok(words.iter().map(|word| i64::from(i32::from_be_bytes(*word))).collect())
}

fn tag_to_writer(tag: Option<[u64; 2]>, writer: &mut Writer) {
    tag.iter().flatten().for_each(|word| writer.u64(*word));
}

fn tag_from_reader(form: u8, reader: &mut Reader<'_>) -> Result<Option<[u64; 2]>, DecodeError> {
    match form {
        0 => Ok(None),
        1 => Ok(Some([reader.u64()?, reader.u64()?])),
        other => Err(DecodeError::invalid("tag of the sum", other)),
    }
}

impl Encode for GroupProbes {
    fn encode(&self, writer: &mut Writer) {
        self.value.encode(writer);
        self.contrast.encode(writer);
    }
}

impl Decode for GroupProbes {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { value: Decode::decode(reader)?, contrast: Decode::decode(reader)? })
    }
}
