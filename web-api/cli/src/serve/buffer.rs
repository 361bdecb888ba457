//! Who is done, where contributors train at their own pace, and which of them get the next round.
//!
//! ```text
//!   done, by version:   v3: a b      v5: c d e f      v6: g        (minimum cohort 2, buffer 6)
//!   full: v3 and v5 have the minimum and six updates together ─► a round of v3, then a round of v5; g waits
//! ```
//!
//! That is what `sahakar simulate` does under virtual time (`simulate/schedule.rs`). Each round is a sealed round like
//! any other, of those who trained from one version; its mean moves the newest model by what the terms' rule says
//! ([`BufferRule::factor`]). Where nobody else comes (for the time that a round waits for its members), a smaller buffer is taken,
//! and who waits alone with an old version is told to train anew; nobody knows here who is still training.
//!
//! All of it is in memory: members say every second that they wait, so that a node that starts again knows in a second, and
//! whoever falls silent is not waited for. The ledger holds a round against what may not depend on a memory: the minimum
//! cohort, and how old its model may be.

use std::collections::{BTreeMap, BTreeSet};

use aggregator_protocol::ModelOffer;
use aggregator_strategy::BufferRule;
use privacy_identity::{Digest, Signed, VerifyingKey};

/// For how long somebody counts who does not say again that it waits, in milliseconds: several times what members take
/// between two words, a reconnection among them.
const SILENT_MS: u64 = 15_000;

/// What a buffer goes by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting {
    pub(super) rule: BufferRule,
    /// Fewest members of a round.
    pub(super) minimum: usize,
    /// How long others are waited for, in milliseconds.
    pub(super) patience_ms: u64,
}

/// Where the federation stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// The newest version: rounds that were settled.
    pub(super) newest: u64,
    /// Milliseconds that the process has run.
    pub(super) now_ms: u64,
}

/// Somebody who is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Done {
    version: u64,
    model: Digest,
    since_ms: u64,
    said_ms: u64,
}

/// Those who trained from one version, and get a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) model: Digest,
    /// In increasing order.
    pub(super) members: Vec<VerifyingKey>,
}

/// Whether somebody's update is waited with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Taken,
    /// Too old, or nobody else comes who trained from that version.
    Stale,
}

/// Who is done.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    done: BTreeMap<VerifyingKey, Done>,
    /// Versions whose groups still get a round of the buffer that was full last.
    full: BTreeSet<u64>,
    /// What was handed out last, and its version.
    offered: Option<(Signed<ModelOffer>, Vec<u8>)>,
}

impl Buffer {
    /// What was handed out last, if that is still the newest version and the same state of the cohort.
    pub(super) fn offered(&self, offer: &ModelOffer) -> Option<(Signed<ModelOffer>, Vec<u8>)> {
        self.offered.as_ref().filter(|(signed, _)| signed.unverified_body() == offer).cloned()
    }

    /// Keeps what is handed out.
    pub(super) fn offer(&mut self, offer: Signed<ModelOffer>, model: Vec<u8>) {
        self.offered = Some((offer, model));
    }

    /// Hears that `member` waits with what it trained from a version. One that says another version than before counts
    /// with the last.
    pub(super) fn hear(
        &mut self,
        member: VerifyingKey,
        (version, model): (u64, Digest),
        setting: &Setting,
        moment: Moment,
    ) -> Word {
        self.forget(setting, moment);
        let Moment { newest, now_ms } = moment;
        if newest.saturating_sub(version) > u64::from(setting.rule.stale_max) {
            return Word::Stale;
        }
        let before = self.done.get(&member).filter(|done| done.version == version);
        let since_ms = before.map_or(now_ms, |done| done.since_ms);
        self.done.insert(member, Done { version, model, since_ms, said_ms: now_ms });
        let others = self.done.values().filter(|done| done.version == version).count();
        let alone = version < newest && others < setting.minimum;
        if alone && now_ms.saturating_sub(since_ms) >= setting.patience_ms {
            self.done.remove(&member);
            return Word::Stale;
        }
        Word::Taken
    }

    /// The next group that gets a round, if the buffer is full or somebody waited long enough. Who is in it is not
    /// waited with any more.
    ///
    /// * `invited` — who may take part now, in increasing order.
    pub(super) fn next_group(
        &mut self,
        invited: &[VerifyingKey],
        setting: &Setting,
        moment: Moment,
    ) -> Option<Group> {
        self.forget(setting, moment);
        let mut groups: BTreeMap<u64, Vec<(VerifyingKey, Done)>> = BTreeMap::new();
        for (member, done) in &self.done {
            if invited.binary_search(member).is_ok() {
                groups.entry(done.version).or_default().push((*member, *done));
            }
        }
        groups.retain(|_, members| members.len() >= setting.minimum);
        self.full.retain(|version| groups.contains_key(version));
        if self.full.is_empty() {
            let together: usize = groups.values().map(Vec::len).sum();
            let waited =
                |done: &Done| moment.now_ms.saturating_sub(done.since_ms) >= setting.patience_ms;
            let long = groups.values().flatten().any(|(_, done)| waited(done));
            if together >= setting.rule.buffer as usize || long {
                self.full = groups.keys().copied().collect();
            }
        }
        // The oldest first: it is the first to become too old.
        let version = self.full.pop_first()?;
        let group = groups.remove(&version)?;
        let model = group.first()?.1.model;
        let members: Vec<VerifyingKey> = group.into_iter().map(|(member, _)| member).collect();
        for member in &members {
            self.done.remove(member);
        }
        Some(Group { model, members })
    }

    /// Forgets who fell silent, and what became too old.
    fn forget(&mut self, setting: &Setting, moment: Moment) {
        let Moment { newest, now_ms } = moment;
        let oldest = newest.saturating_sub(u64::from(setting.rule.stale_max));
        self.done.retain(|_, done| {
            done.version >= oldest && now_ms.saturating_sub(done.said_ms) < SILENT_MS
        });
    }
}

#[cfg(test)]
mod tests {
    use aggregator_strategy::StalenessWeight;
    use privacy_identity::SigningKey;

    use super::*;

    const SETTING: Setting = Setting {
        rule: BufferRule { buffer: 6, weight: StalenessWeight::FED_BUFF, stale_max: 3 },
        minimum: 2,
        patience_ms: 4_000,
    };

    fn members(count: u8) -> Vec<VerifyingKey> {
        let key = |seed| SigningKey::from_seed(&[seed; 32]).verifying_key();
        let mut members: Vec<_> = (0..count).map(key).collect();
        members.sort();
        members
    }

    fn at(newest: u64, now_ms: u64) -> Moment {
        Moment { newest, now_ms }
    }

    fn model(version: u64) -> (u64, Digest) {
        (version, Digest([u8::try_from(version).unwrap(); 32]))
    }

    #[test]
    fn a_full_buffer_is_a_round_of_each_version_that_reached_the_minimum() {
        let all = members(7);
        let mut buffer = Buffer::default();
        let moment = at(6, 100);
        for (member, version) in all.iter().zip([3, 3, 5, 5, 5, 6, 5]) {
            assert_eq!(buffer.next_group(&all, &SETTING, moment), None, "not full yet");
            assert_eq!(buffer.hear(*member, model(version), &SETTING, moment), Word::Taken);
        }
        let first = buffer.next_group(&all, &SETTING, moment).unwrap();
        assert_eq!((first.model, &first.members[..]), (model(3).1, &all[..2]));
        // The second one, although four do not fill a buffer.
        let second = buffer.next_group(&all, &SETTING, at(7, 900)).unwrap();
        assert_eq!((second.model, second.members.len()), (model(5).1, 4));
        assert_eq!(buffer.next_group(&all, &SETTING, at(8, 1_000)), None, "one waits");
    }

    #[test]
    fn a_buffer_below_the_minimum_cohort_never_opens() {
        let all = members(6);
        let mut buffer = Buffer::default();
        // Six who are done, each from a version of its own: never two in one sum.
        let setting = Setting { rule: BufferRule { stale_max: 9, ..SETTING.rule }, ..SETTING };
        for (member, version) in all.iter().zip(0..) {
            assert_eq!(buffer.hear(*member, model(version), &setting, at(5, 0)), Word::Taken);
        }
        for now_ms in [0, 4_000, 14_000] {
            assert_eq!(buffer.next_group(&all, &setting, at(5, now_ms)), None);
        }
        // Whoever waits alone trains anew, the newest excepted.
        assert_eq!(buffer.hear(all[0], model(0), &setting, at(5, 4_000)), Word::Stale);
        assert_eq!(buffer.hear(all[5], model(5), &setting, at(5, 4_000)), Word::Taken);
    }

    #[test]
    fn who_says_it_twice_or_of_two_versions_counts_once() {
        let all = members(3);
        let mut buffer = Buffer::default();
        for version in [1, 1, 2, 1] {
            buffer.hear(all[0], model(version), &SETTING, at(2, 0));
        }
        assert_eq!(buffer.next_group(&all, &SETTING, at(2, 5_000)), None);
        buffer.hear(all[1], model(1), &SETTING, at(2, 5_000));
        let group = buffer.next_group(&all, &SETTING, at(2, 5_000)).unwrap();
        assert_eq!((group.model, &group.members[..]), (model(1).1, &all[..2]));
        // Whoever got a round is not in the next.
        assert_eq!(buffer.next_group(&all, &SETTING, at(2, 9_000)), None);
    }

    #[test]
    fn what_is_too_old_is_refused_and_the_silent_are_not_waited_for() {
        let all = members(4);
        let mut buffer = Buffer::default();
        assert_eq!(buffer.hear(all[0], model(1), &SETTING, at(4, 0)), Word::Taken);
        assert_eq!(buffer.hear(all[1], model(1), &SETTING, at(5, 0)), Word::Stale);
        assert!(buffer.done.is_empty(), "the first one became too old meanwhile");
        buffer.hear(all[2], model(5), &SETTING, at(5, 0));
        buffer.hear(all[3], model(5), &SETTING, at(5, SILENT_MS - 1));
        assert_eq!(buffer.next_group(&all, &SETTING, at(5, SILENT_MS)), None, "one fell silent");
        // Strangers do not fill a group.
        buffer.hear(all[2], model(5), &SETTING, at(5, SILENT_MS));
        let moment = at(5, SILENT_MS + 4_000);
        assert_eq!(buffer.next_group(&all[..3], &SETTING, moment), None);
        assert!(buffer.next_group(&all, &SETTING, moment).is_some());
    }
}
