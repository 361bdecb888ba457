//! What can be asked of the state.

use std::collections::BTreeMap;

use data_dao_governance::{Ageing, Charter, Proposal, ProposalId, Weights};
use data_dao_ledger::{AccountId, Accounts, Cause, Name, Shared, SharedMap};
use data_dao_market::{CallSource, Purchase};
use privacy_identity::{Digest, VerifyingKey, Writer};

use super::{Counts, State};
use crate::{
    ApiKey, Federation, Genesis, Lot, Membership, Model, NextCall, Prediction, Rules, Witnesses,
};

impl State {
    /// The DAO's id: the leaf hash of its genesis entry. Absent before that entry.
    #[must_use]
    pub fn dao_id(&self) -> Option<Digest> {
        self.dao.as_ref().map(|dao| dao.id)
    }

    /// How the DAO was founded.
    #[must_use]
    pub fn genesis(&self) -> Option<&Genesis> {
        self.dao.as_ref().map(|dao| &dao.genesis)
    }

    /// How the DAO votes.
    #[must_use]
    pub fn charter(&self) -> Option<&Charter> {
        self.dao.as_ref().map(|dao| &dao.charter)
    }

    /// Time of the last entry.
    #[must_use]
    pub const fn time_ms(&self) -> u64 {
        self.time_ms
    }

    /// How many entries were applied.
    #[must_use]
    pub const fn entries(&self) -> u64 {
        self.entries
    }

    /// How much of what happened.
    #[must_use]
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// All books.
    #[must_use]
    pub const fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// All federations, by name.
    #[must_use]
    pub fn federations(&self) -> &BTreeMap<Name, Federation> {
        &self.federations
    }

    /// A federation.
    #[must_use]
    pub fn federation(&self, name: &Name) -> Option<&Federation> {
        self.federations.get(name)
    }

    /// The catalogue, by name.
    #[must_use]
    pub fn models(&self) -> &BTreeMap<Name, Model> {
        &self.models
    }

    /// A model of the catalogue.
    #[must_use]
    pub fn model(&self, name: &Name) -> Option<&Model> {
        self.models.get(name)
    }

    /// All API keys, by id.
    #[must_use]
    pub const fn keys(&self) -> &SharedMap<Name, ApiKey> {
        &self.keys
    }

    /// An API key.
    #[must_use]
    pub fn key(&self, key_id: &Name) -> Option<&ApiKey> {
        self.keys.get(key_id)
    }

    /// The id of the API key with this hash.
    #[must_use]
    pub fn key_by_hash(&self, key_hash: &Digest) -> Option<&Name> {
        self.key_hashes.get(key_hash)
    }

    /// The entry that booked a buyer's request, if one did.
    #[must_use]
    pub fn booked(&self, key_id: &Name, idempotency_key: &str) -> Option<u64> {
        self.requests.get(&request_name(key_id, idempotency_key))
    }

    /// A buyer's unspent money in 10⁻⁴ of the currency's unit.
    #[must_use]
    pub fn buyer_balance(&self, key_id: &Name) -> u128 {
        let owner = self.account_of(key_id);
        let account = |genesis: &Genesis| AccountId::buyer(genesis.currency, owner.clone());
        self.genesis().map_or(0, |genesis| self.accounts.account(&account(genesis)).available())
    }

    /// The oldest purchase with a call left at `now_ms`: its price is what the next call costs.
    #[must_use]
    pub fn next_lot(&self, key_id: &Name, model: &Name, now_ms: u64) -> Option<&Lot> {
        let lots = self.key(self.account_of(key_id))?.open_lots(model);
        lots.iter().find(|lot| self.calls_of(lot, now_ms) > 0)
    }

    /// What the next call of `model` with the key is paid from at `now_ms`: the oldest purchase with a call left, else the
    /// balance if the key's grant says so and the model is on the market. Whether the balance suffices is the ledger's to
    /// say.
    #[must_use]
    pub fn next_call(&self, key_id: &Name, model: &Name, now_ms: u64) -> Option<NextCall> {
        if let Some(lot) = self.next_lot(key_id, model, now_ms) {
            let Purchase { lot: number, price, .. } = lot.purchase;
            let counted = if lot.ends_at_ms.is_some() { 0 } else { price };
            return Some(NextCall { source: CallSource::Lot(number), price, counted });
        }
        let model = self.model(model).filter(|model| !model.is_delisted())?;
        let price = model.price_at(now_ms)?;
        let direct = self.key(key_id)?.grant().pay_as_you_go;
        direct.then_some(NextCall { source: CallSource::Balance, price, counted: price })
    }

    /// How many paid calls of `model` the key has left at `now_ms`.
    #[must_use]
    pub fn calls_left(&self, key_id: &Name, model: &Name, now_ms: u64) -> u128 {
        let owner = self.key(self.account_of(key_id));
        let lots = owner.map_or(&[][..], |key| key.open_lots(model));
        lots.iter().map(|lot| self.calls_of(lot, now_ms)).sum()
    }

    /// How many calls of a purchase are left at `now_ms`; none of a month that is over.
    #[must_use]
    pub fn calls_of(&self, lot: &Lot, now_ms: u64) -> u128 {
        if lot.ends_at_ms.is_some_and(|ends_at_ms| ends_at_ms <= now_ms) {
            return 0;
        }
        let available = self.accounts.available(&lot.purchase.account(), now_ms);
        // A lot's price is above zero: one that costs nothing cannot be bought.
        available.checked_div(lot.purchase.price).unwrap_or(0)
    }

    /// A prediction.
    #[must_use]
    pub fn prediction(&self, id: &Digest) -> Option<Prediction<'_>> {
        let reserved = self.reservations.get(id).map(Prediction::Reserved);
        let resolved = || self.resolved.get(&Cause::of(&id.0)).map(Prediction::Resolved);
        reserved.or_else(resolved)
    }

    /// All proposals, by id.
    #[must_use]
    pub const fn proposals(&self) -> &SharedMap<ProposalId, Shared<Proposal>> {
        &self.proposals
    }

    /// A proposal.
    #[must_use]
    pub fn proposal(&self, id: ProposalId) -> Option<&Proposal> {
        self.proposals.get(&id).map(|proposal| &**proposal)
    }

    /// Whether the key belongs to a member of the DAO, whatever its state.
    #[must_use]
    pub fn is_member(&self, key: &VerifyingKey) -> bool {
        self.membership(key).is_some()
    }

    /// A member's credits that wait for the end of a challenge window.
    #[must_use]
    pub fn credits_pending(&self, member: &VerifyingKey) -> u128 {
        self.accounts.account(&AccountId::credit_member(*member)).credits_pending
    }

    /// A member's credits, those that are final.
    #[must_use]
    pub fn credits(&self, member: &VerifyingKey) -> u128 {
        self.accounts.account(&AccountId::credit_member(*member)).balance()
    }

    /// A member's money in 10⁻⁴ of the currency's unit.
    #[must_use]
    pub fn earnings(&self, member: &VerifyingKey) -> u128 {
        let account = |genesis: &Genesis| AccountId::money_member(genesis.currency, *member);
        self.genesis().map_or(0, |genesis| self.accounts.account(&account(genesis)).balance())
    }

    /// The DAO's money in 10⁻⁴ of the currency's unit.
    #[must_use]
    pub fn treasury(&self) -> u128 {
        let account = |genesis: &Genesis| AccountId::treasury(genesis.currency);
        self.genesis().map_or(0, |genesis| self.accounts.account(&account(genesis)).balance())
    }

    /// Everybody's votes now: what active members earned in rounds that are final, matured, less what
    /// age took. Credits that are spent were earned all the same.
    #[must_use]
    pub fn vote_weights(&self) -> Weights {
        self.vote_weights_at(self.time_ms)
    }

    /// Everybody's votes at `at_ms`.
    #[must_use]
    pub fn vote_weights_at(&self, at_ms: u64) -> Weights {
        let Some(charter) = self.charter() else {
            return Weights::new();
        };
        let ageing = Ageing::new(charter.parameters());
        let mut weights = self.assembly.votes.weights(at_ms, &ageing);
        weights.retain(|member, _| self.is_active(member));
        weights
    }

    pub(crate) const fn assembly(&self) -> &crate::membership::Assembly {
        &self.assembly
    }

    /// All members of the DAO, also those suspended or gone.
    #[must_use]
    pub fn members(&self) -> &BTreeMap<VerifyingKey, Membership> {
        &self.assembly.members
    }

    /// To whom a member entrusts its vote at `at_ms`, and until when.
    #[must_use]
    pub fn delegate_of(&self, member: &VerifyingKey, at_ms: u64) -> Option<(VerifyingKey, u64)> {
        self.assembly.delegations.of(member, at_ms)
    }

    /// Every delegation that holds at `at_ms`: delegator, delegate, and until when.
    #[must_use]
    pub fn delegations(&self, at_ms: u64) -> Vec<(VerifyingKey, VerifyingKey, u64)> {
        self.assembly.delegations.at(at_ms).collect()
    }

    /// The last nonce that a member used: the next has to be higher.
    #[must_use]
    pub fn last_nonce(&self, member: &VerifyingKey) -> Option<u64> {
        self.assembly.nonces.last(member)
    }

    /// Who was asked to be guardian, and for how long.
    #[must_use]
    pub const fn nominated_guardian(&self) -> Option<(VerifyingKey, u64)> {
        self.assembly.guardianship.nominated()
    }

    /// The witnesses of the log, as voted.
    #[must_use]
    pub fn witnesses(&self) -> &Witnesses {
        &self.assembly.witnesses
    }

    /// The DAO's part of each sale, in parts per hundred, as votes have made it.
    #[must_use]
    pub fn treasury_percent(&self) -> Option<u8> {
        self.dao.as_ref().map(|dao| dao.treasury_percent)
    }

    /// By which rules the next entry is read, as votes have made it: if this program does not have them, it takes nothing more.
    #[must_use]
    pub fn rules(&self) -> Digest {
        self.dao.as_ref().map_or_else(|| Rules::V1.digest(), |dao| dao.rules)
    }

    /// The root over the entries applied so far.
    #[must_use]
    pub fn log_root(&self) -> Digest {
        self.log.root()
    }
}

/// What a buyer's request is remembered by.
pub(super) fn request_name(key_id: &Name, idempotency_key: &str) -> Cause {
    let mut request = Writer::default();
    request.text("request");
    request.text(key_id.as_str());
    request.text(idempotency_key);
    Cause::of(&request.into_bytes())
}
