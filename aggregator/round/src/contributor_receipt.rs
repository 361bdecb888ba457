//! What a contributor keeps of a counted round, and what anybody can check of it offline.

use aggregator_protocol::{FederationTerms, FetchedReceipt, RoundReceipt, RoundSum};
use privacy_identity::{
    Decode, DecodeError, Digest, Encode, InclusionProof, Reader, Signed, Tag, VerifyingKey, Writer,
};

use crate::{Acknowledged, Outcome};

/// What [`ContributorReceipt::checks`] cannot check, for people.
pub const NOT_CHECKED: [&str; 3] = [
    "that the sum is the sum of what the members sealed: only the cohort has the key of its tags; its \
     device checks them before it tells of the round as counted, keeps this file either way, and deletes the key",
    "that the model after the round follows from the sum: the models are not in this file",
    "that the ledger logged this very receipt: compare the receipt's digest with the round's entry",
];

/// A settled round as its contributor keeps it, disputed or not. Public: it holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContributorReceipt {
    /// The federation's id: the digest of its terms.
    pub federation: Digest,
    /// The contributor.
    pub member: VerifyingKey,
    /// The digest of its sealed update.
    pub update: Digest,
    /// The coordinator's receipt.
    pub receipt: Signed<RoundReceipt>,
    /// Where the update stands in the accepted set.
    pub proof: InclusionProof,
    /// The sum, if the coordinator still kept it.
    pub sum: Option<Signed<RoundSum>>,
}

/// A check and its result.
pub type ReceiptCheck = (&'static str, Result<(), String>);

type Step = fn(&ContributorReceipt, &Signed<FederationTerms>) -> Result<(), String>;

impl ContributorReceipt {
    /// What can be checked with the terms alone, in order, up to the first failure.
    #[must_use]
    pub fn checks(&self, terms: &Signed<FederationTerms>) -> Vec<ReceiptCheck> {
        let steps: [(&'static str, Step); 4] = [
            ("the DAO node signed these terms, and the receipt is for them", Self::check_terms),
            (
                "the coordinator signed the receipt, the DAO node granted the round, the other \
                 parties committed to the accepted set, and the update stands in it",
                Self::check_receipt,
            ),
            ("the sum is the one that the receipt names, over the same set", Self::check_sum),
            ("the sum has the form and the tags that the terms ask for", Self::check_form),
        ];
        let mut checks = Vec::new();
        for (what, step) in steps {
            let result = step(self, terms);
            let failed = result.is_err();
            checks.push((what, result));
            if failed {
                break;
            }
        }
        checks
    }

    fn check_terms(&self, terms: &Signed<FederationTerms>) -> Result<(), String> {
        let dao_node = terms.unverified_body().dao_node;
        let verified = terms.clone().verify_by(Tag::Terms, &dao_node);
        let verified = verified.map_err(|error| error.to_string())?;
        let id = verified.body().id();
        if id == self.federation {
            Ok(())
        } else {
            Err(format!("the terms are of federation {id}, the receipt of {}", self.federation))
        }
    }

    fn check_receipt(&self, terms: &Signed<FederationTerms>) -> Result<(), String> {
        let grant = self.receipt.unverified_body().grant.unverified_body();
        let acknowledged = Acknowledged::of(self.update, grant.binding(self.member));
        let (receipt, proof) = (Box::new(self.receipt.clone()), Some(self.proof.clone()));
        let fetched = FetchedReceipt::Settled { receipt, proof };
        match acknowledged.check(terms.unverified_body(), fetched) {
            Ok(Outcome::Counted(_)) => Ok(()),
            Ok(_) => Err("the receipt is not of a settled round".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn check_sum(&self, terms: &Signed<FederationTerms>) -> Result<(), String> {
        let sum = self.sum.as_ref().ok_or("the file does not hold the sum")?;
        let coordinator = &terms.unverified_body().coordinator().verifying;
        let sum = sum.clone().verify_by(Tag::RoundSum, coordinator);
        let sum = sum.map_err(|error| error.to_string())?;
        let receipt = self.receipt.unverified_body();
        let same = Digest::of_encoded(Tag::RoundSum, sum.body()) == receipt.sum
            && sum.body().accepted == receipt.accepted
            && sum.body().round == receipt.round;
        if same { Ok(()) } else { Err("the sum is another one".to_owned()) }
    }

    fn check_form(&self, terms: &Signed<FederationTerms>) -> Result<(), String> {
        let sum = self.sum.as_ref().ok_or("the file does not hold the sum")?.unverified_body();
        let encoding = &terms.unverified_body().encoding;
        let (expected, got) = (encoding.vector_len(), sum.sum.len());
        if expected != got {
            return Err(format!("the sum has {got} coordinates, the terms ask for {expected}"));
        }
        let tagged = encoding.options().tagging == privacy_secagg::Tagging::Linear;
        if tagged == sum.tag.is_some() { Ok(()) } else { Err("the tag is missing".to_owned()) }
    }
}

impl Encode for ContributorReceipt {
    fn encode(&self, writer: &mut Writer) {
        self.federation.encode(writer);
        self.member.encode(writer);
        self.update.encode(writer);
        self.receipt.encode(writer);
        self.proof.encode(writer);
        writer.u8(u8::from(self.sum.is_some()));
        if let Some(sum) = &self.sum {
            sum.encode(writer);
        }
    }
}

impl Decode for ContributorReceipt {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            federation: Decode::decode(reader)?,
            member: Decode::decode(reader)?,
            update: Decode::decode(reader)?,
            receipt: Decode::decode(reader)?,
            proof: Decode::decode(reader)?,
            sum: match reader.u8()? {
                0 => None,
                1 => Some(Decode::decode(reader)?),
                other => return Err(DecodeError::invalid("sum", other)),
            },
        })
    }
}
