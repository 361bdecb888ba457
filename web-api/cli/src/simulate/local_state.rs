//! What contributors keep from round to round, and what was measured of it; part of a checkpoint.

use std::collections::BTreeMap;

use aggregator_strategy::EarlyStopping;
use privacy_identity::{
    Decode, DecodeError, Encode, Reader, Writer, list_from_reader, list_to_writer,
};

use crate::stopping::Stopping;

use super::{
    control::ControlChanges,
    state::{floats_from_reader, floats_to_writer, optional_from_reader, optional_to_writer},
};

/// What outlives a round besides the shared model.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct LocalState {
    pub(crate) stopping: Option<Stopping>,
    /// SCAFFOLD's c, `[parameter_count]`; empty without.
    pub(crate) control: Vec<f32>,
    /// cᵢ of those who took part, `[parameter_count]` each.
    pub(crate) controls: BTreeMap<usize, Vec<f32>>,
    /// The last layers of those who took part, or their own models.
    pub(crate) personal: BTreeMap<usize, Vec<f32>>,
    /// How each contributor's rows that are set aside were told apart after the last round.
    pub(crate) tested: Vec<LocalTest>,
}

/// What contributors keep of one round.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Retained {
    /// Their last layers, or their own models.
    pub(crate) personal: Vec<(usize, Vec<f32>)>,
    pub(crate) control: ControlChanges,
}

/// How a contributor's rows that are set aside are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LocalTest {
    pub(crate) contributor: usize,
    pub(crate) rows: u64,
    /// Rows that the shared model gets right; none where no whole model is shared.
    pub(crate) shared: Option<u64>,
    /// Rows that the contributor's own model gets right; none where it has none.
    pub(crate) personal: Option<u64>,
}

/// What is noted of a round besides what happened to the shared model.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct LocalRecord {
    pub(crate) learning_rate: f64,
    /// What early stopping looked at.
    pub(crate) validation: Option<f64>,
    /// Shares of all honest contributors' rows that are set aside.
    pub(crate) shared_accuracy: Option<f64>,
    pub(crate) personal_accuracy: Option<f64>,
}

impl LocalState {
    /// Before the first round.
    ///
    /// * `controls` — parameters of a control variate; 0 without SCAFFOLD.
    pub(crate) fn start(stopping: Option<EarlyStopping>, controls: usize) -> Self {
        let stopping = stopping.map(Stopping::new);
        Self { stopping, control: vec![0.0; controls], ..Self::default() }
    }

    /// Whether early stopping has come to an end.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.stopping.as_ref().is_some_and(Stopping::is_exhausted)
    }

    /// Takes over what contributors keep of a round.
    ///
    /// * `total` — the weight of all contributors there are.
    pub(crate) fn keep(&mut self, retained: Retained, total: f64) {
        self.personal.extend(retained.personal);
        retained.control.apply(total, &mut self.control, &mut self.controls);
    }

    /// The last test of a contributor.
    pub(crate) fn tested(&self, contributor: usize) -> Option<&LocalTest> {
        let at = self.tested.binary_search_by_key(&contributor, |test| test.contributor);
        self.tested.get(at.ok()?)
    }
}

impl LocalTest {
    /// A count of its rows as a share.
    #[expect(clippy::cast_precision_loss, reason = "counts of rows")]
    pub(crate) fn share(&self, correct: Option<u64>) -> Option<f64> {
        correct.map(|correct| correct as f64 / self.rows as f64)
    }
}

fn map_to_writer(map: &BTreeMap<usize, Vec<f32>>, writer: &mut Writer) {
    writer.u32(u32::try_from(map.len()).expect("at most CLIENTS_MAX"));
    for (index, values) in map {
        writer.u64(*index as u64);
        floats_to_writer(values, writer);
    }
}

fn index_from_reader(reader: &mut Reader<'_>) -> Result<usize, DecodeError> {
    let index = reader.u64()?;
    usize::try_from(index).map_err(|_too_large| DecodeError::invalid("contributor", index))
}

fn map_from_reader(
    reader: &mut Reader<'_>,
    most: usize,
) -> Result<BTreeMap<usize, Vec<f32>>, DecodeError> {
    let count = reader.length("contributors", most)?;
    let entry = |_| Ok((index_from_reader(reader)?, floats_from_reader(reader, most)?));
    (0..count).map(entry).collect()
}

impl LocalState {
    pub(crate) fn encode(&self, writer: &mut Writer) {
        writer.u8(u8::from(self.stopping.is_some()));
        if let Some(stopping) = &self.stopping {
            stopping.encode(writer);
        }
        floats_to_writer(&self.control, writer);
        map_to_writer(&self.controls, writer);
        map_to_writer(&self.personal, writer);
        list_to_writer(&self.tested, writer);
    }

    /// * `most` — the bytes that there are.
    pub(crate) fn decode(reader: &mut Reader<'_>, most: usize) -> Result<Self, DecodeError> {
        let stopping = match reader.u8()? {
            0 => None,
            _ => Some(Stopping::decode(reader)?),
        };
        Ok(Self {
            stopping,
            control: floats_from_reader(reader, most)?,
            controls: map_from_reader(reader, most)?,
            personal: map_from_reader(reader, most)?,
            tested: list_from_reader(reader, "local tests", most)?,
        })
    }
}

impl Encode for LocalTest {
    fn encode(&self, writer: &mut Writer) {
        writer.u64(self.contributor as u64);
        writer.u64(self.rows);
        for correct in [self.shared, self.personal] {
            writer.u8(u8::from(correct.is_some()));
            writer.u64(correct.unwrap_or(0));
        }
    }
}

impl Decode for LocalTest {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let contributor = index_from_reader(reader)?;
        let rows = reader.u64()?;
        let mut correct = || {
            let known = reader.u8()? != 0;
            Ok(Some(reader.u64()?).filter(|_| known))
        };
        Ok(Self { contributor, rows, shared: correct()?, personal: correct()? })
    }
}

impl Encode for LocalRecord {
    fn encode(&self, writer: &mut Writer) {
        writer.f64(self.learning_rate);
        for value in [self.validation, self.shared_accuracy, self.personal_accuracy] {
            optional_to_writer(value, writer);
        }
    }
}

impl Decode for LocalRecord {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            learning_rate: reader.f64("learning rate")?,
            validation: optional_from_reader(reader, "validation")?,
            shared_accuracy: optional_from_reader(reader, "accuracy")?,
            personal_accuracy: optional_from_reader(reader, "accuracy")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_back() {
        let test = LocalTest { contributor: 3, rows: 7, shared: None, personal: Some(5) };
        let stopping = "loss:patience=2".parse().unwrap();
        let mut state = LocalState::start(Some(stopping), 2);
        let mut retained = Retained { personal: vec![(3, vec![1.0])], ..Retained::default() };
        retained.control.add(3, 2.0, vec![0.5, -1.5]);
        state.keep(retained, 8.0);
        state.tested = vec![test];
        let mut writer = Writer::default();
        state.encode(&mut writer);
        let bytes = writer.into_bytes();
        let read = LocalState::decode(&mut Reader::new(&bytes), bytes.len()).unwrap();
        assert_eq!(read, state);
        assert_eq!(read.control, [0.125, -0.375]);
        assert_eq!(read.controls[&3], [0.5, -1.5]);
        assert_eq!(
            read.tested(3).unwrap().share(read.tested(3).unwrap().personal),
            Some(5.0 / 7.0)
        );
        assert_eq!(read.tested(2), None);
        for end in 0..bytes.len() {
            assert!(LocalState::decode(&mut Reader::new(&bytes[..end]), bytes.len()).is_err());
        }
    }
}
