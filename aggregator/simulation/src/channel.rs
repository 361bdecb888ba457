//! Which messages carry something that no signature, digest or tag covers.

use aggregator_protocol::{
    AggregatorReply, AggregatorRequest, ContributorReply, ContributorRequest, DaoReply, DaoRequest,
    FetchedReceipt, from_wire,
};

use crate::fault::Party;

/// Whether a message rests on the integrity of its channel: both ends are authenticated by their keys, and what
/// is changed on the way does not arrive (QUIC, Noise). Everything else is refused by what signs or digests it,
/// which is what a flipped bit tries.
///
/// These are: questions without content, refusals, "nothing yet", how a round was given up, and what another party
/// answers to [`AggregatorRequest::Prepare`].
pub(crate) fn rests_on_the_channel(from: Party, to: Party, reply: bool, bytes: &[u8]) -> bool {
    match (from, to, reply) {
        (Party::Member(_), _, false) => match from_wire(bytes) {
            Ok(ContributorRequest::Submit { .. }) => false,
            Ok(ContributorRequest::Custody(answer)) => unsigned(&answer),
            _ => true,
        },
        (_, Party::Member(_), true) => match from_wire(bytes) {
            Ok(
                ContributorReply::Order { .. }
                | ContributorReply::Acknowledged(_)
                | ContributorReply::Receipt(FetchedReceipt::Settled { .. })
                | ContributorReply::Sum(Some(_)),
            ) => false,
            Ok(ContributorReply::Custody(request)) => unordered(&request),
            _ => true,
        },
        (_, Party::Dao, false) => {
            !matches!(from_wire(bytes), Ok(DaoRequest::Measure(_) | DaoRequest::Settle { .. }))
        }
        (Party::Dao, _, true) => {
            !matches!(from_wire(bytes), Ok(DaoReply::Granted { .. } | DaoReply::Probes(_)))
        }
        (_, _, false) => from_wire(bytes).map_or(true, |request| unordered(&request)),
        (_, _, true) => from_wire(bytes).map_or(true, |answer| unsigned(&answer)),
    }
}

const fn unsigned(answer: &AggregatorReply) -> bool {
    matches!(answer, AggregatorReply::Prepared { .. } | AggregatorReply::Refused { .. })
}

const fn unordered(request: &AggregatorRequest) -> bool {
    matches!(request, AggregatorRequest::Prepare { .. })
}
