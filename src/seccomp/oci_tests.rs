//! What profiles come to, seen by running the compiled filters.

use super::action::SeccompAction;
use super::interpreter::{Call, run};
use super::kernel::KernelVersion;
use super::oci::Profile;
use super::policy::Seccomp;
use super::resolve::{Circumstances, FilterOf};
use super::syscall::{Architecture, Syscall};
use crate::config::Capabilities;

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const KILL_PROCESS: u32 = libc::SECCOMP_RET_KILL_PROCESS;
const KILL_THREAD: u32 = libc::SECCOMP_RET_KILL_THREAD;

/// In the shape of Docker's default profile, with everything that makes a difference.
const DOCKERS_SHAPE: &str = r#"{
    "defaultAction": "SCMP_ACT_ERRNO",
    "defaultErrnoRet": 1,
    "archMap": [
        { "architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"] },
        { "architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"] },
        { "architecture": "SCMP_ARCH_RISCV64", "subArchitectures": null }
    ],
    "syscalls": [
        { "names": ["read", "write", "mmap2", "umount", "a_call_of_the_future"], "action": "SCMP_ACT_ALLOW" },
        { "name": "close", "action": "SCMP_ACT_ALLOW", "args": null, "comment": "older", "includes": {}, "excludes": {} },
        { "names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": { "minKernel": "4.8" } },
        { "names": ["kcmp"], "action": "SCMP_ACT_ALLOW", "excludes": { "minKernel": "4.8" } },
        { "names": ["getpid"], "action": "SCMP_ACT_ALLOW", "includes": { "arches": ["amd64", "x32"] } },
        { "names": ["getppid"], "action": "SCMP_ACT_ALLOW", "excludes": { "arches": ["amd64"] } },
        { "names": ["chroot"], "action": "SCMP_ACT_ALLOW", "includes": { "caps": ["CAP_SYS_CHROOT", "CAP_KILL"] } },
        { "names": ["syslog"], "action": "SCMP_ACT_ALLOW", "excludes": { "caps": ["CAP_SYSLOG", "CAP_KILL"] } },
        { "names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38, "excludes": { "caps": ["CAP_SYS_ADMIN"] } },
        { "names": ["clone"], "action": "SCMP_ACT_ALLOW", "excludes": { "caps": ["CAP_SYS_ADMIN"] },
          "args": [{ "index": 0, "value": 2114060288, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ" }] },
        { "names": ["clone", "clone3"], "action": "SCMP_ACT_ALLOW", "includes": { "caps": ["CAP_SYS_ADMIN"] } },
        { "names": ["reboot"], "action": "SCMP_ACT_KILL_PROCESS" },
        { "names": ["swapon"], "action": "SCMP_ACT_KILL_THREAD" },
        { "names": ["swapoff"], "action": "SCMP_ACT_KILL" },
        { "names": ["acct"], "action": "SCMP_ACT_TRAP" },
        { "names": ["uname"], "action": "SCMP_ACT_LOG" },
        { "names": ["sysinfo"], "action": "SCMP_ACT_NOTIFY" }
    ]
}"#;

fn circumstances() -> Circumstances {
    Circumstances {
        of: FilterOf::Container,
        architecture: Architecture::X86_64,
        pass: Some([1, 2, 3]),
        capabilities: Capabilities::empty(),
        kernel: Some(KernelVersion { major: 6, minor: 1 }),
    }
}

fn with(capabilities: Capabilities) -> Circumstances {
    Circumstances { capabilities, ..circumstances() }
}

fn on_kernel(major: u32, minor: u32) -> Circumstances {
    Circumstances { kernel: Some(KernelVersion { major, minor }), ..circumstances() }
}

fn policy(json: &str) -> Seccomp {
    Seccomp::from_oci_json(json).expect("a sound profile")
}

/// A profile that has these entries.
fn entries(default: &str, entries: &str) -> String {
    format!(r#"{{ "defaultAction": "SCMP_ACT_{default}", "syscalls": [{entries}] }}"#)
}

fn number(call: &str, architecture: Architecture) -> u32 {
    architecture.syscalls().find(|(name, _)| *name == call).expect("a known call").1
}

/// What the filter says of a number.
#[track_caller]
fn of_number(policy: &Seccomp, circumstances: &Circumstances, number: u32, arguments: [u64; 6]) -> u32 {
    let resolved = policy.resolve(circumstances).expect("a policy that can be compiled");
    let architecture = circumstances.architecture.audit_number();
    run(&resolved.program(), &Call { number, architecture, arguments }).0
}

#[track_caller]
fn verdict(policy: &Seccomp, circumstances: &Circumstances, call: &str) -> u32 {
    of_number(policy, circumstances, number(call, circumstances.architecture), [0; 6])
}

/// What the filter says of a call with these first arguments.
#[track_caller]
fn with_arguments<const N: usize>(policy: &Seccomp, call: &str, first: [u64; N]) -> u32 {
    let mut arguments = [0; 6];
    arguments[..N].copy_from_slice(&first);
    of_number(policy, &circumstances(), number(call, Architecture::X86_64), arguments)
}

fn errno(number: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | number as u32
}

/// The words of the refusal.
#[track_caller]
fn refused(json: &str) -> String {
    let error = Seccomp::from_oci_json(json).expect_err("a refusal");
    assert_eq!((error.kind(), error.step()), (crate::ErrorKind::InvalidInput, "seccomp"));
    error.to_string()
}

#[test]
fn every_action_becomes_the_kernels() {
    let policy = policy(DOCKERS_SHAPE);
    let verdict = |call| verdict(&policy, &circumstances(), call);
    assert_eq!(verdict("read"), ALLOW);
    assert_eq!(verdict("close"), ALLOW);
    assert_eq!(verdict("mkdir"), errno(libc::EPERM));
    assert_eq!(verdict("clone3"), errno(libc::ENOSYS));
    assert_eq!(verdict("reboot"), KILL_PROCESS);
    assert_eq!(verdict("swapon"), KILL_THREAD);
    assert_eq!(verdict("swapoff"), KILL_THREAD);
    assert_eq!(verdict("acct"), libc::SECCOMP_RET_TRAP);
    assert_eq!(verdict("uname"), libc::SECCOMP_RET_LOG);
    assert_eq!(verdict("sysinfo"), libc::SECCOMP_RET_USER_NOTIF);
}

#[test]
fn all_capabilities_that_are_included_must_be_there_and_one_that_is_excluded_suffices() {
    let policy = policy(DOCKERS_SHAPE);
    let denied = errno(libc::EPERM);
    let (both, one) = (Capabilities::SYS_CHROOT | Capabilities::KILL, Capabilities::KILL);
    assert_eq!(verdict(&policy, &with(both), "chroot"), ALLOW);
    assert_eq!(verdict(&policy, &with(one), "chroot"), denied);
    assert_eq!(verdict(&policy, &circumstances(), "syslog"), ALLOW);
    assert_eq!(verdict(&policy, &with(one), "syslog"), denied);
    assert_eq!(verdict(&policy, &with(Capabilities::SYS_ADMIN), "clone3"), ALLOW);
}

#[test]
fn the_kernel_decides_over_what_has_a_least_version() {
    let policy = policy(DOCKERS_SHAPE);
    for (kernel, ptrace, kcmp) in [
        (on_kernel(4, 7), errno(libc::EPERM), ALLOW),
        (on_kernel(4, 8), ALLOW, errno(libc::EPERM)),
        (on_kernel(4, 19), ALLOW, errno(libc::EPERM)),
        (on_kernel(5, 0), ALLOW, errno(libc::EPERM)),
        (on_kernel(3, 19), errno(libc::EPERM), ALLOW),
    ] {
        assert_eq!(verdict(&policy, &kernel, "ptrace"), ptrace, "{kernel:?}");
        assert_eq!(verdict(&policy, &kernel, "kcmp"), kcmp, "{kernel:?}");
    }
    let unknown = Circumstances { kernel: None, ..circumstances() };
    assert!(policy.resolve(&unknown).is_err());
}

#[test]
fn the_architecture_decides_over_what_names_some() {
    let policy = policy(DOCKERS_SHAPE);
    let aarch64 = Circumstances { architecture: Architecture::Aarch64, ..circumstances() };
    let denied = errno(libc::EPERM);
    assert_eq!(verdict(&policy, &circumstances(), "getpid"), ALLOW);
    assert_eq!(verdict(&policy, &aarch64, "getpid"), denied);
    assert_eq!(verdict(&policy, &circumstances(), "getppid"), denied);
    assert_eq!(verdict(&policy, &aarch64, "getppid"), ALLOW);
}

#[test]
fn the_listed_architectures_must_include_the_machines_own() {
    let listed = |fields: &str| {
        let json = format!(r#"{{ "defaultAction": "SCMP_ACT_ALLOW", {fields} }}"#);
        Profile::read(&json, Architecture::X86_64).map(drop).map_err(|error| error.to_string())
    };
    let map =
        r#""archMap": [{ "architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_X86_64"] }]"#;
    assert_eq!(listed(r#""architectures": []"#), Ok(()));
    assert_eq!(listed(r#""architectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X86_64"]"#), Ok(()));
    assert!(listed(r#""architectures": ["SCMP_ARCH_X86"]"#).unwrap_err().contains("SCMP_ARCH_X86_64"));
    assert!(listed(map).unwrap_err().contains("SCMP_ARCH_X86_64"));
    assert!(listed(r#""architectures": ["SCMP_ARCH_Z80"]"#).unwrap_err().contains("SCMP_ARCH_Z80"));
    let both = format!(r#""architectures": ["SCMP_ARCH_X86_64"], {map}"#);
    assert!(listed(&both).unwrap_err().contains("exclude each other"));
    let dockers = Profile::read(DOCKERS_SHAPE, Architecture::Aarch64);
    assert!(dockers.is_ok());
}

#[test]
fn a_mask_comes_before_its_value() {
    let policy = policy(&entries(
        "ERRNO",
        r#"{ "names": ["madvise"], "action": "SCMP_ACT_ALLOW",
             "args": [{ "index": 1, "value": 240, "valueTwo": 17, "op": "SCMP_CMP_MASKED_EQ" }] }"#,
    ));
    // Bits of the value that the mask lacks do not count.
    assert_eq!(with_arguments(&policy, "madvise", [0, 0x1f]), ALLOW);
    assert_eq!(with_arguments(&policy, "madvise", [0, 0x20]), errno(libc::EPERM));
    let dockers = self::policy(DOCKERS_SHAPE);
    assert_eq!(with_arguments(&dockers, "clone", [libc::SIGCHLD as u64]), ALLOW);
    assert_eq!(with_arguments(&dockers, "clone", [libc::CLONE_NEWUSER as u64]), errno(libc::EPERM));
}

#[test]
fn the_operators_compare_without_sign() {
    for (operator, holds) in [
        ("NE", [true, false, true]),
        ("LT", [true, false, false]),
        ("LE", [true, true, false]),
        ("EQ", [false, true, false]),
        ("GE", [false, true, true]),
        ("GT", [false, false, true]),
    ] {
        let entry = format!(
            r#"{{ "names": ["lseek"], "action": "SCMP_ACT_ALLOW",
                 "args": [{{ "index": 1, "value": 4294967297, "op": "SCMP_CMP_{operator}" }}] }}"#
        );
        let policy = policy(&entries("ERRNO", &entry));
        let found =
            [1, 0x1_0000_0001, u64::MAX].map(|value| with_arguments(&policy, "lseek", [0, value]) == ALLOW);
        assert_eq!(found, holds, "{operator}");
    }
}

#[test]
fn arguments_must_all_hold_but_of_one_index_any() {
    let argument = |index, value| format!(r#"{{ "index": {index}, "value": {value}, "op": "SCMP_CMP_EQ" }}"#);
    let rule = |arguments: [String; 2]| {
        let arguments = arguments.join(", ");
        let entry =
            format!(r#"{{ "names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [{arguments}] }}"#);
        policy(&entries("ERRNO", &entry))
    };
    let denied = errno(libc::EPERM);
    let all = rule([argument(0, 1), argument(1, 2)]);
    assert_eq!(with_arguments(&all, "socket", [1, 2]), ALLOW);
    assert_eq!(with_arguments(&all, "socket", [1, 3]), denied);
    assert_eq!(with_arguments(&all, "socket", [2, 2]), denied);
    let any = rule([argument(0, 1), argument(0, 2)]);
    assert_eq!(with_arguments(&any, "socket", [1]), ALLOW);
    assert_eq!(with_arguments(&any, "socket", [2]), ALLOW);
    assert_eq!(with_arguments(&any, "socket", [3]), denied);
}

#[test]
fn an_argument_of_32_bits_is_compared_as_such() {
    let entry = |value: u64| {
        format!(
            r#"{{ "names": ["ioctl"], "action": "SCMP_ACT_ERRNO",
                 "args": [{{ "index": 1, "value": {value}, "op": "SCMP_CMP_EQ" }}] }}"#
        )
    };
    let narrow = policy(&entries("ALLOW", &entry(0x5412)));
    assert_eq!(with_arguments(&narrow, "ioctl", [0, 0xffff_ffff_0000_5412]), errno(libc::EPERM));
    assert_eq!(with_arguments(&narrow, "ioctl", [0, 0x5413]), ALLOW);
    let wide = policy(&entries("ALLOW", &entry(1 << 32)));
    assert!(wide.resolve(&circumstances()).is_err());
}

/// As in runc: the profile's author cannot have known what came later.
#[test]
fn calls_above_the_highest_that_is_named_seem_not_to_exist() {
    let profile = |default: &str| {
        policy(&entries(
            default,
            r#"{ "names": ["read"], "action": "SCMP_ACT_ALLOW" },
               { "names": ["openat2"], "action": "SCMP_ACT_TRAP" },
               { "names": ["mseal"], "action": "SCMP_ACT_ALLOW", "includes": { "caps": ["CAP_BPF"] } }"#,
        ))
    };
    let of = |default, number| of_number(&profile(default), &circumstances(), number, [0; 6]);
    let last = number("openat2", Architecture::X86_64);
    let missing = errno(libc::ENOSYS);
    // 336 to 423 are no calls.
    for (default, inside) in [("ERRNO", errno(libc::EPERM)), ("KILL_PROCESS", KILL_PROCESS)] {
        assert_eq!(of(default, 400), inside, "{default}");
        assert_eq!(of(default, last), libc::SECCOMP_RET_TRAP, "{default}");
        assert_eq!([of(default, last + 1), of(default, 462), of(default, 5000)], [missing; 3], "{default}");
    }
    for (default, always) in [("ALLOW", ALLOW), ("LOG", libc::SECCOMP_RET_LOG)] {
        assert_eq!([of(default, 400), of(default, last + 1), of(default, 5000)], [always; 3], "{default}");
    }
    // An entry that is not in force names nothing.
    let more = with(Capabilities::BPF);
    assert_eq!(of_number(&profile("ERRNO"), &more, last + 1, [0; 6]), errno(libc::EPERM));
    assert_eq!(of_number(&profile("ERRNO"), &more, 463, [0; 6]), missing);
}

#[test]
fn a_profile_that_names_no_call_leaves_all_to_its_default() {
    let policy = policy(r#"{ "defaultAction": "SCMP_ACT_KILL_PROCESS" }"#);
    assert_eq!(of_number(&policy, &circumstances(), 5000, [0; 6]), KILL_PROCESS);
    assert_eq!(verdict(&policy, &circumstances(), "read"), KILL_PROCESS);
}

#[test]
fn the_strictest_entry_that_holds_decides_in_whatever_order() {
    let stdin = r#", "args": [{ "index": 0, "value": 0, "op": "SCMP_CMP_EQ" }]"#;
    let entry = |action: &str, more: &str| {
        format!(r#"{{ "names": ["read"], "action": "SCMP_ACT_{action}" {more} }}"#)
    };
    let of = |default: &str, list: [String; 2]| {
        let policy = policy(&entries(default, &list.join(", ")));
        [with_arguments(&policy, "read", [0]), with_arguments(&policy, "read", [1])]
    };
    let both_orders = |default: &str, one: String, other: String| {
        let found = of(default, [one.clone(), other.clone()]);
        assert_eq!(found, of(default, [other, one]));
        found
    };
    let denied = errno(libc::EPERM);
    let (trap, log) = (libc::SECCOMP_RET_TRAP, libc::SECCOMP_RET_LOG);
    assert_eq!(both_orders("ERRNO", entry("ALLOW", ""), entry("TRAP", stdin)), [trap, ALLOW]);
    assert_eq!(both_orders("ERRNO", entry("TRAP", ""), entry("ALLOW", stdin)), [trap, trap]);
    assert_eq!(both_orders("ERRNO", entry("LOG", stdin), entry("TRAP", stdin)), [trap, denied]);
    assert_eq!(both_orders("ERRNO", entry("LOG", stdin), entry("ALLOW", "")), [log, ALLOW]);
    // What says no more than the default does not stand against an exception from it.
    assert_eq!(both_orders("ERRNO", entry("ERRNO", ""), entry("ALLOW", stdin)), [ALLOW, denied]);
    assert_eq!(both_orders("ERRNO", entry("ERRNO", stdin), entry("ALLOW", "")), [denied, ALLOW]);
}

#[test]
fn of_equally_strict_entries_conditions_come_first_and_then_the_order() {
    let entry = |errno: i32, more: &str| {
        format!(r#"{{ "names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": {errno} {more} }}"#)
    };
    let stdin = r#", "args": [{ "index": 0, "value": 0, "op": "SCMP_CMP_EQ" }]"#;
    let list = [entry(5, ""), entry(6, ""), entry(7, stdin), entry(8, stdin)].join(", ");
    let policy = policy(&entries("ALLOW", &list));
    assert_eq!(with_arguments(&policy, "read", [0]), errno(7));
    assert_eq!(with_arguments(&policy, "read", [1]), errno(5));
}

#[test]
fn rules_that_are_added_come_before_the_profile() {
    let profile = || policy(DOCKERS_SHAPE);
    let added = profile().allow(["mkdir", "file_setattr"]).kill(["read"]);
    assert_eq!(verdict(&added, &circumstances(), "mkdir"), ALLOW);
    assert_eq!(verdict(&added, &circumstances(), "file_setattr"), ALLOW);
    assert_ne!(verdict(&added, &circumstances(), "read"), ALLOW);
    let deny_by = profile().deny_by(SeccompAction::Trap);
    assert_eq!(verdict(&deny_by, &circumstances(), "rmdir"), libc::SECCOMP_RET_TRAP);
    assert_eq!(of_number(&deny_by, &circumstances(), 400, [0; 6]), libc::SECCOMP_RET_TRAP);
    assert_eq!(verdict(&deny_by, &circumstances(), "clone3"), errno(libc::ENOSYS));
    let trial = profile().report_only();
    assert_eq!(verdict(&trial, &circumstances(), "rmdir"), libc::SECCOMP_RET_USER_NOTIF);
}

#[test]
fn a_profile_lets_keys_be_used_where_an_entry_or_the_default_lets_such_a_call_pass() {
    let may = |default, call: &str| {
        let entry = format!(r#"{{ "names": ["{call}"], "action": "SCMP_ACT_ALLOW" }}"#);
        policy(&entries(default, &entry)).resolve(&circumstances()).expect("a policy").may_use_keys
    };
    assert!(may("ERRNO", "add_key"));
    assert!(!may("ERRNO", "read"));
    assert!(may("ALLOW", "read"));
}

#[test]
fn names_that_cannot_be_found_are_refused_where_the_profile_would_lose_by_it() {
    let rule = |default: &str, name: &str, action: &str| {
        Seccomp::from_oci_json(&entries(
            default,
            &format!(r#"{{ "names": ["{name}"], "action": "SCMP_ACT_{action}" }}"#),
        ))
    };
    let error = rule("ALLOW", "a_call_of_the_future", "ERRNO").unwrap_err().to_string();
    assert!(error.contains("syscalls[0]") && error.contains("a_call_of_the_future"), "{error}");
    assert!(rule("ERRNO", "a_call_of_the_future", "KILL").is_err());
    assert!(rule("ERRNO", "a_call_of_the_future", "ALLOW").is_ok());
    assert!(rule("ERRNO", "a_call_of_the_future", "ERRNO").is_ok());
    // Of 32-bit programs, and of another architecture that this library knows.
    assert!(rule("ALLOW", "mmap2", "ERRNO").is_ok());
    assert!(rule("ALLOW", "renameat", "ERRNO").is_ok());
}

#[test]
fn what_cannot_be_honoured_is_refused_with_its_place() {
    let field = |field: &str| refused(&format!(r#"{{ "defaultAction": "SCMP_ACT_ALLOW", {field} }}"#));
    let rule = |field: &str| refused(&entries("ALLOW", &format!(r#"{{ "names": ["read"], {field} }}"#)));
    let argument = |fields: &str| rule(&format!(r#""action": "SCMP_ACT_ERRNO", "args": [{{ {fields} }}]"#));
    for (error, what) in [
        (field(r#""listenerPath": "/run/agent""#), "listenerPath"),
        (field(r#""listenerMetadata": "x""#), "listenerMetadata"),
        (field(r#""flags": ["SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG"]"#), "FLAG_LOG"),
        (field(r#""flags": ["SECCOMP_FILTER_FLAG_SPEC_ALLOW"]"#), "FLAG_SPEC_ALLOW"),
        (field(r#""defaultErrnoRet": 1"#), "SCMP_ACT_ERRNO"),
        (field("\n\"colour\": 1"), "`colour`"),
        (field("\n\"colour\": 1"), "line 2"),
        (refused("{}"), "defaultAction"),
        (rule(r#""action": "SCMP_ACT_TRACE""#), "SCMP_ACT_TRACE"),
        (rule(r#""action": "SCMP_ACT_IGNORE""#), "SCMP_ACT_IGNORE"),
        (rule(r#""action": "SCMP_ACT_ALLOW", "errnoRet": 1"#), "syscalls[0]"),
        (rule(r#""action": "SCMP_ACT_ERRNO", "errnoRet": 4096"#), "4096"),
        (rule(r#""action": "SCMP_ACT_ERRNO", "colour": 1"#), "`colour`"),
        (rule(r#""action": "SCMP_ACT_ERRNO", "name": "write""#), "exclude each other"),
        (rule(r#""action": "SCMP_ACT_ERRNO", "includes": { "caps": ["CAP_OF_ALL"] }"#), "CAP_OF_ALL"),
        (rule(r#""action": "SCMP_ACT_ERRNO", "includes": { "caps": ["sys_admin"] }"#), "sys_admin"),
        (rule(r#""action": "SCMP_ACT_ERRNO", "excludes": { "arches": ["x86_64"] }"#), "x86_64"),
        (rule(r#""action": "SCMP_ACT_ERRNO", "includes": { "minKernel": "4" }"#), "minKernel"),
        (rule(r#""action": "SCMP_ACT_ERRNO", "includes": { "minKernel": "4.8.1" }"#), "4.8.1"),
        (argument(r#""index": 6, "value": 1, "op": "SCMP_CMP_EQ""#), "argument 6"),
        (argument(r#""index": 0, "value": -1, "op": "SCMP_CMP_EQ""#), "-1"),
        (argument(r#""index": 0, "value": 1, "valueTwo": 1, "op": "SCMP_CMP_EQ""#), "valueTwo"),
        (argument(r#""index": 0, "value": 1, "op": "SCMP_CMP_ALMOST""#), "SCMP_CMP_ALMOST"),
        (refused(&entries("ALLOW", r#"{ "names": [], "action": "SCMP_ACT_ERRNO" }"#)), "names"),
    ] {
        assert!(error.contains(what), "{what}: {error}");
    }
}

#[test]
fn what_changes_nothing_is_accepted() {
    let fields = r#""flags": ["SECCOMP_FILTER_FLAG_TSYNC"], "listenerPath": "", "syscalls": null"#;
    let policy = policy(&format!(r#"{{ "defaultAction": "SCMP_ACT_ALLOW", {fields} }}"#));
    assert_eq!(verdict(&policy, &circumstances(), "read"), ALLOW);
}

#[test]
fn no_call_of_this_machine_passes_for_a_foreign_one() {
    let names = ["umount2", "stat", "fcntl", "sendfile", "waitid"];
    assert!(names.iter().all(|name| Syscall::named(name).is_some() && !super::oci::is_foreign(name)));
    assert!(
        ["_llseek", "chown32", "clock_gettime64", "mmap2", "umount", "waitpid"]
            .into_iter()
            .all(super::oci::is_foreign)
    );
    assert!(Architecture::X86_64.syscalls().all(|(name, _)| !super::oci::is_foreign(name)));
    assert!(Architecture::Aarch64.syscalls().all(|(name, _)| !super::oci::is_foreign(name)));
}
