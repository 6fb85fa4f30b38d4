//! Rules: which one decides, what becomes of a call, what cannot be meant.

use super::super::action::Listener;
use super::super::action::SeccompAction::{self, Allow, Kill, KillProcess, KillThread, Log, Notify, Trap};
use super::super::group::SyscallGroup;
use super::super::policy::{Seccomp, SeccompConfig};
use super::super::rule::{Comparison, SyscallRule};
use super::super::syscall::{Architecture, Syscall};
use super::{ENOSYS, EPERM, circumstances, errno, refusal, resolved, verdict, verdict_of_number};

const NATIVE: Architecture = Architecture::NATIVE;
const ALLOWED: u32 = libc::SECCOMP_RET_ALLOW;

fn first_is(value: u64, action: SeccompAction) -> SyscallRule {
    SyscallRule::new(["read"], action).argument(0, Comparison::Equal(value))
}

fn read(policy: &Seccomp, first: u64) -> u32 {
    verdict(policy, NATIVE, "read", [first, 0, 0, 0, 0, 0])
}

fn listener(policy: &Seccomp) -> Listener {
    resolved(policy, NATIVE).listener
}

#[test]
fn the_rule_added_last_is_tried_first() {
    let policy = Seccomp::default().rule(first_is(1, errno(2))).rule(first_is(1, errno(3)));
    assert_eq!(read(&policy, 1), libc::SECCOMP_RET_ERRNO | 3);
    assert_eq!(read(&policy, 2), ALLOWED);
    let policy = policy.deny(["read"]);
    assert_eq!((read(&policy, 1), read(&policy, 2)), (EPERM, EPERM));
    let policy = policy.rule(first_is(2, Allow));
    assert_eq!((read(&policy, 1), read(&policy, 2)), (EPERM, ALLOWED));
}

#[test]
fn all_conditions_of_a_rule_must_hold() {
    let rule = first_is(1, errno(2)).argument(2, Comparison::Equal(0)).argument(2, Comparison::Less(5));
    let policy = Seccomp::default().rule(rule);
    assert_eq!(read(&policy, 1), libc::SECCOMP_RET_ERRNO | 2);
    assert_eq!(verdict(&policy, NATIVE, "read", [1, 0, 1, 0, 0, 0]), ALLOWED);
}

#[test]
fn every_action_has_its_answer() {
    let answer = |action| read(&Seccomp::new(action), 0);
    assert_eq!(answer(Allow), libc::SECCOMP_RET_ALLOW);
    assert_eq!(answer(errno(0)), libc::SECCOMP_RET_ERRNO);
    assert_eq!(answer(errno(4095)), libc::SECCOMP_RET_ERRNO | 4095);
    assert_eq!(answer(Kill), libc::SECCOMP_RET_USER_NOTIF);
    assert_eq!(answer(KillProcess), libc::SECCOMP_RET_KILL_PROCESS);
    assert_eq!(answer(KillThread), libc::SECCOMP_RET_KILL_THREAD);
    assert_eq!(answer(Trap), libc::SECCOMP_RET_TRAP);
    assert_eq!(answer(Log), libc::SECCOMP_RET_LOG);
    assert_eq!(answer(Notify), libc::SECCOMP_RET_USER_NOTIF);
}

#[test]
fn unknown_calls_are_as_on_a_kernel_without_them() {
    let unknown = |policy: &Seccomp| verdict_of_number(policy, NATIVE, 1000, [0; 6]);
    assert_eq!(unknown(&Seccomp::default()), ENOSYS);
    assert_eq!(unknown(&Seccomp::compute_only().deny_by(Kill)), ENOSYS);
    assert_eq!(unknown(&Seccomp::new(Allow)), ALLOWED);
    assert_eq!(unknown(&Seccomp::new(errno(7))), libc::SECCOMP_RET_ERRNO | 7);
}

/// By the conditions of a rule, by a rule, by what holds without one; but no other error.
#[test]
fn deny_by_replaces_eperm_only() {
    let policy = Seccomp::default().errno(["read"], libc::EACCES).deny(["write"]).deny_by(Trap);
    assert_eq!(read(&policy, 0), libc::SECCOMP_RET_ERRNO | libc::EACCES as u32);
    assert_eq!(verdict(&policy, NATIVE, "write", [0; 6]), libc::SECCOMP_RET_TRAP);
    assert_eq!(verdict(&policy, NATIVE, "bpf", [0; 6]), libc::SECCOMP_RET_TRAP);
    assert_eq!(verdict(&policy, NATIVE, "clone3", [0; 6]), ENOSYS);
    let injecting = [0, libc::TIOCSTI, 0, 0, 0, 0];
    assert_eq!(verdict(&policy, NATIVE, "ioctl", injecting), libc::SECCOMP_RET_TRAP);
    assert_eq!(verdict(&policy, NATIVE, "ioctl", [0; 6]), ALLOWED);
    assert_eq!(read(&Seccomp::new(errno(libc::EPERM)).deny_by(Log), 0), libc::SECCOMP_RET_LOG);
}

#[test]
fn groups_are_allowed_as_by_default_and_denied_whatever_the_arguments() {
    let clone =
        |policy: &Seccomp, flags: i32| verdict(policy, NATIVE, "clone", [flags as u64, 0, 0, 0, 0, 0]);
    let wide =
        Seccomp::compute_only().allow_group(SyscallGroup::Sockets).allow_group(SyscallGroup::Processes);
    let socket =
        |policy: &Seccomp, family: i32| verdict(policy, NATIVE, "socket", [family as u64, 1, 0, 0, 0, 0]);
    assert_eq!((socket(&wide, libc::AF_INET), clone(&wide, libc::SIGCHLD)), (ALLOWED, ALLOWED));
    assert_eq!(socket(&wide, libc::AF_VSOCK), libc::SECCOMP_RET_ERRNO | libc::EAFNOSUPPORT as u32);
    assert_eq!(clone(&wide, libc::CLONE_NEWUSER), EPERM);
    assert_eq!(verdict(&wide, NATIVE, "clone3", [0; 6]), ENOSYS);
    let open = Seccomp::default().allow_group(SyscallGroup::Namespaces);
    assert_eq!(verdict(&open, NATIVE, "unshare", [libc::CLONE_NEWUSER as u64, 0, 0, 0, 0, 0]), ALLOWED);
    assert_eq!(verdict(&open, NATIVE, "clone", [libc::CLONE_NEWUSER as u64, 0, 0, 0, 0, 0]), ALLOWED);
    let shut = open.deny_group(SyscallGroup::Sockets);
    assert_eq!(verdict(&shut, NATIVE, "socket", [1; 6]), EPERM);
    assert_eq!(verdict(&shut, NATIVE, "sendmsg", [0; 6]), EPERM);
    assert_eq!(verdict(&shut, NATIVE, "read", [0; 6]), ALLOWED);
    // What makes a namespace is not in that group alone.
    let shut = Seccomp::new(Allow).deny_group(SyscallGroup::Namespaces);
    let flags = [libc::CLONE_NEWUSER, libc::CLONE_NEWNET | libc::CLONE_NEWNS, libc::SIGCHLD];
    assert_eq!(flags.map(|flags| clone(&shut, flags)), [EPERM, EPERM, ALLOWED]);
    assert_eq!(verdict(&shut, NATIVE, "clone3", [0; 6]), ENOSYS);
}

#[test]
fn the_listener_is_whose_the_strongest_action_is() {
    assert_eq!(listener(&Seccomp::default()), Listener::None);
    assert_eq!(listener(&Seccomp::default().trap(["bpf"])), Listener::None);
    assert_eq!(listener(&Seccomp::default().kill(["bpf"])), Listener::Kill);
    assert_eq!(listener(&Seccomp::default().deny_by(Kill)), Listener::Kill);
    assert_eq!(listener(&Seccomp::new(Kill)), Listener::Kill);
    assert_eq!(listener(&Seccomp::default().notify(["bpf"])), Listener::Host);
    assert_eq!(listener(&Seccomp::default().notify(["bpf"]).kill(["socket"])), Listener::Host);
    let conditional = Seccomp::default().rule(first_is(9, Notify));
    assert_eq!(listener(&conditional), Listener::Host);
    assert_eq!(listener(&conditional.kill(["bpf"]).report_only()), Listener::Report);
    // What a later rule has taken back needs nobody.
    assert_eq!(listener(&Seccomp::default().kill(["bpf"]).deny(["bpf"])), Listener::None);
}

#[test]
fn beside_notify_kill_is_the_kernels() {
    let policy = Seccomp::default().kill(["bpf"]);
    assert_eq!(verdict(&policy, NATIVE, "bpf", [0; 6]), libc::SECCOMP_RET_USER_NOTIF);
    let policy = policy.notify(["openat"]);
    assert_eq!(verdict(&policy, NATIVE, "bpf", [0; 6]), libc::SECCOMP_RET_KILL_PROCESS);
    assert_eq!(verdict(&policy, NATIVE, "openat", [0; 6]), libc::SECCOMP_RET_USER_NOTIF);
}

#[test]
fn report_only_asks_about_all_that_is_denied_and_leaves_what_is_missing() {
    let rules = Seccomp::compute_only().trap(["getpid"]).errno(["getuid"], 0);
    let policy = rules.rule(SyscallRule::new(["getgid"], Log)).report_only();
    let told = libc::SECCOMP_RET_USER_NOTIF;
    for call in ["execve", "bpf", "getpid", "getuid"] {
        assert_eq!(verdict(&policy, NATIVE, call, [0; 6]), told, "{call}");
    }
    // Were it carried out, whoever allows what is listed would allow every namespace.
    assert_eq!(verdict(&policy, NATIVE, "clone3", [0; 6]), ENOSYS);
    assert_eq!(verdict_of_number(&policy, NATIVE, 1000, [0; 6]), ENOSYS);
    assert_eq!(verdict_of_number(&Seccomp::new(errno(1)).report_only(), NATIVE, 1000, [0; 6]), told);
    assert_eq!(read(&policy, 0), ALLOWED);
    assert_eq!(verdict(&policy, NATIVE, "getgid", [0; 6]), libc::SECCOMP_RET_LOG);
    assert_eq!(verdict(&policy, NATIVE, "clone", [libc::CLONE_THREAD as u64, 0, 0, 0, 0, 0]), ALLOWED);
}

#[test]
fn whether_a_policy_lets_keys_be_used() {
    let may = |policy: Seccomp| resolved(&policy, NATIVE).may_use_keys;
    let keys = || SyscallGroup::Keyrings.syscalls().iter().copied();
    assert!(!may(Seccomp::default()) && !may(Seccomp::compute_only()));
    assert!(may(Seccomp::default().allow_group(SyscallGroup::Keyrings)));
    assert!(may(
        Seccomp::default().rule(SyscallRule::new(["keyctl"], Allow).argument(0, Comparison::Equal(0)))
    ));
    assert!(may(Seccomp::default().report_only()));
    assert!(may(Seccomp::new(Allow)) && !may(Seccomp::new(errno(1))));
    assert!(may(Seccomp::new(Allow).deny(["keyctl"])), "two more are left");
    assert!(!may(Seccomp::new(Allow).deny(keys())));
    let unless = SyscallRule::new(keys(), errno(1)).argument(0, Comparison::Equal(0));
    assert!(may(Seccomp::new(Allow).rule(unless)));
    assert!(!may(Seccomp::default().allow(["keyctl"]).deny(["keyctl"])));
    // Whoever is asked may let it pass.
    assert!(may(Seccomp::default().notify(["keyctl"])));
    // So does what takes the place of a denial.
    assert!(may(Seccomp::default().deny_by(SeccompAction::Log)));
    assert!(!may(Seccomp::default().deny_by(SeccompAction::Kill)));
}

#[test]
fn a_name_that_nobody_knows_is_refused() {
    let error = refusal(&Seccomp::default().allow(["read", "no_such_call"]));
    assert!(error.to_string().contains("no_such_call"), "{error}");
    assert!(error.remedy().is_some_and(|remedy| remedy.contains("syscalls(2)")), "{error}");
}

#[test]
fn a_call_of_the_other_architecture_alone_is_passed_over() {
    let policy = Seccomp::default().deny(["open"]);
    assert_eq!(verdict(&policy, Architecture::X86_64, "open", [0; 6]), EPERM);
    assert!(policy.compile(&circumstances(Architecture::Aarch64)).is_ok());
}

#[test]
fn error_numbers_that_are_none_are_refused() {
    for number in [-1, 4096, i32::MIN, i32::MAX] {
        refusal(&Seccomp::default().errno(["read"], number));
        refusal(&Seccomp::new(errno(number)));
        refusal(&Seccomp::default().rule(first_is(1, errno(number))));
    }
    assert_eq!(read(&Seccomp::default().errno(["read"], 4095), 0), libc::SECCOMP_RET_ERRNO | 4095);
}

/// It lies beside the verdict: one of too many bits turns "denied" into "allowed".
#[test]
fn an_error_number_for_deny_by_is_looked_at_too() {
    for number in [-1, 4096, 0x7ffa_0000] {
        refusal(&Seccomp::default().deny_by(errno(number)));
    }
}

#[test]
fn there_are_six_arguments() {
    let rule = |index| SyscallRule::new(["read"], Allow).argument(index, Comparison::Equal(0));
    let error = refusal(&Seccomp::default().rule(rule(6)));
    assert!(error.to_string().contains("argument 6"), "{error}");
    assert!(Seccomp::default().rule(rule(5)).compile(&circumstances(NATIVE)).is_ok());
}

/// It could never be equal, and a policy would not do what it says.
#[test]
fn a_32_bit_argument_is_compared_with_no_more_bits() {
    let rule = |value| SyscallRule::new(["ioctl"], errno(1)).argument(1, Comparison::Equal(value));
    let error = refusal(&Seccomp::default().rule(rule(1 << 32)));
    assert!(error.to_string().contains("too many bits"), "{error}");
    let nothing = Comparison::MaskedEqual { mask: !0 << 32, value: 0 };
    let nothing = SyscallRule::new(["ioctl"], errno(1)).argument(1, nothing);
    assert!(refusal(&Seccomp::default().rule(nothing)).to_string().contains("mask"));
    assert!(Seccomp::default().rule(rule(u64::from(u32::MAX))).compile(&circumstances(NATIVE)).is_ok());
    let complement = Comparison::MaskedEqual { mask: !1, value: 0 };
    let policy = Seccomp::default().rule(SyscallRule::new(["ioctl"], errno(5)).argument(1, complement));
    assert_eq!(verdict(&policy, NATIVE, "ioctl", [0, 1, 0, 0, 0, 0]), libc::SECCOMP_RET_ERRNO | 5);
    assert_eq!(verdict(&policy, NATIVE, "ioctl", [0, 2, 0, 0, 0, 0]), ALLOWED);
}

#[test]
fn a_negative_number_may_have_its_upper_bits() {
    for value in [libc::AT_FDCWD as u64, u64::from(libc::AT_FDCWD as u32)] {
        let rule = SyscallRule::new(["openat"], errno(5)).argument(0, Comparison::Equal(value));
        let policy = Seccomp::default().rule(rule);
        for register in [u64::from(libc::AT_FDCWD as u32), libc::AT_FDCWD as u64] {
            assert_eq!(
                verdict(&policy, NATIVE, "openat", [register, 0, 0, 0, 0, 0]),
                libc::SECCOMP_RET_ERRNO | 5
            );
        }
        assert_eq!(verdict(&policy, NATIVE, "openat", [3, 0, 0, 0, 0, 0]), ALLOWED);
    }
}

/// Whatever type the kernel's prototype has for it.
#[test]
fn a_descriptor_is_compared_as_32_bits_in_every_call_that_writes() {
    let calls = ["write", "writev", "pwrite64", "pwritev", "pwritev2"];
    let rule = SyscallRule::new(calls, errno(5)).argument(0, Comparison::Equal(2));
    let policy = Seccomp::default().rule(rule);
    for call in calls {
        assert_eq!(
            verdict(&policy, NATIVE, call, [1 << 32 | 2, 0, 0, 0, 0, 0]),
            libc::SECCOMP_RET_ERRNO | 5,
            "{call}"
        );
        assert_eq!(verdict(&policy, NATIVE, call, [1 << 32 | 1, 0, 0, 0, 0, 0]), ALLOWED, "{call}");
    }
}

#[test]
fn a_packet_socket_has_no_second_name() {
    let socket = |family: i32, kind: u64| {
        verdict(&Seccomp::default(), NATIVE, "socket", [family as u64, kind, 3, 0, 0, 0])
    };
    let refused = libc::SECCOMP_RET_ERRNO | libc::EAFNOSUPPORT as u32;
    const SOCK_PACKET: u64 = 10;
    for kind in [SOCK_PACKET, SOCK_PACKET | libc::SOCK_CLOEXEC as u64, 1 << 32 | SOCK_PACKET] {
        assert_eq!([libc::AF_INET, libc::AF_INET6].map(|family| socket(family, kind)), [refused; 2]);
    }
    assert_eq!(socket(libc::AF_INET, libc::SOCK_RAW as u64), ALLOWED, "the kernel asks for a capability");
}

#[test]
fn a_mode_is_compared_as_16_bits() {
    let rule = |comparison| SyscallRule::new(["chmod"], errno(5)).argument(1, comparison);
    let policy = Seccomp::default().rule(rule(Comparison::Equal(0o4755)));
    if Syscall::named("chmod").is_some() {
        let chmod = |mode| verdict(&policy, NATIVE, "chmod", [0, mode, 0, 0, 0, 0]);
        assert_eq!([0o4755, 0o4755 | 1 << 16, 0o755].map(chmod)[..2], [libc::SECCOMP_RET_ERRNO | 5; 2]);
        assert_eq!(chmod(0o755), ALLOWED);
    }
    refusal(&Seccomp::default().rule(rule(Comparison::Greater(0o777))));
}

#[test]
fn a_filter_is_compiled_once_and_shared_by_clones() {
    let config = SeccompConfig::new(Seccomp::compute_only());
    let clone = config.clone();
    let filter = |config: &SeccompConfig| {
        std::ptr::from_ref(config.filter(&circumstances(NATIVE)).expect("valid").expect("a filter"))
    };
    assert_eq!(filter(&config), filter(&clone));
    assert_eq!(filter(&config), filter(&config));
    assert_ne!(filter(&config), filter(&SeccompConfig::new(Seccomp::compute_only())));
    // That most containers have is made once for all of them.
    assert_eq!(filter(&SeccompConfig::default()), filter(&SeccompConfig::new(Seccomp::default())));
}

#[test]
fn without_confinement_there_is_no_filter_unless_rules_are_added() {
    let config = SeccompConfig::new(Seccomp::unconfined());
    assert!(config.filter(&circumstances(NATIVE)).expect("valid").is_none());
    assert!(!config.is_confined());
    let ruled = Seccomp::unconfined().deny(["read"]);
    assert!(SeccompConfig::new(ruled.clone()).is_confined());
    assert_eq!((read(&ruled, 0), verdict(&ruled, NATIVE, "bpf", [0; 6])), (EPERM, ALLOWED));
}
