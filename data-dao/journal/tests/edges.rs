//! Every number of every kind of entry at the edges of its type, and words of SQL in every text: taken or refused by name,
//! never a panic, and a refusal changes nothing.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(dead_code, reason = "each test file uses its part of the shared world")]

mod world;

use std::collections::{BTreeMap, BTreeSet};

use data_dao_governance::{
    Action, Delegation, Departure, MonthTerms, PricePolicy, Request as _, WINDOW_MS_MIN,
};
use data_dao_journal::{
    Administered, CallsRefunded, Dispute, Entry, FederationOpened, KeyAmended, KeyGrant,
    KeyGranted, KeyIssued, KeyRotated, LicenceBought, MONTH_MS, MemberAdmitted, MemberLeft,
    MonthBought, Participation, PaymentRefunded, PaymentReinstated, PredictionVoided,
    PricePolicySet, Refusal, RoundAborted, RoundDisputed, RoundPosted, RoundSettled, RoundsEnded,
    SafeguardsSet, Scope, State, VoteDelegated, Withdrawn,
};
use data_dao_ledger::Book;
use privacy_identity::VerifyingKey;
use serde_json::Value;
use world::{World, deposit, digest, member, members, model_of, name, purchase};

fn policy() -> PricePolicy {
    PricePolicy {
        low: 100,
        high: 300,
        calls_low: 1,
        calls_high: 3,
        window_ms: WINDOW_MS_MIN,
        month: Some(MonthTerms { calls: 4, price: 40 }),
        download: Some(1_000),
    }
}

/// What buyers, payments and keys may do, once each.
fn trade(world: &mut World) {
    let (wine, k1) = (name("wine-quality"), name("k-1"));
    world.push(world.release());
    world.push(PricePolicySet { model: wine.clone(), policy: policy() });
    world.push(KeyIssued { key_id: k1.clone(), key_hash: digest(9), buyer: "Shop".into() });
    world.push(deposit("payment:pi_1", 9_000));
    let caller = KeyGrant {
        scopes: vec![Scope::Infer],
        account: Some(k1.clone()),
        limit_day: Some(700),
        limit_total: Some(7_000),
        ..KeyGrant::unrestricted()
    };
    let (key_id, grant) = (name("k-2"), caller.clone());
    world.push(KeyGranted { key_id, key_hash: digest(40), buyer: "Till 3".into(), grant });
    world.push(KeyAmended { key_id: name("k-2"), grant: caller });
    let overlap_until_ms = world.now_ms + 10;
    world.push(KeyRotated { key_id: name("k-2"), key_hash: digest(41), overlap_until_ms });
    let [by, act, subject] = ["operator", "keys", "k-2"].map(str::to_owned);
    world.push(Administered { by, act, subject });
    world.push(purchase("p-1", 3, 100));
    let asked = data_dao_journal::PredictionReserved { price: 100, ..world.reservation(20) };
    world.push(asked);
    let lines = world.state.revenue_lines(&wine, 1, 100).unwrap();
    world.push(data_dao_journal::Predicted { price: 100, lines, ..world.prediction(20) });
    let asked = data_dao_journal::PredictionReserved { price: 100, ..world.reservation(21) };
    world.push(asked);
    world.push(PredictionVoided { prediction: digest(21), reason: "failed".into() });
    let (key_id, model) = (k1.clone(), wine.clone());
    let idempotency_key = "r-1".to_owned();
    world.push(CallsRefunded { key_id, model, lot: 0, calls: 1, idempotency_key });
    let (key_id, model, idempotency_key) = (k1.clone(), wine.clone(), "m-1".to_owned());
    world.push(MonthBought { key_id, model, calls: 4, price: 40, idempotency_key });
    let (key_id, model, idempotency_key) = (k1.clone(), wine.clone(), "l-1".to_owned());
    let lines = world.state.revenue_lines(&wine, 1, 1_000).unwrap();
    let (version, price, licence) = (1, 1_000, None);
    world.push(LicenceBought { key_id, model, version, price, lines, licence, idempotency_key });
    let (key_id, idempotency_key) = (k1.clone(), "w-1".to_owned());
    world.push(Withdrawn { key_id, amount: 50, idempotency_key });
    let (payment, refund) = ("pi_1".to_owned(), "re_1".to_owned());
    let taken = PaymentRefunded { key_id: k1.clone(), payment, refund, amount: 60 };
    world.push(taken);
    let (payment, refund) = ("pi_1".to_owned(), "re_1".to_owned());
    world.push(PaymentReinstated { key_id: k1, payment, refund });
}

/// What members do by hand, once each.
fn decide(world: &mut World) {
    let price = Action::SetPredictionPrice { model: "wine-quality".into(), price: 300 };
    let pay = Action::TreasuryTransfer { to: member(3), amount: 5 };
    world.pass(vec![price, pay]);
    let (dao, delegator) = (world.state.dao_id().unwrap(), member(0));
    let delegation = Delegation {
        dao,
        delegator,
        delegate: Some(member(1)),
        until_ms: world.now_ms + 1_000,
        nonce: world.nonce(&delegator),
        expires_ms: u64::MAX,
    };
    let signature = delegation.sign(&members()[0]);
    world.push(VoteDelegated { delegation, signature });
    let leaver = member(1);
    let nonce = world.nonce(&leaver);
    let departure = Departure { dao, member: leaver, nonce, expires_ms: u64::MAX };
    let signature = departure.sign(&members()[1]);
    let paid_out = world.state.earnings(&leaver);
    world.push(MemberLeft { departure, signature, paid_out });
}

/// With updates whose digests are counted up from `update`.
fn participants(
    update: u8,
    scalars: &[(VerifyingKey, i64, i64)],
    credits: &[u128],
) -> Vec<Participation> {
    let mut participants = Vec::new();
    for (update, ((member, value, innovation), credits)) in
        (update..).zip(scalars.iter().zip(credits))
    {
        participants.push(Participation {
            member: *member,
            value: *value,
            innovation: *innovation,
            contrast: None,
            credits: *credits,
            update: digest(update),
        });
    }
    participants
}

/// A round that is challenged, aborted or posted, and what ends them all.
fn contest(world: &mut World) {
    let federation = name("beer");
    world.push(SafeguardsSet {
        federation: federation.clone(),
        epsilon_micro_max: Some(1_000_000),
        challenge_window_ms: 30,
        reveal_by_rounds: None,
    });
    let opened = |round| data_dao_journal::RoundOpened {
        epsilon_micro: Some(10),
        model: model_of(1),
        ..world::round_opened("beer", round)
    };
    world.push(opened(1));
    let reason = "too few".to_owned();
    world.push(RoundAborted { federation: federation.clone(), round: 1, reason });
    world.push(opened(2));
    let scalars = [(member(0), 30, 10), (member(2), 10, 10)];
    let credits = world.state.round_credits(&federation, &scalars).unwrap();
    let participants = participants(150, &scalars, &credits);
    let (model_before, model_after, receipt) = (model_of(1), model_of(3), digest(205));
    world.push(RoundSettled {
        federation: federation.clone(),
        round: 2,
        model_before,
        model_after,
        receipt,
        test_accuracy_ppm: Some(700_000),
        test_loss_micro: 600_000,
        participants,
        refused: vec![],
        dropped: vec![],
    });
    let dispute = Dispute {
        dao: world.state.dao_id().unwrap(),
        federation: federation.clone(),
        round: 2,
        accused: data_dao_journal::Accused::Round,
        complainant: member(2),
        evidence: digest(77),
        reason: "made up".into(),
    };
    let signature = dispute.sign(&members()[2]);
    world.push(RoundDisputed { dispute, signature });
    world.now_ms += 10_000;
    world.tick();
    let credits = credits.iter().sum();
    world.push(RoundPosted { federation: federation.clone(), round: 2, credits });
    let reason = "no better".to_owned();
    world.push(RoundsEnded { federation, best_round: 2, reason });
    world.now_ms += MONTH_MS;
    world.tick();
    let over = world.state.month_over(world.now_ms).unwrap();
    world.push(over);
}

fn eventful() -> World {
    let mut world = World::after_one_round();
    trade(&mut world);
    decide(&mut world);
    contest(&mut world);
    world
}

/// The places of all values in `json` for which `is`, as JSON pointers.
fn places(json: &Value, is: fn(&Value) -> bool) -> Vec<String> {
    let under = |parts: Vec<(String, &Value)>| {
        let found = |(part, value): (String, &Value)| {
            let below = places(value, is).into_iter();
            below.map(|rest| format!("/{part}{rest}")).collect::<Vec<_>>()
        };
        parts.into_iter().flat_map(found).collect()
    };
    match json {
        Value::Object(members) => under(members.iter().map(|(k, v)| (k.clone(), v)).collect()),
        Value::Array(items) => {
            under(items.iter().enumerate().map(|(i, v)| (i.to_string(), v)).collect())
        }
        value if is(value) => vec![String::new()],
        _ => Vec::new(),
    }
}

/// Integers, and amounts, which are texts of digits.
fn is_number(value: &Value) -> bool {
    let digits = |text: &str| text.len() < 40 && text.bytes().all(|b| b.is_ascii_digit());
    value.is_number() || value.as_str().is_some_and(|text| !text.is_empty() && digits(text))
}

fn is_text(value: &Value) -> bool {
    value.is_string() && !is_number(value)
}

/// What stands in place of a value: at the edges of 32, 64 and 128 bits, with and without a sign, and one beyond them.
fn edges(of: &Value) -> Vec<Value> {
    if of.is_number() {
        let unsigned = [0, 1, u64::from(u32::MAX), i64::MAX as u64, u64::MAX];
        let signed = [-1, i64::MIN];
        return unsigned.map(Value::from).into_iter().chain(signed.map(Value::from)).collect();
    }
    let (most, half) = (u128::MAX, u128::MAX / 2);
    let beyond = "340282366920938463463374607431768211456";
    let texts = [0, 1, half, half + 1, most - 1, most].map(|amount| amount.to_string());
    texts
        .into_iter()
        .chain(["-1", beyond, "1.5", "1e9", "01"].map(str::to_owned))
        .map(Value::from)
        .collect()
}

/// In every book, what was given was taken: as numbers of 256 bits, in halves.
fn assert_balanced(state: &State, what: &str) {
    let mut sums: BTreeMap<Book, [(u128, u128); 4]> = BTreeMap::new();
    for (id, account) in state.accounts().iter() {
        let sum = sums.entry(id.book()).or_default();
        let columns = [
            account.debits_pending,
            account.credits_pending,
            account.debits_posted,
            account.credits_posted,
        ];
        for ((high, low), amount) in sum.iter_mut().zip(columns) {
            let (sum, carry) = low.overflowing_add(amount);
            (*high, *low) = (*high + u128::from(carry), sum);
        }
    }
    for (book, [debits_pending, credits_pending, debits, credits]) in sums {
        assert_eq!((debits_pending, debits), (credits_pending, credits), "{book}: {what}");
    }
}

/// What became of one altered entry.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    /// It is no entry.
    Unreadable,
    /// By this name.
    Refused(String),
    Taken,
}

/// Puts each of `instead` in the place of each value for which `is`, in the first entries of each kind of the log.
fn altered(
    world: &World,
    is: fn(&Value) -> bool,
    instead: fn(&Value) -> Vec<Value>,
) -> BTreeMap<(String, String, String), Fate> {
    let (mut state, mut fates) = (State::default(), BTreeMap::new());
    for leaf in &world.leaves {
        let json: Value = serde_json::from_slice(leaf).unwrap();
        let kind = json["body"].as_object().unwrap().keys().next().unwrap().clone();
        for place in places(&json["body"][&kind], is) {
            let pointer = format!("/body/{kind}{place}");
            for value in instead(json.pointer(&pointer).unwrap()) {
                let mut json = json.clone();
                *json.pointer_mut(&pointer).unwrap() = value.clone();
                let fate = fate_of(&mut state.clone(), &json);
                fates.insert((kind.clone(), place.clone(), value.to_string()), fate);
            }
        }
        state.apply(&Entry::from_leaf(leaf).unwrap()).unwrap();
    }
    fates
}

fn fate_of(state: &mut State, json: &Value) -> Fate {
    let Ok(entry) = serde_json::from_value::<Entry>(json.clone()) else { return Fate::Unreadable };
    let before = state.clone();
    match state.apply(&entry) {
        Ok(()) => {
            assert_balanced(state, &json.to_string());
            Fate::Taken
        }
        Err(refusal) => {
            assert_eq!(*state, before, "refused, and changed the state: {json}");
            let told = refusal.to_string();
            assert!(!told.is_empty(), "{json}");
            Fate::Refused(format!("{refusal:?}").split([' ', '{', '(']).next().unwrap().to_owned())
        }
    }
}

/// The kinds of entries with an amount that is recomputed or bounded, and the member of each that is one.
const AMOUNTS: [(&str, &str); 20] = [
    ("round_settled", "/participants/0/credits"),
    ("round_settled", "/participants/1/credits"),
    ("round_posted", "/credits"),
    ("model_released", "/weights/0/weight"),
    ("price_policy_set", "/policy/low"),
    ("price_policy_set", "/policy/high"),
    ("price_policy_set", "/policy/download"),
    ("price_policy_set", "/policy/month/price"),
    ("purchased", "/price"),
    ("prediction_reserved", "/price"),
    ("predicted", "/price"),
    ("predicted", "/lines/0/amount"),
    ("month_bought", "/price"),
    ("month_ended", "/amount"),
    ("month_ended", "/lines/0/amount"),
    ("licence_bought", "/price"),
    ("licence_bought", "/lines/0/amount"),
    ("withdrawn", "/amount"),
    ("payment_refunded", "/amount"),
    ("member_left", "/paid_out"),
];

#[test]
fn numbers_at_the_edges_are_refused_by_name_or_taken_whole() {
    let world = eventful();
    let fates = altered(&world, is_number, edges);
    let most = format!("\"{}\"", u128::MAX);
    for (kind, place) in AMOUNTS {
        let at = |value: &str| &fates[&(kind.to_owned(), place.to_owned(), value.to_owned())];
        let refused = at(&most);
        assert!(matches!(refused, Fate::Refused(_)), "{kind}{place}: {refused:?}");
        for none in ["\"-1\"", "\"340282366920938463463374607431768211456\"", "\"1.5\"", "\"1e9\""]
        {
            assert_eq!(*at(none), Fate::Unreadable, "{kind}{place} {none}");
        }
    }
    // Whatever is announced or paid in may be as much as there can be; a key's limits bound nothing but the key.
    let taken: BTreeSet<(&str, &str)> = fates
        .iter()
        .filter(|((.., value), fate)| *value == most && **fate == Fate::Taken)
        .map(|((kind, place, _), _)| (kind.as_str(), place.as_str()))
        .collect();
    let unbounded = [
        ("deposited", "/amount"),
        ("federation_opened", "/round_budget"),
        ("key_amended", "/grant/limit_day"),
        ("key_amended", "/grant/limit_total"),
        ("key_granted", "/grant/limit_day"),
        ("key_granted", "/grant/limit_total"),
    ];
    assert_eq!(taken, BTreeSet::from(unbounded));
    let kinds: BTreeSet<&str> = fates.keys().map(|(kind, ..)| kind.as_str()).collect();
    assert!(kinds.len() >= 27, "{kinds:?}");
}

/// As much as 128 bits have, in credits and votes: once. What comes after it is refused by the books, and the DAO goes on.
#[test]
fn a_budget_of_all_that_there_can_be_is_paid_once_and_votes_are_counted_all_the_same() {
    let mut world = World::founded();
    let budget = FederationOpened { round_budget: u128::MAX, ..world::federation("rum") };
    world.push(budget);
    let rum = name("rum");
    for position in 0..2 {
        let (federation, member) = (rum.clone(), member(position));
        world.push(MemberAdmitted { federation, member, label: "winery".into() });
    }
    let settle = |world: &mut World, round: u64| {
        world.push(world::round_opened("rum", round));
        let scalars = [(member(0), 1 << 40, 1 << 40), (member(1), (1 << 40) - 1, 1 << 40)];
        let credits = world.state.round_credits(&rum, &scalars).unwrap();
        assert_eq!(credits.iter().sum::<u128>(), u128::MAX);
        let seed = u8::try_from(round).unwrap();
        let participants = participants(100 + 10 * seed, &scalars, &credits);
        world.try_push(RoundSettled {
            federation: rum.clone(),
            round,
            model_before: model_of(round),
            model_after: model_of(round + 1),
            receipt: digest(200 + seed),
            test_accuracy_ppm: None,
            test_loss_micro: u64::MAX,
            participants,
            refused: vec![],
            dropped: vec![],
        })
    };
    settle(&mut world, 1).unwrap();
    let refused = settle(&mut world, 2).unwrap_err();
    assert!(
        matches!(refused, Refusal::Ledger(data_dao_ledger::Refusal::Overflow { .. })),
        "{refused:?}"
    );
    assert_balanced(&world.state, "after all that there can be");
    world.push(RoundAborted { federation: rum, round: 2, reason: "nothing is left to pay".into() });
    // Quorum, threshold and tally are parts of a supply of 2^128 - 1.
    let proposal = world.pass(vec![Action::Text]);
    assert!(world.executed(proposal));
}

#[test]
fn words_of_sql_in_any_text_are_words() {
    const WORDS: [&str; 3] =
        ["'); DROP TABLE entries; --", "$1 ? %s \\' \"; ATTACH DATABASE 'x' AS y", "\u{0}' OR 1=1"];
    let world = eventful();
    let fates = altered(&world, is_text, |_| WORDS.map(Value::from).to_vec());
    let taken: BTreeSet<(&str, &str)> = fates
        .iter()
        .filter(|(_, fate)| **fate == Fate::Taken)
        .map(|((kind, place, _), _)| (kind.as_str(), place.as_str()))
        .collect();
    // Texts for people, and a client's own names of its requests; every other text is a name, a key, a digest or a choice.
    let expected = [
        ("administered", "/act"),
        ("administered", "/by"),
        ("administered", "/subject"),
        ("calls_refunded", "/idempotency_key"),
        ("deposited", "/idempotency_key"),
        ("federation_opened", "/terms"),
        ("genesis", "/dao_name"),
        ("key_granted", "/buyer"),
        ("key_issued", "/buyer"),
        ("licence_bought", "/idempotency_key"),
        ("member_admitted", "/label"),
        ("month_bought", "/idempotency_key"),
        ("payment_refunded", "/refund"),
        ("prediction_voided", "/reason"),
        ("purchased", "/idempotency_key"),
        ("round_aborted", "/reason"),
        ("rounds_ended", "/reason"),
        ("withdrawn", "/idempotency_key"),
    ];
    assert_eq!(taken, BTreeSet::from(expected));
}

/// The bytes of every leaf of the log, by its root: whoever changes what an entry's leaf is changes this, and a log that was
/// written before would not be read any more.
#[test]
fn the_log_of_an_eventful_life_has_the_root_that_it_always_had() {
    let world = eventful();
    let tree = privacy_identity::MerkleTree::from_leaves(world.leaves.iter().map(Vec::as_slice));
    assert_eq!(
        (tree.size(), tree.root().to_string().as_str()),
        (49, "3950454e2f2c144898b36af63570b72b2c71313f2048eaac7a39e27a35829b78")
    );
}
