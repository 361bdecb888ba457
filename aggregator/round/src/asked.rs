//! What answers on the wire are to the coordinator's machine.

use aggregator_protocol::{DaoReply, DaoRequest, Refusal, from_wire};

use crate::{Ask, Input};

/// What was asked, as far as reading the answer needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// The DAO node: leave to run a round.
    Grant,
    /// The DAO node: the probes for a sum.
    Measure,
    /// The DAO node: to log and pay a round.
    Settle,
    /// The DAO node: to log that a round was given up.
    Abort,
    /// The party at this place: a step of the round.
    Party(usize),
}

/// What an answer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// An input of the machine.
    Input(Box<Input>),
    /// No answer: the same is asked again, after that many milliseconds if the other side named a time.
    Later {
        /// Milliseconds.
        retry_ms: Option<u64>,
    },
}

impl Ask {
    /// What is asked of others; nothing if it is the process's own to do.
    #[must_use]
    pub fn asked(&self) -> Option<Asked> {
        Some(match self {
            Self::Dao(request) => match request.as_ref() {
                DaoRequest::Measure(_) => Asked::Measure,
                DaoRequest::Settle { .. } => Asked::Settle,
                DaoRequest::Abort { .. } => Asked::Abort,
                _ => Asked::Grant,
            },
            Self::Aggregator(place, _) | Self::Custodian(place, _) | Self::Parts(place, _) => {
                Asked::Party(*place)
            }
            Self::Own(_) => return None,
        })
    }
}

impl Asked {
    /// Reads an answer.
    ///
    /// What cannot be read says nothing, and neither does "I could not read you": the question is asked again, until
    /// there is an answer or the step's deadline passes. In particular, a round whose receipt is on its way to the log is never given up for
    /// it, and one that was given up does not count as logged: an earlier attempt may have arrived, or none.
    #[must_use]
    pub fn read(self, reply: &[u8]) -> Answer {
        let later = Answer::Later { retry_ms: None };
        if let Self::Party(place) = self {
            return from_wire(reply)
                .map_or(later, |reply| Answer::Input(Box::new(Input::from_party(place, reply))));
        }
        let input = match (self, from_wire(reply)) {
            (Self::Grant, Ok(DaoReply::Granted { grant, model })) => {
                Input::Granted { grant, model }
            }
            (Self::Grant, Ok(DaoReply::Finished(end))) => Input::NoMoreRounds(end),
            (_, Ok(DaoReply::Wait { retry_ms })) => {
                return Answer::Later { retry_ms: Some(retry_ms) };
            }
            (Self::Measure, Ok(DaoReply::Probes(probes))) => Input::Probed(probes),
            (Self::Settle | Self::Abort, Ok(DaoReply::Settled { .. })) => Input::Logged,
            (Self::Grant, _)
            | (_, Err(_) | Ok(DaoReply::Refused(Refusal::Malformed | Refusal::BadSignature))) => {
                return later;
            }
            // A DAO node that never heard of the round has nothing to log.
            (Self::Abort, Ok(DaoReply::Refused(_))) => Input::Logged,
            (_, Ok(DaoReply::Refused(refusal))) => Input::StepRefused(refusal),
            _ => Input::StepRefused(Refusal::Malformed),
        };
        Answer::Input(Box::new(input))
    }
}

#[cfg(test)]
mod tests {
    use aggregator_protocol::{AggregatorReply, RoundId, to_wire};

    use super::*;

    fn refused(refusal: Refusal) -> Vec<u8> {
        to_wire(&DaoReply::Refused(refusal))
    }

    #[test]
    fn what_cannot_be_read_is_asked_again() {
        let later = Answer::Later { retry_ms: None };
        let all = [Asked::Grant, Asked::Measure, Asked::Settle, Asked::Abort, Asked::Party(1)];
        for asked in all {
            let logged = to_wire(&DaoReply::Settled { entry: 1 });
            assert_eq!(asked.read(&logged[..logged.len() - 1]), later, "{asked:?}");
            assert_eq!(asked.read(&[]), later, "{asked:?}");
        }
        for asked in [Asked::Measure, Asked::Settle, Asked::Abort] {
            for refusal in [Refusal::Malformed, Refusal::BadSignature] {
                assert_eq!(asked.read(&refused(refusal)), later, "{asked:?}, {refusal}");
            }
        }
    }

    #[test]
    fn a_decision_of_the_dao_node_is_taken() {
        let input = |input| Answer::Input(Box::new(input));
        let (unknown, set) = (refused(Refusal::WrongRound), refused(Refusal::BadSet));
        assert_eq!(Asked::Settle.read(&set), input(Input::StepRefused(Refusal::BadSet)));
        assert_eq!(Asked::Abort.read(&unknown), input(Input::Logged));
        let logged = to_wire(&DaoReply::Settled { entry: 1 });
        assert_eq!(Asked::Settle.read(&logged), input(Input::Logged));
        let wait = to_wire(&DaoReply::Wait { retry_ms: 7 });
        assert_eq!(Asked::Grant.read(&wait), Answer::Later { retry_ms: Some(7) });
        let round = Some(RoundId(3));
        let declined = to_wire(&AggregatorReply::Refused { round, refusal: Refusal::BadSet });
        let declines = Input::Declined { party: 2, round, refusal: Refusal::BadSet };
        assert_eq!(Asked::Party(2).read(&declined), input(declines));
    }
}
