//! The pass: by it the filter knows the launcher's last calls.

use super::super::action::SeccompAction::{Allow, Kill};
use super::super::interpreter::{Call, run};
use super::super::policy::Seccomp;
use super::super::resolve::{Circumstances, FilterOf};
use super::super::rule::{Comparison, SyscallRule};
use super::{ARCHITECTURES, EPERM, PASS, circumstances, errno, verdict};

const LAUNCHERS: [&str; 5] = ["execve", "clock_gettime", "exit_group", "sendmsg", "setrlimit"];

/// Those of a process that waits for a run under its filter.
const OF_A_SLOT: [&str; 5] = ["recvmsg", "dup3", "fcntl", "close", "chdir"];

/// Any address in the registers that the calls use.
fn carrying(pass: [u64; 3]) -> [u64; 6] {
    [0x7fff_0000_1000, 0x7fff_0000_2000, 0, pass[0], pass[1], pass[2]]
}

#[test]
fn the_launcher_can_finish_under_every_policy() {
    let policies = [
        Seccomp::new(errno(libc::EPERM)),
        Seccomp::new(Kill),
        Seccomp::compute_only(),
        Seccomp::compute_only().kill(LAUNCHERS),
        Seccomp::default().deny(LAUNCHERS).deny_by(Kill),
        Seccomp::new(Allow).rule(SyscallRule::new(LAUNCHERS, Kill).argument(0, Comparison::NotEqual(0))),
    ];
    for policy in policies {
        for architecture in ARCHITECTURES {
            for call in LAUNCHERS {
                let answer = verdict(&policy, architecture, call, carrying(PASS));
                assert_eq!(answer, libc::SECCOMP_RET_ALLOW, "{policy:?}: {call}");
            }
        }
    }
}

#[test]
fn a_process_that_waits_can_take_its_run_and_one_that_does_not_cannot() {
    let policy = Seccomp::new(Kill);
    for architecture in ARCHITECTURES {
        for of in [FilterOf::Container, FilterOf::Slot, FilterOf::WatchedSlot] {
            let circumstances = Circumstances { of, ..circumstances(architecture) };
            let program = policy.resolve(&circumstances).expect("a policy").program();
            for call in OF_A_SLOT {
                let (number, architecture) = (super::number(architecture, call), architecture.audit_number());
                let call = Call { number, architecture, arguments: carrying(PASS) };
                let is_allowed = run(&program, &call).0 == libc::SECCOMP_RET_ALLOW;
                assert_eq!(is_allowed, of != FilterOf::Container);
            }
        }
    }
}

/// A notification lets a call through: there must be none for a call that the policy does not allow.
#[test]
fn what_is_watched_is_what_the_policy_allows() {
    const WATCHED: [&str; 8] =
        ["shmget", "semget", "msgget", "mq_open", "openat2", "socket", "open", "openat"];
    let temporary = libc::O_TMPFILE as u64;
    for policy in
        [Seccomp::default(), Seccomp::without_sockets(), Seccomp::default().deny(["shmget", "mq_open"])]
    {
        for architecture in ARCHITECTURES {
            let circumstances = Circumstances { of: FilterOf::WatchedSlot, ..circumstances(architecture) };
            let watched = policy.resolve(&circumstances).expect("a policy").program();
            let plain = super::program(&policy, architecture);
            for (name, number) in architecture.syscalls() {
                for arguments in
                    [[0; 6], [1, 2, 1, 0, 0, 0], [2, 1, 0, 0, 0, 0], [0, temporary, temporary, 0, 0, 0]]
                {
                    let call = Call { number, architecture: architecture.audit_number(), arguments };
                    let (now, before) = (run(&watched, &call).0, run(&plain, &call).0);
                    match now {
                        libc::SECCOMP_RET_USER_NOTIF => {
                            assert!(WATCHED.contains(&name), "{name}");
                            assert_eq!(before, libc::SECCOMP_RET_ALLOW, "{name}");
                        }
                        now => assert_eq!(now, before, "{name}"),
                    }
                }
            }
            let unnamed = Call {
                number: super::number(architecture, "openat"),
                architecture: architecture.audit_number(),
                arguments: [0, 0, temporary, 0, 0, 0],
            };
            assert_eq!(run(&watched, &unnamed).0, libc::SECCOMP_RET_USER_NOTIF);
        }
    }
}

#[test]
fn nobody_finishes_with_less_than_the_whole_pass() {
    let policy = Seccomp::new(errno(libc::EPERM));
    for architecture in ARCHITECTURES {
        for call in LAUNCHERS {
            assert_eq!(verdict(&policy, architecture, call, [0; 6]), EPERM);
            for word in 0..3 {
                for bit in [1, 1 << 31, 1 << 32, 1 << 63] {
                    let mut wrong = PASS;
                    wrong[word] ^= bit;
                    assert_eq!(
                        verdict(&policy, architecture, call, carrying(wrong)),
                        EPERM,
                        "{call}: {wrong:x?}"
                    );
                }
            }
            let elsewhere = [PASS[0], PASS[1], PASS[2], 0, 0, 0];
            assert_eq!(verdict(&policy, architecture, call, elsewhere), EPERM);
        }
    }
}

#[test]
fn the_pass_opens_no_other_call() {
    let policy = Seccomp::new(errno(libc::EPERM));
    for architecture in ARCHITECTURES {
        let program = super::program(&policy, architecture);
        for (name, number) in architecture.syscalls().filter(|(name, _)| !LAUNCHERS.contains(name)) {
            let call = Call { number, architecture: architecture.audit_number(), arguments: carrying(PASS) };
            assert_eq!(run(&program, &call).0, EPERM, "{name}");
        }
    }
}

/// A secret that opens nothing need not stand in a filter.
#[test]
fn a_policy_that_allows_the_calls_has_no_pass_in_its_program() {
    let has_pass = |policy: &Seccomp| {
        let program = super::program(policy, super::Architecture::NATIVE);
        program.iter().any(|instruction| instruction.k == PASS[1] as u32)
    };
    assert!(!has_pass(&Seccomp::default()));
    assert!(has_pass(&Seccomp::compute_only()));
}
