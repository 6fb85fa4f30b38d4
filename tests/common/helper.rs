//! Tests that act as a helper of another test: a host program of its own, with limits, signal dispositions
//! and an end of its own. Run as a test, a helper does nothing; the other test starts this test program again
//! for it.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

use cofferdam::{Container, Seccomp};

use super::text;

/// Set where a test acts as a helper, to its name.
const HELPER: &str = "COFFERDAM_TEST_HELPER";

/// Whether the test of this name acts as a helper; otherwise it has nothing to do.
pub fn is_helper(name: &str) -> bool {
    let is_helper = std::env::var_os(HELPER).as_deref() == Some(OsStr::new(name));
    if is_helper {
        println!("{}", greeting(name));
    }
    is_helper
}

/// What a helper prints first: who started it can tell that it was not taken for a test.
fn greeting(name: &str) -> String {
    format!("helper {name} starts")
}

/// This test program, to be run again for one test that acts as a helper.
pub fn this_test(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("the test program"));
    command.args(arguments(name)).env(HELPER, name);
    command
}

/// As [`this_test`], run by another program, such as `unshare`, with these first arguments.
pub fn this_test_through(program: &str, arguments: &[&str], name: &str) -> Command {
    let helper = this_test(name);
    let mut command = Command::new(program);
    command.args(arguments).arg(helper.get_program()).args(helper.get_args()).env(HELPER, name);
    command
}

/// A container that runs this test program again for one test that acts as a helper, and that may make containers
/// of its own.
pub fn this_test_in_container(name: &str) -> Container {
    let program = std::env::current_exe().expect("the test program");
    Container::new()
        .bind_read_only(program, "/tmp/test-program")
        .seccomp(Seccomp::unconfined())
        .command("/tmp/test-program")
        .args(arguments(name))
        .env(HELPER, name)
}

fn arguments(name: &str) -> [&str; 4] {
    ["--exact", name, "--nocapture", "--test-threads=1"]
}

/// Runs a helper, by the name of its test, to its successful end.
#[track_caller]
pub fn run_helper(name: &str) {
    printed_by(&mut this_test(name), name);
}

/// Runs a helper, by a command made with this name, to its successful end; what it printed.
#[track_caller]
pub fn printed_by(helper: &mut Command, name: &str) -> String {
    let output = helper.output().expect("this test program");
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{}\n{out}\n{err}", output.status);
    assert!(out.contains(&greeting(name)), "it did not act as a helper\n{out}");
    out
}

/// A helper that runs until it is dropped.
pub struct Helper {
    process: Child,
    /// What it prints last it prints to somebody.
    _output: ChildStdout,
    /// The rest of its line that starts with `READY `.
    pub said: String,
}

impl Helper {
    /// Starts a helper and waits until it is ready.
    #[track_caller]
    pub fn start(command: &mut Command) -> Self {
        let mut process =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("this test program");
        let mut output = process.stdout.take().expect("a pipe");
        let lines = BufReader::new(&mut output).lines().map_while(Result::ok);
        let said = lines.into_iter().find_map(|line| Some(line.split_once("READY ")?.1.to_owned()));
        let mut helper = Helper { process, _output: output, said: String::new() };
        helper.said = said.expect("a line of the helper");
        helper
    }

    /// Ends it by SIGKILL.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.process.kill().and_then(|()| self.process.wait());
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.end();
    }
}

/// In a helper: says that it is ready, and goes on until it is killed or the test has ended.
pub fn ready_until_the_end(said: &str) {
    println!("READY {said}");
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}
