//! Keys, envelopes, signatures and proofs.

use std::sync::OnceLock;

use privacy_identity::{
    Digest, Encode as _, Envelope, InclusionProof, MerkleTree, SealingPublicKey, Signature, Signed,
    SigningKey, Tag, VerifyingKey,
};

use crate::{
    Case, Verdict,
    case::canonical,
    fixtures::{key, rng, sealing_key},
};

/// What the target `identity` decodes.
pub const CASES: &[Case] = &[
    Case { name: "verifying-key", seeds: verifying_keys, check: verifying_key },
    Case { name: "sealing-key", seeds: sealing_keys, check: sealing_public_key },
    Case { name: "signature", seeds: signatures, check: signature },
    Case { name: "envelope", seeds: envelopes, check: envelope },
    Case { name: "signed", seeds: signed_digests, check: signed },
    Case { name: "inclusion-proof", seeds: proofs, check: inclusion_proof },
];

const LEAVES: u64 = 7;

fn verifying_keys() -> Vec<Vec<u8>> {
    (0..4).map(|index| key(index).verifying_key().to_bytes()).collect()
}

/// A key prints as text that reads as the same key, and nothing verifies under it that nobody signed.
fn verifying_key(bytes: &[u8]) -> Verdict {
    let Some(key) = canonical::<VerifyingKey>(bytes) else { return Verdict::Refused };
    assert!(key.to_string().parse() == Ok(key));
    assert!(key.verify(Tag::Terms, b"never signed", &Signature([0; 64])).is_err());
    Verdict::Taken
}

fn sealing_keys() -> Vec<Vec<u8>> {
    (0..4).map(|index| sealing_key(index).public().to_bytes()).collect()
}

/// Any 32 bytes are one; those that give no secret are refused when they are used.
fn sealing_public_key(bytes: &[u8]) -> Verdict {
    let Some(key) = canonical::<SealingPublicKey>(bytes) else { return Verdict::Refused };
    if let Ok(envelope) = key.seal(Tag::ShareEnvelope, b"context", b"secret", &mut rng(2)) {
        assert!(canonical::<Envelope>(&envelope.to_bytes()) == Some(envelope));
    }
    Verdict::Taken
}

fn signatures() -> Vec<Vec<u8>> {
    vec![key(1).sign(Tag::Terms, b"message").to_bytes()]
}

/// Verifies only if it is the one that the signer made.
fn signature(bytes: &[u8]) -> Verdict {
    let Some(signature) = canonical::<Signature>(bytes) else { return Verdict::Refused };
    assert!(signature.to_string().parse() == Ok(signature));
    let verifies = key(1).verifying_key().verify(Tag::Terms, b"message", &signature).is_ok();
    assert!(verifies == (signatures()[0] == bytes), "another signature verifies");
    Verdict::Taken
}

fn envelopes() -> Vec<Vec<u8>> {
    static ENVELOPES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    let seal = |length: usize| {
        let plaintext = vec![7; length];
        let to = sealing_key(1).public();
        let sealed = to.seal(Tag::ShareEnvelope, b"context", &plaintext, &mut rng(1));
        sealed.expect("an honest key").to_bytes()
    };
    ENVELOPES.get_or_init(|| [0, 1, 200].map(seal).to_vec()).clone()
}

/// Opens only if it is one that was sealed.
fn envelope(bytes: &[u8]) -> Verdict {
    let Some(envelope) = canonical::<Envelope>(bytes) else { return Verdict::Refused };
    assert!(envelope.digest(Tag::Terms) == Digest::of_encoded(Tag::Terms, &envelope));
    let opened = sealing_key(1).open(Tag::ShareEnvelope, b"context", &envelope);
    assert!(opened.is_ok() == envelopes().iter().any(|honest| honest == bytes), "forged");
    Verdict::Taken
}

fn signed_digests() -> Vec<Vec<u8>> {
    let sign = |key: SigningKey| Signed::new(Digest([3; 32]), Tag::Terms, &key).to_bytes();
    vec![sign(key(1)), sign(key(2))]
}

/// Verifies only if it is one that was signed; by the expected signer only that signer's.
fn signed(bytes: &[u8]) -> Verdict {
    let Some(signed) = canonical::<Signed<Digest>>(bytes) else { return Verdict::Refused };
    let honest = signed_digests();
    let signer = key(1).verifying_key();
    assert!(signed.clone().verify(Tag::Terms).is_ok() == honest.iter().any(|h| h == bytes));
    assert!(signed.clone().verify_by(Tag::Terms, &signer).is_ok() == (honest[0] == bytes));
    assert!(signed.verify(Tag::RoundOrder).is_err(), "a signature for another purpose");
    Verdict::Taken
}

fn tree() -> MerkleTree {
    let leaves: Vec<[u8; 8]> = (0..LEAVES).map(u64::to_be_bytes).collect();
    MerkleTree::from_leaves(leaves.iter().map(<[u8; 8]>::as_slice))
}

fn proofs() -> Vec<Vec<u8>> {
    let tree = tree();
    (0..LEAVES).map(|index| tree.prove(index).expect("in range").to_bytes()).collect()
}

/// Proves a leaf only along that leaf's own path.
fn inclusion_proof(bytes: &[u8]) -> Verdict {
    let Some(proof) = canonical::<InclusionProof>(bytes) else { return Verdict::Refused };
    let (tree, root) = (tree(), tree().root());
    for index in 0..LEAVES {
        let honest = tree.prove(index).expect("in range");
        let proves = proof.verify(&index.to_be_bytes(), &root).is_ok();
        assert!(!proves || proof.path == honest.path, "another path proves leaf {index}");
        assert!(proves || proof != honest, "the honest proof of leaf {index} is refused");
    }
    assert!(proof.verify(b"not a leaf", &root).is_err());
    Verdict::Taken
}
