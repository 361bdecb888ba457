use futures::{executor::block_on, io::Cursor};
use libp2p::request_response::Codec as _;

use super::*;
use crate::version::PROTOCOL;

const PEER: PeerKey = PeerKey::from_bytes([1; 32]);

fn codec(inbound_requests_max: u16) -> ExchangeCodec {
    let limits = Limits {
        request_bytes_max: 8,
        response_bytes_max: 8,
        inbound_requests_max,
        ..Limits::default()
    };
    let next = Arc::new(Mutex::new(Some(PEER)));
    let template = ExchangeCodec::new(&limits, next, Budgets::new(&limits), Arc::default());
    #[expect(clippy::redundant_clone, reason = "a clone of the template is the peer's")]
    template.clone()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

fn read_request(codec: &mut ExchangeCodec, bytes: &[u8]) -> io::Result<Request> {
    runtime().block_on(codec.read_request(&PROTOCOL, &mut Cursor::new(bytes)))
}

fn declined(request: io::Result<Request>) -> DeclineReason {
    match request.unwrap().content {
        Content::Declined(decline) => decline.reason,
        other => unreachable!("not declined: {other:?}"),
    }
}

#[test]
fn refused_requests_are_counted_by_reason() {
    let mut codec = codec(4);
    let long = [&[0, 0, 0, 10, 0][..], &[7; 9]].concat();
    assert_eq!(declined(read_request(&mut codec, &long)), DeclineReason::TooLarge);
    assert_eq!(declined(read_request(&mut codec, &[0, 0, 0, 1, 99])), DeclineReason::Malformed);
    assert!(read_request(&mut codec, &[0, 0, 0, 8, 0, 1]).is_err());
    assert!(read_request(&mut codec, &[0, 0, 0, 3, 3, 1, 1]).is_err());
    assert!(read_request(&mut codec, &[0, 0, 0, 0]).is_err());
    assert!(read_request(&mut codec, &[255, 0, 0, 0]).is_err());
    let counters = codec.tally.snapshot();
    assert_eq!((counters.oversized, counters.truncated), (2, 4));
}

#[test]
fn request_beyond_the_last_place_is_told_when_to_come_back() {
    let mut codec = codec(1);
    let first = read_request(&mut codec, &[0, 0, 0, 2, 0, 7]).unwrap();
    assert_eq!(declined(read_request(&mut codec, &[0, 0, 0, 2, 0, 7])), DeclineReason::Busy);
    assert_eq!(codec.tally.snapshot().dropped, 1);
    drop(first);
    let second = read_request(&mut codec, &[0, 0, 0, 2, 0, 7]).unwrap();
    assert!(matches!(second.content, Content::Ask(Ask::Whole(_))));
}

#[test]
fn refused_body_gives_its_place_back() {
    let mut codec = codec(1);
    assert!(read_request(&mut codec, &[0, 0, 0, 3, 0, 7]).is_err());
    let next = read_request(&mut codec, &[0, 0, 0, 2, 0, 7]).unwrap();
    assert!(next.place.is_some());
}

#[test]
fn peer_without_a_key_is_not_served() {
    let limits = Limits::default();
    let next = Arc::default();
    let template = ExchangeCodec::new(&limits, next, Budgets::new(&limits), Arc::default());
    let refused = read_request(&mut template.clone(), &[0, 0, 0, 2, 0, 7]).unwrap_err();
    assert_eq!(FrameError::within(&refused), Some(&FrameError::Untold));
}

#[test]
fn slow_frame_is_given_up_in_time() {
    let mut codec = codec(1);
    codec.frame_timeout = Duration::from_millis(50);
    // A length and a kind, and then nothing for ever.
    let mut io = futures::AsyncReadExt::chain(Cursor::new([0, 0, 0, 9, 0]), Silent);
    let refused = runtime().block_on(codec.read_request(&PROTOCOL, &mut io)).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::TimedOut);
    assert!(read_request(&mut codec, &[0, 0, 0, 2, 0, 7]).unwrap().place.is_some());
}

/// A stream on which nothing ever comes.
struct Silent;

impl AsyncRead for Silent {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        _: &mut [u8],
    ) -> std::task::Poll<io::Result<usize>> {
        std::task::Poll::Pending
    }
}

#[test]
fn versions_are_told_instead_of_a_request() {
    let mut codec = codec(1);
    let mut io = Cursor::new(Vec::new());
    let request = Request { content: Content::Ask(Ask::Ping), place: None };
    block_on(codec.write_request(&VERSIONS_PROTOCOL, &mut io, request)).unwrap();
    assert_eq!(io.get_ref(), &[0, 0, 0, 3, 1, 0, 2]);
    let mut theirs = Cursor::new([0, 0, 0, 3, 1, 0, 9]);
    let error = block_on(codec.read_response(&VERSIONS_PROTOCOL, &mut theirs)).unwrap_err();
    assert_eq!(FrameError::within(&error), Some(&FrameError::Version { theirs: vec![9] }));
}
