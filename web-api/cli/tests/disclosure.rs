//! A lie about a member's update, from the file that its device keeps to the ledger: over REST, judged by the DAO node.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]
#![expect(
    dead_code,
    unused_imports,
    reason = "the aggregation's own tests use the rest of their world"
)]

/// The machines of a round in memory, as the aggregation's own tests drive them.
#[path = "../../../aggregator/round/tests/world/mod.rs"]
mod world;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use aggregator_protocol::{
    FetchedReceipt, RoundId, RoundReceipt, RoundSum, ScalarOpening, SealingTerms, ValueRecord,
};
use aggregator_round::{OwnShares, SumProducts, opened_values};
use data_dao_governance::{Accused, CharterParameters};
use data_dao_journal::{
    Body, BoundsKind, Dispute, FaultProven, FederationOpened, Genesis, MemberAdmitted,
    Participation, RoundOpened, RoundPosted, RoundSettled, SafeguardsSet, State,
};
use data_dao_ledger::Name;
use data_dao_store::Store;
use privacy_identity::{Digest, Encode as _, Signed, SigningKey, Tag, VerifyingKey};
use sahakar::{
    commands::dispute,
    rest::Rest,
    serve::{SettledRecord, disclosure_judge},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use trainer_model::ComputeDevice;
use web_api::{ApiParts, ApiState, Clock, ModelShelf, router, secret_hash};

use crate::world::{Contribution, World, federation::Federation};

const ROUND: RoundId = RoundId(0);
const START_MS: u64 = 1_000_000;
const WINDOW_MS: u64 = 60_000;
const MEMBERS: usize = 4;
/// Whom the lying coordinator pays more, and whom less.
const GAINS: usize = 1;
const LOSES: usize = 2;

fn name() -> Name {
    Name::new("synthetic").unwrap()
}

/// A round of which the coordinator signed false answers about two members' updates that make up for each other.
struct Lied {
    world: World,
    contributions: Vec<Contribution>,
    record: SettledRecord,
}

impl Lied {
    fn new() -> Self {
        let world = World::with_cohort(SealingTerms::Mpc, 4, 2, MEMBERS);
        let mut federation = Federation::of(world);
        federation.grant_through_dao();
        let contributions = federation.submit(&[0, 1, 2, 3]);
        while federation.dao.log.is_empty() {
            let input = federation.next_input().unwrap();
            federation.feed(&input).unwrap();
        }
        let machine = &federation.coordinator.machine;
        let member = federation.world.member(0);
        let FetchedReceipt::Settled { receipt, .. } = machine.receipt_for(ROUND, &member) else {
            panic!("the round was not settled")
        };
        let sum = *machine.sum_for(ROUND, &member).unwrap();
        let values = *machine.values_for(ROUND, &member).unwrap();
        let world = federation.world;
        let record = forged(&world, receipt.unverified_body().clone(), sum, values);
        Self { world, contributions, record }
    }

    /// What the device of member `index` keeps of the party at `place`.
    fn disclosure(&self, index: usize, place: usize) -> Vec<u8> {
        let Contribution { own, sealed, .. } = &self.contributions[index];
        own.disclose(sealed.update(), place).unwrap().to_bytes()
    }
}

/// Shifts the value of one member up and of another down in the coordinator's answer: the sum still holds.
fn forged(
    world: &World,
    mut receipt: RoundReceipt,
    sum: Signed<RoundSum>,
    values: ValueRecord,
) -> SettledRecord {
    let modulus = (1_u64 << world.terms.encoding.ring().bits()) - 1;
    let mut parties = values.opening.parties().to_vec();
    let mut body = parties[0].shares.unverified_body().clone();
    for (index, amount) in [(GAINS, 5_000_i64), (LOSES, -5_000)] {
        body.shares[index][0] = body.shares[index][0].wrapping_add_signed(amount) & modulus;
    }
    parties[0].shares = Signed::new(body, Tag::ScalarShares, &world.aggregator_key(0));
    let values = ValueRecord { opening: ScalarOpening::new(parties).unwrap(), ..values };
    receipt.opening = values.opening.digest();
    let order = values.probes.unverified_body();
    let grant = receipt.grant.unverified_body();
    let products = SumProducts::of(&world.terms, grant, sum.unverified_body(), order).unwrap();
    let set = &receipt.accepted;
    receipt.scalars = opened_values(&world.terms, grant, set, &values, &products).unwrap();
    let receipt = Signed::new(receipt, Tag::RoundReceipt, &world.aggregator_key(0));
    SettledRecord { receipt, sum, values }
}

/// A DAO node with that round in its ledger and on its disk.
struct Node {
    api: ApiState,
    rest: Rest,
    clock: Arc<AtomicU64>,
    dir: TempDir,
    lied: Lied,
}

fn founding(world: &World) -> Vec<Body> {
    let genesis = Genesis {
        names: data_dao_journal::NamesKind::InTheClear,
        rules: data_dao_journal::Rules::NEWEST,
        dao_name: "Judges".to_owned(),
        bounds: BoundsKind::Demonstration,
        charter: CharterParameters::DEMONSTRATION,
        currency: "EUR".parse().unwrap(),
        treasury_percent: 10,
        operator: world.dao_key.verifying_key(),
        dao_node: world.dao_key.verifying_key(),
        aggregators: world.terms.aggregators.iter().map(|keys| keys.verifying).collect(),
    };
    let opened = FederationOpened {
        federation: name(),
        terms_digest: world.terms.id(),
        terms: "{}".to_owned(),
        rounds: 3,
        round_budget: 1_000,
        minimum_cohort: 2,
        novelty_percent: 50,
        validation_commitment: Digest([2; 32]),
    };
    let safeguards = SafeguardsSet {
        federation: name(),
        epsilon_micro_max: None,
        challenge_window_ms: WINDOW_MS,
        reveal_by_rounds: None,
    };
    let admitted = (0..MEMBERS).map(|index| {
        let (member, label) = (world.member(index), format!("member {index}"));
        Body::from(MemberAdmitted { federation: name(), member, label })
    });
    [genesis.into(), opened.into(), safeguards.into()].into_iter().chain(admitted).collect()
}

fn settlement(lied: &Lied, state: &State) -> RoundSettled {
    let receipt = lied.record.receipt.unverified_body();
    let contributions = receipt.accepted.contributions();
    let each = || contributions.iter().zip(&receipt.scalars);
    let scalars: Vec<_> = each().map(|((member, _), s)| (*member, s.value, s.innovation)).collect();
    let credits = state.round_credits(&name(), &scalars).unwrap();
    let participation = |(((member, update), scalars), credits): (
        (&(VerifyingKey, Digest), &aggregator_protocol::OpenedScalars),
        u128,
    )| Participation {
        member: *member,
        value: scalars.value,
        innovation: scalars.innovation,
        contrast: Some(scalars.contrast),
        credits,
        update: *update,
    };
    RoundSettled {
        federation: name(),
        round: ROUND.0,
        model_before: receipt.model_before,
        model_after: receipt.model_after,
        receipt: Digest::of(Tag::RoundReceipt, &lied.record.receipt.to_bytes()),
        test_accuracy_ppm: None,
        test_loss_micro: 600_000,
        participants: each().zip(credits).map(participation).collect(),
        refused: vec![],
        dropped: vec![],
    }
}

impl Node {
    async fn start() -> Self {
        let (dir, lied) = (TempDir::new().unwrap(), Lied::new());
        let (world, key) = (&lied.world, SigningKey::from_seed(&lied.world.dao_key.seed()));
        let write = |name: &str, bytes: Vec<u8>| std::fs::write(dir.path().join(name), bytes);
        std::fs::create_dir(dir.path().join("rounds")).unwrap();
        write("terms.bin", Signed::new(world.terms.clone(), Tag::Terms, &key).to_bytes()).unwrap();
        write("rounds/0.bin", lied.record.to_bytes()).unwrap();
        let store = Store::open(&dir.path().join("ledger"), &key, "test/judge").await.unwrap();
        store.append(START_MS, founding(world)).await.unwrap();
        let receipt = lied.record.receipt.unverified_body();
        let cohort_size = u32::try_from(MEMBERS).unwrap();
        let (federation, round, model) = (name(), ROUND.0, receipt.model_before);
        let opened = RoundOpened { federation, round, model, cohort_size, epsilon_micro: None };
        store.append(START_MS, vec![opened.into()]).await.unwrap();
        let settled = store.view(|state| settlement(&lied, state));
        store.append(START_MS, vec![settled.into()]).await.unwrap();
        let clock = Arc::new(AtomicU64::new(START_MS));
        let time = Arc::clone(&clock);
        let api = ApiState::new(ApiParts {
            store,
            clock: Clock::new(move || time.load(Ordering::SeqCst)),
            operator: secret_hash("operator"),
            shelf: ModelShelf::default(),
            tiles_dir: dir.path().join("tiles"),
            device: ComputeDevice::cpu(),
        });
        let judge = disclosure_judge(dir.path().to_owned(), key, &world.terms);
        assert!(api.judge_with(judge));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let rest = Rest::new(&format!("http://{}", listener.local_addr().unwrap()));
        let served = router(api.clone());
        tokio::spawn(async move { axum::serve(listener, served).await });
        Self { api, rest, clock, dir, lied }
    }

    fn objection(&self, index: usize, disclosure: &[u8]) -> Dispute {
        Dispute {
            dao: self.api.store().view(|state| state.dao_id().unwrap()),
            federation: name(),
            round: ROUND.0,
            accused: Accused::Round,
            complainant: self.lied.world.member(index),
            evidence: Digest::of(Tag::Dispute, disclosure),
            reason: "its part gives another answer".to_owned(),
        }
    }

    /// Shows `disclosure` for an objection that member `signer` signs.
    async fn show(
        &self,
        signer: usize,
        objection: Dispute,
        disclosure: Vec<u8>,
    ) -> Result<Value, String> {
        let key = SigningKey::from_seed(&self.lied.world.members[signer].seed());
        let rest = self.rest.clone();
        let shown = move || dispute::disclose(&rest, &key, &objection, &disclosure);
        let shown = tokio::task::spawn_blocking(shown).await.unwrap();
        shown.map_err(|error| format!("{error:#}"))
    }

    async fn refused(&self, signer: usize, objection: Dispute, disclosure: Vec<u8>, why: &str) {
        let size = self.api.store().view(State::entries);
        let error = self.show(signer, objection, disclosure).await.unwrap_err();
        assert!(error.contains(why), "{error}");
        assert_eq!(self.api.store().view(State::entries), size, "{error}");
        assert!(!self.stopped());
    }

    fn stopped(&self) -> bool {
        self.api.store().view(|state| state.federation(&name()).unwrap().is_stopped())
    }

    fn due_at_ms(&self) -> u64 {
        self.api
            .store()
            .view(|state| state.federation(&name()).unwrap().challenges()[&ROUND.0].due_at_ms())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lie_about_an_update_is_judged_by_the_node_and_stops_rounds_and_pay() {
    let node = Node::start().await;
    let disclosure = node.lied.disclosure(GAINS, 0);
    let liar = node.lied.world.aggregator_key(0).verifying_key();
    // At the end of the window; the pay would be due in a moment.
    node.clock.store(START_MS + WINDOW_MS - 1, Ordering::SeqCst);
    assert_eq!(node.due_at_ms(), START_MS + WINDOW_MS);
    let objection = node.objection(GAINS, &disclosure);
    let proven = node.show(GAINS, objection.clone(), disclosure.clone()).await.unwrap();
    assert_eq!((&proven["party"], &proven["round"]), (&json!(liar.to_string()), &json!(0)));
    assert!(node.stopped());
    assert!(node.due_at_ms() > START_MS + WINDOW_MS, "the members have no time to decide");
    let shown = node.rest.clone();
    let shown = tokio::task::spawn_blocking(move || shown.get("/v1/federations/synthetic"));
    let shown = shown.await.unwrap().unwrap();
    assert_eq!(shown["faults"][0], proven);
    // Once is enough, and the log recounts.
    let again = node.show(GAINS, objection, disclosure).await.unwrap_err();
    assert!(again.contains("409"), "{again}");
    // The other one whom it concerns may prove it, too.
    let other = node.lied.disclosure(LOSES, 0);
    node.show(LOSES, node.objection(LOSES, &other), other).await.unwrap();
    node.api.export_tiles().await.unwrap();
    let report = data_dao_store::audit_tiles(&node.dir.path().join("tiles"), None).unwrap();
    assert_eq!(report.rounds_settled, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_proven_guilty_who_told_the_truth() {
    let node = Node::start().await;
    // The other aggregator answered truly about everybody; the coordinator about these two.
    for (index, place) in [(GAINS, 1), (LOSES, 1), (0, 0), (3, 0), (0, 1)] {
        let disclosure = node.lied.disclosure(index, place);
        let objection = node.objection(index, &disclosure);
        node.refused(index, objection, disclosure, "told the truth").await;
    }
    // What was not sealed: every altered byte is found.
    let honest = node.lied.disclosure(0, 1);
    for position in (0..honest.len()).step_by(honest.len() / 25) {
        let mut altered = honest.clone();
        altered[position] ^= 1;
        let objection = node.objection(0, &altered);
        node.refused(0, objection, altered, "422").await;
    }
    // A true proof in the hands of somebody else, or under another name.
    let disclosure = node.lied.disclosure(GAINS, 0);
    let stolen =
        Dispute { complainant: node.lied.world.member(0), ..node.objection(GAINS, &disclosure) };
    node.refused(0, stolen, disclosure.clone(), "another federation, round or member").await;
    let unsigned = node.objection(GAINS, &disclosure);
    node.refused(0, unsigned, disclosure.clone(), "422").await;
    let other_file = node.objection(GAINS, b"something else");
    node.refused(GAINS, other_file, disclosure.clone(), "evidence").await;
    let other_round = Dispute { round: 1, ..node.objection(GAINS, &disclosure) };
    node.refused(GAINS, other_round, disclosure.clone(), "another federation, round").await;
    let of_one = Dispute {
        accused: Accused::Member(node.lied.world.member(0)),
        ..node.objection(GAINS, &disclosure)
    };
    node.refused(GAINS, of_one, disclosure, "accused").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_without_end_or_beginning_is_refused() {
    let node = Node::start().await;
    for body in [&b""[..], b"\0\0", b"\0\0\0\x10{}", b"\xff\xff\xff\xff", b"\0\0\0\x02{}"] {
        let (rest, body) = (node.rest.clone(), body.to_vec());
        let posted = move || rest.post_bytes("/v1/disputes/disclosures", &body);
        let error = tokio::task::spawn_blocking(posted).await.unwrap().unwrap_err().to_string();
        assert!(error.contains("status 4"), "{error}");
    }
    let long = vec![0; aggregator_round::message_bytes_max(&node.lied.world.terms) + (64 << 10)];
    let objection = node.objection(GAINS, &long);
    let error = node.show(GAINS, objection, long).await.unwrap_err();
    assert!(error.contains("413"), "{error}");
    assert!(!node.stopped());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_judgement_that_the_node_did_not_sign_is_no_entry() {
    let node = Node::start().await;
    let disclosure = node.lied.disclosure(GAINS, 0);
    let objection = node.objection(GAINS, &disclosure);
    let signature = objection.sign(&node.lied.world.members[GAINS]);
    let party = node.lied.world.aggregator_key(1).verifying_key();
    let stranger = SigningKey::from_seed(&[9; 32]);
    let forged = FaultProven::judged(objection.clone(), signature, party, &stranger);
    let store = node.api.store();
    assert!(store.append(START_MS, vec![forged.into()]).await.is_err());
    // A true judgement with another party in it.
    let mut altered = FaultProven::judged(objection, signature, party, &node.lied.world.dao_key);
    altered.party = node.lied.world.aggregator_key(0).verifying_key();
    assert!(store.append(START_MS, vec![altered.into()]).await.is_err());
    assert!(!node.stopped());
}
