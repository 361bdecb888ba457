//! The canonical encoding of actions: what ids and signatures cover.
//!
//! The codes are part of the wire form: append, never change.

use privacy_identity::{Encode, Writer};

use super::{Action, Evidence, PrivacyPolicy};
use crate::Role;

impl Encode for Action {
    fn encode(&self, writer: &mut Writer) {
        writer.u8(self.code());
        match self {
            Self::Text => {}
            Self::SetPredictionPrice { model: name, price: amount }
            | Self::SetRoundBudget { federation: name, credits: amount } => {
                writer.text(name);
                writer.array(&amount.to_be_bytes());
            }
            Self::SetPricePolicy { model, policy } => part_of(model, policy, writer),
            Self::SetParameter { parameter, value } => {
                writer.u8(parameter.code());
                writer.u64(*value);
            }
            Self::TreasuryTransfer { to, amount } => {
                to.encode(writer);
                writer.array(&amount.to_be_bytes());
            }
            Self::SetRoyaltySplit { treasury_percent } => writer.u8(*treasury_percent),
            Self::ListModel { model: name }
            | Self::DelistModel { model: name }
            | Self::StartFederation { federation: name }
            | Self::StopFederation { federation: name }
            | Self::RemoveWitness { name } => writer.text(name),
            Self::SetNovelty { federation, percent } => numbers_of(federation, &[*percent], writer),
            Self::SetSuspension { federation, below_zero, of_rounds } => {
                numbers_of(federation, &[*below_zero, *of_rounds], writer);
            }
            Self::SetRevealBy { federation, rounds } => numbers_of(federation, &[*rounds], writer),
            Self::SetPrivacyPolicy { federation, policy } => part_of(federation, policy, writer),
            Self::SetLicence { federation, licence } => part_of(federation, licence, writer),
            Self::AdmitMember { member, label, roles } => {
                member.encode(writer);
                writer.text(label);
                Role::list_to_writer(roles, writer);
            }
            Self::SuspendMember { member, reason } => {
                member.encode(writer);
                writer.text(reason);
            }
            Self::ReinstateMember { member } => member.encode(writer),
            Self::SlashCredit { member, credits, evidence, reason } => {
                member.encode(writer);
                writer.array(&credits.to_be_bytes());
                evidence.encode(writer);
                writer.text(reason);
            }
            Self::RotateKey { claimed, reason } => {
                claimed.encode(writer);
                writer.text(reason);
            }
            Self::SetWitness { name, vkey } => {
                writer.text(name);
                writer.text(vkey);
            }
            Self::SetWitnessQuorum { quorum } => writer.u32(*quorum),
            Self::UpgradeRules { rules } => rules.encode(writer),
            Self::SetGuardian { guardian, term_ms } => {
                writer.u8(u8::from(guardian.is_some()));
                if let Some(guardian) = guardian {
                    guardian.encode(writer);
                }
                writer.u64(*term_ms);
            }
            Self::UpholdDispute { federation, round, accused } => {
                writer.text(federation);
                writer.u64(*round);
                accused.encode(writer);
            }
        }
    }
}

/// The name of a model or federation, and what becomes its own.
fn part_of(name: &str, part: &impl Encode, writer: &mut Writer) {
    writer.text(name);
    part.encode(writer);
}

/// A federation's name, and numbers that become its own.
fn numbers_of(federation: &str, numbers: &[u32], writer: &mut Writer) {
    writer.text(federation);
    numbers.iter().for_each(|number| writer.u32(*number));
}

impl Action {
    const fn code(&self) -> u8 {
        match self {
            Self::SetPredictionPrice { .. } => 1,
            Self::SetRoundBudget { .. } => 2,
            Self::Text => 3,
            Self::SetParameter { .. } => 4,
            Self::TreasuryTransfer { .. } => 5,
            Self::SetRoyaltySplit { .. } => 6,
            Self::ListModel { .. } => 7,
            Self::DelistModel { .. } => 8,
            Self::StartFederation { .. } => 9,
            Self::StopFederation { .. } => 10,
            Self::SetNovelty { .. } => 11,
            Self::SetPrivacyPolicy { .. } => 12,
            Self::AdmitMember { .. } => 13,
            Self::SuspendMember { .. } => 14,
            Self::ReinstateMember { .. } => 15,
            Self::SlashCredit { .. } => 16,
            Self::SetWitness { .. } => 17,
            Self::RemoveWitness { .. } => 18,
            Self::SetWitnessQuorum { .. } => 19,
            Self::SetGuardian { .. } => 20,
            Self::UpgradeRules { .. } => 21,
            Self::UpholdDispute { .. } => 32,
            Self::SetSuspension { .. } => 33,
            Self::SetRevealBy { .. } => 34,
            Self::SetPricePolicy { .. } => 40,
            Self::SetLicence { .. } => 41,
            Self::RotateKey { .. } => 42,
        }
    }
}

impl Encode for PrivacyPolicy {
    fn encode(&self, writer: &mut Writer) {
        // Terms are hashed under the same tag, and begin otherwise.
        writer.text("privacy-policy");
        self.terms.encode(writer);
        writer.u32(self.minimum_cohort);
        writer.u8(u8::from(self.epsilon_micro_max.is_some()));
        writer.u64(self.epsilon_micro_max.unwrap_or(0));
    }
}

impl Encode for Evidence {
    fn encode(&self, writer: &mut Writer) {
        writer.u64(self.entry);
        self.document.encode(writer);
    }
}
