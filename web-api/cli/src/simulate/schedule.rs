//! Who trains when, from which version of the model, and when the server's buffer is full: the virtual time of
//! asynchronous training (Nguyen et al. 2022, Algorithm 1).
//!
//! ```text
//!   idle ─drawn→ training from version v ─its time is over→ waits in v's group ─flush→ idle
//!                     └ vanishes → idle                          └ too old → idle, its update is thrown away
//! ```
//!
//! A flush takes every group that has reached the minimum cohort, once they have a buffer's worth together; the
//! others wait, as a sum of fewer is not opened. Each group is a step and a version of its own, the oldest first, as in a
//! federation of real contributors. Everything follows from seed and settings: no result of training and no
//! thread has a part in it.

use std::collections::{BTreeMap, BTreeSet};

use privacy_identity::{DecodeError, Reader, Writer};
use rand::RngExt as _;

use super::{
    arrivals::Conduct,
    seeds::{Purpose, generator},
    strategy::Buffering,
};

/// Those of a flush who trained from one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VersionGroup {
    /// The version.
    pub(crate) version: u64,
    /// How many versions old it is when its turn comes.
    pub(crate) staleness: u32,
    /// Who.
    pub(crate) members: Vec<usize>,
}

/// A full buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flush {
    /// Virtual microseconds since the beginning.
    pub(crate) at_us: u64,
    /// By version, the oldest first; each of the minimum cohort or more.
    pub(crate) groups: Vec<VersionGroup>,
    /// Updates that were thrown away since the last flush, as too few are as old as they.
    pub(crate) discarded: usize,
    /// Contributors that vanished since the last flush.
    pub(crate) vanished: usize,
}

/// A contributor at work, first by when it is done.
type Job = (u64, usize, u64);

/// Asynchronous training under virtual time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Schedule {
    conduct: Conduct,
    buffering: Buffering,
    group_min: usize,
    now_us: u64,
    /// The newest version.
    version: u64,
    training: BTreeSet<Job>,
    waiting: BTreeMap<u64, Vec<usize>>,
    idle: Vec<usize>,
    /// How many trainings each contributor has begun.
    begun: Vec<u64>,
    draws: u64,
    discarded: usize,
    vanished: usize,
}

impl Schedule {
    /// Lets the first contributors begin with version 0.
    ///
    /// * `group_min` — fewest updates over which a sum is opened, 2..=`clients`.
    pub(crate) fn new(
        conduct: Conduct,
        buffering: Buffering,
        group_min: usize,
        clients: usize,
    ) -> Self {
        let mut schedule = Self {
            conduct,
            buffering,
            group_min,
            now_us: 0,
            version: 0,
            training: BTreeSet::new(),
            waiting: BTreeMap::new(),
            idle: (0..clients).collect(),
            begun: vec![0; clients],
            draws: 0,
            discarded: 0,
            vanished: 0,
        };
        schedule.refill();
        schedule
    }

    /// Goes on to the next flush. Contributors that begin after it begin with the next version.
    pub(crate) fn next_flush(&mut self) -> Flush {
        loop {
            let full = self.waiting_in_groups() >= self.buffering.buffer;
            // Nobody trains any more: a smaller buffer, or a new beginning for all who wait.
            let stuck = self.training.is_empty();
            if full || (stuck && self.waiting_in_groups() > 0) {
                return self.flush();
            }
            if stuck {
                self.discard(|_| true);
                self.refill();
            }
            self.finish_one();
        }
    }

    /// The newest version: groups that were flushed.
    pub(crate) const fn newest(&self) -> u64 {
        self.version
    }

    /// Versions from which somebody trains or trained, the newest among them.
    pub(crate) fn versions(&self) -> BTreeSet<u64> {
        let training = self.training.iter().map(|(_, _, version)| *version);
        training.chain(self.waiting.keys().copied()).chain([self.version]).collect()
    }

    /// Writes who is where; the settings follow from the plan.
    pub(crate) fn encode(&self, writer: &mut Writer) {
        for count in [self.now_us, self.version, self.draws] {
            writer.u64(count);
        }
        for count in [self.discarded, self.vanished] {
            writer.u64(count as u64);
        }
        writer.u32(small(self.training.len()));
        for (at_us, index, version) in &self.training {
            writer.u64(*at_us);
            writer.u32(small(*index));
            writer.u64(*version);
        }
        writer.u32(small(self.waiting.len()));
        for (version, members) in &self.waiting {
            writer.u64(*version);
            indices_to_writer(members, writer);
        }
        indices_to_writer(&self.idle, writer);
        self.begun.iter().for_each(|begun| writer.u64(*begun));
    }

    /// Takes up what [`Schedule::encode`] wrote of a schedule with the same settings.
    ///
    /// # Errors
    /// [`DecodeError`] for what no schedule of so many contributors can be: each has one place.
    pub(crate) fn restore(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        let clients = self.begun.len();
        (self.now_us, self.version, self.draws) = (reader.u64()?, reader.u64()?, reader.u64()?);
        (self.discarded, self.vanished) = (count(reader)?, count(reader)?);
        self.training.clear();
        for _ in 0..reader.length("training", clients)? {
            let (at_us, index) = (reader.u64()?, reader.u32()? as usize);
            self.training.insert((at_us, index, reader.u64()?));
        }
        self.waiting.clear();
        for _ in 0..reader.length("waiting", clients)? {
            let version = reader.u64()?;
            self.waiting.insert(version, indices_from_reader(reader, clients)?);
        }
        self.idle = indices_from_reader(reader, clients)?;
        for begun in &mut self.begun {
            *begun = reader.u64()?;
        }
        let training = self.training.iter().map(|(_, index, _)| *index);
        let mut all: Vec<usize> = training
            .chain(self.waiting.values().flatten().copied())
            .chain(self.idle.iter().copied())
            .collect();
        all.sort_unstable();
        let at_work =
            |(_, index, version): &Job| self.begun[*index] > 0 && *version <= self.version;
        if !all.into_iter().eq(0..clients) || !self.training.iter().all(at_work) {
            return Err(DecodeError::invalid(
                "schedule",
                "contributors are in two places or in none",
            ));
        }
        Ok(())
    }

    fn waiting_in_groups(&self) -> usize {
        let sizes = self.waiting.values().map(Vec::len);
        sizes.filter(|size| *size >= self.group_min).sum()
    }

    fn finish_one(&mut self) {
        let Some((at_us, index, version)) = self.training.pop_first() else { return };
        self.now_us = at_us;
        let job = self.begun[index] - 1;
        if self.conduct.dropout > 0.0 && self.conduct.vanishes(index, job) {
            self.vanished += 1;
            self.idle.push(index);
        } else if version < self.oldest() {
            self.discarded += 1;
            self.idle.push(index);
        } else {
            self.waiting.entry(version).or_default().push(index);
        }
        self.refill();
    }

    fn flush(&mut self) -> Flush {
        let (now, minimum) = (self.version, self.group_min);
        let taken: Vec<u64> =
            self.waiting.iter().filter(|(_, of)| of.len() >= minimum).map(|(v, _)| *v).collect();
        let mut groups = Vec::new();
        // Ages do not grow in a flush: each next group is at least a version newer.
        for (version, newest) in taken.into_iter().zip(now..) {
            let members = self.waiting.remove(&version).unwrap_or_default();
            self.idle.extend(&members);
            let staleness = u32::try_from(newest - version).unwrap_or(u32::MAX);
            groups.push(VersionGroup { version, staleness, members });
            self.version = newest + 1;
        }
        let oldest = self.oldest();
        self.discard(|version| version < oldest);
        self.refill();
        let flush = Flush {
            at_us: self.now_us,
            groups,
            discarded: self.discarded,
            vanished: self.vanished,
        };
        (self.discarded, self.vanished) = (0, 0);
        flush
    }

    /// The oldest version from which updates are taken.
    fn oldest(&self) -> u64 {
        self.version.saturating_sub(u64::from(self.buffering.stale_max))
    }

    fn discard(&mut self, old: impl Fn(u64) -> bool) {
        for (_, members) in self.waiting.extract_if(.., |version, _| old(*version)) {
            self.discarded += members.len();
            self.idle.extend(members);
        }
    }

    /// Lets others begin in the place of those who are done.
    fn refill(&mut self) {
        while self.training.len() < self.buffering.concurrency && !self.idle.is_empty() {
            let mut rng = generator(self.conduct.seed, Purpose::Cohort, &[self.draws]);
            self.draws += 1;
            let index = self.idle.swap_remove(rng.random_range(0..self.idle.len()));
            let took_us = self.conduct.micros(index, self.begun[index]);
            self.begun[index] += 1;
            self.training.insert((self.now_us.saturating_add(took_us), index, self.version));
        }
    }
}

fn small(count: usize) -> u32 {
    u32::try_from(count).expect("at most CLIENTS_MAX")
}

fn count(reader: &mut Reader<'_>) -> Result<usize, DecodeError> {
    let count = reader.u64()?;
    usize::try_from(count).map_err(|_too_large| DecodeError::invalid("count", count))
}

fn indices_to_writer(indices: &[usize], writer: &mut Writer) {
    writer.u32(small(indices.len()));
    indices.iter().for_each(|index| writer.u32(small(*index)));
}

fn indices_from_reader(reader: &mut Reader<'_>, most: usize) -> Result<Vec<usize>, DecodeError> {
    let length = reader.length("contributors", most)?;
    (0..length).map(|_| Ok(reader.u32()? as usize)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(settings: &str, group_min: usize, clients: usize, dropout: f64) -> Schedule {
        let strategy: super::super::strategy::Strategy = settings.parse().unwrap();
        let buffering = strategy.buffering().unwrap();
        let conduct = Conduct { seed: 3, spread: buffering.spread, dropout };
        Schedule::new(conduct, buffering, group_min, clients)
    }

    /// What holds for each flush: nobody twice, no group below the minimum, ages as they are.
    fn check(schedule: &mut Schedule, flushes: u64) -> Vec<Flush> {
        let all: Vec<_> = (0..flushes).map(|_| schedule.next_flush()).collect();
        let mut newest = 0;
        for flush in &all {
            let mut seen = BTreeSet::new();
            for group in &flush.groups {
                assert!(group.members.len() >= schedule.group_min, "{flush:?}");
                assert_eq!(group.version + u64::from(group.staleness), newest);
                newest += 1;
                assert!(group.staleness <= schedule.buffering.stale_max);
                assert!(group.members.iter().all(|member| seen.insert(*member)), "{flush:?}");
            }
            assert!(!flush.groups.is_empty());
        }
        assert!(all.is_sorted_by_key(|flush| flush.at_us));
        all
    }

    #[test]
    fn buffers_fill_and_some_updates_are_old() {
        let mut schedule = schedule("fedbuff:buffer=8,concurrency=24", 4, 60, 0.1);
        let flushes = check(&mut schedule, 60);
        let sizes = flushes.iter().map(|f| f.groups.iter().map(|g| g.members.len()).sum::<usize>());
        assert!(sizes.clone().all(|size| size >= 8), "{flushes:?}");
        let ages = flushes.iter().flat_map(|f| f.groups.iter().map(|g| g.staleness));
        assert!(ages.clone().any(|age| age > 0) && ages.clone().any(|age| age == 0));
        assert!(flushes.iter().map(|flush| flush.vanished).sum::<usize>() > 0);
        let newest = schedule.newest();
        assert!(newest > 60 && schedule.versions().contains(&newest));
        assert!(schedule.versions().iter().all(|version| *version <= newest));
    }

    #[test]
    fn the_same_seed_gives_the_same_schedule() {
        let flushes = || check(&mut schedule("fedbuff:buffer=5", 2, 20, 0.2), 30);
        assert_eq!(flushes(), flushes());
    }

    #[test]
    fn what_is_written_goes_on_as_if_nothing_had_happened() {
        let fresh = || schedule("fedbuff:buffer=5,concurrency=12,spread=2", 2, 20, 0.2);
        let mut straight = fresh();
        check(&mut straight, 7);
        let mut writer = Writer::default();
        straight.encode(&mut writer);
        let bytes = writer.into_bytes();
        let mut resumed = fresh();
        resumed.restore(&mut Reader::new(&bytes)).unwrap();
        assert_eq!(resumed, straight);
        for _ in 0..20 {
            assert_eq!(resumed.next_flush(), straight.next_flush());
        }
        for end in 0..bytes.len() {
            assert!(fresh().restore(&mut Reader::new(&bytes[..end])).is_err(), "{end}");
        }
        // Of another population, or with somebody in two places.
        let other = schedule("fedbuff:buffer=5,concurrency=12", 2, 19, 0.2)
            .restore(&mut Reader::new(&bytes));
        assert!(other.is_err());
        let mut twice = bytes;
        let last_idle = twice.len() - 20 * 8 - 4;
        twice[last_idle + 3] ^= 1;
        let refused = fresh().restore(&mut Reader::new(&twice)).unwrap_err();
        assert!(refused.to_string().contains("two places"), "{refused}");
    }

    /// With as many as there are, groups that are too small to open run out of others: they begin anew.
    #[test]
    fn small_populations_do_not_get_stuck() {
        for clients in 2..8 {
            for group_min in 2..=clients {
                let text = format!("fedbuff:buffer={group_min},concurrency={clients}");
                check(&mut schedule(&text, group_min, clients, 0.3), 40);
            }
        }
    }

    #[test]
    fn updates_that_are_too_old_are_thrown_away() {
        let mut schedule = schedule("fedbuff:buffer=6,concurrency=30,stale=1,spread=2", 5, 60, 0.0);
        let flushes = check(&mut schedule, 40);
        assert!(flushes.iter().map(|flush| flush.discarded).sum::<usize>() > 0);
    }
}
