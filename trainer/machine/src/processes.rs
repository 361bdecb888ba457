//! The processes that train.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

/// The processes that train, by their ids: they come and go while a machine is watched. Cheap to clone; clones are the same set.
#[derive(Debug, Clone, Default)]
pub struct Processes(Arc<Mutex<BTreeSet<u32>>>);

impl Processes {
    /// One that begins.
    pub fn add(&self, id: u32) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
    }

    /// One that has ended.
    pub fn remove(&self, id: u32) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> Vec<u32> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }
}

impl From<u32> for Processes {
    fn from(id: u32) -> Self {
        let processes = Self::default();
        processes.add(id);
        processes
    }
}
