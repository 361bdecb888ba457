//! The models that this node can compute: those in memory, and those that it can read again.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use privacy_identity::Digest;
use thiserror::Error;
use tokio::sync::Mutex;

use crate::ShelvedModel;

/// Most memory of the models on a shelf, where nobody says otherwise: 1 GiB.
pub const SHELF_BYTES_MAX: usize = 1 << 30;

/// Why a model was not put on the shelf.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ShelfError {
    /// Two parts of the model are of different sizes.
    #[error("the model has {expected} {what}, got {got}")]
    Mismatch {
        /// Which sizes were compared.
        what: &'static str,
        /// The architecture's size.
        expected: usize,
        /// The other part's.
        got: usize,
    },
    /// There is no room, and nothing that could be read again later makes room.
    #[error("the model takes {needed} bytes, the shelf has {free} of {max} for it")]
    Full {
        /// What the model takes.
        needed: usize,
        /// What is or could be made free.
        free: usize,
        /// All of the shelf.
        max: usize,
    },
    /// The model could not be read.
    #[error("the model cannot be read: {0}")]
    Unreadable(String),
}

/// Where models come from that are not in memory. Called on a blocking thread.
pub type ModelSource =
    dyn Fn(&Digest) -> Result<Option<ShelvedModel>, ShelfError> + Send + Sync + 'static;

/// The models that this node can compute, by digest. Clones share them.
///
/// With a source, those used longest ago make room for others; without one, what was put there stays. Predictions in
/// progress keep the model that they began with, so that a new version replaces an old one without a failed request.
#[derive(Clone)]
pub struct ModelShelf(Arc<Inner>);

struct Inner {
    bytes_max: usize,
    source: Option<Box<ModelSource>>,
    models: RwLock<Models>,
    /// One model is read at a time: several requests for one find it read.
    loading: Mutex<()>,
    /// Counts uses; a greater one is later.
    uses: AtomicU64,
    hits: AtomicU64,
    loads: AtomicU64,
    evictions: AtomicU64,
}

#[derive(Default)]
struct Models {
    by_digest: BTreeMap<Digest, Slot>,
    bytes: usize,
}

struct Slot {
    model: Arc<ShelvedModel>,
    used: AtomicU64,
}

/// What a shelf holds and has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShelfFigures {
    /// Memory of its models.
    pub bytes: usize,
    /// How many models.
    pub models: usize,
    /// How often a model was found.
    pub hits: u64,
    /// How often one was read.
    pub loads: u64,
    /// How often one made room.
    pub evictions: u64,
}

impl Default for ModelShelf {
    /// A shelf of [`SHELF_BYTES_MAX`] without a source.
    fn default() -> Self {
        Self::with(SHELF_BYTES_MAX, None)
    }
}

impl ModelShelf {
    /// A shelf of so many bytes that reads what it does not have from `source`.
    pub fn with_source(
        bytes_max: usize,
        source: impl Fn(&Digest) -> Result<Option<ShelvedModel>, ShelfError> + Send + Sync + 'static,
    ) -> Self {
        Self::with(bytes_max, Some(Box::new(source)))
    }

    fn with(bytes_max: usize, source: Option<Box<ModelSource>>) -> Self {
        Self(Arc::new(Inner {
            bytes_max,
            source,
            models: RwLock::default(),
            loading: Mutex::new(()),
            uses: AtomicU64::new(0),
            hits: AtomicU64::new(0),
            loads: AtomicU64::new(0),
            evictions: AtomicU64::new(0),
        }))
    }

    /// Puts a model on the shelf; the same one again changes nothing.
    ///
    /// # Errors
    /// [`ShelfError::Full`].
    pub fn put(&self, model: ShelvedModel) -> Result<Digest, ShelfError> {
        Ok(*self.shelve(model)?.digest())
    }

    /// The model with this digest, if it is in memory.
    #[must_use]
    pub fn get(&self, digest: &Digest) -> Option<Arc<ShelvedModel>> {
        let models = self.read();
        let slot = models.by_digest.get(digest)?;
        slot.used.store(self.0.uses.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        self.0.hits.fetch_add(1, Ordering::Relaxed);
        Some(Arc::clone(&slot.model))
    }

    /// The model with this digest, read from the source if it is not in memory. None if the source does not have it.
    ///
    /// # Errors
    /// [`ShelfError`] if it cannot be read or has no room.
    pub async fn fetch(&self, digest: &Digest) -> Result<Option<Arc<ShelvedModel>>, ShelfError> {
        if let Some(model) = self.get(digest) {
            return Ok(Some(model));
        }
        if self.0.source.is_none() {
            return Ok(None);
        }
        let _turn = self.0.loading.lock().await;
        if let Some(model) = self.get(digest) {
            return Ok(Some(model));
        }
        let (shelf, digest) = (self.clone(), *digest);
        let reading = tokio::task::spawn_blocking(move || {
            let Some(source) = &shelf.0.source else { return Ok(None) };
            let Some(model) = source(&digest)? else { return Ok(None) };
            if *model.digest() != digest {
                return Err(ShelfError::Unreadable(format!(
                    "it is {}, not {digest}",
                    model.digest()
                )));
            }
            shelf.0.loads.fetch_add(1, Ordering::Relaxed);
            shelf.shelve(model).map(Some)
        });
        reading.await.map_err(|error| ShelfError::Unreadable(error.to_string()))?
    }

    /// Takes a model off; predictions in progress end with it.
    pub fn remove(&self, digest: &Digest) {
        let mut models = self.write();
        if let Some(slot) = models.by_digest.remove(digest) {
            models.bytes -= slot.model.bytes();
        }
    }

    /// What it holds and has done.
    #[must_use]
    pub fn figures(&self) -> ShelfFigures {
        let models = self.read();
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ShelfFigures {
            bytes: models.bytes,
            models: models.by_digest.len(),
            hits: count(&self.0.hits),
            loads: count(&self.0.loads),
            evictions: count(&self.0.evictions),
        }
    }

    fn shelve(&self, model: ShelvedModel) -> Result<Arc<ShelvedModel>, ShelfError> {
        let (digest, needed) = (*model.digest(), model.bytes());
        let mut models = self.write();
        if let Some(slot) = models.by_digest.get(&digest) {
            return Ok(Arc::clone(&slot.model));
        }
        let max = self.0.bytes_max;
        let free = if self.0.source.is_some() { max } else { max.saturating_sub(models.bytes) };
        if needed > free {
            return Err(ShelfError::Full { needed, free, max });
        }
        while models.bytes + needed > max {
            let used = |(_, slot): &(&Digest, &Slot)| slot.used.load(Ordering::Relaxed);
            let Some(oldest) = models.by_digest.iter().min_by_key(used) else { break };
            let oldest = *oldest.0;
            if let Some(slot) = models.by_digest.remove(&oldest) {
                models.bytes -= slot.model.bytes();
                self.0.evictions.fetch_add(1, Ordering::Relaxed);
            }
        }
        let (model, used) = (Arc::new(model), self.0.uses.fetch_add(1, Ordering::Relaxed));
        let slot = Slot { model: Arc::clone(&model), used: used.into() };
        models.by_digest.insert(digest, slot);
        models.bytes += needed;
        Ok(model)
    }

    fn read(&self) -> RwLockReadGuard<'_, Models> {
        self.0.models.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Models> {
        self.0.models.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ModelShelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ModelShelf({:?})", self.figures())
    }
}

#[cfg(test)]
mod tests {
    use datasets::{Schema, Standardiser};
    use trainer_model::{Architecture, MlpShape, Parameters};

    use super::*;

    fn model(value: u8) -> ShelvedModel {
        let shape = MlpShape { inputs: 1, hidden: vec![], classes: 2 };
        let architecture = Architecture::mlp(shape).unwrap();
        let parameters =
            Parameters::new(&architecture.layout(), vec![f32::from(value); 4]).unwrap();
        let standardiser = Standardiser::new(vec![0.0], vec![1.0]).unwrap();
        let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let schema = Schema::new(texts(&["a"]), "l".to_owned(), texts(&["x", "y"])).unwrap();
        ShelvedModel::new(architecture, parameters, standardiser, schema).unwrap()
    }

    fn digests() -> Vec<Digest> {
        (0..4).map(|value| *model(value).digest()).collect()
    }

    #[tokio::test]
    async fn the_model_used_longest_ago_makes_room_and_is_read_again() {
        let digests = digests();
        let known = digests.clone();
        let source = move |digest: &Digest| {
            let value = known.iter().position(|known| known == digest);
            Ok(value.and_then(|value| u8::try_from(value).ok()).map(model))
        };
        let shelf = ModelShelf::with_source(2 * model(0).bytes(), source);
        for digest in [0, 1, 0, 2] {
            assert!(shelf.fetch(&digests[digest]).await.unwrap().is_some());
        }
        let held = |digest: usize| shelf.get(&digests[digest]).is_some();
        assert_eq!([held(0), held(1), held(2)], [true, false, true]);
        assert!(shelf.fetch(&digests[1]).await.unwrap().is_some());
        let figures = shelf.figures();
        assert_eq!((figures.models, figures.loads, figures.evictions), (2, 4, 2));
        assert_eq!(figures.bytes, 2 * model(0).bytes());
        assert!(shelf.fetch(&Digest([7; 32])).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn what_a_source_gives_under_a_wrong_name_is_refused() {
        let shelf = ModelShelf::with_source(1 << 20, |_| Ok(Some(model(1))));
        let wrong = shelf.fetch(&Digest([7; 32])).await.unwrap_err();
        assert!(matches!(wrong, ShelfError::Unreadable(_)));
        assert_eq!(shelf.figures().models, 0);
    }

    #[test]
    fn without_a_source_nothing_makes_room() {
        let shelf = ModelShelf::with(2 * model(0).bytes(), None);
        shelf.put(model(0)).unwrap();
        shelf.put(model(0)).unwrap();
        shelf.put(model(1)).unwrap();
        assert!(matches!(shelf.put(model(2)), Err(ShelfError::Full { free: 0, .. })));
        shelf.remove(model(0).digest());
        assert!(shelf.put(model(2)).is_ok());
    }
}
