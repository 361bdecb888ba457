//! The life of a co-operative that sells predictions, as long as one likes.

use anyhow::Context as _;
use data_dao_governance::{
    Action, Ballot, BallotSecrecy, Capacity, CharterParameters, Choice, ProposalContent,
    ProposalId, Request as _, Vote,
};
use data_dao_journal::{
    BallotCast, Body, BoundsKind, Deposited, FederationOpened, Genesis, KeyIssued, MemberAdmitted,
    ModelReleased, Participation, Predicted, PredictionReserved, PriceSet, ProposalMade, Purchased,
    RevenueLine, RoundOpened, RoundSettled, State,
};
use data_dao_ledger::Name;
use data_dao_store::Store;
use privacy_identity::{Digest, SigningKey, VerifyingKey};

/// As many share each sale: a kilobyte of lines.
const MEMBERS: u8 = 10;
const PRICE: u128 = 2_500;
/// Every other batch opens so many votes; the next has all their ballots: 2 % of the entries.
const VOTES: u64 = 4;
/// Longer than a vote's delay, shorter than delay and period together, so that every batch of ballots finds its proposal open.
const STEP_MS: u64 = 20;

pub(crate) struct CoOperative {
    members: Vec<SigningKey>,
    lines: Vec<RevenueLine>,
    model: Digest,
    dao: Digest,
    time_ms: u64,
    batches: u64,
    predictions: u64,
    open: Vec<ProposalId>,
}

fn name(text: &str) -> anyhow::Result<Name> {
    Ok(Name::new(text)?)
}

/// A digest that nothing else has.
fn digest(kind: u8, number: u64) -> Digest {
    let mut bytes = [kind; 32];
    // Spread, as digests are.
    bytes[..8].copy_from_slice(&number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
    bytes[8..16].copy_from_slice(&number.to_be_bytes());
    Digest(bytes)
}

impl CoOperative {
    /// Founded, with members who have earned credits, a model for sale and a buyer who has paid many calls.
    pub(crate) async fn founded(store: &Store, node: &SigningKey) -> anyhow::Result<Self> {
        let mut members: Vec<SigningKey> =
            (0..MEMBERS).map(|number| SigningKey::from_seed(&[number; 32])).collect();
        members.sort_by_key(SigningKey::verifying_key);
        store.append(1, founding(node, &members)?).await?;
        let wine = name("wine")?;
        let scalars: Vec<(VerifyingKey, i64, i64)> =
            members.iter().map(|member| (member.verifying_key(), 10, 10)).collect();
        let credits = store.view(|state| state.round_credits(&wine, &scalars))?;
        let settled = RoundSettled {
            federation: wine.clone(),
            round: 1,
            model_before: digest(1, 0),
            model_after: digest(1, 1),
            receipt: digest(2, 0),
            test_accuracy_ppm: Some(700_000),
            test_loss_micro: 600_000,
            participants: (0..)
                .zip(scalars.iter().zip(credits))
                .map(|(number, ((member, value, innovation), credits))| Participation {
                    member: *member,
                    value: *value,
                    innovation: *innovation,
                    contrast: None,
                    credits,
                    update: digest(3, number),
                })
                .collect(),
            refused: vec![],
            dropped: vec![],
        };
        store.append(1, vec![settled.into()]).await?;
        let weights = store.view(|state| state.release_weights(&wine))?;
        let model = name("wine-quality")?;
        let released = ModelReleased {
            model: model.clone(),
            version: 1,
            digest: digest(1, 1),
            federation: wine,
            rounds: 1,
            test_accuracy_ppm: Some(700_000),
            weights,
        };
        store.append(1, vec![released.into()]).await?;
        store.append(1, market(&model)?).await?;
        let lines = store.view(|state| state.revenue_lines(&model, 1, PRICE))?;
        let dao = store.view(State::dao_id).context("founded")?;
        let (time_ms, model) = (1, digest(1, 1));
        Ok(Self { members, lines, model, dao, time_ms, batches: 0, predictions: 0, open: vec![] })
    }

    pub(crate) const fn now_ms(&self) -> u64 {
        self.time_ms
    }

    /// About `count` entries that come next.
    pub(crate) fn next(&mut self, count: usize) -> Vec<Body> {
        self.batches += 1;
        self.time_ms += STEP_MS;
        let mut bodies = Vec::with_capacity(count);
        let open = std::mem::take(&mut self.open);
        for (number, proposal) in (0..).zip(&open) {
            let ballot = |member| self.ballot(member, *proposal, number);
            bodies.extend(self.members.iter().map(ballot));
        }
        if open.is_empty() {
            bodies.extend((0..VOTES).map(|number| self.proposal(number)).collect::<Vec<_>>());
        }
        while bodies.len() + 2 <= count {
            self.predictions += 1;
            bodies.extend(self.prediction(self.predictions));
        }
        bodies
    }

    fn prediction(&self, number: u64) -> [Body; 2] {
        let reserved = PredictionReserved {
            prediction: digest(4, number),
            key_id: Name::new("k-1").expect("a name"),
            model: Name::new("wine-quality").expect("a name"),
            version: 1,
            input: digest(5, number),
            price: PRICE,
            expires_at_ms: self.time_ms + 60_000,
        };
        let predicted = Predicted {
            prediction: digest(4, number),
            output: digest(6, number),
            model_digest: self.model,
            price: PRICE,
            lines: self.lines.clone(),
        };
        [reserved.into(), predicted.into()]
    }

    fn proposal(&mut self, number: u64) -> Body {
        // One each: a member has few proposals under way at a time.
        let proposer = &self.members[usize::try_from(number).expect("few")];
        let content = ProposalContent {
            dao: self.dao,
            title: format!("Motion {} of {}", number, self.batches),
            description: "Predictions are worth more.".into(),
            actions: vec![Action::Text],
            ballots: BallotSecrecy::Open,
            proposer: proposer.verifying_key(),
            salt: number,
        };
        self.open.push(content.id());
        let signature = content.sign(proposer);
        ProposalMade { content, signature }.into()
    }

    fn ballot(&self, member: &SigningKey, proposal: ProposalId, number: u64) -> Body {
        let (dao, voter) = (self.dao, member.verifying_key());
        let ballot = Ballot {
            dao,
            proposal,
            vote: Vote::Whole(Choice::For),
            capacity: Capacity::Entrusted,
            voter,
            reason: None,
            nonce: self.batches * VOTES + number,
            expires_ms: u64::MAX,
        };
        BallotCast { signature: ballot.sign(member), ballot }.into()
    }
}

fn founding(node: &SigningKey, members: &[SigningKey]) -> anyhow::Result<Vec<Body>> {
    let wine = name("wine")?;
    let genesis = Genesis {
        names: data_dao_journal::NamesKind::InTheClear,
        rules: data_dao_journal::Rules::NEWEST,
        dao_name: "Winegrowers".into(),
        bounds: BoundsKind::Demonstration,
        charter: CharterParameters {
            voting_delay_ms: 10,
            voting_period_ms: 15,
            quorum_percent: 40,
            minimum_voters: 2,
            proposal_threshold_per_mille: 0,
            timelock_ms: 1,
            critical_timelock_ms: 1,
            grace_ms: 1_000,
            reveal_period_ms: 1,
            ..CharterParameters::DEMONSTRATION
        },
        currency: "EUR".parse()?,
        treasury_percent: 10,
        operator: node.verifying_key(),
        dao_node: node.verifying_key(),
        aggregators: vec![],
    };
    let opened = FederationOpened {
        federation: wine.clone(),
        terms_digest: digest(7, 0),
        terms: "{}".into(),
        rounds: 5,
        round_budget: 1_000_000,
        minimum_cohort: 2,
        novelty_percent: 50,
        validation_commitment: digest(7, 1),
    };
    let mut bodies = vec![genesis.into(), opened.into()];
    for (number, member) in members.iter().enumerate() {
        let (federation, member) = (wine.clone(), member.verifying_key());
        bodies
            .push(MemberAdmitted { federation, member, label: format!("winery {number}") }.into());
    }
    let (model, cohort_size) = (digest(1, 0), u32::from(MEMBERS));
    bodies.push(
        RoundOpened { federation: wine, round: 1, model, cohort_size, epsilon_micro: None }.into(),
    );
    Ok(bodies)
}

fn market(model: &Name) -> anyhow::Result<Vec<Body>> {
    let (key_id, calls) = (name("k-1")?, 4_000_000_u32);
    Ok(vec![
        PriceSet { model: model.clone(), price: PRICE }.into(),
        KeyIssued { key_id: key_id.clone(), key_hash: digest(8, 0), buyer: "Shop".into() }.into(),
        Deposited {
            key_id: key_id.clone(),
            amount: u128::from(calls) * PRICE,
            idempotency_key: "d-1".into(),
        }
        .into(),
        Purchased {
            key_id,
            model: model.clone(),
            calls,
            price: PRICE,
            idempotency_key: "p-1".into(),
        }
        .into(),
    ])
}
