//! What one round leaves to the next, and its form on disk.

use std::{
    collections::{BTreeMap, VecDeque},
    fs,
    path::Path,
};

use aggregator_round::PAST_UPDATES_MAX;
use aggregator_strategy::OptimizerState;
use anyhow::{Context as _, bail};
use privacy_identity::{
    Decode, DecodeError, Digest, Encode, Reader, Tag, Writer, list_from_reader, list_to_writer,
};
use trainer_model::{Parameters, UpdateLayout};

use super::{
    buffer_state::BufferState,
    course::Course,
    local_state::{LocalRecord, LocalState},
    plan::Plan,
};

/// Version of the checkpoint's form.
const VERSION: u32 = 3;
/// Largest checkpoint that is read: models of 2^24 parameters with two moments and five past updates.
const BYTES_MAX: u64 = 4 << 30;

/// Longest text of a record, in bytes.
const TEXT_BYTES_MAX: usize = 1 << 16;

/// One round, as the report states it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct RoundRecord {
    pub(crate) round: u64,
    /// None if the round was given up.
    pub(crate) test_accuracy: Option<f64>,
    pub(crate) test_loss: Option<f64>,
    /// Mean loss of the last local epoch over those who trained.
    pub(crate) train_loss: Option<f64>,
    /// Share of triggered test images that are taken for a backdoor's target.
    pub(crate) attack_success: Option<f64>,
    pub(crate) participants: u64,
    pub(crate) dropped: u64,
    pub(crate) refused: u64,
    pub(crate) upload_bytes_per_contributor: u64,
    pub(crate) upload_bytes_per_parameter: f64,
    pub(crate) epsilon: Option<f64>,
    pub(crate) train_seconds: f64,
    pub(crate) seal_seconds: f64,
    pub(crate) aggregate_seconds: f64,
    pub(crate) wall_seconds: f64,
    /// Who came too late, how old updates were.
    pub(crate) course: Course,
    /// Digest of the model after the round: equal at any number of threads.
    pub(crate) model: String,
    /// Why it was given up, or why somebody sent nothing: the first reason.
    pub(crate) remark: Option<String>,
    /// What was noted on the contributors' side.
    pub(crate) local: LocalRecord,
}

/// A contributor's values so far, in loss.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ValueRecord {
    /// One for each round in which the contribution was measured.
    pub(crate) values: Vec<f64>,
    /// Rounds in which it was in the mean.
    pub(crate) rounds: u64,
}

/// Everything that the next round depends on, and what the report tells of those before.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) next_round: u64,
    pub(crate) model: Parameters,
    pub(crate) optimizer: OptimizerState,
    /// What each of the last sealed rounds made public of its updates, the newest first: the step last of each.
    pub(crate) past: VecDeque<Vec<Vec<f32>>>,
    pub(crate) rounds: Vec<RoundRecord>,
    pub(crate) values: BTreeMap<usize, ValueRecord>,
    pub(crate) leaves: Vec<Vec<u8>>,
    pub(crate) local: LocalState,
    /// In asynchronous training.
    pub(crate) buffer: Option<BufferState>,
}

impl State {
    /// What the newest round changed, before the server's optimiser.
    pub(crate) fn last_step(&self) -> Option<&[f32]> {
        self.past.front()?.last().map(Vec::as_slice)
    }

    /// What is public once a round has made `public` so.
    pub(crate) fn past_with(&self, public: Vec<Vec<f32>>) -> VecDeque<Vec<Vec<f32>>> {
        let mut past = self.past.clone();
        past.push_front(public);
        past.truncate(PAST_UPDATES_MAX);
        past
    }

    /// Writes it whole: an interrupted write leaves the one before.
    ///
    /// * `digest` — of the plan that it belongs to.
    pub(crate) fn save(&self, path: &Path, digest: &Digest) -> anyhow::Result<()> {
        let mut writer = Writer::default();
        writer.u32(VERSION);
        digest.encode(&mut writer);
        writer.u64(self.next_round);
        writer.bytes(&self.model.to_bytes());
        self.optimizer.encode(&mut writer);
        writer.u32(u32::try_from(self.past.len())?);
        for public in &self.past {
            writer.u32(u32::try_from(public.len())?);
            public.iter().for_each(|update| floats_to_writer(update, &mut writer));
        }
        list_to_writer(&self.rounds, &mut writer);
        writer.u32(u32::try_from(self.values.len())?);
        for (index, record) in &self.values {
            writer.u64(*index as u64);
            record.encode(&mut writer);
        }
        writer.u32(u32::try_from(self.leaves.len())?);
        for leaf in &self.leaves {
            writer.bytes(leaf);
        }
        self.local.encode(&mut writer);
        if let Some(buffer) = &self.buffer {
            buffer.encode(&mut writer);
        }
        let body = writer.into_bytes();
        let digest = Digest::of(Tag::Model, &body);
        let part = path.with_extension("part");
        let write = || -> std::io::Result<()> {
            fs::write(&part, [digest.0.as_slice(), &body].concat())?;
            fs::File::open(&part)?.sync_all()?;
            fs::rename(&part, path)
        };
        write().with_context(|| format!("writing the checkpoint {}", path.display()))
    }

    /// Reads it, if there is one.
    ///
    /// # Errors
    /// A file that is no whole checkpoint, or one of another plan.
    pub(crate) fn load(
        path: &Path,
        (plan, digest): (&Plan, &Digest),
        layout: &UpdateLayout,
    ) -> anyhow::Result<Option<Self>> {
        let size = match fs::metadata(path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
        };
        if size > BYTES_MAX {
            bail!("{} is no checkpoint: {size} bytes, at most {BYTES_MAX} are one", path.display());
        }
        let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        let Some((whole, body)) = bytes.split_first_chunk::<32>() else {
            bail!("{} is no checkpoint: it is too short", path.display());
        };
        if Digest::of(Tag::Model, body).0 != *whole {
            bail!("the checkpoint {} is not whole; remove it to start anew", path.display());
        }
        let state = Self::decode(body, (plan, digest), layout);
        state.map(Some).with_context(|| format!("the checkpoint {}", path.display()))
    }

    fn decode(
        body: &[u8],
        (plan, digest): (&Plan, &Digest),
        layout: &UpdateLayout,
    ) -> anyhow::Result<Self> {
        let mut reader = Reader::new(body);
        let version = reader.u32()?;
        if version != VERSION {
            bail!("is of version {version}, this program writes version {VERSION}");
        }
        if Digest::decode(&mut reader)? != *digest {
            bail!(
                "belongs to other settings: give it another name, or use the settings that it was made with"
            );
        }
        let most = body.len();
        let next_round = reader.u64()?;
        let model = Parameters::from_bytes(layout, reader.bytes("model", most)?)?;
        let optimizer = OptimizerState::decode(&mut reader)?;
        let count = reader.length("past updates", most)?;
        let mut past = VecDeque::new();
        for _ in 0..count {
            let count = reader.length("public updates", most)?;
            let update = |_| floats_from_reader(&mut reader, most);
            past.push_back((0..count).map(update).collect::<Result<Vec<_>, _>>()?);
        }
        let rounds = list_from_reader(&mut reader, "rounds", most)?;
        let count = reader.length("values", most)?;
        let mut value = || Ok((usize::try_from(reader.u64()?)?, ValueRecord::decode(&mut reader)?));
        let values = (0..count).map(|_| value()).collect::<anyhow::Result<_>>()?;
        let count = reader.length("leaves", most)?;
        let leaf = |_| reader.bytes("leaf", most).map(<[u8]>::to_vec);
        let leaves = (0..count).map(leaf).collect::<Result<_, _>>()?;
        let local = LocalState::decode(&mut reader, most)?;
        let buffer = BufferState::decode(&mut reader, (plan, layout), most)?;
        Ok(Self { next_round, model, optimizer, past, rounds, values, leaves, local, buffer })
    }
}

pub(crate) fn floats_to_writer(values: &[f32], writer: &mut Writer) {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    writer.bytes(&bytes);
}

pub(crate) fn floats_from_reader(
    reader: &mut Reader<'_>,
    most: usize,
) -> Result<Vec<f32>, DecodeError> {
    let (chunks, rest) = reader.bytes("past update", most)?.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(DecodeError::invalid("past update", "is cut off"));
    }
    Ok(chunks.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

pub(crate) fn optional_to_writer(value: Option<f64>, writer: &mut Writer) {
    writer.u8(u8::from(value.is_some()));
    if let Some(value) = value {
        writer.f64(value);
    }
}

pub(crate) fn optional_from_reader(
    reader: &mut Reader<'_>,
    field: &'static str,
) -> Result<Option<f64>, DecodeError> {
    match reader.u8()? {
        0 => Ok(None),
        _ => reader.f64(field).map(Some),
    }
}

impl Encode for RoundRecord {
    fn encode(&self, writer: &mut Writer) {
        writer.u64(self.round);
        for value in
            [self.test_accuracy, self.test_loss, self.train_loss, self.attack_success, self.epsilon]
        {
            optional_to_writer(value, writer);
        }
        let counts = [self.participants, self.dropped, self.refused];
        for count in counts.into_iter().chain([self.upload_bytes_per_contributor]) {
            writer.u64(count);
        }
        writer.f64(self.upload_bytes_per_parameter);
        for seconds in self.seconds() {
            writer.f64(seconds);
        }
        self.course.encode(writer);
        writer.text(&self.model);
        writer.text(self.remark.as_deref().unwrap_or_default());
        self.local.encode(writer);
    }
}

impl RoundRecord {
    const fn seconds(&self) -> [f64; 4] {
        [self.train_seconds, self.seal_seconds, self.aggregate_seconds, self.wall_seconds]
    }
}

impl Decode for RoundRecord {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            round: reader.u64()?,
            test_accuracy: optional_from_reader(reader, "accuracy")?,
            test_loss: optional_from_reader(reader, "loss")?,
            train_loss: optional_from_reader(reader, "loss")?,
            attack_success: optional_from_reader(reader, "success")?,
            epsilon: optional_from_reader(reader, "epsilon")?,
            participants: reader.u64()?,
            dropped: reader.u64()?,
            refused: reader.u64()?,
            upload_bytes_per_contributor: reader.u64()?,
            upload_bytes_per_parameter: reader.f64("bytes per parameter")?,
            train_seconds: reader.f64("seconds")?,
            seal_seconds: reader.f64("seconds")?,
            aggregate_seconds: reader.f64("seconds")?,
            wall_seconds: reader.f64("seconds")?,
            course: Decode::decode(reader)?,
            model: reader.text("model", TEXT_BYTES_MAX)?,
            remark: Some(reader.text("remark", TEXT_BYTES_MAX)?).filter(|text| !text.is_empty()),
            local: LocalRecord::decode(reader)?,
        })
    }
}

impl Encode for ValueRecord {
    fn encode(&self, writer: &mut Writer) {
        writer.u64(self.rounds);
        writer.u32(u32::try_from(self.values.len()).expect("at most one a round"));
        for value in &self.values {
            writer.f64(*value);
        }
    }
}

impl Decode for ValueRecord {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let rounds = reader.u64()?;
        let count = reader.length("values", super::terms::ROUNDS_MAX as usize)?;
        let values = (0..count).map(|_| reader.f64("value")).collect::<Result<_, _>>()?;
        Ok(Self { values, rounds })
    }
}
