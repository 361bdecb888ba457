use super::*;

#[test]
fn a_rule_is_known_by_the_text_it_shows() {
    let rules = [
        "iid",
        "dirichlet:0.5",
        "dirichlet:inf",
        "dirichlet:0.1:3",
        "dirichlet-balanced:0.5",
        "dirichlet-balanced:0.5:1",
        "inner-dirichlet:0.5",
        "pathological:2",
        "shards:3",
        "linear",
        "square",
        "exponential",
    ];
    for text in rules {
        assert_eq!(text.parse::<Partitioner>().unwrap().to_string(), text);
    }
}

#[test]
fn another_text_is_refused_with_the_rules_there_are() {
    for text in [
        "",
        "IID",
        "iid:2",
        "dirichlet",
        "dirichlet:x",
        "inner-dirichlet:",
        "dirichlet:1:",
        "shards:-1",
        "shards:1.5",
        "x:1",
    ] {
        let refused = PartitionError::RuleUnknown { got: text.to_string() };
        assert_eq!(text.parse::<Partitioner>().unwrap_err(), refused);
        assert!(refused.to_string().contains("dirichlet:ALPHA"), "{refused}");
    }
}
