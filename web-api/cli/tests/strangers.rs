//! Hostile messages over the real network: refused with a counted reason, changing nothing.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod world;

use std::{fs, path::Path};

use aggregator_network::{Address, Inbox, Limits, Link, LinkConfig, load_key};
use aggregator_protocol::{
    AcceptedSet, ContributorReply, ContributorRequest, CustodyKey, DaoReply, DaoRequest,
    FederationTerms, FetchedReceipt, JoinRequest, OpenedScalars, PartyScalars, Refusal, RoundGrant,
    RoundId, RoundReceipt, ScalarOpening, ScalarShares, from_wire, to_wire,
};
use aggregator_round::Admission;
use aggregator_strategy::participation_key;
use privacy_dp::{ClipNorm, LocalUpdate};
use privacy_identity::{Decode as _, Digest, SealingKey, Signed, SigningKey, Tag};
use privacy_secagg::{
    Binding, EncodingParameters, NoisyUpdate, QuantizedUpdate, SealedUpdate, TagKey, seal,
};
use rand::{rand_core::UnwrapErr, rngs::SysRng};
use sahakar::demo::{
    children::End,
    cooperative::{AGGREGATOR, COORDINATOR, Cooperative, DAO},
};
use sahakar::rest::Rest;

struct Stranger {
    key: SigningKey,
    link: Link,
    _inbox: Inbox,
    coordinator: Address,
}

impl Stranger {
    async fn new(seed: u8, coordinator: Address) -> Self {
        let key = SigningKey::from_seed(&[seed; 32]);
        let limits = Limits { request_bytes_max: 64 << 20, ..Limits::default() };
        let config = LinkConfig { secret: key.seed(), listen: Vec::new(), limits };
        let (link, inbox) = Link::start(config).await.unwrap();
        Self { key, link, _inbox: inbox, coordinator }
    }

    async fn ask(&self, request: &ContributorRequest) -> ContributorReply {
        let reply = self.link.request(&self.coordinator, to_wire(request)).await.unwrap();
        from_wire(&reply).unwrap()
    }

    async fn refusal(&self, body: Vec<u8>) -> Refusal {
        let reply = self.link.request(&self.coordinator, body).await.unwrap();
        match from_wire(&reply).unwrap() {
            ContributorReply::Refused(refusal) => refusal,
            other => panic!("expected a refusal, got {other:?}"),
        }
    }

    /// As [`Self::new`], with a key that somebody keeps in `state`.
    async fn with_key_of(state: &Path, dao: Address) -> Self {
        let key = SigningKey::from_seed(&load_key(&state.join("key")).unwrap());
        let config =
            LinkConfig { secret: key.seed(), listen: Vec::new(), limits: Limits::default() };
        let (link, inbox) = Link::start(config).await.unwrap();
        Self { key, link, _inbox: inbox, coordinator: dao }
    }

    /// What the DAO node answers to a settlement of its open round that `signer` signed.
    async fn settle(
        &self,
        dao: &Address,
        grant: &Signed<RoundGrant>,
        signer: &SigningKey,
    ) -> Refusal {
        let terms = grant.unverified_body();
        let (federation, round) = (terms.federation, terms.round);
        let shares = ScalarShares { federation, round, probe: Digest([8; 32]), shares: vec![] };
        let shares = Signed::new(shares, Tag::ScalarShares, signer);
        let opening = ScalarOpening::new(vec![PartyScalars { place: 0, shares }]).unwrap();
        let accepted = terms.cohort.iter().map(|member| (*member, Digest([5; 32]))).collect();
        let receipt = RoundReceipt {
            grant: grant.clone(),
            federation,
            round,
            model_before: terms.model,
            model_after: Digest([6; 32]),
            sum: Digest([7; 32]),
            probe: Digest([8; 32]),
            opening: opening.digest(),
            accepted: AcceptedSet::new(accepted).unwrap(),
            // One for each contribution, or it is no receipt at all.
            scalars: vec![
                OpenedScalars { value: 1, innovation: 1, contrast: 1 };
                terms.cohort.len()
            ],
            dropped: vec![],
            refused: vec![],
            commitments: vec![],
        };
        let receipt = Box::new(Signed::new(receipt, Tag::RoundReceipt, signer));
        let request = to_wire(&DaoRequest::Settle { receipt, opening: Box::new(opening) });
        match from_wire(&self.link.request(dao, request).await.unwrap()).unwrap() {
            DaoReply::Refused(refusal) => refusal,
            other => panic!("expected a refusal, got {other:?}"),
        }
    }

    async fn terms(&self) -> FederationTerms {
        let ContributorReply::Terms(terms) = self.ask(&ContributorRequest::Terms).await else {
            panic!("terms are public");
        };
        terms.verify(Tag::Terms).unwrap().body().clone()
    }

    async fn update(&self, signer: &SigningKey) -> SealedUpdate {
        let body = &self.terms().await;
        let binding = Binding {
            dao: body.dao,
            federation: body.id(),
            round: 0,
            model: Digest([0; 32]),
            member: self.key.verifying_key(),
        };
        let mut rng = UnwrapErr(SysRng);
        // A stranger to the cohort has no key of its tags; its own looks the same to aggregators.
        let tags = TagKey::of_round(&[7; 32], &binding.federation, binding.round);
        let noisy = noisy(&body.encoding, &mut rng).tagged(&tags, &binding.member);
        seal(&noisy, binding, &body.aggregators, &body.encoding, signer, &mut rng).unwrap()
    }
}

fn noisy(encoding: &EncodingParameters, rng: &mut UnwrapErr<SysRng>) -> NoisyUpdate {
    let delta = vec![0.01; encoding.dimension()];
    let clipped = LocalUpdate::new(delta).unwrap().clip(ClipNorm::new(0.1).unwrap());
    let rotation = encoding.rotation(&Digest([0; 32]), 0);
    let quantised = QuantizedUpdate::quantise(&clipped, &rotation, encoding, rng).unwrap();
    NoisyUpdate::without_noise(&quantised)
}

/// A settlement of the open round, of the form that it has to have, from whom it is not: neither the key of the link nor the
/// signature under the receipt can be another's than the coordinator's. The ledger stays as it was.
async fn nobody_but_the_coordinator_settles(
    cooperative: &Cooperative,
    dir: &Path,
    stranger: &Stranger,
) {
    let dao = cooperative.dao();
    let rest = Rest::new(cooperative.http());
    let ledger = || {
        let rest = rest.clone();
        tokio::task::spawn_blocking(move || rest.get("/v1/ledger").unwrap())
    };
    let grant = fs::read(dir.join("dao").join("grant.bin")).unwrap();
    let grant = Signed::<RoundGrant>::from_bytes(&grant).unwrap();
    let before = ledger().await.unwrap();
    // Somebody, an aggregator that is not the coordinator, and its receipt over the coordinator's own line.
    let aggregator = Stranger::with_key_of(&dir.join(AGGREGATOR), dao).await;
    let coordinator = Stranger::with_key_of(&dir.join(COORDINATOR), dao).await;
    for (asks, signer, expected) in [
        (stranger, &stranger.key, Refusal::Stranger),
        (stranger, &coordinator.key, Refusal::Stranger),
        (&aggregator, &aggregator.key, Refusal::Stranger),
        (&aggregator, &coordinator.key, Refusal::Stranger),
        (&coordinator, &aggregator.key, Refusal::BadSignature),
        (&coordinator, &stranger.key, Refusal::BadSignature),
    ] {
        assert_eq!(asks.settle(&dao, &grant, signer).await, expected);
    }
    let after = ledger().await.unwrap();
    assert_eq!((&after["size"], &after["root"]), (&before["size"], &before["root"]));
    assert!(after["root"].is_string(), "{after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_messages_are_refused_with_a_reason_and_the_rounds_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let (mut cooperative, vintage) = world::start(dir.path(), 4, 3).await;
    // One contributor is held back, so that the first round stays open while the strangers knock.
    let held = vintage.wineries[0].label.clone();
    let mut seen = Vec::new();
    world::until(&mut cooperative, &held, "cohort", &mut seen).await;
    cooperative.end(&held, End::Kill).await;
    let started = |(_, event): &(String, serde_json::Value)| event["event"] == "round-started";
    if !seen.iter().any(started) {
        world::until(&mut cooperative, COORDINATOR, "round-started", &mut seen).await;
    }
    let stranger = Stranger::new(200, cooperative.coordinator().unwrap()).await;
    nobody_but_the_coordinator_settles(&cooperative, dir.path(), &stranger).await;

    // Truncated, trailing, of another version, or no message at all.
    let fetch = to_wire(&ContributorRequest::Receipt { round: RoundId(1) });
    assert_eq!(stranger.refusal(fetch[..fetch.len() - 1].to_vec()).await, Refusal::Malformed);
    assert_eq!(stranger.refusal([fetch.as_slice(), &[0]].concat()).await, Refusal::Malformed);
    assert_eq!(stranger.refusal([&[9], &fetch[1..]].concat()).await, Refusal::Malformed);
    assert_eq!(stranger.refusal(vec![]).await, Refusal::Malformed);
    // Far larger than any message of this federation: not even read.
    assert!(stranger.link.request(&stranger.coordinator, vec![1; 32 << 20]).await.is_err());

    // Signed by a stranger, or by nobody.
    let update = stranger.update(&stranger.key).await;
    let submit = |update: SealedUpdate| {
        to_wire(&ContributorRequest::Submit { update: Box::new(update), ticket: None })
    };
    let refusal = stranger.refusal(submit(update.clone())).await;
    assert!([Refusal::Stranger, Refusal::Late, Refusal::WrongRound].contains(&refusal));
    let forged = stranger.update(&SigningKey::from_seed(&[7; 32])).await;
    let refusal = stranger.refusal(submit(forged)).await;
    assert!([Refusal::Stranger, Refusal::Late, Refusal::WrongRound].contains(&refusal));

    // An order and a model are for members; an invitation must be valid; a receipt tells nothing.
    let fetched = stranger.ask(&ContributorRequest::Fetch { known: None }).await;
    assert!(matches!(fetched, ContributorReply::Wait { .. }), "{fetched:?}");
    let federation = cooperative.federation();
    let sealing = SealingKey::derived_from(&stranger.key).public();
    let custody = CustodyKey { federation, sealing };
    let custody = Signed::new(custody, Tag::CustodyKey, &stranger.key);
    let secret = cooperative.invitation().unwrap().token.clone();
    let (own, others) = (stranger.key.verifying_key(), SigningKey::from_seed(&[8; 32]));
    let terms = stranger.terms().await;
    // A guess; and what admits somebody else, as whoever carries its request sees it.
    for (token, member) in [("guessed".to_owned(), own), (secret, others.verifying_key())] {
        let admission = Admission { token: token.into(), label: "stranger".to_owned() };
        let bound = (&federation, &member);
        let rng = &mut UnwrapErr(SysRng);
        let join = JoinRequest {
            federation,
            admission: admission.seal(bound, &terms.admission_sealing(), rng).unwrap(),
            custody: custody.clone(),
            draw: participation_key(&stranger.key).public_key(),
        };
        let join = Box::new(Signed::new(join, Tag::Join, &stranger.key));
        let refusal = stranger.refusal(to_wire(&ContributorRequest::Join(join))).await;
        assert_eq!(refusal, Refusal::NotInvited);
    }
    let receipt = stranger.ask(&ContributorRequest::Receipt { round: RoundId(999) }).await;
    assert_eq!(receipt, ContributorReply::Receipt(FetchedReceipt::Unknown));

    world::until(&mut cooperative, DAO, "released", &mut seen).await;
    let refused = |(_, event): &&(String, serde_json::Value)| {
        event["event"] == "settled" && event["refused"].as_u64() >= Some(6)
    };
    assert!(seen.iter().filter(refused).count() > 0, "refusals are counted in the round's receipt");
    let report = world::audit(&cooperative).await;
    assert_eq!((report.rounds_settled, report.members), (3, 4));
    cooperative.end_all().await;
}
