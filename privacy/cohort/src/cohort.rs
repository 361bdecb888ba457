//! One member's view of a federation's cohort.

use std::{collections::BTreeSet, fmt};

use openmls::prelude::{
    GroupId, MlsGroup, MlsGroupCreateConfig, MlsGroupJoinConfig,
    PURE_CIPHERTEXT_WIRE_FORMAT_POLICY, StagedWelcome,
};
use openmls_traits::OpenMlsProvider as _;
use privacy_identity::{Digest, VerifyingKey};
use rand::CryptoRng;
use zeroize::Zeroizing;

use crate::{
    AllowList, BroadcastKey, Candidate, CohortError, CohortIdentity, Disagreement,
    EpochAuthenticator, OutgoingCommit, agreement,
    crypto::CIPHERSUITE,
    identity::member_from_parts,
    key_package::{capabilities, unbounded_lifetime},
    message,
    provider::Provider,
};

/// Most members of a cohort: a little above the largest that was measured (`examples/measure_cohort.rs`).
pub const COHORT_MEMBERS_MAX: usize = 1024;

/// Exporter label of the key under which models travel. The label, not the length, separates it.
const BROADCAST_LABEL: &str = "sahakar/cohort-broadcast/v1";

/// Exporter label of the keys of the linear tags.
const TAG_LABEL: &str = "sahakar/cohort-tag/v1";

/// One member's state in the MLS group of a federation; the group id is the federation's digest.
///
/// Every operation that is refused leaves the state as it was: it is rolled back to what was stored.
/// The state changes only by [`Cohort::process`], with the commit that the delivery chose for the
/// epoch. The caller persists it ([`Cohort::to_encrypted_bytes`]) before it acts on the result.
pub struct Cohort {
    pub(crate) identity: CohortIdentity,
    pub(crate) federation: Digest,
    pub(crate) group: MlsGroup,
    pub(crate) provider: Provider,
    pub(crate) pending: Option<OutgoingCommit>,
}

/// Why a welcome was refused, and the candidate as it was.
#[derive(Debug)]
pub struct JoinRefused {
    /// The candidate, which may try another welcome.
    pub candidate: Candidate,
    /// Why.
    pub error: CohortError,
}

impl Cohort {
    /// Founds the cohort of `federation` with one member, at epoch 0.
    ///
    /// Draws 64 bytes from `rng`.
    ///
    /// # Errors
    /// [`CohortError::NotListed`] if the founder is not on the list.
    pub fn found(
        identity: CohortIdentity,
        federation: Digest,
        listed: &AllowList,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, CohortError> {
        let member = identity.member();
        if !listed.contains(&member) {
            return Err(CohortError::NotListed { member });
        }
        let config = MlsGroupCreateConfig::builder()
            .ciphersuite(CIPHERSUITE)
            .capabilities(capabilities())
            .lifetime(unbounded_lifetime())
            .wire_format_policy(PURE_CIPHERTEXT_WIRE_FORMAT_POLICY)
            .use_ratchet_tree_extension(true)
            .max_past_epochs(0)
            .build();
        let mut provider = Provider::default();
        provider.seed_from(rng);
        let group = MlsGroup::new_with_group_id(
            &provider,
            &identity,
            &config,
            GroupId::from_slice(&federation.0),
            identity.credential(),
        )
        .map_err(CohortError::library)?;
        provider.forget_seeds();
        Ok(Self { identity, federation, group, provider, pending: None })
    }

    /// Joins by a welcome that a member made for `candidate`'s key package.
    ///
    /// # Errors
    /// What is wrong with the welcome or the cohort that it leads to: a cohort of another federation,
    /// or with a member who is not on the list, is not joined. That the cohort is *the* cohort, and
    /// not a fork that the inviting member made up from the same people's key packages, only
    /// [`Cohort::agrees`] can tell.
    pub fn join(
        candidate: Candidate,
        welcome: &[u8],
        listed: &AllowList,
    ) -> Result<Self, Box<JoinRefused>> {
        let before = candidate.provider.stored();
        match group_from_welcome(&candidate, welcome, listed) {
            Ok(group) => {
                let Candidate { identity, federation, provider, .. } = candidate;
                Ok(Self { identity, federation, group, provider, pending: None })
            }
            Err(error) => {
                candidate.provider.restore(before);
                Err(Box::new(JoinRefused { candidate, error }))
            }
        }
    }

    /// Whose view this is.
    #[must_use]
    pub const fn member(&self) -> VerifyingKey {
        self.identity.member()
    }

    /// The federation, whose digest is the group id.
    #[must_use]
    pub const fn federation(&self) -> Digest {
        self.federation
    }

    /// The epoch: how many commits the group has taken.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.group.epoch().as_u64()
    }

    /// The members.
    ///
    /// # Panics
    /// Never: each leaf was checked when it came in.
    #[must_use]
    pub fn roster(&self) -> BTreeSet<VerifyingKey> {
        self.group
            .members()
            .map(|leaf| {
                member_from_parts(&leaf.credential, &leaf.signature_key)
                    .expect("each leaf was checked when it came in")
            })
            .collect()
    }

    /// The authenticator of this epoch, to be signed and shown to the other members.
    ///
    /// # Panics
    /// Never: the suite's hash has 32 bytes.
    #[must_use]
    pub fn authenticator(&self) -> EpochAuthenticator {
        let bytes = self.group.epoch_authenticator().as_slice();
        EpochAuthenticator::from_bytes(bytes.try_into().expect("the suite's hash has 32 bytes"))
    }

    /// Whether somebody else's view of the cohort is this member's. It trains only if so.
    ///
    /// Threat: a coordinator that keeps two halves of a cohort apart, or a member that invites others into a
    /// fork. The view must come signed by somebody whom that attacker cannot speak for (another
    /// member, or the DAO node on whose list the cohort rests): a coordinator that is asked in its own
    /// name just repeats what each half told it.
    ///
    /// # Errors
    /// What differs.
    pub fn agrees(
        &self,
        roster: &[VerifyingKey],
        epoch: u64,
        authenticator: EpochAuthenticator,
    ) -> Result<(), Disagreement> {
        if !self.group.is_active() {
            return Err(Disagreement::Removed { epoch: self.epoch() });
        }
        let ours = (&self.roster(), self.epoch(), self.authenticator());
        agreement::compare(ours, roster, epoch, authenticator)
    }

    /// The key under which models travel in this epoch.
    ///
    /// # Errors
    /// [`CohortError::Removed`].
    pub fn broadcast_key(&self) -> Result<BroadcastKey, CohortError> {
        let key = self.export(BROADCAST_LABEL, &[])?;
        Ok(BroadcastKey::from_parts(self.federation, self.epoch(), &key))
    }

    /// The secret from which the vectors of a round's linear tags are expanded (DESIGN §4).
    ///
    /// # Errors
    /// [`CohortError::Removed`].
    pub fn tag_key(&self, round: u64) -> Result<TagKey, CohortError> {
        self.export(TAG_LABEL, &round.to_be_bytes()).map(TagKey)
    }

    /// `MLS-Exporter(label, context, 32)` (RFC 9420 §8.5).
    fn export(&self, label: &str, context: &[u8]) -> Result<Zeroizing<[u8; 32]>, CohortError> {
        self.require_membership()?;
        let secret = self
            .group
            .export_secret(self.provider.crypto(), label, context, 32)
            .map(Zeroizing::new)
            .map_err(CohortError::library)?;
        let mut key = Zeroizing::new([0; 32]);
        key.copy_from_slice(&secret);
        Ok(key)
    }

    pub(crate) fn require_membership(&self) -> Result<(), CohortError> {
        if self.group.is_active() {
            Ok(())
        } else {
            Err(CohortError::Removed { epoch: self.epoch() })
        }
    }
}

impl fmt::Debug for Cohort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cohort({:?} in {} at epoch {})", self.identity, self.federation, self.epoch())
    }
}

/// The secret of a round's linear tags. Zeroised on drop, never printed.
///
/// Whoever has it can forge a sum that passes the tags (it cannot read an update): it never leaves
/// a member.
pub struct TagKey(Zeroizing<[u8; 32]>);

impl TagKey {
    /// The secret bytes, to seed the expansion.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

fn group_from_welcome(
    candidate: &Candidate,
    welcome: &[u8],
    listed: &AllowList,
) -> Result<MlsGroup, CohortError> {
    let welcome = message::welcome_from_bytes(welcome)?;
    let config = MlsGroupJoinConfig::builder()
        .wire_format_policy(PURE_CIPHERTEXT_WIRE_FORMAT_POLICY)
        .use_ratchet_tree_extension(true)
        .max_past_epochs(0)
        .build();
    let staged = StagedWelcome::build_from_welcome(&candidate.provider, &config, welcome)
        .map_err(CohortError::not_authentic)?
        .skip_lifetime_validation()
        .build()
        .map_err(CohortError::not_authentic)?;
    message::check_federation(staged.group_context().group_id().as_slice(), &candidate.federation)?;
    if staged.group_context().extensions().iter().next().is_some() {
        let kind = "group context extensions".to_owned();
        return Err(CohortError::ForbiddenProposal { kind });
    }
    check_roster(&staged, listed)?;
    staged.into_group(&candidate.provider).map_err(CohortError::not_authentic)
}

fn check_roster(staged: &StagedWelcome, listed: &AllowList) -> Result<(), CohortError> {
    let mut roster = BTreeSet::new();
    for leaf in staged.members() {
        let member = member_from_parts(&leaf.credential, &leaf.signature_key)?;
        if !listed.contains(&member) {
            return Err(CohortError::NotListed { member });
        }
        if !roster.insert(member) {
            return Err(CohortError::AlreadyMember { member });
        }
    }
    let (got, bound) = (roster.len(), COHORT_MEMBERS_MAX);
    if got > bound { Err(CohortError::TooManyMembers { got, bound }) } else { Ok(()) }
}
