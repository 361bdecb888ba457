//! Settlements of rounds with more members than a leaf holds.

use privacy_identity::VerifyingKey;

use crate::{
    Body, Entry, LEAF_BYTES_MAX, Participation, Refusal, RoundSettled, RoundSettling, SettledPart,
};

/// Most members that a settlement in parts names: four times the contributors that a sealed round
/// can have, so that no round fails here, and 20 MiB of parts in memory at most.
pub const PARTICIPANTS_MAX: u32 = 1 << 16;
/// Most parts: at 200 members each they hold [`PARTICIPANTS_MAX`], and their digests fit the head.
pub(crate) const PARTS_MAX: usize = 512;
/// Bytes of lists in a part: what the entry says besides fits the rest.
const PART_BYTES_MAX: usize = LEAF_BYTES_MAX - 1_024;

/// The entries of a settlement: one if it fits a leaf, else a head and its parts. To be appended
/// together.
///
/// # Errors
/// [`Refusal::OutOfBounds`] if it names more than [`PARTICIPANTS_MAX`] members.
///
/// # Panics
/// Never: participations have neither maps nor values that JSON cannot write.
pub fn settlement_bodies(settled: RoundSettled) -> Result<Vec<Body>, Refusal> {
    // The longest time, so that the leaf fits whenever it is written.
    let entry = Entry { time_ms: u64::MAX, body: Body::RoundSettled(settled) };
    let fits = entry.to_leaf().is_ok();
    let Body::RoundSettled(settled) = entry.body else {
        return Ok(Vec::new());
    };
    if fits {
        return Ok(vec![Body::RoundSettled(settled)]);
    }
    let (participants, dropped) = (count(&settled.participants)?, count(&settled.dropped)?);
    let parts = parts(&settled);
    let head = RoundSettling {
        participants,
        dropped,
        parts: parts.iter().map(SettledPart::digest).collect(),
        settled: RoundSettled { participants: Vec::new(), dropped: Vec::new(), ..settled },
    };
    Ok(std::iter::once(head.into()).chain(parts.into_iter().map(Body::from)).collect())
}

/// The whole of a settlement from its entries, in their order: the inverse of [`settlement_bodies`]. None if they are no settlement.
#[must_use]
pub fn settlement_of(bodies: Vec<Body>) -> Option<RoundSettled> {
    let mut bodies = bodies.into_iter();
    let mut whole = match bodies.next()? {
        Body::RoundSettled(settled) => settled,
        Body::RoundSettling(head) => head.settled,
        _ => return None,
    };
    for body in bodies {
        let Body::SettledPart(part) = body else { return None };
        whole.participants.extend(part.participants);
        whole.dropped.extend(part.dropped);
    }
    Some(whole)
}

fn count<T>(list: &[T]) -> Result<u32, Refusal> {
    let high = i128::from(PARTICIPANTS_MAX);
    let got = u32::try_from(list.len()).unwrap_or(u32::MAX);
    crate::refusal::within("members of a settlement", got, 0, high)?;
    Ok(got)
}

/// As many members to a part as fit, participants first.
fn parts(settled: &RoundSettled) -> Vec<SettledPart> {
    let empty = |part: usize| SettledPart {
        federation: settled.federation.clone(),
        round: settled.round,
        part: u32::try_from(part).expect("fewer parts than members"),
        participants: Vec::new(),
        dropped: Vec::new(),
    };
    let mut parts = vec![empty(0)];
    let mut bytes = 0;
    // A member takes its JSON and a comma.
    let mut room = |parts: &mut Vec<SettledPart>, needed: usize| {
        if bytes + needed > PART_BYTES_MAX {
            parts.push(empty(parts.len()));
            bytes = 0;
        }
        bytes += needed;
    };
    for participation in &settled.participants {
        let needed = json_bytes(participation) + 1;
        room(&mut parts, needed);
        parts.last_mut().expect("there is a part").participants.push(participation.clone());
    }
    for member in &settled.dropped {
        room(&mut parts, 2 * VerifyingKey::LEN + 3);
        parts.last_mut().expect("there is a part").dropped.push(*member);
    }
    parts
}

fn json_bytes(participation: &Participation) -> usize {
    serde_json::to_vec(participation).expect("participations have no maps and no floats").len()
}
