//! MLS messages, a member's state at rest, and the model's way to the cohort.
//!
//! No mutation gets behind a signature or an authenticated encryption. So what is under them is reached in two
//! ways: commits and welcomes are mutated as the delivery could, and must be refused; plaintexts of state
//! files are mutated and then encrypted under the member's own key.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    sync::OnceLock,
};

use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{AeadInOut as _, KeyInit as _},
};
use privacy_cohort::{
    AllowList, BroadcastKey, Candidate, Cohort, CohortIdentity, EpochAuthenticator, KeyPackage,
    ModelContext, OutgoingCommit, SealedModel, StateKey,
};
use privacy_identity::{Digest, Encode as _, Reader, Tag, Writer};

use crate::{
    Case, Verdict,
    case::canonical,
    fixtures::{key, rng},
};

/// What the target `cohort` decodes.
pub const CASES: &[Case] = &[
    Case { name: "commit", seeds: commits, check: commit },
    Case { name: "welcome", seeds: welcomes, check: welcome },
    Case { name: "key-package", seeds: key_packages, check: key_package },
    Case { name: "sealed-model", seeds: sealed_models, check: sealed_model },
    Case { name: "authenticator", seeds: authenticators, check: authenticator },
    Case { name: "encrypted-state", seeds: encrypted_states, check: encrypted_state },
];

/// What the target `cohort_state` decodes: plaintexts of state files.
pub const STATE_CASES: &[Case] = &[
    Case { name: "cohort", seeds: || vec![plain(&world().member_state)], check: cohort_plain },
    Case { name: "pending", seeds: || vec![plain(&world().founder_state)], check: pending_plain },
    Case {
        name: "candidate",
        seeds: || vec![plain(&world().candidate_state)],
        check: candidate_plain,
    },
];

const NOW_S: u64 = 1_800_000_000;
const STATE_KEY: [u8; 32] = [6; 32];
/// Version and nonce in front of a state file, authentication tag behind.
const HEADER: usize = 1 + NONCE;
const NONCE: usize = 24;
const MAC: usize = 16;

fn federation() -> Digest {
    Digest::of(Tag::Terms, b"a federation")
}

fn listed() -> AllowList {
    AllowList::new((0..5).map(|index| key(index).verifying_key()))
}

fn identity(index: u8) -> CohortIdentity {
    CohortIdentity::new(&key(index))
}

fn state_key() -> StateKey {
    StateKey::from_bytes(&STATE_KEY)
}

/// A cohort of the persons 0 to 2 before its next commit, as it lies on their disks.
struct World {
    /// Person 0, with its pending refresh.
    founder_state: Vec<u8>,
    /// Person 1.
    member_state: Vec<u8>,
    /// Person 3, who has offered to join.
    candidate_state: Vec<u8>,
    /// Its offer.
    offer: KeyPackage,
    /// What person 0 may commit next: a refresh, person 3's admission.
    commits: Vec<Vec<u8>>,
    /// Person 3's welcome.
    welcome: Vec<u8>,
    /// What a malicious person 0 may commit next: the admission of one who is not on the list, the removal of
    /// one who is.
    forbidden: Vec<Vec<u8>>,
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let mut rng = rng(7);
        let mut founder =
            Cohort::found(identity(0), federation(), &listed(), &mut rng).expect("listed");
        let mut candidate = |index| {
            Candidate::new(identity(index), federation(), NOW_S, &mut rng).expect("no input fails")
        };
        let (first, second) = (candidate(1), candidate(2));
        let (third, stranger) = (candidate(3), candidate(77));
        let packages = [first.key_package().clone(), second.key_package().clone()];
        let outgoing = founder.admit(&packages, &listed(), NOW_S, &mut rng).expect("listed");
        founder.process(&outgoing.commit, &listed()).expect("its own");
        let welcome = outgoing.welcome.expect("two join");
        let member = Cohort::join(first, &welcome, &listed()).expect("invited");
        let save = |cohort: &Cohort, seed| {
            cohort.to_encrypted_bytes(&state_key(), &mut crate::fixtures::rng(seed)).expect("short")
        };
        let before = save(&founder, 1);
        let commit = |make: &mut dyn FnMut(&mut Cohort) -> OutgoingCommit| {
            let mut copy = load(&before, 0).expect("as saved");
            make(&mut copy)
        };
        let everybody = AllowList::new((0..=77).map(|index| key(index).verifying_key()));
        let not_2 = AllowList::new([0, 1, 3].map(|index| key(index).verifying_key()));
        let refresh = commit(&mut |cohort| cohort.refresh(&mut rng).expect("idle"));
        let offers = [third.key_package().clone()];
        let admission = commit(&mut |cohort| {
            cohort.admit(&offers, &everybody, NOW_S, &mut rng).expect("listed")
        });
        let offers = [stranger.key_package().clone()];
        let puppet = commit(&mut |cohort| {
            cohort.admit(&offers, &everybody, NOW_S, &mut rng).expect("on its own list")
        });
        let expelled = BTreeSet::from([key(2).verifying_key()]);
        let expulsion = commit(&mut |cohort| {
            cohort.remove(&expelled, &not_2, &mut rng).expect("not on its own list")
        });
        founder.refresh(&mut rng).expect("idle");
        World {
            founder_state: save(&founder, 2),
            member_state: save(&member, 3),
            candidate_state: third
                .to_encrypted_bytes(&state_key(), &mut crate::fixtures::rng(4))
                .expect("short"),
            offer: third.key_package().clone(),
            commits: vec![refresh.commit, admission.commit],
            welcome: admission.welcome.expect("one joins"),
            forbidden: vec![puppet.commit, expulsion.commit],
        }
    })
}

fn load(bytes: &[u8], index: u8) -> Result<Cohort, privacy_cohort::CohortError> {
    Cohort::from_encrypted_bytes(bytes, identity(index), federation(), &state_key())
}

fn load_candidate(bytes: &[u8]) -> Result<Candidate, privacy_cohort::CohortError> {
    Candidate::from_encrypted_bytes(bytes, identity(3), federation(), &state_key())
}

/// All of a member's state, in bytes that are equal if the state is.
fn state(cohort: &Cohort) -> Vec<u8> {
    cohort.to_encrypted_bytes(&state_key(), &mut rng(3)).expect("short")
}

thread_local! {
    /// Person 1, loaded once: the check is that refusals do not change it.
    static MEMBER: RefCell<Option<Cohort>> = const { RefCell::new(None) };
    /// Person 3.
    static CANDIDATE: RefCell<Option<Candidate>> = const { RefCell::new(None) };
}

fn commits() -> Vec<Vec<u8>> {
    world().commits.iter().chain(&world().forbidden).cloned().collect()
}

/// Taken only if it is a commit of a member that the list allows; otherwise the state is as before.
fn commit(bytes: &[u8]) -> Verdict {
    MEMBER.with_borrow_mut(|slot| {
        let member = slot.get_or_insert_with(|| load(&world().member_state, 1).expect("as saved"));
        let taken = member.process(bytes, &listed()).is_ok();
        assert!(taken == world().commits.iter().any(|honest| honest == bytes), "forged");
        if taken {
            assert!(member.epoch() == 2 && member.roster().len() >= 3);
            *slot = None;
        } else {
            assert!(state(member) == world().member_state, "a refused commit changed the state");
        }
        (taken || world().forbidden.iter().any(|forbidden| forbidden == bytes)).into()
    })
}

fn welcomes() -> Vec<Vec<u8>> {
    vec![world().welcome.clone()]
}

/// Taken only if it is the one that a member made for this candidate, which is otherwise as before.
fn welcome(bytes: &[u8]) -> Verdict {
    CANDIDATE.with_borrow_mut(|slot| {
        let candidate = slot
            .take()
            .unwrap_or_else(|| load_candidate(&world().candidate_state).expect("as saved"));
        match Cohort::join(candidate, bytes, &listed()) {
            Ok(cohort) => {
                assert!(bytes == world().welcome && cohort.roster().len() == 4, "forged");
                Verdict::Taken
            }
            Err(refused) => {
                assert!(bytes != world().welcome, "the honest welcome: {}", refused.error);
                let after = refused.candidate.to_encrypted_bytes(&state_key(), &mut rng(4));
                assert!(after.as_ref() == Ok(&world().candidate_state), "candidate changed");
                *slot = Some(refused.candidate);
                Verdict::Refused
            }
        }
    })
}

fn key_packages() -> Vec<Vec<u8>> {
    vec![world().offer.as_mls_bytes().to_vec()]
}

/// Admitted only if its owner signed it; a refusal leaves the state as it was.
fn key_package(bytes: &[u8]) -> Verdict {
    let Ok(package) = KeyPackage::from_mls_bytes(bytes) else { return Verdict::Refused };
    assert!(canonical::<KeyPackage>(&package.to_bytes()).as_ref() == Some(&package));
    MEMBER.with_borrow_mut(|slot| {
        let member = slot.get_or_insert_with(|| load(&world().member_state, 1).expect("as saved"));
        let admitted = member.admit(&[package], &listed(), NOW_S, &mut rng(5)).is_ok();
        assert!(admitted == (bytes == world().offer.as_mls_bytes()), "forged");
        if admitted {
            *slot = None;
        } else {
            assert!(state(member) == world().member_state, "a refused offer changed the state");
        }
        admitted.into()
    })
}

fn broadcast_key() -> BroadcastKey {
    BroadcastKey::from_parts(federation(), 1, &[5; 32])
}

const CONTEXT: ModelContext = ModelContext { round: 3, model: Digest([2; 32]) };

fn sealed_models() -> Vec<Vec<u8>> {
    let seal = |model: &[u8]| {
        broadcast_key().seal(model, &CONTEXT, &mut rng(8)).expect("short").to_bytes()
    };
    vec![seal(b""), seal(&[1; 300])]
}

/// Opens only if it is one that was sealed.
fn sealed_model(bytes: &[u8]) -> Verdict {
    let Some(model) = canonical::<SealedModel>(bytes) else { return Verdict::Refused };
    let opened = broadcast_key().open(&model, &CONTEXT).is_ok();
    assert!(opened == sealed_models().iter().any(|honest| honest == bytes), "forged");
    Verdict::Taken
}

fn authenticators() -> Vec<Vec<u8>> {
    vec![load(&world().member_state, 1).expect("as saved").authenticator().to_bytes()]
}

fn authenticator(bytes: &[u8]) -> Verdict {
    canonical::<EpochAuthenticator>(bytes).is_some().into()
}

/// Nothing changed; the version; a byte in the middle; the last one.
fn encrypted_states() -> Vec<Vec<u8>> {
    vec![vec![0; 4], vec![0, 0, 0, 0, 1], vec![0, 99, 0, 0, 0, 7], vec![0, 0, 0xFF, 0xFF]]
}

/// Where to cut, where to change, and what to add there. Opens only if that is what the member wrote. (The
/// state itself is no seed: openmls stores the time of day in it.)
fn encrypted_state(bytes: &[u8]) -> Verdict {
    let [a, b, c, d, changes @ ..] = bytes else { return Verdict::Refused };
    let honest = &world().member_state;
    let at = usize::from(u16::from_be_bytes([*a, *b])) % honest.len();
    let cut = usize::from(u16::from_be_bytes([*c, *d])).min(honest.len());
    let mut file = honest[..honest.len() - cut].to_vec();
    for (byte, change) in file.iter_mut().skip(at).zip(changes) {
        *byte ^= change;
    }
    assert!(load(&file, 1).is_ok() == (file == *honest), "forged");
    Verdict::Taken
}

/// The purposes and the layout of `privacy/cohort/src/state.rs`: what only a holder of the key can make.
fn associated(purpose: &str, index: u8) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.text(purpose);
    federation().encode(&mut writer);
    key(index).verifying_key().encode(&mut writer);
    writer.into_bytes()
}

const COHORT: &str = "sahakar/cohort-state/v1";
const CANDIDATE_PURPOSE: &str = "sahakar/cohort-candidate-state/v1";

fn nonce(file: &[u8]) -> XNonce {
    XNonce::from(<[u8; NONCE]>::try_from(&file[1..HEADER]).expect("24 bytes"))
}

/// The plaintext of a state file: a keystream cipher, so encrypting again decrypts.
fn plain(file: &[u8]) -> Vec<u8> {
    let mut bytes = file[HEADER..file.len() - MAC].to_vec();
    let cipher = XChaCha20Poly1305::new(&STATE_KEY.into());
    cipher.encrypt_in_place(&nonce(file), b"", &mut bytes).expect("short");
    bytes.truncate(bytes.len() - MAC);
    bytes
}

/// The state file of a plaintext, with version and nonce of `like`.
fn file(like: &[u8], purpose: &str, index: u8, plain: &[u8]) -> Vec<u8> {
    let mut bytes = plain.to_vec();
    let cipher = XChaCha20Poly1305::new(&STATE_KEY.into());
    cipher.encrypt_in_place(&nonce(like), &associated(purpose, index), &mut bytes).expect("short");
    [&like[..HEADER], &bytes].concat()
}

fn cohort_plain(bytes: &[u8]) -> Verdict {
    any_cohort_plain(bytes, &world().member_state, 1, 3)
}

fn pending_plain(bytes: &[u8]) -> Verdict {
    any_cohort_plain(bytes, &world().founder_state, 0, 2)
}

/// A state that is taken has a roster, and is written as it was read.
fn any_cohort_plain(bytes: &[u8], like: &[u8], index: u8, seed: u64) -> Verdict {
    let bytes = with_honest_values(bytes, &plain(like));
    let file = file(like, COHORT, index, &bytes);
    let Ok(cohort) = load(&file, index) else { return Verdict::Refused };
    let (_, _, _) = (cohort.roster(), cohort.epoch(), cohort.authenticator());
    let written = cohort.to_encrypted_bytes(&state_key(), &mut rng(seed)).expect("short");
    assert!(written == file, "loaded, but is written as other bytes");
    Verdict::Taken
}

/// The plaintext with the values of the honest one wherever it has the same keys: openmls's store unwraps
/// what it parses, so only our own framing around it is under test.
fn with_honest_values(bytes: &[u8], honest: &[u8]) -> Vec<u8> {
    let values: BTreeMap<Vec<u8>, Vec<u8>> =
        entries(honest).expect("honest").0.into_iter().collect();
    let Some((entries, rest)) = entries(bytes) else { return bytes.to_vec() };
    let mut writer = Writer::default();
    writer.array(&bytes[..4]);
    for (key, value) in entries {
        writer.bytes(&key);
        writer.bytes(values.get(&key).unwrap_or(&value));
    }
    writer.array(rest);
    writer.into_bytes()
}

/// The entries of a state's store, and what follows them.
type Entries<'a> = (Vec<(Vec<u8>, Vec<u8>)>, &'a [u8]);

fn entries(bytes: &[u8]) -> Option<Entries<'_>> {
    let mut reader = Reader::new(bytes);
    let mut entries = Vec::new();
    for _ in 0..reader.length("entries", bytes.len()).ok()? {
        let key = reader.bytes("key", bytes.len()).ok()?.to_vec();
        entries.push((key, reader.bytes("value", bytes.len()).ok()?.to_vec()));
    }
    let used: usize = entries.iter().map(|(key, value)| 8 + key.len() + value.len()).sum();
    Some((entries, &bytes[4 + used..]))
}

/// The same of one who waits to join; what it offers is what it stored.
fn candidate_plain(bytes: &[u8]) -> Verdict {
    let like = &world().candidate_state;
    let bytes = with_honest_values(bytes, &plain(like));
    let file = file(like, CANDIDATE_PURPOSE, 3, &bytes);
    let Ok(candidate) = load_candidate(&file) else { return Verdict::Refused };
    let written = candidate.to_encrypted_bytes(&state_key(), &mut rng(4)).expect("short");
    assert!(written == file, "loaded, but is written as other bytes");
    Verdict::Taken
}
