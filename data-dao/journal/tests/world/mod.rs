//! A small DAO whose whole life fits a test: four members, two federations, one buyer.

use data_dao_governance::{
    Action, Ballot, BallotSecrecy, Capacity, CharterParameters, Choice, ProposalContent,
    ProposalId, ProposalState, Request as _, Vote,
};
use data_dao_journal::{
    BallotCast, Body, BoundsKind, Deposited, Entry, FederationOpened, Genesis, KeyIssued,
    MemberAdmitted, ModelReleased, Participation, Predicted, PredictionReserved, PriceSet,
    ProposalMade, Purchased, Refusal, RoundOpened, RoundSettled, State,
};
use data_dao_ledger::Name;
use privacy_identity::{Digest, SigningKey, VerifyingKey};

pub(crate) const BUDGET: u128 = 1_000;

pub(crate) struct World {
    pub(crate) state: State,
    pub(crate) leaves: Vec<Vec<u8>>,
    pub(crate) now_ms: u64,
}

pub(crate) fn key(number: u8) -> SigningKey {
    SigningKey::from_seed(&[number; 32])
}

/// Members 1 to 4, in the order of their keys.
pub(crate) fn members() -> Vec<SigningKey> {
    let mut keys: Vec<SigningKey> = (1..=4).map(key).collect();
    keys.sort_by_key(SigningKey::verifying_key);
    keys
}

pub(crate) fn member(position: usize) -> VerifyingKey {
    members()[position].verifying_key()
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub(crate) fn digest(number: u8) -> Digest {
    Digest([number; 32])
}

pub(crate) fn genesis() -> Genesis {
    Genesis {
        names: data_dao_journal::NamesKind::InTheClear,
        rules: data_dao_journal::Rules::NEWEST,
        dao_name: "Winegrowers".into(),
        bounds: BoundsKind::Demonstration,
        charter: CharterParameters {
            voting_delay_ms: 10,
            voting_period_ms: 100,
            quorum_percent: 40,
            minimum_voters: 2,
            proposal_threshold_per_mille: 5,
            timelock_ms: 50,
            critical_timelock_ms: 80,
            grace_ms: 1_000,
            reveal_period_ms: 40,
            ..CharterParameters::DEMONSTRATION
        },
        currency: "EUR".parse().unwrap(),
        treasury_percent: 10,
        operator: key(50).verifying_key(),
        dao_node: key(51).verifying_key(),
        aggregators: vec![key(52).verifying_key(), key(53).verifying_key()],
    }
}

pub(crate) fn federation(text: &str) -> FederationOpened {
    FederationOpened {
        federation: name(text),
        terms_digest: digest(1),
        terms: "{\"ring_bits\":32}".into(),
        rounds: 5,
        round_budget: BUDGET,
        minimum_cohort: 2,
        novelty_percent: 50,
        validation_commitment: digest(2),
    }
}

impl World {
    /// Founded, with the federations `wine` and `beer` and all members in both.
    pub(crate) fn founded() -> Self {
        let mut world = Self { state: State::default(), leaves: Vec::new(), now_ms: 1_000 };
        world.push(genesis());
        for text in ["wine", "beer"] {
            world.push(federation(text));
            for (position, key) in members().iter().enumerate() {
                let member = key.verifying_key();
                let label = format!("winery {position}");
                world.push(MemberAdmitted { federation: name(text), member, label });
            }
        }
        world
    }

    /// Puts in what falls due by itself, as a node does.
    pub(crate) fn tick(&mut self) {
        while let Some(body) = self.state.due(self.now_ms) {
            let entry = Entry { time_ms: self.now_ms, body };
            self.state.apply(&entry).unwrap();
            self.leaves.push(entry.to_leaf().unwrap());
        }
    }

    pub(crate) fn try_push(&mut self, body: impl Into<Body>) -> Result<(), Refusal> {
        self.tick();
        let before = self.state.clone();
        let entry = Entry { time_ms: self.now_ms, body: body.into() };
        match self.state.apply(&entry) {
            Ok(()) => {
                self.leaves.push(entry.to_leaf().unwrap());
                Ok(())
            }
            Err(refusal) => {
                assert_eq!(self.state, before, "a refused entry changed the state");
                Err(refusal)
            }
        }
    }

    pub(crate) fn push(&mut self, body: impl Into<Body>) {
        self.try_push(body).unwrap();
    }

    pub(crate) fn refusal(&mut self, body: impl Into<Body>) -> Refusal {
        self.try_push(body).unwrap_err()
    }

    pub(crate) fn open_round(&mut self, round: u64) {
        self.push(round_opened("wine", round));
    }

    /// A settlement of the open round in `wine` by the given (member, value, innovation).
    pub(crate) fn settlement(&self, round: u64, scalars: &[(usize, i64, i64)]) -> RoundSettled {
        let triples: Vec<(VerifyingKey, i64, i64)> = scalars
            .iter()
            .map(|(m, value, innovation)| (member(*m), *value, *innovation))
            .collect();
        let credits = self.state.round_credits(&name("wine"), &triples).unwrap();
        let seed = u8::try_from(round).unwrap();
        RoundSettled {
            federation: name("wine"),
            round,
            model_before: model_of(round),
            model_after: model_of(round + 1),
            receipt: digest(200 + seed),
            test_accuracy_ppm: Some(700_000),
            test_loss_micro: 600_000,
            participants: (0_u8..)
                .zip(triples.iter().zip(credits))
                .map(|(place, ((member, value, innovation), credits))| Participation {
                    member: *member,
                    value: *value,
                    innovation: *innovation,
                    contrast: None,
                    credits,
                    update: digest(100 + 10 * seed + place),
                })
                .collect(),
            refused: vec![],
            dropped: vec![],
        }
    }

    /// Round 1 settled: members 0 and 1 earn 750 and 250, member 2 replays and earns nothing.
    pub(crate) fn after_one_round() -> Self {
        let mut world = Self::founded();
        world.open_round(1);
        let settlement = world.settlement(1, &[(0, 30, 10), (1, 10, 10), (2, 50, 0)]);
        world.push(settlement);
        world
    }

    pub(crate) fn release(&self) -> ModelReleased {
        ModelReleased {
            model: name("wine-quality"),
            version: 1,
            digest: model_of(2),
            federation: name("wine"),
            rounds: 1,
            test_accuracy_ppm: Some(700_000),
            weights: self.state.release_weights(&name("wine")).unwrap(),
        }
    }

    pub(crate) fn executed(&self, proposal: ProposalId) -> bool {
        self.state.proposal(proposal).unwrap().state(self.now_ms) == ProposalState::Executed
    }

    /// After a sale of 250: the treasury has 25, members 0 and 1 have 169 and 56.
    pub(crate) fn with_a_sale() -> Self {
        let mut world = Self::with_paid_calls();
        world.push(world.reservation(20));
        world.push(world.prediction(20));
        world
    }

    /// A buyer `k-1` has paid two calls at 250 each.
    pub(crate) fn with_paid_calls() -> Self {
        let mut world = Self::after_one_round();
        world.push(world.release());
        world.push(PriceSet { model: name("wine-quality"), price: 250 });
        let (key_id, key_hash) = (name("k-1"), digest(9));
        world.push(KeyIssued { key_id, key_hash, buyer: "Wine shop".into() });
        world.push(deposit("d-1", 1_000));
        world.push(purchase("p-1", 2, 250));
        world
    }

    pub(crate) fn reservation(&self, number: u8) -> PredictionReserved {
        PredictionReserved {
            prediction: digest(number),
            key_id: name("k-1"),
            model: name("wine-quality"),
            version: 1,
            input: digest(8),
            price: 250,
            expires_at_ms: self.now_ms + 100,
        }
    }

    pub(crate) fn prediction(&self, number: u8) -> Predicted {
        Predicted {
            prediction: digest(number),
            output: digest(6),
            model_digest: model_of(2),
            price: 250,
            lines: self.state.revenue_lines(&name("wine-quality"), 1, 250).unwrap(),
        }
    }

    pub(crate) fn content(&self, position: usize, actions: Vec<Action>) -> ProposalContent {
        ProposalContent {
            dao: self.state.dao_id().unwrap(),
            title: "Price".into(),
            description: "Predictions are worth more.".into(),
            actions,
            ballots: BallotSecrecy::Open,
            proposer: member(position),
            salt: self.state.counts().proposals,
        }
    }

    pub(crate) fn propose(&mut self, position: usize, actions: Vec<Action>) -> ProposalId {
        let content = self.content(position, actions);
        let (id, signature) = (content.id(), content.sign(&members()[position]));
        self.push(ProposalMade { content, signature });
        id
    }

    /// A nonce above all used before.
    pub(crate) fn nonce(&self, member: &VerifyingKey) -> u64 {
        self.state.last_nonce(member).map_or(1, |last| last + 1)
    }

    pub(crate) fn ballot(
        &self,
        position: usize,
        proposal: ProposalId,
        choice: Choice,
    ) -> BallotCast {
        self.ballot_as(position, proposal, (Capacity::Entrusted, choice))
    }

    pub(crate) fn ballot_as(
        &self,
        position: usize,
        proposal: ProposalId,
        (capacity, choice): (Capacity, Choice),
    ) -> BallotCast {
        let voter = member(position);
        let ballot = Ballot {
            dao: self.state.dao_id().unwrap(),
            proposal,
            vote: Vote::Whole(choice),
            capacity,
            voter,
            reason: None,
            nonce: self.nonce(&voter),
            expires_ms: u64::MAX,
        };
        let signature = ballot.sign(&members()[position]);
        BallotCast { ballot, signature }
    }

    /// Members 0 and 1 vote For a new proposal of member 0, and its timelock ends.
    pub(crate) fn pass(&mut self, actions: Vec<Action>) -> ProposalId {
        let proposal = self.propose(0, actions);
        self.now_ms += 11;
        self.push(self.ballot(0, proposal, Choice::For));
        self.push(self.ballot(1, proposal, Choice::For));
        self.now_ms += 100;
        self.tick();
        self.now_ms += 80;
        self.tick();
        proposal
    }

    /// Everything that a DAO does, once.
    pub(crate) fn whole_life() -> Self {
        let mut world = Self::with_paid_calls();
        world.push(world.reservation(20));
        world.push(world.prediction(20));
        let price = Action::SetPredictionPrice { model: "wine-quality".into(), price: 300 };
        world.pass(vec![price]);
        world
    }
}

pub(crate) fn model_of(round: u64) -> Digest {
    digest(30 + u8::try_from(round).unwrap())
}

pub(crate) fn round_opened(text: &str, round: u64) -> RoundOpened {
    RoundOpened {
        federation: name(text),
        round,
        model: model_of(round),
        cohort_size: 4,
        epsilon_micro: None,
    }
}

pub(crate) fn deposit(idempotency_key: &str, amount: u128) -> Deposited {
    Deposited { key_id: name("k-1"), amount, idempotency_key: idempotency_key.into() }
}

pub(crate) fn purchase(idempotency_key: &str, calls: u32, price: u128) -> Purchased {
    let (key_id, model) = (name("k-1"), name("wine-quality"));
    Purchased { key_id, model, calls, price, idempotency_key: idempotency_key.into() }
}
