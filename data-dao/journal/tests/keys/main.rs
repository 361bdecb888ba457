//! Members whose key is replaced: by themselves, or by vote. Who it is stays; who signs changes.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(dead_code, reason = "each test file uses its part of the shared world")]

mod by_vote;
mod rotating;
mod unchanged;
#[path = "../world/mod.rs"]
mod world;

use data_dao_governance::{
    Action, Choice, ClaimedKey, Consent, GuardianAcceptance, KeyClaim, ProposalId, Request as _,
    Rotation,
};
use data_dao_journal::{
    BallotCast, ConsentGiven, GuardianAccepted, MemberKeyRotated, ProposalMade, Refusal,
};
use privacy_identity::SigningKey;
use world::{World, key, member, members, name};

/// What the log says of member `position`'s key now, and `new` claims.
fn claim(world: &World, position: usize, new: &SigningKey) -> KeyClaim {
    let (dao, member) = (world.state.dao_id().unwrap(), member(position));
    let keyring = world.state.keyring();
    let (old, rotations) = (keyring.current(&member), keyring.rotations(&member));
    KeyClaim { dao, member, old, new: new.verifying_key(), rotations }
}

fn claimed(world: &World, position: usize, new: &SigningKey) -> ClaimedKey {
    ClaimedKey::new(claim(world, position, new), new)
}

fn signed(world: &World, claimed: ClaimedKey, old: &SigningKey) -> MemberKeyRotated {
    let nonce = world.nonce(&claimed.claim.member);
    let rotation = Rotation { claimed, nonce, expires_ms: u64::MAX };
    let signature = rotation.sign(old);
    MemberKeyRotated { rotation, signature }
}

fn rotated(
    world: &World,
    position: usize,
    (old, new): (&SigningKey, &SigningKey),
) -> MemberKeyRotated {
    signed(world, claimed(world, position, new), old)
}

fn ballot_by(world: &World, position: usize, proposal: ProposalId, by: &SigningKey) -> BallotCast {
    let BallotCast { ballot, .. } = world.ballot(position, proposal, Choice::For);
    let signature = ballot.sign(by);
    BallotCast { ballot, signature }
}

fn by_vote(world: &World, position: usize, new: &SigningKey) -> Action {
    let claimed = Box::new(claimed(world, position, new));
    Action::RotateKey { claimed, reason: "The notebook burned; we know her voice.".into() }
}

fn refused(world: &mut World, actions: Vec<Action>) -> Refusal {
    let content = world.content(0, actions);
    let signature = content.sign(&members()[0]);
    world.refusal(ProposalMade { content, signature })
}

fn consent(world: &World, position: usize, by: &SigningKey) -> ConsentGiven {
    let federation = "wine".to_owned();
    let policy = world.state.federation(&name("wine")).unwrap().policy().digest();
    let (dao, member) = (world.state.dao_id().unwrap(), member(position));
    let nonce = world.nonce(&member);
    let consent = Consent { dao, federation, policy, member, nonce, expires_ms: u64::MAX };
    let signature = consent.sign(by);
    ConsentGiven { consent, signature }
}

fn guardian(world: &mut World, term_ms: u64) -> SigningKey {
    let guardian = key(80);
    let nominated = Action::SetGuardian { guardian: Some(guardian.verifying_key()), term_ms };
    world.pass(vec![nominated]);
    let acceptance = GuardianAcceptance {
        dao: world.state.dao_id().unwrap(),
        guardian: guardian.verifying_key(),
        nonce: 1,
        expires_ms: u64::MAX,
    };
    let signature = acceptance.sign(&guardian);
    world.push(GuardianAccepted { acceptance, signature });
    guardian
}
