//! How a round went beside what it led to: who came too late, and in asynchronous training how old the updates were.

use privacy_identity::{Decode, DecodeError, Encode, Reader, Writer};
use serde_json::{Value, json};

use super::schedule::Flush;

/// How a round went.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Course {
    /// Contributors that would have come after the round had enough.
    pub(crate) surplus: u64,
    /// Of a buffer: when it was full and what was in it.
    pub(crate) buffer: Option<BufferCourse>,
}

/// How a buffer was filled.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct BufferCourse {
    /// Virtual seconds since the beginning.
    pub(crate) seconds: f64,
    /// Groups by version, each with a sealed round.
    pub(crate) groups: u64,
    /// Mean age of its updates, in versions.
    pub(crate) staleness: f64,
    /// Updates that were thrown away, as too few were as old.
    pub(crate) discarded: u64,
    /// Contributors that vanished.
    pub(crate) vanished: u64,
}

impl Course {
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    pub(crate) fn note(&mut self, flush: &Flush) {
        let count: usize = flush.groups.iter().map(|group| group.members.len()).sum();
        let ages = flush.groups.iter().map(|g| f64::from(g.staleness) * g.members.len() as f64);
        self.buffer = Some(BufferCourse {
            seconds: flush.at_us as f64 / 1e6,
            groups: flush.groups.len() as u64,
            staleness: ages.sum::<f64>() / count.max(1) as f64,
            discarded: flush.discarded as u64,
            vanished: flush.vanished as u64,
        });
    }

    pub(crate) fn to_json(&self) -> Value {
        let buffer = self.buffer.map(|buffer| {
            json!({
                "virtual_seconds": buffer.seconds,
                "groups": buffer.groups,
                "staleness": buffer.staleness,
                "discarded": buffer.discarded,
                "vanished": buffer.vanished,
            })
        });
        json!({"surplus": self.surplus, "buffer": buffer})
    }

    /// For people; empty where there is nothing to say.
    pub(crate) fn line(&self) -> String {
        let surplus = match self.surplus {
            0 => String::new(),
            surplus => format!(", {surplus} too late"),
        };
        let buffer = self.buffer.map(|BufferCourse { seconds, groups, staleness, .. }| {
            format!(", {groups} groups, {staleness:.1} versions old, at {seconds:.1} virtual s")
        });
        surplus + &buffer.unwrap_or_default()
    }
}

impl Encode for Course {
    fn encode(&self, writer: &mut Writer) {
        writer.u64(self.surplus);
        writer.u8(u8::from(self.buffer.is_some()));
        if let Some(buffer) = &self.buffer {
            writer.f64(buffer.seconds);
            writer.f64(buffer.staleness);
            for count in [buffer.groups, buffer.discarded, buffer.vanished] {
                writer.u64(count);
            }
        }
    }
}

impl Decode for Course {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let surplus = reader.u64()?;
        let buffer = match reader.u8()? {
            0 => None,
            1 => Some(BufferCourse {
                seconds: reader.f64("virtual seconds")?,
                staleness: reader.f64("staleness")?,
                groups: reader.u64()?,
                discarded: reader.u64()?,
                vanished: reader.u64()?,
            }),
            other => return Err(DecodeError::invalid("course of a round", other)),
        };
        Ok(Self { surplus, buffer })
    }
}
