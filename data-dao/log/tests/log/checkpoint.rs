//! Checkpoints and cosignatures.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use data_dao_log::{Checkpoint, CheckpointError, Kind, LINES_MAX, LogKey, Verifier, VerifierError};

use crate::world::{NOW_S, ORIGIN, cosigned, head, key, log, signed, tree, verifier, witness_key};

/// The example of the documentation of Go's note package, which C2SP signed-note took over.
const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

#[test]
fn the_key_of_the_specifications_example_is_read_and_spelled_the_same() {
    let peter: Verifier = PETER.parse().unwrap();
    assert_eq!((peter.name(), peter.id(), peter.kind()), ("PeterNeumann", 0xc74f_20a3, Kind::Log));
    assert_eq!(peter.to_string(), PETER);
    let text = witness_key(1).verifier().to_string();
    let again: Verifier = text.parse().unwrap();
    assert_eq!((again.kind(), again.to_string()), (Kind::Witness, text));
}

#[test]
fn texts_that_are_no_key_are_refused_with_their_reason() {
    let malformed =
        |text: &str| matches!(text.parse::<Verifier>(), Err(VerifierError::Malformed { .. }));
    for text in ["", "a", "a+b", "a+c74f20a3", "a+c74f20a3+", "a+c74f20a+AQ==", "a++AQ=="] {
        assert!(malformed(text), "{text}");
    }
    let other_id = PETER.replace("c74f20a3", "c74f20a4");
    assert!(matches!(other_id.parse::<Verifier>(), Err(VerifierError::Id { .. })));
    let other_name = PETER.replace("PeterNeumann", "Peter");
    assert!(matches!(other_name.parse::<Verifier>(), Err(VerifierError::Id { .. })));
    let algorithm = format!("a+00000000+{}", BASE64_STANDARD.encode([6; 33]));
    assert!(matches!(algorithm.parse::<Verifier>(), Err(VerifierError::Algorithm { got: 6, .. })));
    // The neutral element of the curve: more than one signature verifies under it.
    let mut weak = [0; 33];
    (weak[0], weak[1]) = (1, 1);
    assert!(malformed(&format!("a+00000000+{}", BASE64_STANDARD.encode(weak))));
    for name in ["", "a b", "a+b", "a\nb", "a\u{0}b", "a\u{2003}b", &"a".repeat(256)] {
        assert!(matches!(LogKey::new(name, &key(1)), Err(VerifierError::Name { .. })), "{name:?}");
    }
}

#[test]
fn a_checkpoint_is_believed_with_the_logs_key_only() {
    let tree = tree(0);
    let checkpoint = signed(&tree, 7);
    let root = BASE64_STANDARD.encode(head(&tree, 7).root.0);
    assert!(checkpoint.as_str().starts_with(&format!("{ORIGIN}\n7\n{root}\n\n\u{2014} {ORIGIN} ")));
    checkpoint.signed_by(&verifier()).unwrap();
    assert_eq!(*checkpoint.head(), head(&tree, 7));
    let stranger = LogKey::new(ORIGIN, &key(2)).unwrap();
    let unsigned = checkpoint.signed_by(stranger.verifier());
    assert!(matches!(unsigned, Err(CheckpointError::Unsigned { .. })), "{unsigned:?}");
    let other = LogKey::new("other.example", &key(1)).unwrap();
    let refused = checkpoint.signed_by(other.verifier());
    assert!(matches!(refused, Err(CheckpointError::OtherLog { .. })), "{refused:?}");
    for (from, to) in [("\n7\n", "\n8\n"), (&root[..5], "AAAAA"), ("\n\n", "\nextension\n\n")] {
        let altered = Checkpoint::parse(&checkpoint.as_str().replacen(from, to, 1)).unwrap();
        let refused = altered.signed_by(&verifier());
        assert!(matches!(refused, Err(CheckpointError::BadSignature { .. })), "{to}: {refused:?}");
    }
}

#[test]
fn what_is_no_checkpoint_is_refused() {
    let sound = signed(&tree(0), 7).to_string();
    let (body, lines) = sound.split_once("\n\n").unwrap();
    let line = format!("{lines}\n");
    let line = line.trim_end_matches('\n').to_owned() + "\n";
    let texts = [
        String::new(),
        body.to_owned(),
        format!("{body}\n\n"),
        format!("{body}\n\n{}", line.trim_end()),
        format!("{body}\n\n{}", line.replace('\u{2014}', "-")),
        format!("{}\n\n{line}", body.replace("\n7\n", "\n07\n")),
        format!("{}\n\n{line}", body.replace("\n7\n", "\n-7\n")),
        format!("{}\n\n{line}", body.replace("\n7\n", "\n18446744073709551616\n")),
        format!("{}\n\n{line}", body.replace('=', "")),
        format!("{}\n\n{line}", body.replace("\n7\n", "\n7\r\n")),
        format!("\n{body}\n\n{line}"),
        format!("{body}\n\n\n{line}"),
        format!("{body}\n\n{}", line.repeat(LINES_MAX + 1)),
        "x".repeat(1 << 20),
    ];
    for text in texts {
        assert!(Checkpoint::parse(&text).is_err(), "{text:?}");
    }
}

#[test]
fn a_cosignature_is_over_the_time_and_the_body_as_the_specification_spells_them() {
    let tree = tree(0);
    let checkpoint = cosigned(&tree, 7, &[1]);
    let (body, lines) = checkpoint.as_str().split_once("\n\n").unwrap();
    let line = lines.lines().nth(1).unwrap();
    let bytes = line.strip_prefix("\u{2014} witness.example/1 ").unwrap();
    let bytes = BASE64_STANDARD.decode(bytes).unwrap();
    assert_eq!(bytes.len(), 4 + 8 + 64);
    let public = key(101).verifying_key();
    // SHA-256(name, newline, 0x04, key), four bytes of it.
    let id = signed_note::key_id("witness.example/1", &[&[4], &public.as_bytes()[..]].concat());
    assert_eq!(bytes[..4], id.to_be_bytes());
    assert_eq!(bytes[4..12], NOW_S.to_be_bytes());
    let message = format!("cosignature/v1\ntime {NOW_S}\n{body}\n");
    let by = ed25519_dalek::VerifyingKey::from_bytes(public.as_bytes()).unwrap();
    let signature = ed25519_dalek::Signature::from_slice(&bytes[12..]).unwrap();
    by.verify_strict(message.as_bytes(), &signature).unwrap();

    let known = [witness_key(1).verifier().clone(), witness_key(2).verifier().clone()];
    let found = checkpoint.cosignatures(&known).unwrap();
    assert_eq!((found.len(), found[0].time_s, &found[0].witness), (1, NOW_S, &known[0]));
    let mut later = bytes;
    later[11] ^= 1;
    let altered = lines
        .replace(line, &format!("\u{2014} witness.example/1 {}", BASE64_STANDARD.encode(later)));
    let altered = Checkpoint::parse(&format!("{body}\n\n{altered}")).unwrap();
    let refused = altered.cosignatures(&known);
    assert!(matches!(refused, Err(CheckpointError::BadSignature { .. })), "{refused:?}");
    // A line of somebody who is not known is no reason.
    assert_eq!(altered.cosignatures(&known[1..]).unwrap(), []);
}

#[test]
fn a_logs_signature_is_no_cosignature_and_the_other_way_round() {
    let checkpoint = cosigned(&tree(0), 7, &[1]);
    assert_eq!(checkpoint.cosignatures(&[verifier()]).unwrap(), []);
    // The witness's key as that of a log: another id, so no line is by it.
    let as_log = LogKey::new("witness.example/1", &key(101)).unwrap();
    assert!(checkpoint.signed_by(as_log.verifier()).is_err());
    let bare = checkpoint.only(&[log().verifier().clone()]).unwrap();
    assert_eq!(bare, signed(&tree(0), 7));
    assert!(checkpoint.only(&[]).is_err());
}
