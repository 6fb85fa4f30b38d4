//! A test of an interactive problem: the submission talks to the problem's interactor, each in a container of
//! its own.
//!
//! ```text
//! submission ── stdout ─▶ judge ── stdin ─▶ interactor ◀── its argument: a file with the test's input
//!            ◀─ stdin ───       ◀─ stdout ─            ── stderr: a message for people
//! ```
//!
//! All that is said goes through the judge, which keeps the beginning as a transcript. The end of what one says
//! is passed on as the end of what the other hears; nobody is ended by a pipe that the other has closed: what
//! comes for one who has left is read and dropped.
//!
//! # The interactor's exit code
//!
//! - 0: the submission has found the answer.
//! - 1: it was wrong, by something that it has said.
//! - 2: what it said was over too early.
//! - Anything else, a signal, or a limit: the interactor itself is at fault.
//!
//! # Who failed first
//!
//! The verdict follows from that code and from the submission's report, never from which of the two the judge
//! happened to see first. Codes 1 and 2 keep apart what otherwise would be a race: a submission that says
//! something wrong and crashes was wrong first; the interactor read the wrong word before the end, whenever
//! either process ended.
//!
//! | interactor | submission ended well | submission crashed or went beyond a limit |
//! |---|---|---|
//! | 0 | AC | its failure: RE, TLE, MLE or OLE |
//! | 1 | WA | WA: it was wrong first |
//! | 2 | WA | its failure: the end was the consequence |
//! | other | IE | IE |
//!
//! A submission that has been called wrong is killed. If both wait for each other, the submission's limit of
//! wall time ends that: TLE. The interactor's limit is longer, so that it sees the end.

use std::io::{Read, Write};
use std::process::{ChildStderr, ChildStdin, ChildStdout};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use cofferdam::{Cause, Child, Container, Report, Stdio};

use crate::compile::Program;
use crate::failure::Failure;
use crate::limits::{Limits, Seat};
use crate::outcome::{Outcome, Party, Talk};
use crate::problem::{Problem, Test};
use crate::text::printable;
use crate::transcript::Transcript;
use crate::verdict::{Verdict, ending, failure};

/// Where the interactor finds the test's input.
const INPUT: &str = "/box/test.in";
/// How much longer the interactor may take.
const LONGER: Duration = Duration::from_secs(2);
/// The most that is kept of its message.
const MESSAGE: u64 = 4096;

/// Runs a submission on one test; an error is the judge's.
pub fn run(
    program: &Program,
    interactor: &Program,
    problem: &Problem,
    test: &Test,
    seat: Seat,
) -> Result<Outcome, Failure> {
    let limits = interactor_limits(&program.limits(&problem.limits));
    let interactor = interactor.container(&limits, seat)?.file(INPUT, test.input()?).arg(INPUT);
    let interactor = piped(interactor).stderr(Stdio::piped()).spawn()?;
    let submission = program.container(&problem.limits, seat)?.seccomp(problem.calls.policy());
    let submission = piped(submission).stderr(Stdio::null()).spawn()?;
    let ended = talk(submission, interactor, problem.limits.output)?;
    Ok(ended.outcome(program.memory_exit_code()))
}

/// Both share the CPU: they take turns anyway.
fn interactor_limits(submission: &Limits) -> Limits {
    let wall = submission.wall + submission.extra + LONGER;
    Limits { time: wall, wall, ..Limits::of_submission() }
}

fn piped(container: Container) -> Container {
    container.stdin(Stdio::piped()).stdout(Stdio::piped())
}

/// What is known when both have ended.
struct Ended {
    submission: Report,
    interactor: Report,
    message: String,
    transcript: Transcript,
    said_too_much: bool,
}

/// Lets the two talk until both have ended. The handles belong to the scope's closure: should it fail, they are
/// dropped, which ends both containers, and with them the threads.
fn talk(mut submission: Child, mut interactor: Child, most: u64) -> Result<Ended, Failure> {
    let transcript = Mutex::new(Transcript::default());
    let (submission, interactor, message, said_too_much) = thread::scope(|scope| {
        let (to_submission, from_submission) = pipes(&mut submission)?;
        let (to_interactor, from_interactor) = pipes(&mut interactor)?;
        let message = interactor.stderr.take();
        let upward =
            Line { speaker: Party::Submission, from: from_submission, to: Some(to_interactor), most };
        let downward = Line {
            speaker: Party::Interactor,
            from: from_interactor,
            to: Some(to_submission),
            most: u64::MAX,
        };
        let upward = scope.spawn(|| upward.pass_on(&transcript));
        scope.spawn(|| downward.pass_on(&transcript));
        let message = scope.spawn(|| read_message(message));

        let mut interactor = interactor;
        let interactor = interactor.wait()?;
        let mut submission = submission;
        if matches!(Saying::of(&interactor), Saying::Wrong | Saying::Nonsense) {
            submission.kill()?;
        }
        let submission = submission.wait()?;
        let said_too_much = upward.join().unwrap_or_default();
        Ok::<_, Failure>((submission, interactor, message.join().unwrap_or_default(), said_too_much))
    })?;
    let transcript = transcript.into_inner().unwrap_or_default();
    Ok(Ended { submission, interactor, message, transcript, said_too_much })
}

fn pipes(child: &mut Child) -> Result<(ChildStdin, ChildStdout), Failure> {
    let both = child.stdin.take().zip(child.stdout.take());
    both.ok_or_else(|| Failure::new("a container was started without its pipes"))
}

/// One direction.
struct Line {
    speaker: Party,
    from: ChildStdout,
    to: Option<ChildStdin>,
    most: u64,
}

impl Line {
    /// Passes on what is said until it ends, or is too much; tells whether it was. Then both ends are closed.
    fn pass_on(mut self, transcript: &Mutex<Transcript>) -> bool {
        let mut buffer = [0; 4096];
        let mut passed = 0;
        while let Ok(count @ 1..) = self.from.read(&mut buffer) {
            passed += count as u64;
            if passed > self.most {
                return true;
            }
            if let Ok(mut transcript) = transcript.lock() {
                transcript.add(self.speaker, &buffer[..count]);
            }
            self.to = written(self.to.take(), &buffer[..count]);
        }
        false
    }
}

/// Writes, and keeps the pipe only while somebody reads it.
fn written(pipe: Option<ChildStdin>, bytes: &[u8]) -> Option<ChildStdin> {
    pipe.and_then(|mut pipe| pipe.write_all(bytes).is_ok().then_some(pipe))
}

/// The beginning of what the interactor says to people; the rest is read too, so that it cannot block.
fn read_message(from: Option<ChildStderr>) -> String {
    let Some(mut from) = from else { return String::new() };
    let mut message = Vec::new();
    let kept = from.by_ref().take(MESSAGE).read_to_end(&mut message);
    let _ = kept.and_then(|_| std::io::copy(&mut from, &mut std::io::sink()));
    printable(&message)
}

/// What the interactor says by its exit code.
enum Saying {
    Accepted,
    Wrong,
    EndedEarly,
    Nonsense,
}

impl Saying {
    fn of(report: &Report) -> Self {
        match (report.cause(), report.code()) {
            (Cause::Exited, Some(0)) => Saying::Accepted,
            (Cause::Exited, Some(1)) => Saying::Wrong,
            (Cause::Exited, Some(2)) => Saying::EndedEarly,
            _ => Saying::Nonsense,
        }
    }
}

impl Ended {
    fn outcome(self, memory_exit_code: Option<i32>) -> Outcome {
        let failed = match self.said_too_much {
            true => Some(Verdict::OutputLimit),
            false => failure(&self.submission, memory_exit_code),
        };
        let (verdict, first_failure) = resolve(Saying::of(&self.interactor), failed);
        let note = self.note(verdict, first_failure);
        let talk = Talk { interactor: self.interactor, first_failure, transcript: self.transcript };
        Outcome { verdict, report: Some(self.submission), note, talk: Some(talk) }
    }

    fn note(&self, verdict: Verdict, first_failure: Option<Party>) -> String {
        match first_failure {
            None => String::new(),
            Some(Party::Submission) if self.said_too_much => "it said too much".into(),
            Some(Party::Submission) => ending(&self.submission),
            Some(Party::Interactor) if verdict == Verdict::InternalError => {
                format!("the interactor: {}; {}", ending(&self.interactor), self.message)
            }
            Some(Party::Interactor) => self.message.clone(),
        }
    }
}

/// The table above.
fn resolve(saying: Saying, failed: Option<Verdict>) -> (Verdict, Option<Party>) {
    match (saying, failed) {
        (Saying::Nonsense, _) => (Verdict::InternalError, Some(Party::Interactor)),
        (Saying::Wrong, _) | (Saying::EndedEarly, None) => (Verdict::WrongAnswer, Some(Party::Interactor)),
        (Saying::Accepted | Saying::EndedEarly, Some(verdict)) => (verdict, Some(Party::Submission)),
        (Saying::Accepted, None) => (Verdict::Accepted, None),
    }
}
