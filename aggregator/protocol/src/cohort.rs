//! The cohort as an MLS group (RFC 9420): what members leave with the delivery, and what the DAO node
//! says about who belongs to it.
//!
//! The coordinator is the delivery service (RFC 9750). It orders commits and keeps key packages and
//! welcomes, all of which are opaque to it; it holds no key of the cohort.

use privacy_identity::{
    Decode, DecodeError, Digest, Encode, Envelope, Reader, SealingPublicKey, Signed, Tag,
    VerifyingKey, Writer, list_from_reader, list_to_writer,
};
use privacy_secagg::EncodingParameters;

/// Most members of a cohort.
const MEMBERS_MAX: usize = EncodingParameters::CONTRIBUTORS_MAX as usize;
/// Longest key package, in bytes: ours have about 500.
pub const PACKAGE_BYTES_MAX: usize = 16 << 10;
/// Longest commit or welcome, in bytes: a welcome to 1 000 members has 400 000.
pub const COMMIT_BYTES_MAX: usize = 1 << 20;
/// Most commits in one answer: whoever is further behind asks again.
pub const NEWS_COMMITS_MAX: usize = 16;

/// Whether the federation's members are a cohort with keys of its own. Part of the signed terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CohortTerms {
    /// No: models travel in the clear and sums carry no tags.
    Absent,
    /// An MLS group: models are sealed to it, and in MPC mode sums carry tags that every member checks.
    Mls {
        /// The DAO node's key, to which a member hands over the key of models.
        dao_sealing: SealingPublicKey,
    },
}

impl CohortTerms {
    /// Whether there is a cohort.
    #[must_use]
    pub const fn is_present(&self) -> bool {
        matches!(self, Self::Mls { .. })
    }
}

impl Encode for CohortTerms {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::Absent => writer.u8(0),
            Self::Mls { dao_sealing } => {
                writer.u8(1);
                dao_sealing.encode(writer);
            }
        }
    }
}

impl Decode for CohortTerms {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match reader.u8()? {
            0 => Self::Absent,
            1 => Self::Mls { dao_sealing: Decode::decode(reader)? },
            other => return Err(DecodeError::invalid("cohort", other)),
        })
    }
}

/// Which state of the cohort a round is for: a member in another one does not train.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CohortEpoch {
    /// How many commits the group has taken.
    pub epoch: u64,
    /// The epoch's authenticator (RFC 9420 §8.7).
    pub authenticator: [u8; 32],
}

impl Encode for CohortEpoch {
    fn encode(&self, writer: &mut Writer) {
        writer.u64(self.epoch);
        writer.array(&self.authenticator);
    }
}

impl Decode for CohortEpoch {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { epoch: reader.u64()?, authenticator: reader.array()? })
    }
}

/// Whom the DAO admitted, signed by its node: the only authority over who joins the cohort and who goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roster {
    /// The federation's id.
    pub federation: Digest,
    /// Grows with each change, so that an earlier list is not taken for a later one.
    pub version: u64,
    /// The members, in increasing order.
    pub members: Vec<VerifyingKey>,
}

impl Encode for Roster {
    fn encode(&self, writer: &mut Writer) {
        self.federation.encode(writer);
        writer.u64(self.version);
        list_to_writer(&self.members, writer);
    }
}

impl Decode for Roster {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (federation, version) = (Decode::decode(reader)?, reader.u64()?);
        Ok(Self { federation, version, members: members_from_reader(reader)? })
    }
}

fn members_from_reader(reader: &mut Reader<'_>) -> Result<Vec<VerifyingKey>, DecodeError> {
    let members: Vec<VerifyingKey> = list_from_reader(reader, "members", MEMBERS_MAX)?;
    if members.is_sorted_by(|a, b| a < b) {
        Ok(members)
    } else {
        Err(DecodeError::invalid("members", "not in strictly increasing order"))
    }
}

/// The key under which models of one epoch travel, on its way from a member to the DAO node. The
/// coordinator passes it on and cannot read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyHandOver {
    /// The federation's id.
    pub federation: Digest,
    /// The epoch, as the member sees it.
    pub cohort: CohortEpoch,
    /// The cohort's members in that epoch, in increasing order.
    pub roster: Vec<VerifyingKey>,
    /// The key, to the DAO node's sealing key ([`CohortTerms::Mls`]).
    pub key: Envelope,
}

impl KeyHandOver {
    /// What the envelope is bound to.
    #[must_use]
    pub fn associated(federation: &Digest, cohort: &CohortEpoch) -> Vec<u8> {
        let mut writer = Writer::default();
        federation.encode(&mut writer);
        cohort.encode(&mut writer);
        writer.into_bytes()
    }
}

impl Encode for KeyHandOver {
    fn encode(&self, writer: &mut Writer) {
        self.federation.encode(writer);
        self.cohort.encode(writer);
        list_to_writer(&self.roster, writer);
        self.key.encode(writer);
    }
}

impl Decode for KeyHandOver {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            federation: Decode::decode(reader)?,
            cohort: Decode::decode(reader)?,
            roster: members_from_reader(reader)?,
            key: Decode::decode(reader)?,
        })
    }
}

/// What lets new members in, and whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    /// Who is let in, in increasing order.
    pub members: Vec<VerifyingKey>,
    /// The MLS message, which only they can open.
    pub message: Vec<u8>,
}

impl Encode for Welcome {
    fn encode(&self, writer: &mut Writer) {
        list_to_writer(&self.members, writer);
        writer.bytes(&self.message);
    }
}

impl Decode for Welcome {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let members = members_from_reader(reader)?;
        Ok(Self { members, message: reader.bytes("welcome", COMMIT_BYTES_MAX)?.to_vec() })
    }
}

/// What a member asks of the delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CohortRequest {
    /// To keep its key package until somebody admits it.
    Offer {
        /// The key package.
        package: Vec<u8>,
    },
    /// What happened since.
    Sync {
        /// Its epoch; none while it is no member.
        epoch: Option<u64>,
    },
    /// To take its commit, if it is the first of the epoch.
    Commit {
        /// The epoch that it ends.
        epoch: u64,
        /// The MLS message.
        commit: Vec<u8>,
        /// For those whom it adds.
        welcome: Option<Welcome>,
    },
    /// To pass on the key of models.
    HandKey(Box<Signed<KeyHandOver>>),
}

/// What the delivery has for a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CohortNews {
    /// Whom the DAO admitted.
    pub roster: Signed<Roster>,
    /// How many commits were taken; 0: nobody has founded the cohort yet.
    pub epoch: u64,
    /// Key packages of those who wait to be admitted, in the order of their keys.
    pub offers: Vec<(VerifyingKey, Vec<u8>)>,
    /// The commits from the epoch on that was asked for, the oldest first; none if that epoch is no
    /// longer kept.
    pub commits: Vec<Vec<u8>>,
    /// The newest welcome for the asking member, if it is none yet.
    pub welcome: Option<Vec<u8>>,
    /// The newest epoch of which the DAO node was handed the key, as far as the delivery knows.
    pub handed: Option<u64>,
}

impl Encode for CohortRequest {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::Offer { package } => {
                writer.u8(0);
                writer.bytes(package);
            }
            Self::Sync { epoch } => {
                writer.u8(1);
                number_to_writer(*epoch, writer);
            }
            Self::Commit { epoch, commit, welcome } => {
                writer.u8(2);
                writer.u64(*epoch);
                writer.bytes(commit);
                writer.u8(u8::from(welcome.is_some()));
                if let Some(welcome) = welcome {
                    welcome.encode(writer);
                }
            }
            Self::HandKey(key) => {
                writer.u8(3);
                key.encode(writer);
            }
        }
    }
}

impl Decode for CohortRequest {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match reader.u8()? {
            0 => Self::Offer { package: reader.bytes("key package", PACKAGE_BYTES_MAX)?.to_vec() },
            1 => Self::Sync { epoch: number_from_reader(reader)? },
            2 => Self::Commit {
                epoch: reader.u64()?,
                commit: reader.bytes("commit", COMMIT_BYTES_MAX)?.to_vec(),
                welcome: match reader.u8()? {
                    0 => None,
                    1 => Some(Decode::decode(reader)?),
                    other => return Err(DecodeError::invalid("welcome", other)),
                },
            },
            3 => Self::HandKey(Box::new(Decode::decode(reader)?)),
            other => return Err(DecodeError::invalid("cohort request", other)),
        })
    }
}

impl Encode for CohortNews {
    fn encode(&self, writer: &mut Writer) {
        self.roster.encode(writer);
        writer.u64(self.epoch);
        writer.u32(u32::try_from(self.offers.len()).expect("at most MEMBERS_MAX"));
        for (member, package) in &self.offers {
            member.encode(writer);
            writer.bytes(package);
        }
        writer.u32(u32::try_from(self.commits.len()).expect("at most NEWS_COMMITS_MAX"));
        for commit in &self.commits {
            writer.bytes(commit);
        }
        writer.u8(u8::from(self.welcome.is_some()));
        if let Some(welcome) = &self.welcome {
            writer.bytes(welcome);
        }
        number_to_writer(self.handed, writer);
    }
}

impl Decode for CohortNews {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (roster, epoch) = (Decode::decode(reader)?, reader.u64()?);
        let length = reader.length("offers", MEMBERS_MAX)?;
        let mut offer = || {
            let member = Decode::decode(reader)?;
            Ok((member, reader.bytes("key package", PACKAGE_BYTES_MAX)?.to_vec()))
        };
        let offers = (0..length).map(|_| offer()).collect::<Result<_, DecodeError>>()?;
        let length = reader.length("commits", NEWS_COMMITS_MAX)?;
        let commit = |_| Ok(reader.bytes("commit", COMMIT_BYTES_MAX)?.to_vec());
        let commits = (0..length).map(commit).collect::<Result<_, DecodeError>>()?;
        let welcome = match reader.u8()? {
            0 => None,
            1 => Some(reader.bytes("welcome", COMMIT_BYTES_MAX)?.to_vec()),
            other => return Err(DecodeError::invalid("welcome", other)),
        };
        Ok(Self { roster, epoch, offers, commits, welcome, handed: number_from_reader(reader)? })
    }
}

fn number_to_writer(number: Option<u64>, writer: &mut Writer) {
    writer.u8(u8::from(number.is_some()));
    if let Some(number) = number {
        writer.u64(number);
    }
}

fn number_from_reader(reader: &mut Reader<'_>) -> Result<Option<u64>, DecodeError> {
    match reader.u8()? {
        0 => Ok(None),
        1 => Ok(Some(reader.u64()?)),
        other => Err(DecodeError::invalid("epoch", other)),
    }
}

/// The members of a list that the DAO node of `dao_node` signed for `federation`.
///
/// # Errors
/// [`DecodeError::Invalid`] if it did not.
pub fn checked_roster<'a>(
    roster: &'a Signed<Roster>,
    federation: &Digest,
    dao_node: &VerifyingKey,
) -> Result<&'a Roster, DecodeError> {
    let signed = roster.clone().verify_by(Tag::Roster, dao_node).is_ok();
    let body = roster.unverified_body();
    if signed && body.federation == *federation {
        Ok(body)
    } else {
        Err(DecodeError::invalid("roster", "not signed by the DAO node for this federation"))
    }
}
