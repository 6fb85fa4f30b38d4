//! The table of calls and their groups, against what others say of them.

use std::collections::HashSet;

use seccompiler::{BpfProgram, TargetArch, compile_from_json};

use super::super::group::SyscallGroup;
use super::super::interpreter::{Call, run};
use super::super::policy::Seccomp;
use super::super::syscall::{Architecture, Syscall};
use super::super::table::SYSCALLS;
use super::{ARCHITECTURES, numbers, target, verdict};

#[test]
fn every_known_call_is_in_exactly_one_group() {
    let known: HashSet<&str> = SYSCALLS.iter().map(|row| row.0).collect();
    let mut grouped = HashSet::new();
    for group in SyscallGroup::all() {
        for call in group.syscalls() {
            assert!(known.contains(call), "{group:?} has {call}, which has no number");
            assert!(grouped.insert(*call), "{call} is in two groups, or twice in {group:?}");
        }
    }
    let left: Vec<_> = known.difference(&grouped).collect();
    assert!(left.is_empty(), "in no group: {left:?}");
}

#[test]
fn every_group_has_calls_and_a_reason_of_its_own() {
    let groups = SyscallGroup::all();
    let reasons: HashSet<&str> = groups.iter().map(|group| group.reason()).collect();
    assert_eq!(reasons.len(), groups.len());
    assert!(groups.iter().all(|group| !group.syscalls().is_empty() && !group.reason().is_empty()));
}

#[test]
fn no_name_and_no_number_stands_in_the_table_twice() {
    for architecture in ARCHITECTURES {
        let (mut names, mut seen) = (HashSet::new(), HashSet::new());
        for (name, number) in architecture.syscalls() {
            assert!(names.insert(name), "{name} twice");
            assert!(seen.insert(number), "{architecture:?}: {number} is {name} and another call");
        }
    }
    assert!(SYSCALLS.iter().all(|(_, x86_64, aarch64, _)| x86_64.max(aarch64) >= &0));
}

#[test]
fn the_numbers_are_those_of_libc() {
    let listed = numbers::COMMON.iter().chain(numbers::FURTHER);
    for (constant, number) in listed {
        let name = constant.trim_start_matches("SYS_");
        let call = Syscall::named(name).unwrap_or_else(|| panic!("{name} is not in the table"));
        assert_eq!(libc::c_long::from(call.number()), *number, "{name}");
        assert_eq!(call.name(), Some(name));
    }
}

/// The other library's own tables, of both architectures, through filters that it makes from a name.
#[test]
fn the_numbers_are_those_of_seccompiler() {
    for architecture in ARCHITECTURES {
        let mut compared = 0;
        for (name, number) in architecture.syscalls() {
            // It does not know the latest.
            let Some(program) = filter_for(name, target(architecture)) else { continue };
            let call = Call { number, architecture: architecture.audit_number(), ..Call::default() };
            assert_eq!(run(&program, &call).0, libc::SECCOMP_RET_TRAP, "{architecture:?}: {name}");
            compared += 1;
        }
        assert!(compared > 280, "{architecture:?}: only {compared} were known");
    }
}

/// A filter that traps the call of this name, and no other.
fn filter_for(name: &str, target: TargetArch) -> Option<BpfProgram> {
    let policy = format!(
        r#"{{"one": {{"mismatch_action": "allow", "match_action": "trap", "filter": [{{"syscall": "{name}"}}]}}}}"#
    );
    compile_from_json(policy.as_bytes(), target).ok()?.remove("one")
}

/// Linux gives new calls the same number everywhere, from 424 on.
#[test]
fn new_calls_have_one_number_on_all_architectures() {
    let numbers: Vec<_> = SYSCALLS.iter().filter(|row| row.1.max(row.2) >= 424).collect();
    assert!(numbers.len() > 40);
    for (name, x86_64, aarch64, _) in numbers {
        assert!(x86_64 == aarch64 || *aarch64 == -1, "{name}");
    }
}

#[test]
fn a_call_without_name_shows_its_number() {
    let unknown = Syscall::from_number(9999);
    assert_eq!((unknown.name(), unknown.to_string()), (None, "system call 9999".to_owned()));
    assert_eq!(format!("{unknown:?}"), "system call 9999 (9999)");
    let known = Syscall::named("read").expect("every Linux has it");
    assert_eq!(
        (known.to_string(), format!("{known:?}")),
        ("read".to_owned(), format!("read ({})", known.number()))
    );
    assert_eq!(Syscall::named("no_such_call"), None);
}

/// Whether a group is allowed is said in one place, and the policy follows.
#[test]
fn the_default_policy_allows_the_groups_that_say_so() {
    let program = super::program(&Seccomp::default(), Architecture::NATIVE);
    for group in SyscallGroup::all() {
        for (name, call) in group.syscalls().iter().filter_map(|name| Some((name, Syscall::named(name)?))) {
            let answer = |arguments| {
                let architecture = Architecture::NATIVE.audit_number();
                run(&program, &Call { number: call.number(), architecture, arguments }).0
            };
            // Arguments with which all that has conditions is allowed.
            let may = [[0; 6], [1, 0, 0, 0, 0, 0]].map(answer).contains(&libc::SECCOMP_RET_ALLOW);
            // Its arguments cannot be seen.
            let expected = group.is_allowed_by_default() && *name != "clone3";
            assert_eq!(may, expected, "{group:?}: {name}");
        }
    }
    let allowed = verdict(&Seccomp::default(), Architecture::NATIVE, "read", [0; 6]);
    assert_eq!(allowed, libc::SECCOMP_RET_ALLOW);
}
