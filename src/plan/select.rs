//! Which gates of a profile run.

use super::closure;
use crate::model::{Gate, Phase, Shard};
use crate::profile::{Profile, graph};
use crate::settings::names::{self, quoted};
use std::collections::HashSet;

/// What was asked for. Of several kinds all must fit; of several values of one kind any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Ids or `phase::id`, with `*` for any text and `?` for any character; empty for all.
    pub only: Vec<String>,
    /// As `only`: these never run, not even where a selected gate needs them.
    pub skip: Vec<String>,
    /// Tags; empty for all.
    pub tags: Vec<String>,
    /// Phases; empty for all.
    pub phases: Vec<String>,
    /// The shard, where what is selected is shared out among several runs.
    pub shard: Option<Shard>,
}

impl Selection {
    /// Whether everything is selected because nothing was asked for.
    pub fn is_all(&self) -> bool {
        *self == Selection::default()
    }

    /// The selection in the words of the flags; nothing where everything is selected. All shards of a plan have the same:
    /// the shard is no part of it.
    pub fn to_words(&self) -> Option<String> {
        let flags = [
            ("--only", &self.only),
            ("--skip", &self.skip),
            ("--tag", &self.tags),
            ("--phase", &self.phases),
        ];
        let words =
            flags.iter().flat_map(|(flag, values)| values.iter().map(move |value| format!("{flag} {value}")));
        let words: Vec<String> = words.collect();
        (!words.is_empty()).then(|| words.join(" "))
    }
}

/// A selection that can't be what was meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    /// A value that fits no gate.
    #[error("{0}")]
    Unknown(String),
    /// Every value fits some gate, and no gate is left to run.
    #[error("nothing is selected: {0}")]
    Nothing(String),
}

/// Whether a gate runs, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Role {
    /// It was asked for.
    Asked,
    /// A gate that was asked for, or that belongs to the shard, needs it.
    SetUp,
    /// It does not run, for this reason.
    LeftOut(String),
}

/// What each gate of the profile does in a run of the selection.
pub(super) fn roles(
    profile: &Profile,
    selection: &Selection,
    needs: &[Vec<usize>],
) -> Result<Vec<Role>, SelectionError> {
    let gates: Vec<&Gate> = profile.gates.iter().map(|checked| &checked.gate).collect();
    let only = matching("--only", &selection.only, &gates)?;
    let skipped = matching("--skip", &selection.skip, &gates)?;
    refuse_unknown_tags(&selection.tags, &gates)?;
    let phases = phases(&selection.phases)?;
    let asked = |number: usize| {
        let gate = gates[number];
        (selection.only.is_empty() || only.contains(&number))
            && (selection.tags.is_empty() || selection.tags.iter().any(|tag| gate.tags.contains(tag)))
            && (phases.is_empty() || phases.contains(&gate.phase))
    };
    let missing = missing(&skipped, needs);
    let mut roles = vec![Role::LeftOut("not selected".to_owned()); gates.len()];
    let mut selected = Vec::new();
    for number in (0..gates.len()).filter(|number| asked(*number)) {
        match missing[number] {
            None => selected.push(number),
            Some(needed) if needed == number => {
                roles[number] = Role::LeftOut("not selected: --skip leaves it out".to_owned());
            }
            Some(needed) => {
                let id = &gates[needed].id;
                roles[number] =
                    Role::LeftOut(format!("not selected: it needs {id}, which --skip leaves out"));
            }
        }
    }
    if selected.is_empty() {
        return Err(nothing(selection, &roles, &gates));
    }
    for number in closure(selected.iter().copied(), needs) {
        roles[number] = Role::SetUp;
    }
    for number in selected {
        roles[number] = Role::Asked;
    }
    if let Some(shard) = selection.shard {
        share(&mut roles, shard, &gates, needs);
    }
    Ok(roles)
}

/// Leaves out what belongs to other shards, but for what gates of this one need. What all shards run together is what
/// the selection would run without them.
fn share(roles: &mut [Role], shard: Shard, gates: &[&Gate], needs: &[Vec<usize>]) {
    let runs = |role: &Role| !matches!(role, Role::LeftOut(_));
    let held: Vec<usize> =
        (0..gates.len()).filter(|number| runs(&roles[*number]) && shard.holds(&gates[*number].id)).collect();
    let needed = closure(held, needs);
    for (number, role) in roles.iter_mut().enumerate().filter(|(_, role)| runs(role)) {
        match (shard.holds(&gates[number].id), needed.contains(&number)) {
            (true, _) => {}
            (false, true) => *role = Role::SetUp,
            (false, false) => {
                let other = Shard::of(&gates[number].id, shard.total());
                *role = Role::LeftOut(format!("not selected: it belongs to shard {other}"));
            }
        }
    }
}

/// For each gate one that it would need, itself included, and that was skipped.
fn missing(skipped: &HashSet<usize>, needs: &[Vec<usize>]) -> Vec<Option<usize>> {
    let mut missing = vec![None; needs.len()];
    for number in graph::order(needs, |_| ()) {
        let needed = || needs[number].iter().find_map(|needed| missing[*needed]);
        missing[number] = if skipped.contains(&number) { Some(number) } else { needed() };
    }
    missing
}

fn nothing(selection: &Selection, roles: &[Role], gates: &[&Gate]) -> SelectionError {
    let words = selection.to_words().unwrap_or_default();
    let because = roles.iter().zip(gates).find_map(|(role, gate)| match role {
        Role::LeftOut(why) => {
            why.strip_prefix("not selected: ").map(|why| format!("; {}: {why}", quoted(gate.id.as_str())))
        }
        _ => None,
    });
    SelectionError::Nothing(format!("no gate fits {words}{}", because.unwrap_or_default()))
}

/// The numbers of the gates that fit any of these patterns, each of which must fit one.
fn matching(flag: &str, patterns: &[String], gates: &[&Gate]) -> Result<HashSet<usize>, SelectionError> {
    let mut found = HashSet::new();
    for pattern in patterns {
        let fits = |gate: &Gate| {
            let id = gate.id.as_str();
            if pattern.contains("::") { fits(pattern, &gate.case()) } else { fits(pattern, id) }
        };
        let fitting = gates.iter().enumerate().filter(|(_, gate)| fits(gate)).map(|(number, _)| number);
        let fitting: Vec<usize> = fitting.collect();
        if fitting.is_empty() {
            return Err(unknown_gate(flag, pattern, gates));
        }
        found.extend(fitting);
    }
    Ok(found)
}

fn unknown_gate(flag: &str, pattern: &str, gates: &[&Gate]) -> SelectionError {
    let shown = quoted(pattern);
    if pattern.contains(['*', '?']) {
        return SelectionError::Unknown(format!("{flag}: no gate fits {shown}"));
    }
    let cases: Vec<String> = gates.iter().map(|gate| gate.case()).collect();
    let hint = if pattern.contains("::") {
        names::hint(pattern, cases.iter().map(String::as_str))
    } else {
        names::hint(pattern, gates.iter().map(|gate| gate.id.as_str()))
    };
    SelectionError::Unknown(format!("{flag}: unknown gate {shown}{hint}"))
}

fn phases(words: &[String]) -> Result<Vec<Phase>, SelectionError> {
    let known = Phase::ALL.map(Phase::as_str);
    let unknown = |word: &str| {
        SelectionError::Unknown(format!(
            "--phase: unknown phase {}{}",
            quoted(word),
            names::hint(word, known)
        ))
    };
    words.iter().map(|word| Phase::parse(word).ok_or_else(|| unknown(word))).collect()
}

fn refuse_unknown_tags(tags: &[String], gates: &[&Gate]) -> Result<(), SelectionError> {
    let mut known: Vec<&str> = gates.iter().flat_map(|gate| gate.tags.iter().map(String::as_str)).collect();
    known.sort_unstable();
    known.dedup();
    match tags.iter().find(|tag| !known.contains(&tag.as_str())) {
        None => Ok(()),
        Some(tag) => {
            let hint = names::hint(tag, known);
            Err(SelectionError::Unknown(format!("--tag: no gate has the tag {}{hint}", quoted(tag))))
        }
    }
}

/// Whether a name fits a pattern with `*` and `?`, in time of the product of their lengths.
fn fits(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut at, mut seen) = (0, 0);
    // Where to go on after the last `*`, if what follows it does not fit here.
    let mut again: Option<(usize, usize)> = None;
    while seen < name.len() {
        match pattern.get(at) {
            Some('*') => {
                again = Some((at + 1, seen));
                at += 1;
            }
            Some(c) if *c == '?' || *c == name[seen] => {
                at += 1;
                seen += 1;
            }
            _ => match again {
                Some((behind, from)) => {
                    again = Some((behind, from + 1));
                    (at, seen) = (behind, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::super::tests::plan;
    use super::*;
    use proptest::prelude::*;

    fn only(patterns: &[&str]) -> Selection {
        Selection { only: patterns.iter().map(|p| (*p).to_owned()).collect(), ..Selection::default() }
    }

    fn selected(selection: &Selection) -> Vec<String> {
        let plan = plan(selection).unwrap();
        plan.gates
            .iter()
            .filter(|gate| gate.selected && !gate.set_up)
            .map(|gate| gate.gate.id.to_string())
            .collect()
    }

    fn refused(selection: &Selection) -> String {
        plan(selection).unwrap_err()
    }

    #[test]
    fn gates_are_selected_by_id_pattern_case_tag_and_phase() {
        assert_eq!(selected(&only(&["kafka-*"])), ["kafka-init", "kafka-topics"]);
        assert_eq!(selected(&only(&["infra::*"])), ["redis-ping", "kafka-init", "kafka-topics"]);
        assert_eq!(selected(&only(&["readiness::shop-answers"])), ["shop-answers"]);
        assert_eq!(
            selected(&Selection { tags: vec!["fast".into()], ..only(&["kafka-*"]) }),
            ["kafka-topics"]
        );
        let readiness = Selection { phases: vec!["readiness".into()], ..Selection::default() };
        assert_eq!(selected(&readiness), ["shop-answers"]);
        assert_eq!(selected(&Selection { skip: vec!["*-ping".into()], ..Selection::default() }).len(), 3);
    }

    #[test]
    fn a_selection_says_how_it_was_made() {
        assert_eq!(Selection::default().to_words(), None);
        let selection = Selection {
            skip: vec!["a".into()],
            tags: vec!["t".into()],
            phases: vec!["infra".into()],
            ..only(&["x", "y-*"])
        };
        assert_eq!(
            selection.to_words().as_deref(),
            Some("--only x --only y-* --skip a --tag t --phase infra")
        );
    }

    #[test]
    fn names_that_fit_nothing_are_refused_with_the_nearest() {
        assert_eq!(
            refused(&only(&["redis-pong"])),
            "--only: unknown gate `redis-pong`; nearest: `redis-ping`"
        );
        assert_eq!(
            refused(&only(&["infra::redis-pnig"])),
            "--only: unknown gate `infra::redis-pnig`; nearest: `infra::redis-ping`"
        );
        assert_eq!(refused(&only(&["mongo-*"])), "--only: no gate fits `mongo-*`");
        let skip = Selection { skip: vec!["kafka-topic".into()], ..Selection::default() };
        assert_eq!(refused(&skip), "--skip: unknown gate `kafka-topic`; nearest: `kafka-topics`");
        let tag = Selection { tags: vec!["fats".into()], ..Selection::default() };
        assert_eq!(refused(&tag), "--tag: no gate has the tag `fats`; nearest: `fast`");
        let phase = Selection { phases: vec!["infa".into()], ..Selection::default() };
        assert_eq!(refused(&phase), "--phase: unknown phase `infa`; nearest: `infra`");
    }

    #[test]
    fn selecting_nothing_is_refused() {
        let none = Selection { phases: vec!["watch".into()], ..Selection::default() };
        assert_eq!(refused(&none), "nothing is selected: no gate fits --phase watch");
        let itself = Selection { skip: vec!["redis-ping".into()], ..only(&["redis-ping"]) };
        assert_eq!(
            refused(&itself),
            "nothing is selected: no gate fits --only redis-ping --skip redis-ping; `redis-ping`: --skip leaves it out"
        );
    }

    #[test]
    fn a_skipped_gate_never_runs_and_neither_does_what_needs_it() {
        let plan = plan(&Selection { skip: vec!["kafka-init".into()], ..Selection::default() }).unwrap();
        let left = plan.gates.iter().filter(|planned| !planned.selected);
        let left: Vec<(&str, &str)> =
            left.map(|planned| (planned.gate.id.as_str(), planned.reason.as_str())).collect();
        let needs = "not selected: it needs kafka-init, which --skip leaves out";
        let itself = "not selected: --skip leaves it out";
        assert_eq!(left, [("kafka-init", itself), ("kafka-topics", needs), ("shop-answers", needs)]);
    }

    #[test]
    fn patterns_fit_whole_names() {
        for (pattern, name) in
            [("*", ""), ("a*", "a"), ("*b*", "abc"), ("a?c", "abc"), ("*a*a", "aaa"), ("é?", "éa")]
        {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("a", "ab"), ("?", ""), ("a*b", "abc"), ("", "a")] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
        let many = "*a".repeat(50) + "b";
        assert!(!fits(&many, &"a".repeat(100)));
    }

    proptest! {
        #[test]
        fn a_pattern_fits_as_its_regular_expression_does(pattern in "[ab*?]{0,8}", name in "[ab]{0,8}") {
            let expression = format!("^{}$", pattern.replace('*', ".*").replace('?', "."));
            prop_assert_eq!(fits(&pattern, &name), regex::Regex::new(&expression).unwrap().is_match(&name));
        }
    }
}
