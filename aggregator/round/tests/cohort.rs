//! Members of a federation find together to one cohort over a delivery that they do not trust.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]
#![expect(dead_code, reason = "other test files use the rest of the world")]

mod world;

use std::collections::BTreeSet;

use aggregator_protocol::{
    CohortEpoch, CohortNews, CohortRequest, KeyHandOver, Refusal, Roster, RoundGrant, RoundId,
    SealingTerms,
};
use aggregator_round::{Mailbox, Membership, MembershipError, Now};
use privacy_cohort::{BroadcastKey, Disagreement, ModelContext};
use privacy_identity::{Decode as _, Digest, Encode as _, SealingKey, Signed, Tag, VerifyingKey};
use rand_chacha::ChaCha20Rng;

use crate::world::{World, rng_for};

/// Between two polls of one member, in milliseconds.
const POLL_MS: u64 = 100;
/// Polls of everybody within which everything here has to happen.
const POLLS_MAX: usize = 400;

/// A federation's members with their delivery, and the DAO node's list.
struct Village {
    world: World,
    members: Vec<Membership>,
    /// Who answers and asks; the others are away.
    awake: BTreeSet<usize>,
    mailbox: Mailbox,
    listed: Vec<VerifyingKey>,
    version: u64,
    collecting: bool,
    handed: Vec<KeyHandOver>,
    now_ms: u64,
    rng: ChaCha20Rng,
}

impl Village {
    fn new(seed: u64, members: usize) -> Self {
        let world = World::with_cohort(SealingTerms::Mpc, seed, 2, members);
        let mut rng = rng_for(&[seed, 90]);
        let now = Now { monotonic_ms: 0, unix_s: 1_800_000_000 };
        let begin = |key| Membership::begin(&world.terms, key, now, &mut rng).unwrap();
        let memberships = world.members.iter().map(begin).collect();
        let listed = world.members.iter().map(|key| key.verifying_key()).collect();
        Self {
            members: memberships,
            awake: (0..members).collect(),
            mailbox: Mailbox::default(),
            listed,
            version: 1,
            collecting: false,
            handed: Vec::new(),
            now_ms: 0,
            rng,
            world,
        }
    }

    const fn now(&self) -> Now {
        Now { monotonic_ms: self.now_ms, unix_s: 1_800_000_000 + self.now_ms / 1000 }
    }

    fn roster(&self) -> Signed<Roster> {
        let body = Roster {
            federation: self.world.terms.id(),
            version: self.version,
            members: self.listed.clone(),
        };
        Signed::new(body, Tag::Roster, &self.world.dao_key)
    }

    fn sync(&self, index: usize) -> Result<CohortNews, Refusal> {
        let CohortRequest::Sync { epoch } = self.members[index].question() else { panic!() };
        self.mailbox.sync(&self.world.member(index), &self.roster(), epoch)
    }

    /// What the delivery makes of a request.
    fn deliver(&mut self, index: usize, request: CohortRequest) {
        let (member, roster) = (self.world.member(index), self.roster());
        let roster = roster.unverified_body();
        match request {
            CohortRequest::Offer { package } => {
                self.mailbox.offer(member, roster, package).unwrap();
            }
            CohortRequest::Sync { .. } => {}
            CohortRequest::Commit { epoch, commit, welcome } if !self.collecting => {
                // Late is an answer like any other.
                let _late = self.mailbox.commit(member, roster, epoch, commit, welcome);
            }
            CohortRequest::Commit { .. } => {}
            CohortRequest::HandKey(key) => {
                let key = key.verify_by(Tag::KeyHandOver, &member).unwrap();
                self.mailbox.handed(key.body().cohort.epoch);
                self.handed.push(key.body().clone());
            }
        }
        // The coordinator may be restarted at any time.
        self.mailbox = Mailbox::from_bytes(&self.mailbox.to_bytes()).unwrap();
    }

    fn poll(&mut self, index: usize) {
        self.now_ms += POLL_MS / self.members.len() as u64;
        let Ok(news) = self.sync(index) else { return };
        let now = self.now();
        let taken = self.members[index].take(&news, now, &mut self.rng).unwrap();
        if taken.changed {
            self.restart(index);
        }
        if let Some(request) = taken.request {
            self.deliver(index, request);
        }
    }

    /// The member's process dies and goes on from what it stored.
    fn restart(&mut self, index: usize) {
        let bytes = self.members[index].to_encrypted_bytes(&mut self.rng).unwrap();
        let key = &self.world.members[index];
        self.members[index] =
            Membership::from_encrypted_bytes(&bytes, &self.world.terms, key).unwrap();
    }

    fn state(&self, index: usize) -> Option<(CohortEpoch, Vec<VerifyingKey>)> {
        self.members[index].state()
    }

    /// Whether everybody who is awake and listed sees the same cohort, that of the list, and the DAO node
    /// was handed its key.
    fn settled(&self) -> bool {
        let listed = |index: &&usize| self.listed.contains(&self.world.member(**index));
        let mut states = self.awake.iter().filter(listed).map(|&index| self.state(index));
        let Some(Some(first)) = states.next() else { return false };
        first.1 == self.listed
            && states.all(|state| state.as_ref() == Some(&first))
            && self.handed.last().is_some_and(|key| key.cohort == first.0)
    }

    /// Lets everybody poll in turn until the cohort has settled.
    fn settle(&mut self) {
        for _ in 0..POLLS_MAX {
            if self.settled() {
                return;
            }
            for index in self.awake.clone() {
                self.poll(index);
            }
        }
        panic!("no cohort after {POLLS_MAX} polls of everybody");
    }

    /// The key that the DAO node was handed last.
    fn dao_key(&self) -> BroadcastKey {
        let KeyHandOver { federation, cohort, key, .. } = self.handed.last().unwrap();
        let associated = KeyHandOver::associated(federation, cohort);
        let sealing = SealingKey::derived_from(&self.world.dao_key);
        let key = sealing.open(Tag::ModelKeyEnvelope, &associated, key).unwrap();
        BroadcastKey::from_parts(*federation, cohort.epoch, key.as_slice().try_into().unwrap())
    }

    /// A round of the DAO node: the grant, and the model sealed with what it was handed.
    fn round(&mut self, round: u64) -> (RoundGrant, Vec<u8>) {
        let model = self.world.model(round);
        let mut grant = self.world.grant_body(round, &[]);
        grant.cohort = self.listed.clone();
        grant.cohort_epoch = Some(self.handed.last().unwrap().cohort);
        let context = ModelContext { round, model: Digest::of(Tag::Model, &model) };
        let sealed = self.dao_key().seal(&model, &context, &mut self.rng).unwrap();
        (grant, sealed.to_bytes())
    }
}

#[test]
fn members_that_only_poll_find_to_one_cohort() {
    for seed in 0..4 {
        let mut village = Village::new(seed, 6);
        village.settle();
        let (grant, sealed) = village.round(0);
        let secrets: BTreeSet<_> = (0..6)
            .map(|index| {
                let member = &village.members[index];
                member.agrees(&grant).unwrap();
                assert_eq!(member.open_model(&grant, &sealed).unwrap(), village.world.model(0));
                *member.round_secret(RoundId(0)).unwrap().expose()
            })
            .collect();
        assert_eq!(secrets.len(), 1, "the tags of a round have one key");
        let next = village.members[0].round_secret(RoundId(1)).unwrap();
        assert!(!secrets.contains(next.expose()), "each round has its own");
    }
}

#[test]
fn it_goes_on_without_those_who_are_away() {
    // The lowest keys, whose turn it would be, never come; they are listed all the same.
    let mut village = Village::new(5, 5);
    village.awake = [2, 3, 4].into();
    for _ in 0..POLLS_MAX {
        for index in [2, 3, 4] {
            village.poll(index);
        }
    }
    let cohort: Vec<_> = (2..5).map(|index| village.world.member(index)).collect();
    for index in 2..5 {
        assert_eq!(village.state(index).unwrap().1, cohort);
    }
    // They come later and are let in.
    village.awake = (0..5).collect();
    village.settle();
}

#[test]
fn whoever_comes_later_is_admitted_between_rounds_and_reads_the_next_model_only() {
    let mut village = Village::new(6, 5);
    let late = village.world.member(4);
    village.listed.retain(|member| *member != late);
    village.awake.remove(&4);
    village.settle();
    let (before, sealed_before) = village.round(0);
    // While a round collects, the cohort stays as it is.
    village.listed.push(late);
    village.version += 1;
    village.awake.insert(4);
    village.collecting = true;
    let epoch = village.state(0).unwrap().0;
    for _ in 0..60 {
        (0..5).for_each(|index| village.poll(index));
    }
    assert_eq!(village.state(0).unwrap().0, epoch);
    village.members[0].agrees(&before).unwrap();
    village.collecting = false;
    village.settle();
    let (grant, sealed) = village.round(1);
    assert_eq!(village.members[4].open_model(&grant, &sealed).unwrap(), village.world.model(1));
    let refused = village.members[4].open_model(&before, &sealed_before).unwrap_err();
    assert!(matches!(refused, MembershipError::Model(_)), "{refused}");
}

#[test]
fn a_member_that_the_dao_takes_off_its_list_cannot_open_the_next_model() {
    let mut village = Village::new(7, 5);
    village.settle();
    // Also the one whose turn it would be.
    for expelled in [0, 3] {
        let gone = village.world.member(expelled);
        let (grant, sealed) = village.round(expelled as u64);
        assert!(village.members[expelled].open_model(&grant, &sealed).is_ok());
        village.listed.retain(|member| *member != gone);
        village.version += 1;
        village.settle();
        let (grant, sealed) = village.round(9);
        let refused = village.members[expelled].open_model(&grant, &sealed).unwrap_err();
        assert!(matches!(refused, MembershipError::Model(_)), "{refused}");
        assert!(village.members[expelled].agrees(&grant).is_err());
        assert_eq!(village.sync(expelled), Err(Refusal::Stranger));
        for index in (0..5).filter(|index| village.listed.contains(&village.world.member(*index))) {
            let opened = village.members[index].open_model(&grant, &sealed).unwrap();
            assert_eq!(opened, village.world.model(9));
        }
    }
}

#[test]
fn a_grant_for_another_cohort_than_ones_own_is_not_trained_for() {
    let mut village = Village::new(8, 4);
    village.settle();
    let (grant, _) = village.round(0);
    let check = |alter: &dyn Fn(&mut RoundGrant), expected: fn(&MembershipError) -> bool| {
        let mut grant = grant.clone();
        alter(&mut grant);
        let refused = village.members[1].agrees(&grant).unwrap_err();
        assert!(expected(&refused), "{refused}");
    };
    // Padded with somebody whom no member let in.
    let puppet = village.world.aggregator_key(1).verifying_key();
    check(&|grant| grant.cohort.push(puppet), |refused| {
        matches!(refused, MembershipError::Disagreement(Disagreement::NotInCohort { .. }))
    });
    let unnamed = |grant: &mut RoundGrant| assert!(grant.cohort.pop().is_some());
    check(&unnamed, |refused| {
        matches!(refused, MembershipError::Disagreement(Disagreement::NotNamed { .. }))
    });
    let epoch = |grant: &mut RoundGrant| grant.cohort_epoch.as_mut().unwrap().epoch += 1;
    check(&epoch, |refused| {
        matches!(refused, MembershipError::Disagreement(Disagreement::Epoch { .. }))
    });
    let fork = |grant: &mut RoundGrant| grant.cohort_epoch.as_mut().unwrap().authenticator[3] ^= 1;
    check(&fork, |refused| {
        matches!(refused, MembershipError::Disagreement(Disagreement::Authenticator { .. }))
    });
    check(&|grant| grant.cohort_epoch = None, |refused| *refused == MembershipError::Unsealed);
}

#[test]
fn two_halves_that_a_coordinator_keeps_apart_do_not_both_train() {
    // Each half is shown its own delivery; the DAO node can grant for one of them only.
    let (mut left, mut right) = (Village::new(9, 4), Village::new(9, 4));
    right.rng = rng_for(&[9, 91]);
    left.settle();
    right.settle();
    let (grant, sealed) = left.round(0);
    assert!(left.members[0].agrees(&grant).is_ok());
    for member in &right.members {
        let refused = member.agrees(&grant).unwrap_err();
        assert!(matches!(refused, MembershipError::Disagreement(_)), "{refused}");
        assert!(member.open_model(&grant, &sealed).is_err());
    }
}

#[test]
fn a_list_that_the_dao_node_did_not_sign_or_that_is_outdated_changes_nothing() {
    let mut village = Village::new(10, 3);
    village.version = 4;
    village.settle();
    let news = village.sync(0).unwrap();
    let now = village.now();
    let mut forged = news.clone();
    let body = forged.roster.unverified_body().clone();
    forged.roster = Signed::new(body.clone(), Tag::Roster, &village.world.aggregator_key(0));
    let mut outdated = news;
    let body = Roster { version: 3, ..body };
    outdated.roster = Signed::new(body, Tag::Roster, &village.world.dao_key);
    // Seen once, so that a later list is known.
    village.poll(0);
    for news in [forged, outdated] {
        let refused = village.members[0].take(&news, now, &mut village.rng);
        assert_eq!(refused, Err(MembershipError::Roster));
    }
    assert!(village.settled());
}

#[test]
fn the_coordinator_cannot_read_the_key_that_it_passes_on() {
    let mut village = Village::new(11, 3);
    village.settle();
    let KeyHandOver { federation, cohort, key, .. } = village.handed.last().unwrap();
    let associated = KeyHandOver::associated(federation, cohort);
    for index in 0..2 {
        let sealing = SealingKey::derived_from(&village.world.aggregator_key(index));
        assert!(sealing.open(Tag::ModelKeyEnvelope, &associated, key).is_err());
    }
    let other = CohortEpoch { epoch: cohort.epoch + 1, ..*cohort };
    let sealing = SealingKey::derived_from(&village.world.dao_key);
    let elsewhere = KeyHandOver::associated(federation, &other);
    assert!(sealing.open(Tag::ModelKeyEnvelope, &elsewhere, key).is_err());
}

#[test]
fn one_unsound_offer_does_not_keep_the_others_out() {
    let mut village = Village::new(12, 4);
    // Member 3 is on the list and offers garbage.
    village.awake.remove(&3);
    let (garbage, roster) = (vec![1, 2, 3], village.roster());
    village.mailbox.offer(village.world.member(3), roster.unverified_body(), garbage).unwrap();
    for _ in 0..POLLS_MAX {
        (0..3).for_each(|index| village.poll(index));
    }
    let cohort: Vec<_> = (0..3).map(|index| village.world.member(index)).collect();
    for index in 0..3 {
        assert_eq!(village.state(index).unwrap().1, cohort);
    }
}
