//! Two co-operatives beside each other, in one of which keys are replaced: nothing else differs.

use data_dao_governance::{Action, Choice, Delegation, ProposalId, Request as _};
use data_dao_journal::{BallotCast, ProposalMade, VoteDelegated};
use data_dao_ledger::{AccountId, Book};
use privacy_identity::{SigningKey, VerifyingKey};
use proptest::prelude::*;

use super::{
    ballot_by, by_vote, consent, rotated,
    world::{World, key, member},
};

/// One step of two co-operatives, in one of which keys are replaced.
#[derive(Debug, Clone)]
enum Step {
    Rotate(usize),
    RotateByVote(usize),
    Delegate(usize, usize),
    Propose(usize),
    Vote(usize, bool),
    Round(usize, i64),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0_usize..4).prop_map(Step::Rotate),
        1 => (1_usize..4).prop_map(Step::RotateByVote),
        1 => (0_usize..4, 0_usize..4).prop_map(|(a, b)| Step::Delegate(a, b)),
        1 => (0_usize..4).prop_map(Step::Propose),
        3 => (0_usize..4, any::<bool>()).prop_map(|(m, favour)| Step::Vote(m, favour)),
        1 => (0_usize..4, 1_i64..50).prop_map(|(m, value)| Step::Round(m, value)),
        1 => (1_u64..120).prop_map(Step::Wait),
    ]
}

/// A world, and who signs for each member in it.
struct Side {
    world: World,
    rotating: bool,
    fresh: u8,
    round: u64,
}

impl Side {
    fn new(rotating: bool) -> Self {
        Self { world: World::after_one_round(), rotating, fresh: 100, round: 1 }
    }

    /// Who signs for a member now.
    fn signer(&self, of: usize) -> SigningKey {
        let current = self.world.state.signing_key(&member(of)).unwrap();
        (0..=self.fresh).map(key).find(|key| key.verifying_key() == current).unwrap()
    }

    fn newest(&self) -> Option<ProposalId> {
        let proposals = self.world.state.proposals();
        let mut all: Vec<_> = proposals.iter().map(|(id, p)| (p.content().salt, *id)).collect();
        all.sort_unstable();
        all.last().map(|(_, id)| *id)
    }

    fn consent_all(&mut self) {
        for position in 0..4 {
            let given = consent(&self.world, position, &self.signer(position));
            self.world.push(given);
        }
    }

    /// Returns whether the step was taken; a rotation in the world without says what the other does.
    fn take(&mut self, step: &Step) -> bool {
        self.world.tick();
        match *step {
            Step::Rotate(of) => self.rotate(of),
            Step::RotateByVote(of) => self.rotate_by_vote(of),
            Step::Delegate(from, to) => self.delegate(from, to),
            Step::Propose(by) => {
                let content = self.world.content(by, vec![Action::Text]);
                let made = ProposalMade { signature: content.sign(&self.signer(by)), content };
                let taken = self.world.try_push(made).is_ok();
                self.world.now_ms += 11;
                taken
            }
            Step::Vote(by, favour) => {
                let Some(id) = self.newest() else { return false };
                let choice = if favour { Choice::For } else { Choice::Against };
                let BallotCast { ballot, .. } = self.world.ballot(by, id, choice);
                let signature = ballot.sign(&self.signer(by));
                self.world.try_push(BallotCast { ballot, signature }).is_ok()
            }
            Step::Round(best, value) => self.settle_round(best, value),
            Step::Wait(ms) => {
                self.world.now_ms += ms;
                self.world.tick();
                true
            }
        }
    }

    fn rotate(&mut self, of: usize) -> bool {
        if self.rotating {
            let new = key(self.fresh);
            self.fresh += 1;
            let rotated = rotated(&self.world, of, (&self.signer(of), &new));
            self.world.push(rotated);
        }
        // What fell due came before the rotation: in both.
        self.world.tick();
        true
    }

    fn rotate_by_vote(&mut self, of: usize) -> bool {
        // The other world waits and votes as long.
        let new = key(self.fresh);
        let action = if self.rotating { by_vote(&self.world, of, &new) } else { Action::Text };
        let content = self.world.content(0, vec![action]);
        let id = content.id();
        let made = ProposalMade { signature: content.sign(&self.signer(0)), content };
        if self.world.try_push(made).is_err() {
            return false;
        }
        self.world.now_ms += 11;
        for voter in 0..4 {
            let ballot = ballot_by(&self.world, voter, id, &self.signer(voter));
            let _counted = self.world.try_push(ballot);
        }
        // Until it is over: two of them at once would both be about the key that is in force now.
        for _ in 0..12 {
            self.world.now_ms += 100;
            self.world.tick();
        }
        self.fresh += 1;
        true
    }

    fn delegate(&mut self, from: usize, to: usize) -> bool {
        let delegator = member(from);
        let delegation = Delegation {
            dao: self.world.state.dao_id().unwrap(),
            delegator,
            delegate: Some(member(to)),
            until_ms: self.world.now_ms + 500,
            nonce: self.world.now_ms,
            expires_ms: u64::MAX,
        };
        let signature = delegation.sign(&self.signer(from));
        self.world.now_ms += 1;
        self.world.try_push(VoteDelegated { delegation, signature }).is_ok()
    }

    fn settle_round(&mut self, best: usize, value: i64) -> bool {
        if self.round >= 4 {
            return false;
        }
        self.consent_all();
        self.round += 1;
        self.world.open_round(self.round);
        // In the middle of a round, too.
        let other = (best + 1) % 4;
        let taken = self.take(&Step::Rotate(best));
        let mut scalars = [(best, value, 10), (other, 5, 10)];
        scalars.sort_unstable();
        let settlement = self.world.settlement(self.round, &scalars);
        self.world.push(settlement);
        taken
    }

    /// What members have and decided, by name.
    fn holdings(&self) -> Vec<(u128, u128, u128, Option<VerifyingKey>)> {
        let (state, now_ms) = (&self.world.state, self.world.now_ms);
        let of = |at: usize| {
            let member = member(at);
            let votes = state.accounts().account(&AccountId::vote_member(member)).balance();
            let delegate = state.delegate_of(&member, now_ms).map(|(delegate, _)| delegate);
            (state.credits(&member), votes, state.vote_weight(&member, now_ms), delegate)
        };
        (0..4).map(of).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever members do, whose key is replaced how often and when: the same is taken and refused, everybody has the same, and
    /// every vote counts the same, as where nobody's key ever changed; and debits equal credits in every book.
    #[test]
    fn replaced_keys_change_nothing_but_who_signs(steps in prop::collection::vec(step(), 1..24)) {
        let (mut plain, mut rotating) = (Side::new(false), Side::new(true));
        for step in &steps {
            prop_assert_eq!(plain.take(step), rotating.take(step), "{:?}", step);
            prop_assert_eq!(plain.holdings(), rotating.holdings());
        }
        let tallies = |side: &Side| {
            let mut all: Vec<_> = side.world.state.proposals().iter().map(|(_, p)| {
                (p.content().salt, p.tally(), p.spent().map_or(0, std::collections::BTreeMap::len), p.electorate().map_or(0, |e| e.supply()))
            }).collect();
            all.sort_by_key(|(salt, ..): &(u64, _, usize, u128)| *salt);
            all
        };
        prop_assert_eq!(tallies(&plain), tallies(&rotating));
        for (_, tally, voters, supply) in tallies(&rotating) {
            prop_assert!(tally.in_favour + tally.against + tally.abstain <= supply);
            prop_assert!(voters <= 4, "one person, one place in a poll");
        }
        check_books(&rotating.world);
        for of in (0..4).map(member) {
            let keyring = rotating.world.state.keyring();
            prop_assert_eq!(keyring.holder(&keyring.current(&of)), Some(of));
        }
    }
}

/// Debits equal credits in every book.
fn check_books(world: &World) {
    let mut sums: std::collections::BTreeMap<Book, (u128, u128)> =
        std::collections::BTreeMap::new();
    for (id, account) in world.state.accounts().iter() {
        let sum = sums.entry(id.book()).or_default();
        sum.0 += account.debits_posted;
        sum.1 += account.credits_posted;
    }
    assert!(!sums.is_empty());
    for (book, (debits, credits)) in sums {
        assert_eq!(debits, credits, "{book:?}");
    }
}
