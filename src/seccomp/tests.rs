//! Policies and their programs, without a kernel: what is compiled runs in an interpreter.

mod compiled;
mod model;
mod numbers;
mod pass;
mod rules;
mod table;

use seccompiler::{BpfProgram, TargetArch};

use super::action::SeccompAction;
use super::interpreter::{Call, run};
use super::policy::Seccomp;
use super::resolve::{Circumstances, FilterOf, Resolved};
use super::syscall::Architecture;
use crate::config::Capabilities;
use crate::error::{Error, ErrorKind};

const ARCHITECTURES: [Architecture; 2] = [Architecture::X86_64, Architecture::Aarch64];

/// What the launcher's calls carry in these tests.
const PASS: [u64; 3] = [0x1111_2222_3333_4444, 0x5555_6666_7777_8888, 0x9999_aaaa_bbbb_cccc];

const EPERM: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
const ENOSYS: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

fn circumstances(architecture: Architecture) -> Circumstances {
    let (pass, of) = (Some(PASS), FilterOf::Container);
    Circumstances { architecture, pass, of, capabilities: Capabilities::empty(), kernel: None }
}

fn target(architecture: Architecture) -> TargetArch {
    match architecture {
        Architecture::X86_64 => TargetArch::x86_64,
        Architecture::Aarch64 => TargetArch::aarch64,
    }
}

fn resolved(policy: &Seccomp, architecture: Architecture) -> Resolved {
    policy.resolve(&circumstances(architecture)).expect("a policy")
}

fn program(policy: &Seccomp, architecture: Architecture) -> BpfProgram {
    resolved(policy, architecture).program()
}

fn number(architecture: Architecture, name: &str) -> u32 {
    let known = architecture.syscalls().find(|(known, _)| *known == name);
    known.unwrap_or_else(|| panic!("{architecture:?} has no {name}")).1
}

/// What a policy answers to a call, by name.
fn verdict(policy: &Seccomp, architecture: Architecture, name: &str, arguments: [u64; 6]) -> u32 {
    verdict_of_number(policy, architecture, number(architecture, name), arguments)
}

fn verdict_of_number(policy: &Seccomp, architecture: Architecture, number: u32, arguments: [u64; 6]) -> u32 {
    let call = Call { number, architecture: architecture.audit_number(), arguments };
    run(&program(policy, architecture), &call).0
}

/// What is said of a policy that cannot be meant.
fn refusal(policy: &Seccomp) -> Error {
    let error = policy.compile(&circumstances(Architecture::X86_64)).expect_err("no policy");
    assert_eq!((error.kind(), error.step()), (ErrorKind::InvalidInput, "seccomp"), "{error}");
    error
}

fn errno(number: i32) -> SeccompAction {
    SeccompAction::Errno(number)
}
