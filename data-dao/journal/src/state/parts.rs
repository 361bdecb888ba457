//! A settlement that comes in parts: nothing of it counts before the last part.
//!
//! ```text
//!  RoundSettling ─► SettledPart 0 ─► SettledPart 1 ─► … ─► the last one settles the round
//!        └──────────────┴─────────────── RoundAborted: none of it happened
//! ```
//! Threats. A settlement that never ends, or is mixed with another: only the next part, named by the
//! head, may follow. Memory: the head says how many members there are, within the bound.

use privacy_identity::VerifyingKey;

use super::State;
use super::rounds::{open_round, small};
use crate::parts::{PARTICIPANTS_MAX, PARTS_MAX};
use crate::refusal::{same, within};
use crate::{Body, Participation, Refusal, RoundSettled, RoundSettling, SettledPart};

/// The parts so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settling {
    head: RoundSettling,
    next: u32,
    participants: Vec<Participation>,
    dropped: Vec<VerifyingKey>,
}

impl State {
    /// Refuses what may not stand between the parts of a settlement.
    pub(super) fn check_settling(&self, body: &Body) -> Result<(), Refusal> {
        let Some(settling) = &self.settling else {
            return Ok(());
        };
        let head = &settling.head.settled;
        match body {
            Body::SettledPart(_) => Ok(()),
            Body::RoundAborted(aborted)
                if aborted.federation == head.federation && aborted.round == head.round =>
            {
                Ok(())
            }
            other => Err(Refusal::SettlementIncomplete {
                round: head.round,
                expected: settling.next,
                got: other.kind(),
            }),
        }
    }

    pub(super) fn begin_settlement(&mut self, head: &RoundSettling) -> Result<(), Refusal> {
        let settled = &head.settled;
        let federation = self.federation_ref(&settled.federation)?;
        let open = open_round(federation, settled.round)?;
        same("model_before", &open.model, &settled.model_before)?;
        // The lists are the parts'.
        within("participants in the head", small(settled.participants.len()), 0, 0)?;
        within("dropped in the head", small(settled.dropped.len()), 0, 0)?;
        within("participants", head.participants, 0, i128::from(PARTICIPANTS_MAX))?;
        within("dropped", head.dropped, 0, i128::from(PARTICIPANTS_MAX))?;
        let most = i128::try_from(PARTS_MAX).unwrap_or(i128::MAX);
        within("parts", small(head.parts.len()), 1, most)?;
        let settling =
            Settling { head: head.clone(), next: 0, participants: Vec::new(), dropped: Vec::new() };
        self.settling = Some(settling.into());
        Ok(())
    }

    /// How many entries of the settlement that is being read stand before its last part.
    pub(super) fn settling_parts(&self) -> Option<u64> {
        let parts = self.settling.as_ref()?.head.parts.len();
        u64::try_from(parts).ok()
    }

    pub(super) fn take_part(&mut self, body: &SettledPart, now_ms: u64) -> Result<(), Refusal> {
        let Some(settling) = &self.settling else {
            return Err(Refusal::unknown("settlement in parts of round", body.round));
        };
        let (head, next) = (&settling.head, settling.next);
        same("federation", &head.settled.federation, &body.federation)?;
        same("round", &head.settled.round, &body.round)?;
        same("part", &next, &body.part)?;
        let place = usize::try_from(next).unwrap_or(usize::MAX);
        let expected = head.parts.get(place).ok_or_else(|| Refusal::unknown("part", next))?;
        same(format!("digest of part {next}"), expected, &body.digest())?;
        let participants = settling.participants.len() + body.participants.len();
        let dropped = settling.dropped.len() + body.dropped.len();
        within("participants", small(participants), 0, i128::from(head.participants))?;
        within("dropped", small(dropped), 0, i128::from(head.dropped))?;
        if place + 1 == head.parts.len() {
            same("participants", &head.participants, &small(participants))?;
            same("dropped", &head.dropped, &small(dropped))?;
            let whole = settling.whole(body);
            self.settle_round(&whole, now_ms)?;
            self.settling = None;
        } else if let Some(settling) = &mut self.settling {
            settling.next += 1;
            settling.participants.extend_from_slice(&body.participants);
            settling.dropped.extend_from_slice(&body.dropped);
        }
        Ok(())
    }
}

impl Settling {
    fn whole(&self, last: &SettledPart) -> RoundSettled {
        RoundSettled {
            participants: [&self.participants[..], &last.participants].concat(),
            dropped: [&self.dropped[..], &last.dropped].concat(),
            ..self.head.settled.clone()
        }
    }
}
