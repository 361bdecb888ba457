//! What a contributor has of a model to itself: its own last layers, or a model of its own beside the shared one.
//!
//! Nothing of it leaves the machine: what is sealed is as long as the shared layers, and what comes of tests on one's
//! own rows is told to the owner alone.

use aggregator_protocol::PersonalTerms;
use privacy_identity::{Digest, Tag};
use rand::{CryptoRng, SeedableRng as _, seq::index};
use rand_chacha::ChaCha20Rng;
use trainer_model::{
    Architecture, ComputeDevice, Examples, ModelError, Parameters, ParametersError, Pull,
    TrainingPlan, TrainingSettings, evaluate, train_personal,
};

use crate::AgentError;

/// One row in so many is set aside where there is a model of one's own to be tested: a fifth, as in the literature's
/// local test sets.
const ASIDE_ONE_IN: usize = 5;

/// How models of one's own are trained and tested.
pub(crate) struct PersonalTraining {
    terms: PersonalTerms,
    /// Parameters that are shared, the first ones.
    shared: usize,
    /// Rows that are not trained on; none where there is nothing of one's own, or too few rows.
    aside: Option<Examples>,
}

/// A model of one's own after a round.
#[derive(Debug)]
pub(crate) struct Personal {
    pub(crate) parameters: Parameters,
    pub(crate) tested: Option<Tested>,
}

/// How rows that were set aside are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tested {
    pub(crate) rows: usize,
    /// By the contributor's own model.
    pub(crate) personal: usize,
    /// By the model that came with the order.
    pub(crate) shared: usize,
}

/// What a round is trained with.
pub(crate) struct Setting<'a> {
    pub(crate) device: &'a ComputeDevice,
    pub(crate) architecture: &'a Architecture,
    pub(crate) examples: &'a Examples,
    pub(crate) plan: TrainingPlan,
}

impl PersonalTraining {
    /// Sets rows aside if the terms give contributors something of their own; returns those that are left to train on.
    ///
    /// * `shared` — parameters that are shared.
    pub(crate) fn new(
        terms: PersonalTerms,
        shared: usize,
        examples: Examples,
    ) -> Result<(Self, Examples), AgentError> {
        let rows = examples.count();
        if terms == PersonalTerms::Absent || rows < ASIDE_ONE_IN {
            return Ok((Self { terms, shared, aside: None }, examples));
        }
        // The same rows at each start: they are never trained on.
        let seed = Digest::of(Tag::KeyDerivation, format!("rows set aside of {rows}").as_bytes());
        let mut rng = ChaCha20Rng::from_seed(seed.0);
        let mut aside = index::sample(&mut rng, rows, rows / ASIDE_ONE_IN).into_vec();
        aside.sort_unstable();
        let left: Vec<usize> = (0..rows).filter(|row| aside.binary_search(row).is_err()).collect();
        let select = |rows: &[usize]| examples.select(rows).map_err(AgentError::unfit("rows"));
        let (left, aside) = (select(&left)?, Some(select(&aside)?));
        Ok((Self { terms, shared, aside }, left))
    }

    /// Parameters that are shared.
    pub(crate) const fn shared(&self) -> usize {
        self.shared
    }

    /// From where training starts: the model that came, with one's own last layers if there are some.
    ///
    /// * `kept` — the contributor's own model after the round before.
    pub(crate) fn start(
        &self,
        architecture: &Architecture,
        model: &Parameters,
        kept: Option<&Parameters>,
    ) -> Result<Parameters, ParametersError> {
        match (self.terms, kept) {
            (PersonalTerms::Layers(_), Some(kept)) => {
                let values = [&model.values()[..self.shared], &kept.values()[self.shared..]];
                Parameters::new(&architecture.layout(), values.concat())
            }
            _ => Ok(model.clone()),
        }
    }

    /// The contributor's own model after a round, tested on rows that it never trains on; none if the terms give it none.
    ///
    /// * `model` — as it came.
    /// * `trained` — what training from [`PersonalTraining::start`] gave.
    /// * `kept` — as for [`PersonalTraining::start`].
    pub(crate) fn after(
        &self,
        setting: &Setting<'_>,
        (model, trained): (&Parameters, &Parameters),
        kept: Option<&Parameters>,
        rng: &mut impl CryptoRng,
    ) -> Result<Option<Personal>, ModelError> {
        let Setting { device, architecture, examples, plan } = setting;
        let parameters = match self.terms {
            PersonalTerms::Absent => return Ok(None),
            PersonalTerms::Layers(_) => trained.clone(),
            PersonalTerms::Beside { pull } => {
                // The pull takes the place of FedProx's term.
                let plan = TrainingPlan::new(TrainingSettings { proximal: 0.0, ..plan.settings() });
                let plan = plan.map_err(|_refused| ModelError::PlanUnsupported {
                    reason: "the plan without its proximal term is none",
                })?;
                let pull = Pull { toward: model, strength: f32_from_term(pull) };
                let own = kept.unwrap_or(model);
                let task = (&plan, pull);
                train_personal(device, architecture, own, examples, task, rng)?.parameters
            }
        };
        let tested = self.aside.as_ref().map(|aside| -> Result<Tested, ModelError> {
            let correct = |of| Ok(evaluate(device, architecture, of, aside)?.correct);
            let (personal, shared) = (correct(&parameters)?, correct(model)?);
            Ok(Tested { rows: aside.count(), personal, shared })
        });
        let tested = tested.transpose()?;
        Ok(Some(Personal { parameters, tested }))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "terms are f64, models f32")]
const fn f32_from_term(value: f64) -> f32 {
    value as f32
}
