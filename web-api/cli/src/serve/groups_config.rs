//! Groups of a round and the rule over their means, as the configuration says them.

use aggregator_strategy::GroupRule;
use anyhow::Context as _;

/// The terms' rule over groups, if there are groups.
///
/// * `groups` — `federation.groups`.
/// * `robust` — `federation.robust`, as `sahakar simulate --robust` spells it.
///
/// # Errors
/// Groups without a rule or the other way round, and a rule that is refused over so many.
pub(super) fn group_rule(
    groups: Option<u32>,
    robust: Option<&str>,
) -> anyhow::Result<Option<GroupRule>> {
    let (groups, rule) = match (groups, robust) {
        (None, None) => return Ok(None),
        (Some(groups), Some(rule)) => (groups, rule),
        (Some(groups), None) => anyhow::bail!(
            "federation.groups = {groups}: write which rule works on their means, as in robust = \"median\""
        ),
        (None, Some(rule)) => anyhow::bail!(
            "federation.robust = {rule:?}: write over how many groups, as in groups = 5: a sealed round opens no single \
             updates"
        ),
    };
    let rule = rule.parse().context("federation.robust")?;
    GroupRule::new(groups, rule).map(Some).context("federation.groups and federation.robust")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_and_rule_come_together_and_withstand_somebody_or_are_refused_with_a_sentence() {
        let refused = |groups, robust| format!("{:#}", group_rule(groups, robust).unwrap_err());
        assert_eq!(group_rule(None, None).unwrap(), None);
        let rule = group_rule(Some(5), Some("krum:f=1")).unwrap().unwrap();
        assert_eq!((rule.groups(), rule.withstands()), (5, 1));
        assert!(refused(Some(5), None).contains("write which rule works on their means"));
        assert!(refused(None, Some("median")).contains("write over how many groups"));
        let text = refused(Some(4), Some("krum:f=1"));
        assert!(text.contains("4 groups: krum needs at least 5 updates"), "{text}");
        let text = refused(Some(3), Some("mean"));
        assert!(text.contains("mean over 3 groups withstands nobody"), "{text}");
        let text = refused(Some(3), Some("average"));
        assert!(
            text.starts_with("federation.robust: \"average\" is none of: mean, median"),
            "{text}"
        );
    }
}
