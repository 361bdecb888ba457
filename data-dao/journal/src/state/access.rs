//! API keys: issued, changed, rotated, revoked, and what each may do and spend.

use std::collections::BTreeSet;

use data_dao_ledger::Name;
use privacy_identity::Digest;

use super::{LABEL_BYTES_MAX, State};
use crate::refusal::{same, text_within, within};
use crate::{
    Administered, ApiKey, DAY_MS, KeyAmended, KeyFault, KeyGrant, KeyGranted, KeyIssued,
    KeyRevoked, KeyRotated, Refusal, Scope,
};

/// Longest time in which both secrets of a rotated key hold: thirty days, after which nobody remembers that something
/// was to be changed.
pub const OVERLAP_MS_MAX: u64 = 30 * DAY_MS;

impl State {
    pub(super) fn issue_key(&mut self, body: &KeyIssued) -> Result<(), Refusal> {
        self.add_key(&body.key_id, (body.key_hash, &body.buyer), KeyGrant::unrestricted())
    }

    pub(super) fn grant_key(&mut self, body: &KeyGranted, now_ms: u64) -> Result<(), Refusal> {
        self.check_grant(&body.grant, now_ms)?;
        self.add_key(&body.key_id, (body.key_hash, &body.buyer), body.grant.clone())
    }

    fn add_key(
        &mut self,
        key_id: &Name,
        (key_hash, buyer): (Digest, &str),
        grant: KeyGrant,
    ) -> Result<(), Refusal> {
        self.check_name("buyer", buyer)?;
        if self.keys.contains_key(key_id) {
            return Err(Refusal::exists("key", key_id));
        }
        self.check_new_hash(&key_hash)?;
        let key = ApiKey::new(key_hash, buyer.to_owned(), self.entries, grant);
        self.keys.insert(key_id.clone(), key);
        self.key_hashes.insert(key_hash, key_id.clone());
        Ok(())
    }

    fn check_new_hash(&self, key_hash: &Digest) -> Result<(), Refusal> {
        match self.key_hashes.get(key_hash) {
            Some(_) => Err(Refusal::exists("key hash", key_hash)),
            None => Ok(()),
        }
    }

    /// A grant that makes sense now. Threat: a key that makes itself another one with more rights, or without its limit:
    /// what spends another's money has a part of that key's scopes, and never `keys` or `admin`.
    fn check_grant(&self, grant: &KeyGrant, now_ms: u64) -> Result<(), Refusal> {
        grant.check()?;
        if let Some(end_ms) = grant.expires_at_ms {
            within("expires_at_ms", end_ms, i128::from(now_ms) + 1, i128::from(u64::MAX))?;
        }
        let Some(account) = &grant.account else { return Ok(()) };
        let (_, owner) = self.key_ref(account)?;
        if let Some(fault) = self.key_fault(account, now_ms) {
            return Err(Refusal::KeyUnusable { key_id: account.to_string(), fault });
        }
        if owner.grant.account.is_some() {
            return Err(Refusal::OutOfScope { key_id: account.to_string(), scope: Scope::Keys });
        }
        let refused = grant
            .scopes
            .iter()
            .find(|scope| matches!(scope, Scope::Keys | Scope::Admin) || !owner.has(**scope));
        match refused {
            Some(scope) => Err(Refusal::OutOfScope { key_id: account.to_string(), scope: *scope }),
            None => Ok(()),
        }
    }

    pub(super) fn amend_key(&mut self, body: &KeyAmended, now_ms: u64) -> Result<(), Refusal> {
        let (_, key) = self.unrevoked(&body.key_id)?;
        let account = |grant: &KeyGrant| {
            grant.account.as_ref().map_or_else(|| "its own".to_owned(), ToString::to_string)
        };
        same("account", &account(&key.grant), &account(&body.grant))?;
        self.check_grant(&body.grant, now_ms)?;
        self.change_key(&body.key_id, |key| key.grant = body.grant.clone().into());
        Ok(())
    }

    pub(super) fn rotate_key(&mut self, body: &KeyRotated, now_ms: u64) -> Result<(), Refusal> {
        self.unrevoked(&body.key_id)?;
        self.check_new_hash(&body.key_hash)?;
        let latest = now_ms.saturating_add(OVERLAP_MS_MAX);
        within("overlap_until_ms", body.overlap_until_ms, 0, latest.into())?;
        self.change_key(&body.key_id, |key| {
            key.previous = Some((key.key_hash, body.overlap_until_ms));
            key.key_hash = body.key_hash;
        });
        // The hashes before stay known: no secret is ever another key's.
        self.key_hashes.insert(body.key_hash, body.key_id.clone());
        Ok(())
    }

    pub(super) fn revoke_key(&mut self, body: &KeyRevoked) -> Result<(), Refusal> {
        self.unrevoked(&body.key_id)?;
        self.change_key(&body.key_id, |key| key.revoked = true);
        Ok(())
    }

    pub(super) fn administer(&mut self, body: &Administered) -> Result<(), Refusal> {
        text_within("by", &body.by, LABEL_BYTES_MAX)?;
        text_within("act", &body.act, LABEL_BYTES_MAX)?;
        text_within("subject", &body.subject, LABEL_BYTES_MAX)?;
        self.acts.push(self.entries);
        Ok(())
    }

    fn unrevoked(&self, key_id: &Name) -> Result<(&Name, &ApiKey), Refusal> {
        let found = self.key_ref(key_id)?;
        if found.1.revoked {
            let fault = KeyFault::Revoked;
            return Err(Refusal::KeyUnusable { key_id: key_id.to_string(), fault });
        }
        Ok(found)
    }

    fn change_key(&mut self, key_id: &Name, change: impl FnOnce(&mut ApiKey)) {
        if let Some(key) = self.keys.get_mut(key_id) {
            change(key);
        }
    }

    pub(super) fn key_ref(&self, key_id: &Name) -> Result<(&Name, &ApiKey), Refusal> {
        self.keys.get_key_value(key_id).ok_or_else(|| Refusal::unknown("key", key_id))
    }

    /// Whose money the key spends, if it may do `scope` at `now_ms` and owes nothing.
    pub(super) fn spender(
        &self,
        key_id: &Name,
        scope: Scope,
        now_ms: u64,
    ) -> Result<(&Name, &ApiKey), Refusal> {
        let (_, key) = self.key_ref(key_id)?;
        if let Some(fault) = self.key_fault(key_id, now_ms) {
            return Err(Refusal::KeyUnusable { key_id: key_id.to_string(), fault });
        }
        if !key.has(scope) {
            return Err(Refusal::OutOfScope { key_id: key_id.to_string(), scope });
        }
        self.check_no_debt(key_id)?;
        self.key_ref(key.grant.account.as_ref().unwrap_or(key_id))
    }

    /// The key whose money `key_id` spends: itself, unless its grant names another.
    #[must_use]
    pub fn account_of<'a>(&'a self, key_id: &'a Name) -> &'a Name {
        self.keys.get(key_id).and_then(|key| key.grant.account.as_ref()).unwrap_or(key_id)
    }

    /// Why the key opens nothing at `now_ms`. One that spends another's money ends with it.
    #[must_use]
    pub fn key_fault(&self, key_id: &Name, now_ms: u64) -> Option<KeyFault> {
        let key = self.keys.get(key_id)?;
        let account = key.grant.account.as_ref().and_then(|account| self.keys.get(account));
        key.fault(now_ms).or_else(|| account?.fault(now_ms))
    }

    /// The key with this hash, if it opens something at `now_ms`.
    ///
    /// # Errors
    /// [`KeyFault`]; none in it: no key ever had this hash.
    pub fn authenticate(&self, key_hash: &Digest, now_ms: u64) -> Result<&Name, Option<KeyFault>> {
        let key_id = self.key_hashes.get(key_hash).ok_or(None)?;
        let key = self.keys.get(key_id).ok_or(None)?;
        let overlaps = key
            .previous
            .is_some_and(|(previous, until_ms)| previous == *key_hash && now_ms < until_ms);
        if key.key_hash != *key_hash && !overlaps {
            return Err(Some(KeyFault::Superseded));
        }
        match self.key_fault(key_id, now_ms) {
            Some(fault) => Err(Some(fault)),
            None => Ok(key_id),
        }
    }

    /// The keys that spend the money of `account`, itself first.
    pub fn keys_of<'a>(
        &'a self,
        account: &'a Name,
    ) -> impl Iterator<Item = (&'a Name, &'a ApiKey)> {
        let own = self.keys.get_key_value(account).into_iter();
        own.chain(
            self.keys.iter().filter(move |(_, key)| key.grant.account.as_ref() == Some(account)),
        )
    }

    /// The entries that say what was done at the node, oldest first.
    #[must_use]
    pub fn acts(&self) -> &[u64] {
        &self.acts
    }

    /// The key and the one whose money it spends: the limits of both bind.
    fn payers(&self, key_id: &Name) -> BTreeSet<Name> {
        [key_id.clone(), self.account_of(key_id).clone()].into()
    }

    /// Refuses what would exceed a limit of the key, or of the key whose money it spends.
    pub(super) fn check_limits(
        &self,
        key_id: &Name,
        amount: u128,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let day = now_ms / DAY_MS;
        for payer in self.payers(key_id) {
            let (_, key) = self.key_ref(&payer)?;
            let KeyGrant { limit_day, limit_total, .. } = &*key.grant;
            if limit_day.is_none() && limit_total.is_none() {
                continue;
            }
            // What expired since the last entry is not spent, though nothing says so yet.
            let (released_day, released) = self.released(&payer, day, now_ms);
            let checks = [
                ("day", limit_day, key.spending.on(day).saturating_sub(released_day)),
                ("lifetime", limit_total, key.spending.total.saturating_sub(released)),
            ];
            for (period, limit, spent) in checks {
                let exceeded = |limit: &u128| spent.saturating_add(amount) > *limit;
                if let Some(limit) = limit.filter(exceeded) {
                    let key_id = payer.to_string();
                    return Err(Refusal::SpendingLimit {
                        key_id,
                        period,
                        limit,
                        spent,
                        needed: amount,
                    });
                }
            }
        }
        Ok(())
    }

    /// What expired reservations give back to a key's limits: those of `day`, and all.
    fn released(&self, payer: &Name, day: u64, now_ms: u64) -> (u128, u128) {
        let last = (now_ms, Digest([u8::MAX; Digest::LEN]));
        let expired = self.expiring.range(..=last);
        let expired = expired.filter_map(|(_, id)| self.reservations.get(id));
        let own = expired.filter(|held| held.key_id == *payer || held.sale.buyer == *payer);
        own.fold((0, 0), |(of_day, all), held| {
            let (counted_on, amount) = held.counted;
            (of_day + if counted_on == day { amount } else { 0 }, all + amount)
        })
    }

    pub(super) fn count_spending(&mut self, key_id: &Name, day: u64, amount: u128) {
        for payer in self.payers(key_id) {
            self.change_key(&payer, |key| key.spending.add(day, amount));
        }
    }

    pub(super) fn take_back_spending(&mut self, key_id: &Name, (day, amount): (u64, u128)) {
        for payer in self.payers(key_id) {
            self.change_key(&payer, |key| key.spending.take_back(day, amount));
        }
    }
}
