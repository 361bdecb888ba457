//! The log of a DAO: entries, what replaying them makes of the state, and chains of transfers.

use std::collections::BTreeMap;

use data_dao_governance::CharterParameters;
use data_dao_journal::{
    Accused, Body, BoundsKind, Challenge, Deposited, Dispute, Entry, FederationOpened, Genesis,
    KeyIssued, MemberAdmitted, ModelReleased, Participation, Predicted, PredictionReserved,
    PredictionVoided, PriceSet, Purchased, RoundDisputed, RoundOpened, RoundPosted, RoundSettled,
    RoundSettling, SafeguardsSet, SettledPart, State,
};
use data_dao_ledger::{
    Account, AccountId, Accounts, Amount, Book, Cause, Code, Movement, Name, Outcome, Transfer,
    TransferKind,
};
use privacy_identity::{Digest, Reader, VerifyingKey};

use crate::{Case, Verdict, fixtures::key};

/// What the target `ledger` decodes.
pub const CASES: &[Case] = &[
    Case { name: "entry", seeds: || life().concat(), check: entry },
    Case { name: "replay", seeds: replays, check: replay },
    Case { name: "transfers", seeds: chains, check: transfers },
    Case { name: "account-id", seeds: account_ids, check: account_id },
];

fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

fn digest(number: u8) -> Digest {
    Digest([number; 32])
}

fn member(index: u8) -> VerifyingKey {
    key(index).verifying_key()
}

/// Members 1 and 2 in the order of their keys.
fn members() -> [VerifyingKey; 2] {
    let mut members = [member(1), member(2)];
    members.sort_unstable();
    members
}

fn genesis() -> Genesis {
    Genesis {
        names: data_dao_journal::NamesKind::InTheClear,
        rules: data_dao_journal::Rules::NEWEST,
        dao_name: "Growers".into(),
        bounds: BoundsKind::Demonstration,
        charter: CharterParameters::STANDARD,
        currency: "EUR".parse().expect("a currency"),
        treasury_percent: 10,
        operator: member(50),
        dao_node: member(50),
        aggregators: vec![member(51)],
    }
}

/// A log in progress.
#[derive(Default)]
struct Author {
    state: State,
    leaves: Vec<Vec<u8>>,
    now_ms: u64,
}

impl Author {
    fn push(&mut self, body: impl Into<Body>) {
        let entry = Entry { time_ms: self.now_ms, body: body.into() };
        self.state.apply(&entry).expect("as it should be");
        self.leaves.push(entry.to_leaf().expect("short"));
    }

    fn founded() -> Self {
        let mut author = Self { now_ms: 1_000, ..Self::default() };
        author.push(genesis());
        author.push(FederationOpened {
            federation: name("wine"),
            terms_digest: digest(1),
            terms: "{}".into(),
            rounds: 5,
            round_budget: 1_000,
            minimum_cohort: 2,
            novelty_percent: 50,
            validation_commitment: digest(2),
        });
        for member in members() {
            author.push(MemberAdmitted { federation: name("wine"), member, label: "m".into() });
        }
        author.push(SafeguardsSet {
            federation: name("wine"),
            epsilon_micro_max: Some(10_000),
            challenge_window_ms: 100,
            reveal_by_rounds: None,
        });
        author
    }

    fn open(&mut self, round: u64) {
        let model = digest(30 + u8::try_from(round).expect("few rounds"));
        let (federation, epsilon_micro) = (name("wine"), Some(1_000));
        self.push(RoundOpened { federation, round, model, cohort_size: 2, epsilon_micro });
    }

    fn settlement(&self, round: u8) -> RoundSettled {
        let scalars: Vec<(VerifyingKey, i64, i64)> =
            members().into_iter().zip([30, 10]).map(|(m, value)| (m, value, 10)).collect();
        let credits = self.state.round_credits(&name("wine"), &scalars).expect("an open round");
        let participant = |(place, ((member, value, innovation), credits))| Participation {
            member,
            value,
            innovation,
            contrast: None,
            credits,
            update: digest(100 + 2 * round + place),
        };
        RoundSettled {
            federation: name("wine"),
            round: round.into(),
            model_before: digest(30 + round),
            model_after: digest(31 + round),
            receipt: digest(200 + round),
            test_accuracy_ppm: Some(700_000),
            test_loss_micro: 600_000,
            participants: (0..).zip(scalars.into_iter().zip(credits)).map(participant).collect(),
            refused: vec![],
            dropped: vec![],
        }
    }

    /// A round in one entry, challenged and posted.
    fn round_in_one(&mut self) {
        self.open(0);
        let settled = self.settlement(0);
        self.push(settled);
        let complainant = key(1);
        let dispute = Dispute {
            dao: self.state.dao_id().expect("founded"),
            federation: name("wine"),
            round: 0,
            accused: Accused::Round,
            complainant: complainant.verifying_key(),
            evidence: digest(7),
            reason: "made up".into(),
        };
        let signature = dispute.sign(&complainant);
        self.push(RoundDisputed { dispute, signature });
        let federation = self.state.federation(&name("wine")).expect("opened");
        let challenge: &Challenge = &federation.challenges()[&0];
        let credits = challenge.credits();
        self.now_ms = challenge.due_at_ms();
        self.push(RoundPosted { federation: name("wine"), round: 0, credits });
    }

    /// A round in a head and two parts.
    fn round_in_parts(&mut self) {
        self.open(1);
        let settled = self.settlement(1);
        let part = |(part, participation): (u32, &Participation)| SettledPart {
            federation: name("wine"),
            round: 1,
            part,
            participants: vec![participation.clone()],
            dropped: vec![],
        };
        let parts: Vec<SettledPart> = (0..).zip(&settled.participants).map(part).collect();
        self.push(RoundSettling {
            settled: RoundSettled { participants: vec![], ..settled.clone() },
            participants: 2,
            dropped: 0,
            parts: parts.iter().map(SettledPart::digest).collect(),
        });
        parts.into_iter().for_each(|part| self.push(part));
        self.now_ms += 100;
        self.push(RoundPosted { federation: name("wine"), round: 1, credits: 1_000 });
    }

    fn sales(&mut self) {
        self.push(ModelReleased {
            model: name("wine-quality"),
            version: 1,
            digest: digest(32),
            federation: name("wine"),
            rounds: 2,
            test_accuracy_ppm: None,
            weights: self.state.release_weights(&name("wine")).expect("a federation"),
        });
        self.push(PriceSet { model: name("wine-quality"), price: 250 });
        let (key_id, model) = (name("k-1"), name("wine-quality"));
        self.push(KeyIssued { key_id, key_hash: digest(9), buyer: "Shop".into() });
        let (key_id, idempotency_key) = (name("k-1"), "d-1".to_owned());
        self.push(Deposited { key_id: key_id.clone(), amount: 1_000, idempotency_key });
        let idempotency_key = "p-1".to_owned();
        self.push(Purchased { key_id, model, calls: 2, price: 250, idempotency_key });
        for number in [20, 21] {
            self.push(PredictionReserved {
                prediction: digest(number),
                key_id: name("k-1"),
                model: name("wine-quality"),
                version: 1,
                input: digest(8),
                price: 250,
                expires_at_ms: self.now_ms + 100,
            });
        }
        let lines = self.state.revenue_lines(&name("wine-quality"), 1, 250);
        self.push(Predicted {
            prediction: digest(20),
            output: digest(6),
            model_digest: digest(32),
            price: 250,
            lines: lines.expect("released"),
        });
        self.push(PredictionVoided { prediction: digest(21), reason: "failed".into() });
    }
}

/// Logs of one DAO: founded; with a round; with another in parts; with sales.
fn life() -> Vec<Vec<Vec<u8>>> {
    let mut author = Author::founded();
    let take = |author: &mut Author| std::mem::take(&mut author.leaves);
    let founded = take(&mut author);
    author.round_in_one();
    let in_one = take(&mut author);
    author.round_in_parts();
    let in_parts = take(&mut author);
    author.sales();
    vec![founded, in_one, in_parts, take(&mut author)]
}

/// An entry has one leaf.
fn entry(bytes: &[u8]) -> Verdict {
    let Ok(entry) = Entry::from_leaf(bytes) else { return Verdict::Refused };
    assert!(entry.to_leaf().expect("it was one") == bytes, "decoded, but has another leaf");
    Verdict::Taken
}

/// Each log with all before it: leaves with their lengths in front, as in an entry bundle.
fn replays() -> Vec<Vec<u8>> {
    let bundle = |leaf: &Vec<u8>| {
        [&u16::try_from(leaf.len()).expect("a leaf").to_be_bytes()[..], leaf].concat()
    };
    let mut bytes = Vec::new();
    let replay = |log: Vec<Vec<u8>>| {
        bytes.extend(log.iter().flat_map(bundle));
        bytes.clone()
    };
    life().into_iter().map(replay).collect()
}

/// Applies leaf after leaf: a refusal changes nothing, and the books balance. Taken if every leaf is.
fn replay(mut bytes: &[u8]) -> Verdict {
    let (mut state, mut taken) = (State::default(), true);
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let (leaf, rest) = rest.split_at(usize::from(u16::from_be_bytes(*length)).min(rest.len()));
        bytes = rest;
        let Ok(entry) = Entry::from_leaf(leaf) else {
            taken = false;
            continue;
        };
        let before = state.clone();
        if state.apply(&entry).is_err() {
            assert!(state == before, "a refused entry changed the state");
            taken = false;
        }
    }
    invariants(state.accounts());
    (taken && state.entries() > 0).into()
}

fn invariants(accounts: &Accounts) {
    let mut sums: BTreeMap<Book, Account> = BTreeMap::new();
    for (id, account) in accounts.iter() {
        assert!(id.is_kept_by(account), "{id} is beyond its bound: {account:?}");
        let sum = sums.entry(id.book()).or_default();
        // Modulo 2^128: what is equal is equal there, too.
        sum.debits_pending = sum.debits_pending.wrapping_add(account.debits_pending);
        sum.debits_posted = sum.debits_posted.wrapping_add(account.debits_posted);
        sum.credits_pending = sum.credits_pending.wrapping_add(account.credits_pending);
        sum.credits_posted = sum.credits_posted.wrapping_add(account.credits_posted);
    }
    for (book, sum) in sums {
        assert!(sum.debits_pending == sum.credits_pending, "pending in {book}");
        assert!(sum.debits_posted == sum.credits_posted, "posted in {book}");
    }
}

fn accounts() -> Vec<AccountId> {
    let eur = "EUR".parse().expect("a currency");
    vec![
        AccountId::deposits(eur),
        AccountId::buyer(eur, name("k-1")),
        AccountId::treasury(eur),
        AccountId::credit_issuance(),
        AccountId::credit_member(member(1)),
        AccountId::vote_issuance(),
        AccountId::vote_member(member(1)),
        AccountId::privacy_issuance(),
        AccountId::privacy_budget(name("wine")),
        AccountId::privacy_spent(name("wine")),
    ]
}

/// Kind, debit, credit, amount, cause and index, pending cause and index, expiry.
fn transfer(reader: &mut Reader<'_>) -> Option<Transfer> {
    let accounts = accounts();
    let kind = reader.u8().ok()?;
    let account = |number: u8| accounts[usize::from(number) % accounts.len()].clone();
    let (debit, credit) = (account(reader.u8().ok()?), account(reader.u8().ok()?));
    let amount = Amount(u128::from_be_bytes(reader.array().ok()?));
    let cause = |number: u8| Cause::of(&[number % 8]);
    let id = cause(reader.u8().ok()?).transfer(reader.u32().ok()?);
    let pending = cause(reader.u8().ok()?).transfer(reader.u32().ok()?);
    let expires_at_ms = Some(reader.u64().ok()?).filter(|expiry| *expiry > 0);
    let account = debit.clone();
    let movement = Movement { debit, credit, amount };
    let kind = match kind % 6 {
        0 => TransferKind::Posted(movement),
        1 => TransferKind::Pending { movement, expires_at_ms },
        2 => TransferKind::Post { pending, amount },
        3 => TransferKind::Void { pending },
        4 => TransferKind::Close { account },
        _ => TransferKind::Limit { account, most: Some(amount).filter(|most| most.0 > 0) },
    };
    Some(Transfer { id, kind, code: Code::Deposit })
}

/// 46 bytes of a transfer, as [`transfer`] reads them.
fn written((kind, debit, credit, amount): (u8, u8, u8, u128), index: u32, pending: u32) -> Vec<u8> {
    [
        &[kind, debit, credit][..],
        &amount.to_be_bytes(),
        &[1],
        &index.to_be_bytes(),
        &[1],
        &pending.to_be_bytes(),
        &500_u64.to_be_bytes(),
    ]
    .concat()
}

/// A chain is its count, its time's lead and its transfers.
fn chains() -> Vec<Vec<u8>> {
    let chain = |transfers: &[Vec<u8>]| {
        let count = u8::try_from(transfers.len()).expect("few");
        [&[count, 1][..], &transfers.concat()].concat()
    };
    let posted = chain(&[written((0, 0, 1, 100), 0, 0), written((0, 1, 2, 40), 1, 0)]);
    let pending = chain(&[written((1, 1, 2, 60), 2, 0)]);
    let resolved = chain(&[written((2, 0, 0, 50), 3, 2)]);
    let voided = chain(&[written((3, 0, 0, 0), 3, 2)]);
    let restricted = chain(&[written((4, 4, 0, 0), 0, 0), written((5, 3, 0, 9), 1, 0)]);
    let edge = chain(&[written((0, 3, 4, u128::MAX), 0, 0)]);
    vec![
        posted.clone(),
        [&posted[..], &pending, &resolved].concat(),
        [&posted[..], &pending, &voided].concat(),
        restricted,
        edge,
    ]
}

/// Applies chain after chain: a refusal changes nothing, a repetition neither, the books balance.
/// Taken if every chain is.
fn transfers(bytes: &[u8]) -> Verdict {
    let (mut accounts, mut now_ms, mut taken) = (Accounts::default(), 0_u64, None);
    let mut reader = Reader::new(bytes);
    while let (Ok(count), Ok(passed_ms)) = (reader.u8(), reader.u8()) {
        let chain: Option<Vec<Transfer>> = (0..count % 8).map(|_| transfer(&mut reader)).collect();
        let Some(chain) = chain else { return Verdict::Refused };
        now_ms += u64::from(passed_ms);
        let before = accounts.clone();
        match accounts.apply(&chain, now_ms) {
            Ok(Outcome::Applied) => {
                let after = accounts.clone();
                // An empty chain has no name to be known by: it lets time pass, and that is all.
                let again = if chain.is_empty() { Outcome::Applied } else { Outcome::Exists };
                assert!(accounts.apply(&chain, now_ms) == Ok(again));
                assert!(accounts == after, "a repetition changed something");
                taken = Some(taken.unwrap_or(true));
            }
            Ok(Outcome::Exists) => assert!(accounts == before, "a repetition changed something"),
            Err(_) => {
                assert!(accounts == before, "a refused chain changed something");
                taken = Some(false);
            }
        }
        invariants(&accounts);
    }
    taken.unwrap_or(false).into()
}

fn account_ids() -> Vec<Vec<u8>> {
    let prepaid = "money/EUR/prepaid/k-1/wine/7".to_owned();
    let texts = accounts().into_iter().map(|id| id.to_string()).chain([prepaid]);
    texts.map(String::into_bytes).collect()
}

/// An account has one name.
fn account_id(bytes: &[u8]) -> Verdict {
    let Some(id) = std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<AccountId>().ok())
    else {
        return Verdict::Refused;
    };
    assert!(id.to_string().as_bytes() == bytes, "another text of the same account");
    Verdict::Taken
}
