//! Whether a member was drawn for a round, in a federation whose members draw in secret.
//!
//! Threats: a member that takes part in every round, to be paid more often, or to be in the rounds that it
//! wants: its ticket would not hold. A coordinator that takes it in all the same: tickets stand in the round's
//! sum, and the DAO node refuses to measure one with a ticket that does not hold. A DAO node that puts another key in
//! a member's place: the member sees that before it trains. That a member which was drawn stays away cannot be
//! seen, nor should it: until a ticket is shown nobody knows that there is one.
//!
//! What the draw is not for: ε. Receipts list who took part, so that nothing is claimed for the secrecy of it
//! ([`privacy_loss`](crate::privacy_loss)).

use aggregator_protocol::{AcceptedSet, FederationTerms, Refusal, RoundGrant};
use aggregator_strategy::{SamplingRate, Ticket, participation_key};
use privacy_identity::{SigningKey, VerifyingKey};

use crate::OrderRefusal;

/// Whether the grant has the keys by which members draw exactly where they do, and invites somebody, no more than its rule, and, of a
/// buffer or in groups, not fewer than may be opened.
pub(crate) fn check_invited(terms: &FederationTerms, grant: &RoundGrant) -> Result<(), Refusal> {
    let secret = terms.sampling.secret_rate().is_some();
    let keys = if secret { grant.cohort.len() } else { 0 };
    let most = terms.sampling.invited_max();
    // Where rounds are of those who are done, or in groups, a cohort below the minimum could never be opened; elsewhere such a
    // round is given up when its time is over, and one of nobody has nobody to wait for.
    let bounded = terms.buffer.is_some() || terms.groups.is_some();
    let least = if bounded { terms.contributions_min() } else { 1 };
    let fits =
        most.is_none_or(|most| grant.cohort.len() as u64 <= most) && grant.cohort.len() >= least;
    if grant.draw_keys.len() == keys && fits { Ok(()) } else { Err(Refusal::BadSet) }
}

/// Checks the ticket that `member` shows for the round of `grant`.
///
/// # Errors
/// [`Refusal::NotDrawn`] without one that holds, [`Refusal::Malformed`] for one where nobody draws.
pub fn check_ticket(
    terms: &FederationTerms,
    grant: &RoundGrant,
    member: &VerifyingKey,
    ticket: Option<&Ticket>,
) -> Result<(), Refusal> {
    let Some(rate) = terms.sampling.secret_rate() else {
        return if ticket.is_none() { Ok(()) } else { Err(Refusal::Malformed) };
    };
    let key = grant.draw_key(member).ok_or(Refusal::Stranger)?;
    let ticket = ticket.ok_or(Refusal::NotDrawn)?;
    ticket.verify(key, &grant.draw(), rate).map_err(|_source| Refusal::NotDrawn)
}

/// Checks the tickets of all contributors of a sum, in their order.
///
/// # Errors
/// As [`check_ticket`], of the first that does not hold; [`Refusal::Malformed`] for another number of them.
pub fn check_tickets(
    terms: &FederationTerms,
    grant: &RoundGrant,
    accepted: &AcceptedSet,
    tickets: &[Ticket],
) -> Result<(), Refusal> {
    let secret = terms.sampling.secret_rate().is_some();
    let expected = if secret { accepted.contributions().len() } else { 0 };
    if tickets.len() != expected {
        return Err(Refusal::Malformed);
    }
    let mut pairs = accepted.contributions().iter().zip(tickets);
    pairs.try_for_each(|((member, _), ticket)| check_ticket(terms, grant, member, Some(ticket)))
}

/// The ticket of the owner of `key` for the round of `grant`; none where nobody draws.
///
/// # Errors
/// [`OrderRefusal::DrawKey`] if the grant names another key than the member's own, [`OrderRefusal::NotDrawn`].
pub(crate) fn drawn(
    terms: &FederationTerms,
    grant: &RoundGrant,
    key: &SigningKey,
) -> Result<Option<Ticket>, OrderRefusal> {
    let Some(rate) = terms.sampling.secret_rate() else { return Ok(None) };
    let named = grant.draw_key(&key.verifying_key());
    let secret = participation_key(key);
    if named != Some(&secret.public_key()) {
        return Err(OrderRefusal::DrawKey);
    }
    Ticket::draw(&secret, &grant.draw(), rate).map(Some).ok_or(OrderRefusal::NotDrawn)
}

/// The same proof again, for an update that was sealed before a restart. That it was drawn was known then.
pub(crate) fn drawn_before(
    terms: &FederationTerms,
    draw: &aggregator_strategy::Draw,
    key: &SigningKey,
) -> Option<Ticket> {
    terms.sampling.secret_rate()?;
    Ticket::draw(&participation_key(key), draw, SamplingRate::ALL)
}
