//! What a policy means, said once more and simply: the control for what is compiled.

use std::collections::{BTreeMap, BTreeSet};

use seccompiler::{BpfProgram, SeccompAction as Theirs, SeccompFilter};

use super::super::action::SeccompAction;
use super::super::interpreter::{Call, run};
use super::super::policy::{Base, Seccomp};
use super::super::resolve::Resolved;
use super::super::rule::{Comparison, SyscallRule};
use super::super::syscall::Architecture;
use super::{errno, target};

/// The lowest number of an x32 call.
pub const X32: u32 = 0x4000_0000;

/// The bits that count of the arguments that the policies of these tests look at, where that is not all 64.
const NARROW: [(&str, u8, u64); 14] = [
    ("clone", 0, 0xffff_ffff),
    ("fcntl", 0, 0xffff_ffff),
    ("fcntl", 1, 0xffff_ffff),
    ("ioctl", 0, 0xffff_ffff),
    ("ioctl", 1, 0xffff_ffff),
    ("fchownat", 2, 0xffff_ffff),
    ("openat", 2, 0xffff_ffff),
    ("personality", 0, 0xffff_ffff),
    ("prctl", 0, 0xffff_ffff),
    ("prlimit64", 0, 0xffff_ffff),
    ("socket", 0, 0xffff_ffff),
    ("socket", 2, 0xffff_ffff),
    ("socketpair", 0, 0xffff_ffff),
    ("socketpair", 1, 0xffff_ffff),
];

/// The rules of a policy as they were added, and its calls by number.
pub struct Model {
    architecture: Architecture,
    rules: Vec<SyscallRule>,
    names: BTreeMap<u32, &'static str>,
    known: SeccompAction,
    unknown: SeccompAction,
}

impl Model {
    pub fn new(policy: &Seccomp, architecture: Architecture) -> Self {
        let (mut rules, known, unknown) = match &policy.base {
            Base::Preset(preset) => (preset.rules(), errno(libc::EPERM), errno(libc::ENOSYS)),
            Base::Uniform(action) => (Vec::new(), *action, *action),
            _ => panic!("no policy for which there is a model"),
        };
        rules.extend(policy.rules.clone());
        let names = architecture.syscalls().map(|(name, number)| (number, name)).collect();
        Model { architecture, rules, names, known, unknown }
    }

    /// What becomes of a call of this architecture.
    pub fn action(&self, call: &Call) -> SeccompAction {
        if self.architecture == Architecture::X86_64 && call.number >= X32 {
            return errno(libc::ENOSYS);
        }
        let Some(name) = self.names.get(&call.number) else { return self.unknown };
        let deciding = self.rules_of(name).find(|rule| holds(name, rule, &call.arguments));
        deciding.map_or(self.known, |rule| rule.action)
    }

    /// Those that name the call, the last first.
    fn rules_of(&self, name: &str) -> impl Iterator<Item = &SyscallRule> {
        self.rules.iter().rev().filter(move |rule| rule.calls.iter().any(|call| call == name))
    }

    /// Arguments about which a mistake could be made in a call: every register alone at the edges, and those that
    /// its rules look at in all combinations.
    pub fn edges(&self, number: u32) -> Vec<[u64; 6]> {
        let mut looked_at: BTreeMap<u8, BTreeSet<u64>> = BTreeMap::new();
        if let Some(name) = self.names.get(&number) {
            for (index, comparison) in self.rules_of(name).flat_map(|rule| &rule.conditions) {
                looked_at.entry(*index).or_default().extend(around(*comparison));
            }
        }
        let mut all = vec![[0; 6]];
        for (index, values) in &looked_at {
            all = values
                .iter()
                .flat_map(|value| all.iter().map(|arguments| with(arguments, *index, *value)))
                .collect();
        }
        for index in 0..6 {
            all.extend([1, u64::from(u32::MAX), u64::MAX].map(|value| with(&[0; 6], index, value)));
        }
        all
    }
}

fn with(arguments: &[u64; 6], index: u8, value: u64) -> [u64; 6] {
    let mut arguments = *arguments;
    arguments[usize::from(index)] = value;
    arguments
}

/// Values beside the one that is compared with, each also with rubbish in the upper half.
fn around(comparison: Comparison) -> impl Iterator<Item = u64> {
    let values = match comparison {
        Comparison::MaskedEqual { mask, value } => {
            bits(mask).map(|bit| value ^ bit).chain([value, value ^ mask]).collect()
        }
        Comparison::Equal(value)
        | Comparison::NotEqual(value)
        | Comparison::Less(value)
        | Comparison::LessOrEqual(value)
        | Comparison::Greater(value)
        | Comparison::GreaterOrEqual(value) => vec![value.wrapping_sub(1), value, value.wrapping_add(1)],
    };
    let all = [0, 1, u64::from(u32::MAX), u64::MAX].into_iter().chain(values);
    all.flat_map(|value| [value, value ^ (0xdead_beef << 32)])
}

fn bits(mask: u64) -> impl Iterator<Item = u64> {
    (0..64).map(|bit| 1 << bit).filter(move |bit| mask & bit != 0)
}

fn holds(name: &str, rule: &SyscallRule, arguments: &[u64; 6]) -> bool {
    rule.conditions.iter().all(|(index, comparison)| {
        let narrow = NARROW.iter().find(|(call, at, _)| (*call, at) == (name, index));
        let argument = arguments[usize::from(*index)] & narrow.map_or(u64::MAX, |(.., bits)| *bits);
        match *comparison {
            Comparison::Equal(value) => argument == value,
            Comparison::NotEqual(value) => argument != value,
            Comparison::Less(value) => argument < value,
            Comparison::LessOrEqual(value) => argument <= value,
            Comparison::Greater(value) => argument > value,
            Comparison::GreaterOrEqual(value) => argument >= value,
            Comparison::MaskedEqual { mask, value } => argument & mask == value & mask,
        }
    })
}

/// The same policy as filters that seccompiler makes alone. Such a filter has two answers, so there is one for the
/// first rule of all calls, one for the second, and so on: the first that holds says which rule decides.
pub struct Layers {
    filters: Vec<BpfProgram>,
}

impl Layers {
    pub fn new(resolved: &Resolved) -> Self {
        let most = resolved.calls.iter().map(|(_, decision)| decision.rules.len()).max().unwrap_or(0);
        Layers { filters: (0..most).map(|layer| Self::filter(resolved, layer)).collect() }
    }

    fn filter(resolved: &Resolved, layer: usize) -> BpfProgram {
        let rule = |decision: &super::super::resolve::Decision| {
            decision.rules.get(layer).map(|(rule, _)| rule.clone())
        };
        let with_rule = |(number, decision): &(u32, _)| Some((i64::from(*number), vec![rule(decision)?]));
        let rules = resolved.calls.iter().filter_map(with_rule).collect();
        let filter = SeccompFilter::new(rules, Theirs::Allow, Theirs::Trap, target(resolved.architecture));
        filter.expect("a filter").try_into().expect("a program")
    }

    /// What becomes of a call of this architecture, but x32.
    pub fn action(&self, resolved: &Resolved, call: &Call) -> SeccompAction {
        let Ok(at) = resolved.calls.binary_search_by_key(&call.number, |(number, _)| *number) else {
            return resolved.unknown;
        };
        let decision = &resolved.calls[at].1;
        let deciding = self.filters.iter().position(|filter| run(filter, call).0 == libc::SECCOMP_RET_TRAP);
        deciding.map_or(decision.otherwise, |layer| decision.rules[layer].1)
    }
}
