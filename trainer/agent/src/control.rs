//! A contributor's control variate (SCAFFOLD), on its own disk.
//!
//! It is a mean gradient of the contributor's rows and never leaves the machine. It changes by what follows from an update
//! that counted, and by nothing else: then the mean of all is what the DAO node hands out (ARCHITECTURE.md, "SCAFFOLD uploads
//! nothing more").

use aggregator_protocol::RoundId;
use privacy_identity::{Decode, DecodeError, Encode, Reader, Writer};
use trainer_model::PARAMETERS_MAX;

/// cᵢ, and how it changes if the update under way counts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Control {
    /// cᵢ, `[parameter_count]`.
    own: Vec<f32>,
    pending: Option<(RoundId, Vec<f32>)>,
}

impl Control {
    /// Zeros: before the first round.
    pub(crate) fn fresh(parameters: usize) -> Self {
        Self { own: vec![0.0; parameters], pending: None }
    }

    /// cᵢ.
    pub(crate) fn own(&self) -> &[f32] {
        &self.own
    }

    /// Before the update of `round` is sealed: how cᵢ changes if it counts. What was pending before did not count.
    #[must_use]
    pub(crate) fn pending(self, round: RoundId, change: Vec<f32>) -> Self {
        Self { pending: Some((round, change)), ..self }
    }

    /// The update of `round` counted. Said twice, it counts once.
    #[must_use]
    pub(crate) fn counted(mut self, round: RoundId) -> Self {
        if let Some((_, change)) = self.pending.take_if(|(of, _)| *of == round) {
            self.own.iter_mut().zip(change).for_each(|(value, change)| *value += change);
        }
        self
    }
}

fn values_to_writer(values: &[f32], writer: &mut Writer) {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    writer.bytes(&bytes);
}

fn values_from_reader(reader: &mut Reader<'_>) -> Result<Vec<f32>, DecodeError> {
    let (values, rest) = reader.bytes("control variate", 4 * PARAMETERS_MAX)?.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(DecodeError::invalid("control variate", "cut off"));
    }
    Ok(values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

impl Encode for Control {
    fn encode(&self, writer: &mut Writer) {
        values_to_writer(&self.own, writer);
        writer.u8(u8::from(self.pending.is_some()));
        if let Some((round, change)) = &self.pending {
            round.encode(writer);
            values_to_writer(change, writer);
        }
    }
}

impl Decode for Control {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let own = values_from_reader(reader)?;
        let pending = match reader.u8()? {
            0 => None,
            1 => Some((Decode::decode(reader)?, values_from_reader(reader)?)),
            other => return Err(DecodeError::invalid("pending change", other)),
        };
        Ok(Self { own, pending })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_update_that_counted_changes_it_and_only_once() {
        let (first, second) = (RoundId(4), RoundId(5));
        let kept = |control: &Control| Control::from_bytes(&control.to_bytes()).unwrap();
        let control = Control::fresh(2).pending(first, vec![1.0, -2.0]);
        assert_eq!(kept(&control).own(), [0.0, 0.0]);
        assert_eq!(kept(&control).counted(second).own(), [0.0, 0.0], "another round");
        let control = kept(&control).counted(first);
        assert_eq!(kept(&control).own(), [1.0, -2.0]);
        assert_eq!(kept(&control).counted(first).own(), [1.0, -2.0], "told again after a crash");
        // Given up: what was pending is forgotten with the next round.
        let control = control.pending(second, vec![9.0, 9.0]).pending(RoundId(6), vec![0.5, 0.5]);
        assert_eq!(control.counted(second).own(), [1.0, -2.0]);
    }
}
