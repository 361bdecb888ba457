//! What a dishonest member sends.

use aggregator_protocol::{ContributorRequest, RoundId, to_wire};
use aggregator_round::Ordered;
use aggregator_strategy::{SamplingRate, Ticket, participation_key};
use privacy_identity::Encode as _;
use privacy_secagg::SealedUpdate;

use super::Member;
use crate::{fault::Forgery, turn::Turn, witness::SealedFact};

impl Member {
    /// Something that it should not send, as wire bytes. Others' updates are in `seen`.
    pub(crate) fn forged(
        &self,
        turn: &mut Turn<'_>,
        forgery: Forgery,
        seen: Option<&SealedUpdate>,
    ) -> Option<Vec<u8>> {
        let world = turn.world;
        let (order, mine) = self.current.as_ref()?;
        let ticket = mine.sealed.ticket();
        let sent = |update: SealedUpdate, ticket: Option<Ticket>| {
            to_wire(&ContributorRequest::Submit { update: Box::new(update), ticket })
        };
        let submit = |update: SealedUpdate| sent(update, ticket);
        let me = world.member_keys[self.index];
        let round = mine.sealed.round();
        match forgery {
            Forgery::Second => {
                let key = &world.members[self.index];
                let model = world.model(round.0);
                let ordered = Ordered::accept(&world.terms, key, None, order, &model).ok()?;
                let second = world.contribution(self.index, ordered, &world.terms, 1);
                let fact = SealedFact {
                    member: me,
                    round,
                    values: second.values,
                    faulty: false,
                    tag_spoilt: false,
                };
                turn.witness.sealed.insert(*second.sealed.digest(), fact);
                Some(submit(second.sealed.update().clone()))
            }
            Forgery::OlderRound => self.earlier.last().cloned().map(submit),
            Forgery::OtherRound => {
                let next = RoundId(round.0 + 1);
                world.altered(self.index, order, mine, (next, me), |_| {}).map(submit)
            }
            Forgery::Signature => {
                let update = mine.sealed.update();
                let mut wire = submit(update.clone());
                // Behind version and kind: the binding, the envelopes' digests, the signer, the signature.
                let digests = 4 + 32
                    * (1 + world.terms.aggregators.len()
                        + order.unverified_body().grant.unverified_body().custodians.len());
                let at = 2 + update.claimed_binding().to_bytes().len() + digests;
                *wire.get_mut(at)? ^= 1;
                Some(wire)
            }
            Forgery::OtherMember => seen.cloned().map(submit),
            Forgery::OtherName => {
                let other = world.member_keys[(self.index + 1) % world.members.len()];
                world.altered(self.index, order, mine, (round, other), |_| {}).map(submit)
            }
            Forgery::Oversized => {
                Some(vec![0; aggregator_round::message_bytes_max(&world.terms) + 1])
            }
            Forgery::OtherTicket => {
                let draw = order.unverified_body().grant.unverified_body().draw();
                let key = participation_key(&world.members[self.index]);
                let other = match ticket {
                    Some(_) => None,
                    None => Ticket::draw(&key, &draw, SamplingRate::ALL),
                };
                Some(sent(mine.sealed.update().clone(), other))
            }
            Forgery::Garbage => {
                let mut wire = submit(mine.sealed.update().clone());
                wire.iter_mut().skip(1).step_by(3).for_each(|byte| *byte ^= 0x5A);
                Some(wire)
            }
        }
    }
}
