//! What admits a member: for the DAO node alone.
//!
//! Threat: the coordinator, through which requests to join travel. One that reads the invitation's secret admits as many
//! members as it likes, fills a round with them but for one place, and the sum less their updates is that one's update.
//! So the secret is sealed to the DAO node and bound to the key that joins: who carries it can neither read it nor use
//! it for a key of its own. The member's name is with it; the coordinator has no need of it either.

use privacy_identity::{
    Decode, DecodeError, Digest, Encode, Envelope, EnvelopeError, Reader, SealingKey,
    SealingPublicKey, Tag, VerifyingKey, Writer,
};
use rand::CryptoRng;
use zeroize::Zeroizing;

/// The secret of an invitation, and the name that a member gives itself.
pub struct Admission {
    /// The invitation's secret.
    pub token: Zeroizing<String>,
    /// A public name of the member's choice.
    pub label: String,
}

/// Says nothing of the secret.
impl std::fmt::Debug for Admission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admission").field("label", &self.label).finish_non_exhaustive()
    }
}

impl Admission {
    /// Longest name a member gives itself, in bytes.
    pub const LABEL_BYTES_MAX: usize = 64;
    /// Longest secret of an invitation, in bytes.
    pub const TOKEN_BYTES_MAX: usize = 64;

    /// Sealed to the DAO node for the member `joining` the federation, both of which open it.
    ///
    /// # Errors
    /// [`EnvelopeError::BadRecipient`].
    pub fn seal(
        &self,
        (federation, joining): (&Digest, &VerifyingKey),
        dao_sealing: &SealingPublicKey,
        rng: &mut impl CryptoRng,
    ) -> Result<Envelope, EnvelopeError> {
        // All of it at once: what outgrew its memory would be left behind unwiped.
        let mut writer = Writer::with_capacity(8 + self.token.len() + self.label.len());
        self.encode(&mut writer);
        let plaintext = Zeroizing::new(writer.into_bytes());
        dao_sealing.seal(Tag::Admission, &associated(federation, joining), &plaintext, rng)
    }

    /// Opened by the DAO node's key.
    ///
    /// # Errors
    /// [`AdmissionError`]: sealed to another key, for another member or federation, or not of this form.
    pub fn open(
        (federation, joining): (&Digest, &VerifyingKey),
        envelope: &Envelope,
        key: &SealingKey,
    ) -> Result<Self, AdmissionError> {
        let bytes = key.open(Tag::Admission, &associated(federation, joining), envelope)?;
        Ok(Self::from_bytes(&bytes)?)
    }
}

impl Encode for Admission {
    fn encode(&self, writer: &mut Writer) {
        writer.text(&self.token);
        writer.text(&self.label);
    }
}

impl Decode for Admission {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let token = Zeroizing::new(reader.text("token", Self::TOKEN_BYTES_MAX)?);
        Ok(Self { token, label: reader.text("label", Self::LABEL_BYTES_MAX)? })
    }
}

/// Why no admission was read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdmissionError {
    /// It does not open.
    #[error("what admits the member does not open")]
    Unopenable(#[from] EnvelopeError),
    /// It opens to something else.
    #[error("what admits the member is malformed")]
    Malformed(#[from] DecodeError),
}

/// What the envelope is bound to.
fn associated(federation: &Digest, joining: &VerifyingKey) -> Vec<u8> {
    let mut writer = Writer::default();
    federation.encode(&mut writer);
    joining.encode(&mut writer);
    writer.into_bytes()
}

#[cfg(test)]
mod tests {
    use privacy_identity::SigningKey;
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

    use super::*;

    #[test]
    fn what_admits_a_member_opens_for_the_dao_node_and_that_member_alone() {
        let rng = &mut ChaCha20Rng::seed_from_u64(1);
        let [member, puppet] = [1, 2].map(|n| SigningKey::from_seed(&[n; 32]).verifying_key());
        let [dao, coordinator] = [3, 4].map(|n| SealingKey::from_seed(&[n; 32]));
        let (federation, other) = (Digest([5; 32]), Digest([6; 32]));
        let admission =
            Admission { token: Zeroizing::new("grape".to_owned()), label: "Winery 1".to_owned() };
        assert!(!format!("{admission:?}").contains("grape"));
        let envelope = admission.seal((&federation, &member), &dao.public(), rng).unwrap();
        assert!(!String::from_utf8_lossy(&envelope.to_bytes()).contains("grape"));
        let opened = Admission::open((&federation, &member), &envelope, &dao).unwrap();
        assert_eq!((opened.token.as_str(), opened.label.as_str()), ("grape", "Winery 1"));
        for (federation, member, key) in [
            // The coordinator that carries it, for a puppet of its own, and to another federation.
            (&federation, &member, &coordinator),
            (&federation, &puppet, &dao),
            (&other, &member, &dao),
        ] {
            let error = Admission::open((federation, member), &envelope, key).unwrap_err();
            assert!(matches!(error, AdmissionError::Unopenable(_)), "{error}");
        }
    }

    #[test]
    fn what_opens_to_something_else_is_refused() {
        let rng = &mut ChaCha20Rng::seed_from_u64(2);
        let member = SigningKey::from_seed(&[1; 32]).verifying_key();
        let (dao, federation) = (SealingKey::from_seed(&[3; 32]), Digest([5; 32]));
        let bound = associated(&federation, &member);
        let long = Admission { token: Zeroizing::new("t".repeat(65)), label: String::new() };
        let long = long.seal((&federation, &member), &dao.public(), rng).unwrap();
        let short = dao.public().seal(Tag::Admission, &bound, &[0, 0], rng).unwrap();
        for envelope in [long, short] {
            let error = Admission::open((&federation, &member), &envelope, &dao).unwrap_err();
            assert!(matches!(error, AdmissionError::Malformed(_)), "{error}");
        }
    }
}
