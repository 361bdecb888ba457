use super::*;

const BASE: CharterParameters = CharterParameters::STANDARD;

fn refused(parameters: CharterParameters, bounds: Bounds) -> &'static str {
    let CharterError::OutOfBounds { parameter, .. } = Charter::new(parameters, bounds).unwrap_err();
    parameter
}

#[test]
fn the_recommended_charters_are_within_their_bounds() {
    assert!(Charter::new(BASE, Bounds::Standard).is_ok());
    assert!(Charter::new(CharterParameters::DEMONSTRATION, Bounds::Demonstration).is_ok());
    assert!(Charter::new(CharterParameters::DEMONSTRATION, Bounds::Standard).is_err());
}

#[test]
fn vector_11_each_parameter_outside_its_bounds_is_refused_by_name() {
    let cases = [
        ("voting_delay_ms", HOUR_MS - 1),
        ("voting_delay_ms", 7 * DAY_MS + 1),
        ("voting_period_ms", 0),
        ("voting_period_ms", 30 * DAY_MS + 1),
        ("quorum_percent", 0),
        ("quorum_percent", 101),
        ("quorum_percent", 256),
        ("minimum_voters", 2),
        ("minimum_voters", 101),
        ("minimum_voters", 1 << 32),
        ("minimum_voters_per_mille", 1001),
        ("proposal_threshold_per_mille", 101),
        ("timelock_ms", 2 * DAY_MS - 1),
        ("critical_timelock_ms", 2 * DAY_MS - 1),
        ("critical_timelock_ms", 30 * DAY_MS + 1),
        ("grace_ms", 31 * DAY_MS),
        ("late_extension_ms", BASE.voting_period_ms + 1),
        ("objection_window_ms", BASE.voting_period_ms + 1),
        ("objection_period_ms", BASE.voting_period_ms + 1),
        ("super_quorum_percent", 60),
        ("maturity_ms", DAY_MS - 1),
        ("half_life_days", 29),
        ("delegation_ms_max", 366 * DAY_MS),
        ("reveal_period_ms", 0),
        ("guardian_term_ms_max", 366 * DAY_MS),
    ];
    let charter = Charter::new(BASE, Bounds::Standard).unwrap();
    for (name, value) in cases {
        let parameter: Parameter = name.parse().unwrap();
        let CharterError::OutOfBounds { parameter, got, .. } =
            charter.with(parameter, value).unwrap_err();
        assert_eq!((parameter, got), (name, value));
    }
}

/// The greatest number that the parameter's field can hold.
fn greatest(parameter: Parameter) -> u64 {
    [u64::from(u8::MAX), u16::MAX.into(), u32::MAX.into(), u64::MAX]
        .into_iter()
        .rev()
        .find(|value| BASE.with(parameter, *value).is_ok())
        .unwrap()
}

#[test]
fn every_parameter_is_bounded_by_more_than_the_width_of_its_field() {
    for bounds in [Bounds::Standard, Bounds::Demonstration] {
        let charter = Charter::new(BASE, bounds).unwrap();
        for parameter in Parameter::ALL {
            let most = greatest(*parameter);
            let CharterError::OutOfBounds { high, got, .. } =
                charter.with(*parameter, most).expect_err(parameter.as_str());
            assert_eq!(got, most);
            // Nothing above a year (or a hundred parts, or ten years of half-lives) is ever meant.
            assert!(high <= 366 * DAY_MS && high < most, "{parameter}: up to {high} of {most}");
        }
    }
}

#[test]
fn old_logs_keep_the_voters_that_they_asked_for() {
    let many = CharterParameters { minimum_voters: u32::MAX, ..BASE };
    assert_eq!(refused(many, Bounds::Standard), "minimum_voters");
    let old = Charter::counted(many, Bounds::Standard, Counting::Fixed).unwrap();
    assert_eq!(old.quorum_voters(5), u64::from(u32::MAX));
    let average = Charter::counted(BASE, Bounds::Standard, Counting::Fixed).unwrap();
    assert_eq!(average.proposal_threshold(100_000, 1_000), 500);
    let now = old.recounted(Counting::Reachable);
    assert_eq!((now.parameters().minimum_voters, now.quorum_voters(5)), (100, 5));
    assert_eq!(now.quorum_voters(2), 3, "three, whoever is left");
    assert_eq!(now.quorum_voters(10_001), 101, "one in a hundred of many");
}

#[test]
fn the_average_member_may_propose_however_many_there_are() {
    let charter = Charter::new(BASE, Bounds::Standard).unwrap();
    for (supply, holders, needed) in [
        (100_000, 10, 500),
        (100_000, 200, 500),
        (100_000, 201, 497),
        (100_000, 1_000, 100),
        (0, 0, 1),
    ] {
        assert_eq!(charter.proposal_threshold(supply, holders), needed, "{holders}");
    }
}

#[test]
fn a_change_that_brings_another_parameter_out_of_bounds_is_refused() {
    let charter = Charter::new(BASE, Bounds::Standard).unwrap();
    let shorter = charter.with(Parameter::VotingPeriodMs, DAY_MS);
    assert!(matches!(
        shorter,
        Err(CharterError::OutOfBounds { parameter: "late_extension_ms", .. })
    ));
    let longer = charter.with(Parameter::TimelockMs, 8 * DAY_MS);
    assert!(matches!(
        longer,
        Err(CharterError::OutOfBounds { parameter: "critical_timelock_ms", .. })
    ));
}

#[test]
fn a_demonstration_may_be_quick_but_not_instant() {
    let quick = CharterParameters {
        voting_delay_ms: 1,
        voting_period_ms: 1,
        timelock_ms: 1,
        critical_timelock_ms: 1,
        grace_ms: 1,
        ..CharterParameters::DEMONSTRATION
    };
    assert!(Charter::new(quick, Bounds::Demonstration).is_ok());
    let instant = CharterParameters { timelock_ms: 0, ..quick };
    assert_eq!(refused(instant, Bounds::Demonstration), "timelock_ms");
    let low = CharterParameters { super_quorum_percent: 9, ..quick };
    assert_eq!(refused(low, Bounds::Demonstration), "super_quorum_percent");
}

#[test]
fn parts_are_rounded_up_and_do_not_overflow() {
    assert_eq!(part_rounded_up(1_000_000_000, 1, 100), 10_000_000);
    assert_eq!(part_rounded_up(101, 1, 100), 2);
    assert_eq!(part_rounded_up(u128::MAX, 100, 100), u128::MAX);
    assert_eq!(part_rounded_up(u128::MAX, 1000, 1000), u128::MAX);
    assert_eq!(part_rounded_up(0, 100, 100), 0);
}

#[test]
fn the_quorum_of_members_is_the_larger_of_number_and_part() {
    let charter = Charter::new(BASE, Bounds::Standard).unwrap();
    for (holders, voters) in [(0, 3), (300, 3), (301, 4), (10_000, 100)] {
        assert_eq!(charter.quorum_voters(holders), voters, "{holders}");
    }
    let all = charter.with(Parameter::MinimumVotersPerMille, 1000).unwrap();
    assert_eq!(all.quorum_voters(u64::MAX), u64::MAX);
}
