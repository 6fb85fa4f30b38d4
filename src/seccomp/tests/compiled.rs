//! The programs, against the model, against seccompiler, and against what the kernel takes.

use seccompiler::sock_filter;

use super::super::action::SeccompAction::{self, Allow, Errno, Log, Trap};
use super::super::interpreter::{Call, run};
use super::super::policy::Seccomp;
use super::super::rule::{Comparison, SyscallRule};
use super::super::syscall::Architecture;
use super::model::{Layers, Model, X32};
use super::{ARCHITECTURES, EPERM, PASS, circumstances, program, refusal, resolved, verdict};

const BOTH_HALVES: u64 = 0x1234_5678_9abc_def0;

/// One rule for each comparison, on a 32-bit and on a 64-bit argument, with an action of its own.
fn all_comparisons() -> Seccomp {
    let comparisons = |value| {
        [
            Comparison::Equal(value),
            Comparison::NotEqual(value + 3),
            Comparison::Less(value / 2),
            Comparison::LessOrEqual(value / 2),
            Comparison::Greater(value * 2),
            Comparison::GreaterOrEqual(value * 2),
            Comparison::MaskedEqual { mask: 0xf0, value: value & 0xf0 },
        ]
    };
    let calls = ["read", "write", "pread64", "pwrite64", "readv", "fcntl", "writev"];
    let mut policy = Seccomp::new(Log);
    for (call, comparison) in calls.into_iter().zip(comparisons(BOTH_HALVES)) {
        policy = policy.rule(SyscallRule::new([call], Trap).argument(2, comparison));
    }
    for (index, comparison) in comparisons(0x1234_5678).into_iter().enumerate() {
        let action = Errno(index as i32 + 1);
        policy = policy.rule(SyscallRule::new(["fchownat", "openat"], action).argument(2, comparison));
    }
    policy
}

/// Several actions for one call, by conditions that overlap, on two arguments.
fn overlapping() -> Seccomp {
    let rule = |action, first, second| {
        let rule = SyscallRule::new(["fcntl", "ioctl"], action);
        rule.argument(0, Comparison::Greater(first)).argument(2, Comparison::Less(second))
    };
    Seccomp::new(Allow)
        .rule(rule(Errno(1), 3, BOTH_HALVES))
        .rule(rule(Trap, 5, 9))
        .rule(rule(SeccompAction::KillThread, 7, 5))
        .rule(SyscallRule::new(["ioctl"], Allow).argument(0, Comparison::Equal(8)))
}

/// More instructions in a branch than a conditional jump can pass over.
fn long() -> Seccomp {
    let mut policy = Seccomp::new(Errno(1));
    for value in 0..100 {
        let rule = |call| {
            SyscallRule::new([call], Errno(2 + value))
                .argument(1, Comparison::Equal(BOTH_HALVES + value as u64))
        };
        policy = policy.rule(rule("read")).rule(rule("clone3")).rule(rule("lookup_dcookie"));
    }
    policy
}

fn policies() -> Vec<(&'static str, Seccomp)> {
    vec![
        ("default", Seccomp::default()),
        ("without sockets", Seccomp::without_sockets()),
        ("compute only", Seccomp::compute_only()),
        ("all comparisons", all_comparisons()),
        ("overlapping", overlapping()),
        ("long", long()),
        ("killing", Seccomp::compute_only().kill(["socket"]).allow(["unshare"])),
        ("asking", Seccomp::default().notify(["openat"]).kill(["socket"]).trap(["bpf"])),
        ("uniform", Seccomp::new(Errno(libc::ENOENT)).allow(["read", "pidfd_getfd"])),
    ]
}

fn numbers() -> impl Iterator<Item = u32> {
    let far = [X32 - 1, X32, X32 + 1, X32 + 600, X32 * 2 - 1, X32 * 2, u32::MAX - 1, u32::MAX];
    (0..=1200).chain(far)
}

#[test]
fn the_program_decides_as_the_rules_say() {
    for (name, policy) in policies() {
        for architecture in ARCHITECTURES {
            let (program, model) = (program(&policy, architecture), Model::new(&policy, architecture));
            let listener = resolved(&policy, architecture).listener;
            for number in numbers() {
                for arguments in model.edges(number) {
                    let call = Call { number, architecture: architecture.audit_number(), arguments };
                    let expected = model.action(&call).verdict(listener);
                    assert_eq!(run(&program, &call).0, expected, "{name}: {call:x?}");
                }
            }
        }
    }
}

#[test]
fn the_program_decides_as_seccompilers_would() {
    for (name, policy) in policies() {
        for architecture in ARCHITECTURES {
            let resolved = resolved(&policy, architecture);
            let (program, layers) = (resolved.program(), Layers::new(&resolved));
            let model = Model::new(&policy, architecture);
            // x32 is not among what it knows.
            for number in numbers().filter(|number| architecture != Architecture::X86_64 || *number < X32) {
                for arguments in model.edges(number) {
                    let call = Call { number, architecture: architecture.audit_number(), arguments };
                    let expected = layers.action(&resolved, &call).verdict(resolved.listener);
                    assert_eq!(run(&program, &call).0, expected, "{name}: {call:x?}");
                }
            }
        }
    }
}

/// Whatever the number: one that is harmless here is another call there.
#[test]
fn calls_of_another_architecture_end_the_process() {
    let foreign = [0, 0x4000_0003, 0xc000_003e, 0xc000_00b7, 0x4000_0028, u32::MAX];
    for (name, policy) in policies() {
        for native in ARCHITECTURES {
            let program = program(&policy, native);
            for architecture in foreign.into_iter().filter(|number| *number != native.audit_number()) {
                for number in numbers() {
                    let call = Call { number, architecture, ..Call::default() };
                    assert_eq!(run(&program, &call).0, libc::SECCOMP_RET_KILL_PROCESS, "{name}: {call:x?}");
                }
            }
        }
    }
}

/// As `bpf_check_classic` and `seccomp_check_filter` of the kernel.
#[test]
fn the_kernel_takes_the_program() {
    for (name, policy) in policies() {
        for architecture in ARCHITECTURES {
            let program = program(&policy, architecture);
            assert!(!program.is_empty() && program.len() <= 4096, "{name}: {}", program.len());
            assert_eq!(program.last().map(|last| last.code), Some(0x06), "{name} ends with a return");
            for (at, instruction) in program.iter().enumerate() {
                assert!(is_valid(instruction, program.len() - at - 1), "{name}: {instruction:?} at {at}");
            }
        }
    }
}

/// `after`: how many instructions follow.
fn is_valid(instruction: &sock_filter, after: usize) -> bool {
    let sock_filter { code, jt, jf, k } = *instruction;
    match code {
        0x20 => k % 4 == 0 && k < 64,
        0x05 => (k as usize) < after,
        0x15 | 0x25 | 0x35 | 0x45 => usize::from(jt.max(jf)) < after,
        0x06 | 0x54 => true,
        _ => false,
    }
}

/// The most instructions on any way through the program.
fn longest_way(program: &[sock_filter]) -> usize {
    let mut ways = vec![0; program.len()];
    for at in (0..program.len()).rev() {
        let sock_filter { code, jt, jf, k } = program[at];
        let further = |distance: usize| ways[at + 1 + distance];
        ways[at] = 1 + match code {
            0x06 => 0,
            0x05 => further(k as usize),
            0x15 | 0x25 | 0x35 | 0x45 => further(usize::from(jt)).max(further(usize::from(jf))),
            _ => further(0),
        };
    }
    ways[0]
}

/// What the documentation of the program promises: ranges, not calls, and a tree, not a list.
#[test]
fn the_program_is_short_and_the_way_through_it_shorter() {
    for policy in [Seccomp::default(), Seccomp::without_sockets(), Seccomp::compute_only()] {
        let program = program(&policy, Architecture::X86_64);
        assert!(program.len() < 400, "{}", program.len());
        assert!(longest_way(&program) < 90, "{}", longest_way(&program));
    }
    let program = program(&Seccomp::default(), Architecture::X86_64);
    let call = Call { number: 0, architecture: Architecture::X86_64.audit_number(), ..Call::default() };
    assert!(run(&program, &call).1 <= 14, "{}", run(&program, &call).1);
}

#[test]
fn far_branches_are_reached_by_a_jump_that_goes_far() {
    let has_jump = |policy: &Seccomp| {
        program(policy, Architecture::X86_64)
            .iter()
            .any(|instruction| instruction.code == 0x05 && instruction.k > 255)
    };
    assert!(has_jump(&long()));
    assert!(!has_jump(&Seccomp::default()));
}

#[test]
fn a_program_that_is_too_long_is_refused() {
    let grown = |rules: u64| {
        let grow = |policy: Seccomp, value| {
            policy.rule(SyscallRule::new(["read"], Errno(1)).argument(1, Comparison::Equal(value)))
        };
        (0..rules).fold(Seccomp::default(), grow)
    };
    assert!(grown(100).compile(&circumstances(Architecture::X86_64)).is_ok());
    let error = refusal(&grown(2000));
    assert!(error.to_string().contains("4096"), "{error}");
}

#[test]
fn the_filter_is_the_program_in_bytes() {
    let policy = Seccomp::default();
    let filter = policy.compile(&circumstances(Architecture::NATIVE)).expect("a filter");
    let program = program(&policy, Architecture::NATIVE);
    assert_eq!((filter.program.len(), filter.pass), (program.len() * 8, PASS));
    for (bytes, instruction) in filter.program.chunks(8).zip(&program) {
        assert_eq!(bytes[..2], instruction.code.to_ne_bytes());
        assert_eq!((bytes[2], bytes[3]), (instruction.jt, instruction.jf));
        assert_eq!(bytes[4..], instruction.k.to_ne_bytes());
    }
}

/// The kernel reads the lower half of such an argument; a filter that compares all of it can be passed by.
#[test]
fn rubbish_above_a_32_bit_argument_changes_nothing() {
    const RUBBISH: u64 = 0xdead_beef << 32;
    let answer = |call, index: usize, value| {
        let mut arguments = [0; 6];
        arguments[index] = value;
        verdict(&Seccomp::default(), Architecture::X86_64, call, arguments)
    };
    assert_eq!(answer("ioctl", 1, libc::TIOCSTI | RUBBISH), EPERM);
    assert_eq!(answer("ioctl", 1, libc::TCGETS | RUBBISH), libc::SECCOMP_RET_ALLOW);
    assert_eq!(answer("clone", 0, libc::CLONE_NEWUSER as u64 | RUBBISH), EPERM);
    assert_eq!(answer("socket", 0, libc::AF_UNIX as u64 | RUBBISH), libc::SECCOMP_RET_ALLOW);
    assert_ne!(answer("socket", 0, libc::AF_VSOCK as u64 | RUBBISH), libc::SECCOMP_RET_ALLOW);
}

/// Each flag alone and all together, as a program and as a C library would set them.
#[test]
fn no_namespace_is_made_by_clone() {
    let flags = [
        libc::CLONE_NEWNS,
        libc::CLONE_NEWCGROUP,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
        0x7e02_0000,
    ];
    for architecture in ARCHITECTURES {
        let answer = |flags: i32| {
            verdict(&Seccomp::default(), architecture, "clone", [flags as u32 as u64, 0, 0, 0, 0, 0])
        };
        for flag in flags {
            for other in [0, libc::SIGCHLD, libc::CLONE_VM | libc::CLONE_VFORK, libc::CLONE_THREAD] {
                assert_eq!(answer(flag | other), EPERM, "{flag:#x} {other:#x}");
                assert_eq!(answer(other), libc::SECCOMP_RET_ALLOW, "{other:#x}");
            }
        }
    }
}
