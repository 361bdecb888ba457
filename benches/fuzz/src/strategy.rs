//! Settings of optimisers, rules and schedules, which come with a federation's terms, and what a DAO node
//! keeps of them; tickets of secret sampling.

use aggregator_strategy::{
    Better, Draw, EarlyStopping, OptimizerState, RobustRule, SamplingRate, Schedule,
    ServerOptimizer, StalenessWeight, Ticket, Updates, VrfPublicKey, VrfSecretKey,
    participation_key,
};
use privacy_identity::{Decode, Digest, Encode};
use std::{fmt::Display, num::NonZeroU32, str::FromStr};

use crate::{Case, Verdict, case::canonical, fixtures::key};

/// What the target `strategy` decodes.
pub const CASES: &[Case] = &[
    Case {
        name: "server-optimizer",
        seeds: || written::<ServerOptimizer>(OPTIMIZERS),
        check: |bytes| settings::<ServerOptimizer>(bytes).is_some().into(),
    },
    Case { name: "optimizer-state", seeds: optimizer_states, check: optimizer_state },
    Case { name: "robust-rule", seeds: || written::<RobustRule>(RULES), check: robust_rule },
    Case { name: "schedule", seeds: || written::<Schedule>(SCHEDULES), check: schedule },
    Case { name: "staleness", seeds: || written::<StalenessWeight>(WEIGHTS), check: staleness },
    Case { name: "early-stopping", seeds: stoppings, check: early_stopping },
    Case { name: "sampling-rate", seeds: rates, check: sampling_rate },
    Case { name: "ticket", seeds: tickets, check: ticket },
    Case { name: "vrf-key", seeds: || vec![vrf(3).public_key().to_bytes()], check: vrf_key },
];

const OPTIMIZERS: &[&str] = &[
    "fedavg:lr=0.5",
    "fedavgm",
    "fedadagrad",
    "fedadam",
    "fedadam:correction=kingma-ba,start=tau2",
    "fedyogi",
];
const RULES: &[&str] = &[
    "mean",
    "median",
    "trimmed-mean:beta=0.2",
    "krum:f=2",
    "multi-krum:f=1,m=3",
    "geometric-median",
    "norm-bound:norm=1.5",
];
const SCHEDULES: &[&str] = &[
    "constant:warmup=3",
    "step:every=10,factor=0.5",
    "exponential:factor=0.9,warmup=2",
    "cosine:rounds=40,floor=0.01",
];
const WEIGHTS: &[&str] = &["constant", "fedbuff", "hinge:slope=10,grace=4"];

fn written<T: FromStr<Err: std::fmt::Debug> + Encode>(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.parse::<T>().expect("as documented").to_bytes()).collect()
}

/// Settings that decode are written as text that is read as the same settings.
fn settings<T>(bytes: &[u8]) -> Option<T>
where
    T: Decode + Encode + Display + FromStr<Err: std::fmt::Debug>,
{
    let value = canonical::<T>(bytes)?;
    let read: T = value.to_string().parse().expect("as it was written");
    assert!(read.to_bytes() == bytes, "written, but read as another");
    Some(value)
}

fn optimizer_states() -> Vec<Vec<u8>> {
    let of = |text: &&str| {
        let optimizer = text.parse().expect("as documented");
        let mut state = OptimizerState::new(optimizer, 3).expect("in range");
        let start = state.to_bytes();
        state.step(&[0.0, 1.0, -1.0], &[0.1, -0.2, 0.0]).expect("small");
        [start, state.to_bytes()]
    };
    OPTIMIZERS.iter().flat_map(of).collect()
}

/// A step gives finite numbers and a state that is read again, or is refused and changes nothing.
fn optimizer_state(bytes: &[u8]) -> Verdict {
    let Some(mut state) = canonical::<OptimizerState>(bytes) else { return Verdict::Refused };
    let before = state.clone();
    for count in 1..=4 {
        let (parameters, updates) = ([0.0, 1.0, -1e30, 3e38], [0.1, -0.0, 1e-40, 3e38]);
        let step = state.step(&parameters[..count], &updates[..count]);
        match step {
            Ok(moved) => {
                assert!(moved.iter().all(|value| value.is_finite()));
                assert!(canonical::<OptimizerState>(&state.to_bytes()).as_ref() == Some(&state));
                return Verdict::Taken;
            }
            Err(_) => assert!(state == before, "a refused step changed the state"),
        }
    }
    Verdict::Taken
}

/// A rule gives finite numbers or refuses.
fn robust_rule(bytes: &[u8]) -> Verdict {
    let Some(rule) = settings::<RobustRule>(bytes) else { return Verdict::Refused };
    // As many iterations as the federation says, which may be four thousand millions.
    if matches!(rule, RobustRule::GeometricMedian(settings) if settings.iterations_max.get() > 999)
    {
        return Verdict::Taken;
    }
    let vectors: Vec<[f32; 3]> = (0_u8..7)
        .map(|index| [f32::from(index) - 3.0, 0.5, if index == 6 { 1e30 } else { -1.0 }])
        .collect();
    let slices: Vec<&[f32]> = vectors.iter().map(<[f32; 3]>::as_slice).collect();
    for count in [1, 2, 7] {
        let updates = Updates::new(&slices[..count]).expect("finite");
        let Ok(mean) = rule.aggregate(&updates) else { continue };
        assert!(mean.len() == 3 && mean.iter().all(|value| value.is_finite()), "{rule}: {mean:?}");
    }
    Verdict::Taken
}

fn schedule(bytes: &[u8]) -> Verdict {
    let Some(schedule) = settings::<Schedule>(bytes) else { return Verdict::Refused };
    for round in [0, 1, 2, 1000, u32::MAX] {
        let factor = schedule.factor(round).get();
        assert!(factor.is_finite() && factor > 0.0, "{schedule} in round {round}: {factor}");
    }
    Verdict::Taken
}

fn staleness(bytes: &[u8]) -> Verdict {
    let Some(weight) = settings::<StalenessWeight>(bytes) else { return Verdict::Refused };
    let weights = [0, 1, 5, 1000, u32::MAX].map(|staleness| weight.weight(staleness).get());
    assert!(weights.iter().all(|weight| *weight > 0.0 && *weight <= 1.0), "{weights:?}");
    assert!(weights.is_sorted_by(|newer, older| newer >= older), "{weights:?}");
    Verdict::Taken
}

fn stoppings() -> Vec<Vec<u8>> {
    let patience = NonZeroU32::new(3).expect("positive");
    let fresh = EarlyStopping::new(Better::Higher, patience, 0.01).expect("in range");
    let (observed, _) = fresh.observe(0.5).expect("finite");
    vec![fresh.to_bytes(), observed.to_bytes()]
}

fn early_stopping(bytes: &[u8]) -> Verdict {
    let Some(stopping) = canonical::<EarlyStopping>(bytes) else { return Verdict::Refused };
    for value in [0.5, f64::MAX, -f64::MAX, -0.0] {
        let (next, _) = stopping.observe(value).expect("finite");
        assert!(canonical::<EarlyStopping>(&next.to_bytes()) == Some(next));
    }
    assert!(stopping.observe(f64::NAN).is_err());
    Verdict::Taken
}

fn rates() -> Vec<Vec<u8>> {
    vec![SamplingRate::ALL.to_bytes(), SamplingRate::new(0.3).expect("in range").to_bytes()]
}

/// A probability, not 0.
fn sampling_rate(bytes: &[u8]) -> Verdict {
    let Some(rate) = canonical::<SamplingRate>(bytes) else { return Verdict::Refused };
    assert!(rate.get() > 0.0 && rate.get() <= 1.0);
    assert!(rate.draws(u64::MAX) == (rate.get() >= 1.0));
    Verdict::Taken
}

const DRAW: Draw = Draw { federation: Digest([1; 32]), round: 7, beacon: Digest([5; 32]) };

fn vrf(index: u8) -> VrfSecretKey {
    participation_key(&key(index))
}

fn tickets() -> Vec<Vec<u8>> {
    let ticket = Ticket::draw(&vrf(3), &DRAW, SamplingRate::ALL).expect("everybody is drawn");
    vec![ticket.to_bytes()]
}

/// Holds only if its member made it: there is one for a key and a draw.
fn ticket(bytes: &[u8]) -> Verdict {
    let Some(ticket) = canonical::<Ticket>(bytes) else { return Verdict::Refused };
    let holds = ticket.verify(&vrf(3).public_key(), &DRAW, SamplingRate::ALL).is_ok();
    assert!(holds == tickets().iter().any(|honest| honest == bytes), "forged");
    Verdict::Taken
}

/// No key that is taken verifies a ticket of another's.
fn vrf_key(bytes: &[u8]) -> Verdict {
    let Some(public) = canonical::<VrfPublicKey>(bytes) else { return Verdict::Refused };
    let ticket = Ticket::draw(&vrf(3), &DRAW, SamplingRate::ALL).expect("everybody is drawn");
    let holds = ticket.verify(&public, &DRAW, SamplingRate::ALL).is_ok();
    assert!(holds == (public == vrf(3).public_key()), "forged");
    Verdict::Taken
}
