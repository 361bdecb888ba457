//! The cohort's delivery (RFC 9750): key packages, commits in one order, welcomes.
//!
//! Threat: the delivery is the coordinator, whom no member trusts with the cohort. It reads nothing here:
//! commits are encrypted, welcomes too, and what members believe follows from the MLS transcript and
//! from the DAO node's list. What it can do is withhold, delay and show members different orders;
//! the last is found by the epoch's authenticator in each grant (`Cohort::agrees`).
//!
//! Not stopped: a member on the DAO's list that sends garbage as the first commit of an epoch. The
//! delivery cannot tell, every member refuses it, and the cohort stands still: availability only.

use std::collections::{BTreeMap, VecDeque};

use aggregator_protocol::{
    COMMIT_BYTES_MAX, CohortNews, NEWS_COMMITS_MAX, PACKAGE_BYTES_MAX, Refusal, Roster, Welcome,
};
use privacy_identity::{
    Decode, DecodeError, Encode, Reader, Signed, VerifyingKey, Writer, list_from_reader,
    list_to_writer,
};
use privacy_secagg::EncodingParameters;

/// Most commits that are kept: a member that missed more has to be admitted anew.
pub const COMMITS_KEPT_MAX: usize = 1024;
/// Most welcomes that are kept: a candidate that missed more has to be admitted anew.
pub const WELCOMES_KEPT_MAX: usize = 64;
/// Most bytes of the kept commits together.
const COMMITS_BYTES_MAX: usize = 32 << 20;

/// What the delivery keeps for a cohort. Bounded; stored whole before an answer that it justifies.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mailbox {
    /// How many commits were taken.
    epoch: u64,
    offers: BTreeMap<VerifyingKey, Vec<u8>>,
    /// The newest, in order; the last one began `epoch`.
    commits: VecDeque<Vec<u8>>,
    /// The newest, in order.
    welcomes: VecDeque<Welcome>,
    handed: Option<u64>,
}

impl Mailbox {
    /// How many commits were taken.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Keeps the newest key package of `member`. Returns whether anything changed.
    ///
    /// # Errors
    /// [`Refusal::Stranger`] for somebody who is not on the list, [`Refusal::Oversized`].
    pub fn offer(
        &mut self,
        member: VerifyingKey,
        roster: &Roster,
        package: Vec<u8>,
    ) -> Result<bool, Refusal> {
        check_listed(&member, roster)?;
        if package.len() > PACKAGE_BYTES_MAX {
            return Err(Refusal::Oversized);
        }
        // Whoever was taken off the list makes room: there are never more offers than members.
        self.offers.retain(|other, _| roster.members.binary_search(other).is_ok());
        let changed = self.offers.get(&member) != Some(&package);
        self.offers.insert(member, package);
        Ok(changed)
    }

    /// What there is for `member`, whose epoch is `since`; none while it is no member.
    ///
    /// # Errors
    /// [`Refusal::Stranger`].
    pub fn sync(
        &self,
        member: &VerifyingKey,
        roster: &Signed<Roster>,
        since: Option<u64>,
    ) -> Result<CohortNews, Refusal> {
        check_listed(member, roster.unverified_body())?;
        let for_member =
            |welcome: &&Welcome| since.is_none() && welcome.members.binary_search(member).is_ok();
        let welcome = self.welcomes.iter().rev().find(for_member);
        Ok(CohortNews {
            roster: roster.clone(),
            epoch: self.epoch,
            offers: self.offers.iter().map(|(key, package)| (*key, package.clone())).collect(),
            commits: since.map(|since| self.commits_from(since)).unwrap_or_default(),
            welcome: welcome.map(|welcome| welcome.message.clone()),
            handed: self.handed,
        })
    }

    fn commits_from(&self, since: u64) -> Vec<Vec<u8>> {
        let first = self.epoch - self.commits.len() as u64;
        let Some(skipped) = since.checked_sub(first) else { return Vec::new() };
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
        self.commits.iter().skip(skipped).take(NEWS_COMMITS_MAX).cloned().collect()
    }

    /// Takes the first commit of an epoch. Returns whether anything changed: the one that was taken may
    /// come again.
    ///
    /// # Errors
    /// [`Refusal::Late`] if another one was first, [`Refusal::WrongRound`] for an epoch to come,
    /// [`Refusal::Stranger`], [`Refusal::Oversized`], [`Refusal::BadSet`] for a welcome to people who
    /// are not on the list.
    pub fn commit(
        &mut self,
        member: VerifyingKey,
        roster: &Roster,
        epoch: u64,
        commit: Vec<u8>,
        welcome: Option<Welcome>,
    ) -> Result<bool, Refusal> {
        check_listed(&member, roster)?;
        let largest = welcome.as_ref().map_or(0, |welcome| welcome.message.len());
        if commit.len().max(largest) > COMMIT_BYTES_MAX {
            return Err(Refusal::Oversized);
        }
        if epoch > self.epoch {
            return Err(Refusal::WrongRound);
        }
        if epoch < self.epoch {
            let taken = self.commits_from(epoch).first() == Some(&commit);
            return if taken { Ok(false) } else { Err(Refusal::Late) };
        }
        let added = welcome.as_ref().map_or(&[][..], |welcome| &welcome.members);
        if !added.iter().all(|member| roster.members.binary_search(member).is_ok()) {
            return Err(Refusal::BadSet);
        }
        for added in added {
            self.offers.remove(added);
        }
        self.offers.remove(&member);
        self.epoch += 1;
        self.commits.push_back(commit);
        self.welcomes.extend(welcome);
        self.shorten();
        Ok(true)
    }

    fn shorten(&mut self) {
        while self.welcomes.len() > WELCOMES_KEPT_MAX {
            self.welcomes.pop_front();
        }
        let bytes = |commits: &VecDeque<Vec<u8>>| commits.iter().map(Vec::len).sum::<usize>();
        while self.commits.len() > COMMITS_KEPT_MAX || bytes(&self.commits) > COMMITS_BYTES_MAX {
            self.commits.pop_front();
        }
    }

    /// Notes that the DAO node was handed the key of `epoch`. Returns whether that is news.
    pub const fn handed(&mut self, epoch: u64) -> bool {
        let news = !matches!(self.handed, Some(handed) if handed == epoch);
        self.handed = Some(epoch);
        news
    }
}

fn check_listed(member: &VerifyingKey, roster: &Roster) -> Result<(), Refusal> {
    roster.members.binary_search(member).map(|_at| ()).map_err(|_at| Refusal::Stranger)
}

impl Encode for Mailbox {
    fn encode(&self, writer: &mut Writer) {
        writer.u64(self.epoch);
        writer.u32(u32::try_from(self.offers.len()).expect("at most CONTRIBUTORS_MAX"));
        for (member, package) in &self.offers {
            member.encode(writer);
            writer.bytes(package);
        }
        writer.u32(u32::try_from(self.commits.len()).expect("at most COMMITS_KEPT_MAX"));
        for commit in &self.commits {
            writer.bytes(commit);
        }
        let welcomes: Vec<_> = self.welcomes.iter().cloned().collect();
        list_to_writer(&welcomes, writer);
        writer.u8(u8::from(self.handed.is_some()));
        if let Some(handed) = self.handed {
            writer.u64(handed);
        }
    }
}

impl Decode for Mailbox {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let epoch = reader.u64()?;
        let length = reader.length("offers", EncodingParameters::CONTRIBUTORS_MAX as usize)?;
        let mut offers = BTreeMap::new();
        for _ in 0..length {
            let member = VerifyingKey::decode(reader)?;
            if offers.last_key_value().is_some_and(|(last, _)| *last >= member) {
                return Err(DecodeError::invalid("offers", "not in increasing order"));
            }
            offers.insert(member, reader.bytes("key package", PACKAGE_BYTES_MAX)?.to_vec());
        }
        let length = reader.length("commits", COMMITS_KEPT_MAX)?;
        if length as u64 > epoch {
            return Err(DecodeError::invalid("commits", "more than epochs"));
        }
        let commit = |_| Ok(reader.bytes("commit", COMMIT_BYTES_MAX)?.to_vec());
        let commits = (0..length).map(commit).collect::<Result<_, DecodeError>>()?;
        let welcomes: Vec<Welcome> = list_from_reader(reader, "welcomes", WELCOMES_KEPT_MAX)?;
        let handed = match reader.u8()? {
            0 => None,
            1 => Some(reader.u64()?),
            other => return Err(DecodeError::invalid("handed epoch", other)),
        };
        Ok(Self { epoch, offers, commits, welcomes: welcomes.into(), handed })
    }
}

#[cfg(test)]
mod tests;
