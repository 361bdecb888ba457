//! What stands in a frame: a kind of one byte, and what belongs to it.
//!
//! ```text
//!   asks                                         answers
//!   0  whole    request                          0  whole      answer
//!   1  offer    description                      1  described  description
//!   2  put      id ‖ index u32 ‖ chunk           2  have       one bit per chunk
//!   3  commit   id                               3  chunk      chunk
//!   4  get      id ‖ index u32                   4  declined   reason u8 ‖ retry_ms u32 ‖ limit u32
//!   5  done     id                               5  done
//!   6  ping
//!
//!   small:      whole                            ─►  whole | declined
//!   large up:   offer ─► have, put ─► done …, commit ─► whole | described | declined
//!   large down: whole | commit ─► described, get ─► chunk …, done ─► done
//! ```

use std::sync::Arc;

use crate::{
    decline::{DECLINE_BYTES, Decline},
    description::{CHUNK_BYTES, CHUNKS_MAX, Description, HEAD_BYTES, TransferId},
    payload::Payload,
};

/// Bytes of a frame before its body: the kind.
pub(crate) const KIND_BYTES: u32 = 1;
/// Bytes of an id.
const ID_BYTES: u32 = 32;
/// Bytes of an index.
const INDEX_BYTES: u32 = 4;
/// Longest frame of this version: the description of the longest message. Nothing longer is read.
pub(crate) const FRAME_BYTES_MAX: u32 = KIND_BYTES + description_bytes_max(u32::MAX);

const WHOLE: u8 = 0;
const OFFER: u8 = 1;
const PUT: u8 = 2;
const COMMIT: u8 = 3;
const GET: u8 = 4;
const DONE: u8 = 5;
const PING: u8 = 6;

const DESCRIBED: u8 = 1;
const HAVE: u8 = 2;
const CHUNK: u8 = 3;
const DECLINED: u8 = 4;
const ACKNOWLEDGED: u8 = 5;

/// What one side asks.
#[derive(Debug, Clone)]
pub(crate) enum Ask {
    /// A request that fits into a chunk.
    Whole(Payload),
    /// Which chunks of this request are there?
    Offer(Description),
    /// A chunk of a request.
    Put { id: TransferId, index: u32, chunk: Payload },
    /// All chunks are there: answer the request.
    Commit(TransferId),
    /// A chunk of an answer, please.
    Get { id: TransferId, index: u32 },
    /// The answer has come whole and need not be kept.
    Done(TransferId),
    /// Is anybody there?
    Ping,
}

/// What the other side answers.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// An answer that fits into a chunk.
    Whole(Payload),
    /// An answer that is to be fetched.
    Described(Description),
    /// Which chunks of a request are there.
    Have(Vec<u8>),
    /// A chunk of an answer.
    Chunk(Payload),
    /// No, and why.
    Declined(Decline),
    /// Yes.
    Done,
}

/// Bytes of the description of a message of so many bytes.
const fn description_bytes_max(message_bytes: u32) -> u32 {
    let chunks = message_bytes.div_ceil(CHUNK_BYTES);
    let chunks = if chunks < CHUNKS_MAX { chunks } else { CHUNKS_MAX };
    8 + 32 * chunks
}

const fn smaller(a: u32, b: u32) -> u32 {
    if a < b { a } else { b }
}

/// Longest body of an ask of this kind, `None` for an unknown kind.
///
/// * `request_bytes_max` — longest request.
pub(crate) const fn ask_bytes_max(kind: u8, request_bytes_max: u32) -> Option<u32> {
    Some(match kind {
        WHOLE => smaller(request_bytes_max, CHUNK_BYTES),
        OFFER => description_bytes_max(request_bytes_max),
        PUT => ID_BYTES + INDEX_BYTES + CHUNK_BYTES,
        COMMIT | DONE => ID_BYTES,
        GET => ID_BYTES + INDEX_BYTES,
        PING => 0,
        _ => return None,
    })
}

/// Bytes that the answer to an ask of this kind moves, where that is known before.
pub(crate) const fn answer_bytes_expected(kind: u8) -> u64 {
    if kind == GET { CHUNK_BYTES as u64 } else { 0 }
}

/// Longest body of an answer of this kind, `None` for an unknown kind.
pub(crate) const fn answer_bytes_max(kind: u8, response_bytes_max: u32) -> Option<u32> {
    Some(match kind {
        WHOLE => smaller(response_bytes_max, CHUNK_BYTES),
        // Longer ones are read as well, to say by how much the answer is too long.
        DESCRIBED => description_bytes_max(u32::MAX),
        HAVE => CHUNKS_MAX.div_ceil(8),
        CHUNK => CHUNK_BYTES,
        DECLINED => 9,
        ACKNOWLEDGED => 0,
        _ => return None,
    })
}

fn id_and_index(bytes: &[u8]) -> Option<(TransferId, u32)> {
    let (id, index) = bytes.split_first_chunk()?;
    Some((TransferId(*id), u32::from_be_bytes(index.try_into().ok()?)))
}

fn head(kind: u8, id: TransferId, index: u32) -> Vec<u8> {
    let mut head = vec![kind];
    head.extend(id.0);
    head.extend(index.to_be_bytes());
    head
}

impl Ask {
    /// Reads the body of an ask; `None` if it is not one of this kind.
    pub(crate) fn parse(kind: u8, body: Vec<u8>) -> Option<Self> {
        let id = || body.as_slice().try_into().ok().map(TransferId);
        Some(match kind {
            WHOLE => Self::Whole(body.into()),
            OFFER => Self::Offer(Description::parse(&body).ok()?),
            PUT => {
                let prefix = (ID_BYTES + INDEX_BYTES) as usize;
                let (id, index) = id_and_index(body.get(..prefix)?)?;
                let range = prefix..body.len();
                Self::Put { id, index, chunk: Payload::part(Arc::new(body), range) }
            }
            COMMIT => Self::Commit(id()?),
            GET => {
                let (id, index) = id_and_index(&body)?;
                Self::Get { id, index }
            }
            DONE => Self::Done(id()?),
            PING if body.is_empty() => Self::Ping,
            _ => return None,
        })
    }

    /// The frame's bytes: a head, and what is shared with other frames.
    pub(crate) fn parts(&self) -> (Vec<u8>, &[u8]) {
        match self {
            Self::Whole(request) => (vec![WHOLE], request.as_slice()),
            Self::Offer(description) => {
                ([&[OFFER], description.to_bytes().as_slice()].concat(), &[])
            }
            Self::Put { id, index, chunk } => (head(PUT, *id, *index), chunk.as_slice()),
            Self::Commit(id) => ([&[COMMIT], id.0.as_slice()].concat(), &[]),
            Self::Get { id, index } => (head(GET, *id, *index), &[]),
            Self::Done(id) => ([&[DONE], id.0.as_slice()].concat(), &[]),
            Self::Ping => (vec![PING], &[]),
        }
    }

    /// Whether this is a request of the layer above, and not part of a transfer.
    pub(crate) const fn is_request(&self) -> bool {
        matches!(self, Self::Whole(_) | Self::Commit(_))
    }
}

impl Answer {
    /// Reads the body of an answer; `None` if it is not one of this kind.
    pub(crate) fn parse(kind: u8, body: Vec<u8>) -> Option<Self> {
        Some(match kind {
            WHOLE => Self::Whole(body.into()),
            DESCRIBED => Self::Described(Description::parse(&body).ok()?),
            HAVE => Self::Have(body),
            CHUNK => Self::Chunk(body.into()),
            DECLINED => Self::Declined(Decline::parse(&body)?),
            ACKNOWLEDGED if body.is_empty() => Self::Done,
            _ => return None,
        })
    }

    /// The frame's bytes: a head, and what is shared with other frames.
    pub(crate) fn parts(&self) -> (Vec<u8>, &[u8]) {
        match self {
            Self::Whole(answer) => (vec![WHOLE], answer.as_slice()),
            Self::Described(description) => {
                ([&[DESCRIBED], description.to_bytes().as_slice()].concat(), &[])
            }
            Self::Have(bitmap) => (vec![HAVE], bitmap),
            Self::Chunk(chunk) => (vec![CHUNK], chunk.as_slice()),
            Self::Declined(decline) => ([&[DECLINED], decline.to_bytes().as_slice()].concat(), &[]),
            Self::Done => (vec![ACKNOWLEDGED], &[]),
        }
    }

    /// Whether this is an answer of the layer above, and not part of a transfer.
    pub(crate) const fn is_answer(&self) -> bool {
        matches!(self, Self::Whole(_) | Self::Described(_))
    }
}

const _: () = assert!(HEAD_BYTES == 8, "`description_bytes_max` counts them");
const _: () = assert!(DECLINE_BYTES == 9, "`answer_bytes_max` counts them");

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: TransferId = TransferId([7; 32]);

    fn bytes((head, payload): (Vec<u8>, &[u8])) -> Vec<u8> {
        [head.as_slice(), payload].concat()
    }

    #[test]
    fn wire_bytes_are_pinned() {
        let chunk = Payload::from(vec![8, 9]);
        let description = Description::of(b"abc").unwrap();
        let described = description.to_bytes();
        let id = ID.0.as_slice();
        let index = [0, 0, 1, 2].as_slice();
        let asks = [
            (Ask::Whole(chunk.clone()), [&[0][..], &[8, 9]].concat()),
            (Ask::Offer(description.clone()), [&[1][..], &described].concat()),
            (
                Ask::Put { id: ID, index: 258, chunk: chunk.clone() },
                [&[2][..], id, index, &[8, 9]].concat(),
            ),
            (Ask::Commit(ID), [&[3][..], id].concat()),
            (Ask::Get { id: ID, index: 258 }, [&[4][..], id, index].concat()),
            (Ask::Done(ID), [&[5][..], id].concat()),
            (Ask::Ping, vec![6]),
        ];
        for (ask, expected) in asks {
            assert_eq!(bytes(ask.parts()), expected);
            let again = Ask::parse(expected[0], expected[1..].to_vec()).unwrap();
            assert_eq!(bytes(again.parts()), expected);
        }
        let answers = [
            (Answer::Whole(chunk.clone()), [&[0][..], &[8, 9]].concat()),
            (Answer::Described(description), [&[1][..], &described].concat()),
            (Answer::Have(vec![0b101]), vec![2, 0b101]),
            (Answer::Chunk(chunk), vec![3, 8, 9]),
            (Answer::Declined(Decline::too_large(258)), vec![4, 4, 0, 0, 0, 0, 0, 0, 1, 2]),
            (Answer::Done, vec![5]),
        ];
        for (answer, expected) in answers {
            assert_eq!(bytes(answer.parts()), expected);
            let again = Answer::parse(expected[0], expected[1..].to_vec()).unwrap();
            assert_eq!(bytes(again.parts()), expected);
        }
    }

    #[test]
    fn longest_frames_fit_their_limits() {
        assert_eq!(FRAME_BYTES_MAX, 1 + 8 + 32 * 16_384);
        assert_eq!(ask_bytes_max(OFFER, 100 << 20), Some(8 + 32 * 400));
        assert_eq!(ask_bytes_max(WHOLE, 1000), Some(1000));
        assert_eq!(ask_bytes_max(WHOLE, 1 << 30), Some(CHUNK_BYTES));
        assert_eq!(ask_bytes_max(7, 1), None);
        assert_eq!(answer_bytes_max(6, 1), None);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(
            kind in 0_u8..9,
            body in proptest::collection::vec(any::<u8>(), 0..120),
        ) {
            let expected = [&[kind], body.as_slice()].concat();
            if let Some(ask) = Ask::parse(kind, body.clone()) {
                prop_assert_eq!(bytes(ask.parts()), expected.clone());
            }
            if let Some(answer) = Answer::parse(kind, body) {
                prop_assert_eq!(bytes(answer.parts()), expected);
            }
        }
    }
}
