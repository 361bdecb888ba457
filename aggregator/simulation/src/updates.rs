//! A process's store of sealed updates: files that are written whole, torn, lost and altered.

use std::collections::{BTreeMap, BTreeSet};

use aggregator_round::{KeptUpdate, PartFault, UpdateId, UpdateStore};

use crate::fault::Harm;

/// What survives a crash of the bytes of updates.
///
/// The machines' rule: bytes are here, whole, before an input that names them is stored. What no stored input
/// names may be lost in a crash.
#[derive(Debug, Default)]
pub(crate) struct Updates {
    files: BTreeMap<UpdateId, File>,
    /// What stored inputs name.
    named: BTreeSet<UpdateId>,
    /// What a fault struck.
    harmed: BTreeSet<UpdateId>,
    /// How often bytes were named, which is what a fault counts.
    namings: u32,
}

#[derive(Debug)]
struct File {
    parts: Vec<Vec<u8>>,
    /// It was written to its end.
    whole: bool,
    /// It can be read now.
    readable: bool,
}

impl Updates {
    /// Writes an update, over what a crash may have left under its name.
    pub(crate) fn keep(&mut self, kept: &KeptUpdate) {
        let file = File { parts: kept.parts.clone(), whole: true, readable: true };
        self.files.insert(kept.id, file);
    }

    /// Writes the first `part` 256ths of each part: the process dies meanwhile.
    pub(crate) fn keep_torn(&mut self, kept: &KeptUpdate, part: u8) {
        let torn = |bytes: &Vec<u8>| bytes[..bytes.len() * usize::from(part) / 256].to_vec();
        let parts = kept.parts.iter().map(torn).collect();
        self.files.insert(kept.id, File { parts, whole: false, readable: true });
    }

    /// Notes that a stored input names `id`: the how-manieth of this process.
    pub(crate) fn name(&mut self, id: UpdateId) -> u32 {
        self.named.insert(id);
        self.namings += 1;
        self.namings - 1
    }

    /// Forgets all that is not needed; `keeps_garbage` for a process that has not come to it yet.
    pub(crate) fn sweep(&mut self, keeps_garbage: bool, needed: impl Fn(&UpdateId) -> bool) {
        self.named.retain(&needed);
        if !keeps_garbage {
            self.sweep_files(needed);
        }
    }

    /// Deletes all that is not needed.
    pub(crate) fn sweep_files(&mut self, needed: impl Fn(&UpdateId) -> bool) {
        self.files.retain(|id, _| needed(id));
    }

    /// What stored inputs name, is needed, was struck by no fault, and is not here.
    pub(crate) fn missing(&self, needed: impl Fn(&UpdateId) -> bool) -> Option<UpdateId> {
        let here = |id: &UpdateId| self.files.get(id).is_some_and(|file| file.whole);
        let unharmed = self.named.iter().filter(|id| !self.harmed.contains(id));
        unharmed.copied().find(|id| !here(id) && needed(id))
    }

    /// Whether a fault struck `id`.
    pub(crate) fn harmed(&self, id: &UpdateId) -> bool {
        self.harmed.contains(id)
    }

    /// Whether a fault struck anything that is still named.
    pub(crate) fn any_harmed(&self) -> bool {
        !self.harmed.is_disjoint(&self.named)
    }

    /// A fault strikes. Returns whether there was anything to strike.
    pub(crate) fn strike(&mut self, id: &UpdateId, harm: Harm) -> bool {
        let Some(file) = self.files.get_mut(id) else { return false };
        match harm {
            Harm::Lost => drop(self.files.remove(id)),
            Harm::Altered(bit) => {
                let bytes = file.parts.iter().map(Vec::len).sum::<usize>();
                let at = bit as usize % (8 * bytes.max(1));
                let byte = file.parts.iter_mut().flatten().nth(at / 8);
                byte.into_iter().for_each(|byte| *byte ^= 1 << (at % 8));
            }
            Harm::Unreadable(_) => file.readable = false,
        }
        self.harmed.insert(*id);
        true
    }

    /// What was out of reach can be read again.
    pub(crate) fn heal(&mut self, id: &UpdateId) {
        if let Some(file) = self.files.get_mut(id) {
            file.readable = true;
        }
    }
}

impl UpdateStore for Updates {
    fn part(&self, id: UpdateId, index: usize) -> Result<Vec<u8>, PartFault> {
        let file = self.files.get(&id).ok_or(PartFault::Missing)?;
        if !file.readable {
            return Err(PartFault::Unavailable);
        }
        file.parts.get(index).cloned().ok_or(PartFault::Missing)
    }
}

#[cfg(test)]
mod tests {
    use aggregator_protocol::RoundId;
    use privacy_identity::Digest;

    use super::*;

    fn kept(round: u64) -> KeptUpdate {
        let id = UpdateId { round: RoundId(round), update: Digest([1; 32]) };
        KeptUpdate { id, parts: vec![vec![1; 300], vec![2; 300]] }
    }

    #[test]
    fn what_is_named_and_torn_is_missed_until_it_is_kept_again() {
        let (mut updates, kept) = (Updates::default(), kept(0));
        updates.keep_torn(&kept, 128);
        assert_eq!(updates.part(kept.id, 0), Ok(vec![1; 150]));
        assert_eq!(updates.missing(|_| true), None);
        updates.name(kept.id);
        assert_eq!(updates.missing(|_| true), Some(kept.id));
        assert_eq!(updates.missing(|_| false), None);
        updates.keep(&kept);
        assert_eq!(updates.missing(|_| true), None);
        assert_eq!(updates.part(kept.id, 1), Ok(vec![2; 300]));
    }

    #[test]
    fn a_sweep_takes_garbage_and_what_is_needed_stays() {
        let (mut updates, garbage, needed) = (Updates::default(), kept(0), kept(1));
        for kept in [&garbage, &needed] {
            updates.keep(kept);
            updates.name(kept.id);
        }
        updates.sweep(false, |id| *id == needed.id);
        assert_eq!(updates.part(garbage.id, 0), Err(PartFault::Missing));
        assert_eq!(updates.missing(|_| true), None);
    }

    #[test]
    fn faults_lose_alter_and_hide_what_they_strike_and_say_so() {
        let kept = kept(0);
        for harm in [Harm::Lost, Harm::Altered(2_401), Harm::Unreadable(5)] {
            let mut updates = Updates::default();
            assert!(!updates.strike(&kept.id, harm));
            updates.keep(&kept);
            updates.name(kept.id);
            assert!(updates.strike(&kept.id, harm) && updates.harmed(&kept.id));
            assert!(updates.part(kept.id, 1) != Ok(kept.parts[1].clone()), "{harm:?}");
            assert_eq!(updates.missing(|_| true), None);
        }
    }
}
