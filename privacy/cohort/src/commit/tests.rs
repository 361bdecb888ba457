//! What a malicious member can send: it drives its MLS group past our checks, and the others refuse.

use openmls::prelude::{
    BasicCredential, CommitBuilder, CredentialWithKey, Extension, Extensions, ExternalSender,
    GroupContext, Initial, LeafNodeIndex, Lifetime, LoadedPsks, MlsGroupJoinConfig,
    NewSignerBundle, PURE_PLAINTEXT_WIRE_FORMAT_POLICY,
};
use openmls_traits::OpenMlsProvider as _;
use privacy_identity::{Digest, SigningKey, Tag, VerifyingKey};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

use crate::{
    AllowList, COHORT_MEMBERS_MAX, Candidate, Cohort, CohortError, CohortIdentity, KeyPackage,
    crypto::CIPHERSUITE, key_package::capabilities, provider::Provider,
};

fn key(index: u8) -> SigningKey {
    SigningKey::from_seed(&[index; 32])
}

fn public(index: u8) -> VerifyingKey {
    key(index).verifying_key()
}

fn federation() -> Digest {
    Digest::of(Tag::Terms, b"a federation")
}

fn listed() -> AllowList {
    AllowList::new((0..9).map(public))
}

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

fn candidate(index: u8, federation: Digest) -> Candidate {
    let identity = CohortIdentity::new(&key(index));
    Candidate::new(identity, federation, 100, &mut rng(u64::from(index))).unwrap()
}

/// Persons 0 (the attacker) and 1 (the victim) in one cohort.
fn pair() -> (Cohort, Cohort) {
    let identity = CohortIdentity::new(&key(0));
    let mut founder = Cohort::found(identity, federation(), &listed(), &mut rng(0)).unwrap();
    let candidate = candidate(1, federation());
    let packages = [candidate.key_package().clone()];
    let outgoing = founder.admit(&packages, &listed(), 0, &mut rng(9)).unwrap();
    founder.process(&outgoing.commit, &listed()).unwrap();
    let joined = Cohort::join(candidate, &outgoing.welcome.unwrap(), &listed()).unwrap();
    (founder, joined)
}

/// The commit, and the welcome if there is one, that `attacker` makes of what `propose` adds.
fn forge(
    attacker: &mut Cohort,
    propose: impl FnOnce(CommitBuilder<'_, Initial>) -> CommitBuilder<'_, Initial>,
) -> (Vec<u8>, Option<Vec<u8>>) {
    forge_and_sign(attacker, propose, |builder, provider, identity| {
        let built = builder.build(provider.rand(), provider.crypto(), identity, |_| true).unwrap();
        built.stage_commit(provider).unwrap().into_messages()
    })
}

type Messages = (
    openmls::prelude::MlsMessageOut,
    Option<openmls::prelude::MlsMessageOut>,
    Option<openmls::prelude::MlsMessageOut>,
);

fn forge_and_sign(
    attacker: &mut Cohort,
    propose: impl FnOnce(CommitBuilder<'_, Initial>) -> CommitBuilder<'_, Initial>,
    sign: impl FnOnce(CommitBuilder<'_, LoadedPsks>, &Provider, &CohortIdentity) -> Messages,
) -> (Vec<u8>, Option<Vec<u8>>) {
    attacker.provider.seed_from(&mut rng(13));
    let builder = propose(attacker.group.commit_builder().force_self_update(true));
    let builder = builder.load_psks(attacker.provider.storage()).unwrap();
    let (commit, welcome, _) = sign(builder, &attacker.provider, &attacker.identity);
    (commit.to_bytes().unwrap(), welcome.map(|welcome| welcome.to_bytes().unwrap()))
}

/// `victim` refuses `commit`, is as before, and still takes an honest commit.
fn refused((mut attacker, mut victim): (Cohort, Cohort), commit: &[u8]) -> CohortError {
    let before = (victim.provider.stored().0, victim.authenticator());
    let error = victim.process(commit, &listed()).unwrap_err();
    assert!((victim.provider.stored().0, victim.authenticator()) == before, "changed by: {error}");
    attacker.drop_pending().unwrap();
    let honest = victim.refresh(&mut rng(21)).unwrap();
    victim.process(&honest.commit, &listed()).unwrap();
    attacker.process(&honest.commit, &listed()).unwrap();
    assert_eq!(attacker.authenticator(), victim.authenticator());
    error
}

fn outsiders_may_send() -> Extensions<GroupContext> {
    let sender = ExternalSender::new(
        public(8).as_bytes().to_vec().into(),
        BasicCredential::new(public(8).as_bytes().to_vec()).into(),
    );
    Extensions::single(Extension::ExternalSenders(vec![sender])).unwrap()
}

#[test]
fn a_commit_that_would_authorise_external_senders_is_refused() {
    let (mut attacker, victim) = pair();
    let (commit, _) = forge(&mut attacker, |builder| {
        builder.propose_group_context_extensions(outsiders_may_send()).unwrap()
    });
    let error = refused((attacker, victim), &commit);
    assert!(matches!(error, CohortError::ForbiddenProposal { .. }), "{error}");
}

#[test]
fn a_committer_that_hands_its_leaf_to_another_key_is_refused() {
    let (mut attacker, victim) = pair();
    let listed_accomplice = CohortIdentity::new(&key(5));
    let (commit, _) = forge_and_sign(
        &mut attacker,
        |builder| builder,
        |builder, provider, identity| {
            let credential_with_key = listed_accomplice.credential();
            let signer = NewSignerBundle { signer: &listed_accomplice, credential_with_key };
            let (rand, crypto) = (provider.rand(), provider.crypto());
            let built =
                builder.build_with_new_signer(rand, crypto, identity, signer, |_| true).unwrap();
            built.stage_commit(provider).unwrap().into_messages()
        },
    );
    let expected = CohortError::KeyChanged { member: public(0), new: public(5) };
    assert_eq!(refused((attacker, victim), &commit), expected);
}

#[test]
fn a_leaf_that_names_another_member_than_signs_is_refused() {
    let (mut attacker, victim) = pair();
    let own = CohortIdentity::new(&key(0));
    let (commit, _) = forge_and_sign(
        &mut attacker,
        |builder| builder,
        |builder, provider, identity| {
            let credential_with_key = CredentialWithKey {
                credential: BasicCredential::new(public(5).as_bytes().to_vec()).into(),
                ..own.credential()
            };
            let signer = NewSignerBundle { signer: &own, credential_with_key };
            let (rand, crypto) = (provider.rand(), provider.crypto());
            let built =
                builder.build_with_new_signer(rand, crypto, identity, signer, |_| true).unwrap();
            built.stage_commit(provider).unwrap().into_messages()
        },
    );
    let error = refused((attacker, victim), &commit);
    assert!(matches!(error, CohortError::BadCredential { .. }), "{error}");
}

#[test]
fn a_commit_that_adds_an_offer_to_another_federation_is_refused() {
    let (mut attacker, victim) = pair();
    let elsewhere = Digest::of(Tag::Terms, b"elsewhere");
    let offer = candidate(2, elsewhere).key_package().clone();
    let offer = offer.verify(attacker.provider.crypto(), &elsewhere).unwrap().package;
    let (commit, _) = forge(&mut attacker, |builder| builder.propose_adds([offer]));
    let error = refused((attacker, victim), &commit);
    assert!(matches!(error, CohortError::OtherFederation { .. }), "{error}");
}

#[test]
fn a_commit_that_adds_a_key_package_without_our_terms_is_refused() {
    let lifetimes = [Lifetime::init(0, u64::MAX), Lifetime::init(0, u64::MAX - 1)];
    for lifetime in lifetimes {
        let (mut attacker, victim) = pair();
        let mut provider = Provider::default();
        provider.seed_from(&mut rng(3));
        let identity = CohortIdentity::new(&key(2));
        let offer = openmls::prelude::KeyPackage::builder()
            .leaf_node_capabilities(capabilities())
            .key_package_lifetime(lifetime)
            .build(CIPHERSUITE, &provider, &identity, identity.credential())
            .unwrap()
            .into_key_package();
        let (commit, _) = forge(&mut attacker, |builder| builder.propose_adds([offer]));
        let error = refused((attacker, victim), &commit);
        assert!(matches!(error, CohortError::BadKeyPackage { .. }), "{error}");
    }
}

#[test]
fn a_commit_that_removes_a_listed_member_is_refused() {
    let (mut attacker, victim) = pair();
    let (commit, _) =
        forge(&mut attacker, |builder| builder.propose_removals([LeafNodeIndex::new(1)]));
    let expected = CohortError::StillListed { member: public(1) };
    assert_eq!(refused((attacker, victim), &commit), expected);
}

#[test]
fn standalone_proposals_and_application_messages_are_refused() {
    let (mut attacker, victim) = pair();
    attacker.provider.seed_from(&mut rng(3));
    let Cohort { group, provider, identity, .. } = &mut attacker;
    let message = group.create_message(provider, identity, b"hello").unwrap();
    let (proposal, _) =
        group.propose_remove_member(provider, identity, LeafNodeIndex::new(1)).unwrap();
    group.clear_pending_proposals(provider.storage()).unwrap();
    let (mut victim, expected) = (victim, "a private commit");
    for (message, got) in [(message, "an application message"), (proposal, "a standalone proposal")]
    {
        let error = victim.process(&message.to_bytes().unwrap(), &listed()).unwrap_err();
        assert_eq!(error, CohortError::WrongKind { expected, got });
    }
}

/// A commit in the clear: `ProtocolVersion ‖ WireFormat ‖ group id ‖ epoch ‖ sender ‖ …`.
fn public_commit(attacker: &mut Cohort) -> Vec<u8> {
    let config =
        MlsGroupJoinConfig::builder().wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY).build();
    let before = attacker.group.configuration().clone();
    attacker.group.set_configuration(attacker.provider.storage(), &config).unwrap();
    let (commit, _) = forge(attacker, |builder| builder);
    attacker.group.set_configuration(attacker.provider.storage(), &before).unwrap();
    commit
}

#[test]
fn a_commit_in_the_clear_is_refused_be_it_a_members_or_external() {
    let (mut attacker, victim) = pair();
    let commit = public_commit(&mut attacker);
    // Sender: member(1) with a leaf of four bytes, becomes new_member_commit(4) without one; the
    // membership tag at the end (a length and 32 bytes) goes (RFC 9420 §6).
    let sender = 2 + 2 + 1 + 32 + 8;
    assert_eq!(commit[sender..sender + 5], [1, 0, 0, 0, 0]);
    let external = [&commit[..sender], &[4], &commit[sender + 5..commit.len() - 33]].concat();
    let expected = CohortError::WrongKind { expected: "a private commit", got: "a public message" };
    let mut victim = victim;
    for commit in [commit, external] {
        assert_eq!(victim.process(&commit, &listed()), Err(expected.clone()));
    }
}

#[test]
fn a_welcome_into_a_group_of_another_name_or_with_external_senders_is_refused() {
    let victim = candidate(2, federation());
    let offer = victim.key_package().clone();
    let identity = || CohortIdentity::new(&key(0));
    let elsewhere = Digest::of(Tag::Terms, b"elsewhere");
    let mut other = Cohort::found(identity(), elsewhere, &listed(), &mut rng(4)).unwrap();
    let package = offer.verify(other.provider.crypto(), &federation()).unwrap().package;
    let (_, welcome) = forge(&mut other, |builder| builder.propose_adds([package.clone()]));
    let refused = Cohort::join(victim, &welcome.unwrap(), &listed()).unwrap_err();
    assert!(matches!(refused.error, CohortError::OtherFederation { .. }), "{}", refused.error);

    let mut open = Cohort::found(identity(), federation(), &listed(), &mut rng(4)).unwrap();
    let (_, welcome) = forge(&mut open, |builder| {
        builder
            .propose_group_context_extensions(outsiders_may_send())
            .unwrap()
            .propose_adds([package])
    });
    let refused = Cohort::join(refused.candidate, &welcome.unwrap(), &listed()).unwrap_err();
    let error = refused.error;
    assert!(matches!(error, CohortError::ForbiddenProposal { .. }), "{error}");
}

#[test]
fn more_members_than_the_bound_are_refused_before_any_is_verified() {
    let (mut founder, _) = pair();
    let packages = vec![KeyPackage::from_mls_bytes(&[]).unwrap(); COHORT_MEMBERS_MAX - 1];
    let refused = founder.admit(&packages, &listed(), 0, &mut rng(1));
    let (got, bound) = (COHORT_MEMBERS_MAX + 1, COHORT_MEMBERS_MAX);
    assert_eq!(refused, Err(CohortError::TooManyMembers { got, bound }));
}

#[test]
fn an_ended_epochs_secrets_are_not_stored_any_more() {
    let (mut founder, joined) = pair();
    let before = founder.provider.stored().0;
    let outgoing = founder.refresh(&mut rng(1)).unwrap();
    founder.process(&outgoing.commit, &listed()).unwrap();
    let after = founder.provider.stored().0;
    for label in ["EpochSecrets", "MessageSecrets", "EpochKeyPairs"] {
        let secret = |key: &[u8]| key.starts_with(label.as_bytes());
        assert!(before.keys().any(|key| secret(key)), "{label} is stored");
        for (key, value) in before.iter().filter(|(key, _)| secret(key)) {
            assert!(after.get(key) != Some(value), "{label} outlived its epoch");
        }
    }
    // Nor are the private keys of a key package whose welcome was used.
    let used = joined.provider.stored().0;
    assert!(!used.keys().any(|key| key.starts_with(b"KeyPackage")));
}

#[test]
fn nothing_draws_randomness_outside_an_operation_that_was_given_some() {
    let (mut founder, _) = pair();
    let Cohort { group, provider, identity, .. } = &mut founder;
    let builder = group.commit_builder().load_psks(provider.storage()).unwrap();
    assert!(builder.build(provider.rand(), provider.crypto(), identity, |_| true).is_err());
}
