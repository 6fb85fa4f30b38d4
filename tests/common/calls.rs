//! System calls made by a perl script, by number, so that no C library stands between.

use cofferdam::{Container, Seccomp, Syscall};

use super::limits::{PERL, probe_first};
use super::{needs_program, stdout};

/// The error number of a call that succeeds.
pub const NONE: i32 = 0;

/// Whether there is a perl; if not, says that the calling test does nothing.
#[track_caller]
pub fn has_perl() -> bool {
    probe_first();
    needs_program(PERL)
}

/// The number of a call.
#[track_caller]
pub fn number(name: &str) -> u32 {
    Syscall::named(name).unwrap_or_else(|| panic!("no call {name}")).number()
}

/// A container that runs a perl script, in which `SYS(name)` stands for the number of a call, `call(...)` makes one
/// and returns its error number, 0 for none, and `say` prints a line at once.
#[track_caller]
pub fn perl(script: &str) -> Container {
    Container::new().command(PERL).args(["-e", &with_numbers(script)])
}

/// The script of [`perl`], to be run in any other way.
#[track_caller]
pub fn with_numbers(script: &str) -> String {
    let mut text = String::from(
        "$| = 1;
         sub say { print @_, \"\\n\" }
         sub call { my ($number, @arguments) = @_; syscall($number, @arguments) == -1 ? $! + 0 : 0 }
         ",
    );
    let mut rest = script;
    while let Some((before, after)) = rest.split_once("SYS(") {
        let (name, after) = after.split_once(')').expect("SYS(name)");
        text += &format!("{before}{}", number(name));
        rest = after;
    }
    text + rest
}

/// The error numbers of these calls, written as arguments of `call`, each made once in one container.
#[track_caller]
pub fn errors(policy: Seccomp, calls: &[&str]) -> Vec<i32> {
    let script: String = calls.iter().map(|call| format!("say call({call});\n")).collect();
    let said = stdout(&perl(&script).seccomp(policy));
    said.lines().map(|line| line.parse().expect("a number")).collect()
}

/// As [`errors`], for a single call.
#[track_caller]
pub fn error(policy: Seccomp, call: &str) -> i32 {
    errors(policy, &[call])[0]
}
