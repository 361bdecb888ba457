//! The DAO node's files beside the ledger: models, and what a round needs after a restart.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
};

use aggregator_strategy::{GroupRule, OptimizerState};
use anyhow::{Context as _, bail};
use privacy_identity::{Decode, DecodeError, Digest, Encode, Reader, Writer};
use trainer_model::{Architecture, Parameters, model_digest};

use super::control::{floats_from_reader, floats_to_writer};
use crate::{measure::made_public, stopping::Stopping};

/// A directory of files that are written whole or not at all.
#[derive(Debug, Clone)]
pub(crate) struct Vault {
    dir: PathBuf,
    architecture: Architecture,
}

impl Vault {
    /// Opens `dir`, or creates it.
    pub(crate) fn open(dir: &Path, architecture: Architecture) -> anyhow::Result<Self> {
        let models = dir.join("models");
        fs::create_dir_all(&models).with_context(|| format!("creating {}", models.display()))?;
        Ok(Self { dir: dir.to_owned(), architecture })
    }

    fn model_path(&self, digest: &Digest) -> PathBuf {
        self.dir.join("models").join(format!("{digest}.safetensors"))
    }

    /// Keeps a model under its digest.
    pub(crate) fn keep_model(&self, parameters: &Parameters) -> anyhow::Result<Digest> {
        let digest = model_digest(&self.architecture, parameters);
        let bytes = parameters.to_safetensors(&self.architecture.layout())?;
        write_whole(&self.model_path(&digest), &bytes)?;
        Ok(digest)
    }

    /// Whether a model with this digest is here.
    pub(crate) fn has_model(&self, digest: &Digest) -> bool {
        self.model_path(digest).exists()
    }

    /// The model with this digest.
    pub(crate) fn model(&self, digest: &Digest) -> anyhow::Result<Parameters> {
        let path = self.model_path(digest);
        let bytes = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        let parameters = Parameters::from_safetensors(&self.architecture.layout(), &bytes)
            .with_context(|| format!("understanding {}", path.display()))?;
        if model_digest(&self.architecture, &parameters) != *digest {
            bail!("{} is not the model that its name says: it was altered", path.display());
        }
        Ok(parameters)
    }

    /// Keeps how the model of a round came about. Under round and digest: a round may leave the model as it was,
    /// and a round that was given up leaves a step that nothing names.
    pub(crate) fn keep_step(&self, round: u64, model: &Digest, step: &Step) -> anyhow::Result<()> {
        write_whole(&self.step_path(round, model), &step.to_bytes())
    }

    /// How the model of a settled round came about.
    pub(crate) fn step(&self, round: u64, model: &Digest) -> anyhow::Result<Step> {
        let path = self.step_path(round, model);
        let bytes = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        Step::from_bytes(&bytes).with_context(|| format!("understanding {}", path.display()))
    }

    fn step_path(&self, round: u64, model: &Digest) -> PathBuf {
        self.dir.join("models").join(format!("{model}.{round}.step"))
    }

    /// Keeps the record of a settled round.
    pub(crate) fn keep_settled(&self, round: u64, record: &impl Encode) -> anyhow::Result<()> {
        let dir = self.dir.join("rounds");
        fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
        write_whole(&dir.join(format!("{round}.bin")), &record.to_bytes())
    }

    /// Keeps a record under `name`.
    pub(crate) fn keep(&self, name: &str, record: &impl Encode) -> anyhow::Result<()> {
        write_whole(&self.dir.join(name), &record.to_bytes())
    }

    /// The record under `name`, if there is one.
    pub(crate) fn record<T: Decode>(&self, name: &str) -> anyhow::Result<Option<T>> {
        let path = self.dir.join(name);
        match fs::read(&path) {
            Ok(bytes) => T::from_bytes(&bytes)
                .map(Some)
                .with_context(|| format!("understanding {}", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
        }
    }
}

/// The server's step to a model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Step {
    /// The mean update, `[parameter_count]`, or what a rule made of the groups' means.
    pub(crate) mean_update: Vec<f32>,
    /// The optimiser after it.
    pub(crate) optimizer: OptimizerState,
    /// Early stopping after it, where the terms ask for it.
    pub(crate) stopping: Option<Stopping>,
    /// The sum of contributors' control variates after it, `[parameter_count]`; empty without.
    pub(crate) control: Vec<f32>,
    /// The means of the round's groups, as public as the step; empty where there are none.
    pub(crate) group_means: Vec<Vec<f32>>,
}

impl Step {
    /// What the round made public of its updates.
    pub(crate) fn public(&self) -> Vec<Vec<f32>> {
        made_public(&self.group_means, &self.mean_update)
    }
}

impl Encode for Step {
    fn encode(&self, writer: &mut Writer) {
        floats_to_writer(&self.mean_update, writer);
        self.optimizer.encode(writer);
        writer.u8(u8::from(self.stopping.is_some()));
        if let Some(stopping) = &self.stopping {
            stopping.encode(writer);
        }
        floats_to_writer(&self.control, writer);
        // At the end, and only where there are some: steps of before there were groups are read as they were.
        self.group_means.iter().for_each(|mean| floats_to_writer(mean, writer));
    }
}

impl Decode for Step {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mean_update = floats_from_reader(reader)?;
        let optimizer = Decode::decode(reader)?;
        let stopping = match reader.u8()? {
            0 => None,
            1 => Some(Decode::decode(reader)?),
            other => return Err(DecodeError::invalid("stopping", other)),
        };
        let (control, mut group_means) = (floats_from_reader(reader)?, Vec::new());
        while !reader.is_empty() {
            if group_means.len() == GroupRule::GROUPS_MAX as usize {
                return Err(DecodeError::invalid("groups", "more than there can be"));
            }
            group_means.push(floats_from_reader(reader)?);
        }
        Ok(Self { mean_update, optimizer, stopping, control, group_means })
    }
}

/// Writes beside the file, syncs, renames: a crash leaves the old file or the new one.
fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let partial = path.with_extension("partial");
    let write = || {
        let mut file = File::create(&partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&partial, path)?;
        // The rename itself is on disk only when the directory is.
        path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
    };
    write().with_context(|| format!("writing {}", path.display()))
}
