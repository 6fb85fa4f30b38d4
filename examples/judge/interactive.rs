//! A test of an interactive problem: the submission talks to the problem's interactor, each in a container of
//! its own.
//!
//! ```text
//! submission ── stdout ─▶ judge ── stdin ─▶ interactor ◀── its argument: a file with the test's input
//!            ◀─ stdin ───       ◀─ stdout ─            ── stderr: a message for people
//! ```
//!
//! The two are a group, whose tees keep the beginning of what is said as a transcript. The end of what one says
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

use std::time::Duration;

use cofferdam::{Cause, Group, GroupOutcome, Limit, Report, RunningGroup, Stdio, Stream, Tee};

use crate::compile::Program;
use crate::failure::Failure;
use crate::limits::{Limits, Seat};
use crate::outcome::{Outcome, Party, Talk};
use crate::problem::{Problem, Test};
use crate::text::printable;
use crate::transcript::{MOST, Transcript};
use crate::verdict::{Verdict, ending, failure};

/// Where the interactor finds the test's input.
const INPUT: &str = "/box/test.in";
/// How much longer the interactor may take.
const LONGER: Duration = Duration::from_secs(2);
/// The most that is kept of its message.
const MESSAGE: u64 = 4096;

/// The names of the two in their group.
const SUBMISSION: &str = "submission";
const INTERACTOR: &str = "interactor";

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
    let submission = program.container(&problem.limits, seat)?.seccomp(problem.calls.policy());
    // All that is said up to what a transcript keeps of both together.
    let tee = Tee::up_to(MOST as u64).drain();
    let group = Group::new()
        .member(INTERACTOR, interactor)
        .member(SUBMISSION, submission.stderr(Stdio::null()))
        .connect_with_tee((SUBMISSION, Stream::Stdout), (INTERACTOR, Stream::Stdin), tee)
        .connect_with_tee((INTERACTOR, Stream::Stdout), (SUBMISSION, Stream::Stdin), tee)
        .collect((INTERACTOR, Stream::Stderr), MESSAGE);
    let ended = Ended::of(&talk(group.spawn()?)?);
    let ended = ended.ok_or_else(|| Failure::new("a container ended without a report"))?;
    Ok(ended.outcome(program.memory_exit_code()))
}

/// Both share the CPU: they take turns anyway. Whatever the interactor says is of the problem's own making.
fn interactor_limits(submission: &Limits) -> Limits {
    let wall = submission.wall + submission.extra + LONGER;
    Limits { time: wall, wall, output: u64::MAX, ..Limits::of_submission() }
}

/// Lets the two talk until both have ended.
fn talk(mut running: RunningGroup) -> cofferdam::Result<GroupOutcome> {
    while let Some(end) = running.next_end()? {
        let is_over =
            end.member == INTERACTOR && matches!(Saying::of(&end.report), Saying::Wrong | Saying::Nonsense);
        if is_over {
            running.kill()?;
        }
    }
    running.wait()
}

/// What the two said to each other; the interactor's message to people is none of it.
fn transcript(outcome: &GroupOutcome) -> Transcript {
    let mut transcript = Transcript::default();
    for (tee, bytes) in outcome.conversation().filter(|(tee, _)| tee.stream == Stream::Stdout) {
        let speaker = if tee.member == SUBMISSION { Party::Submission } else { Party::Interactor };
        transcript.add(speaker, bytes);
    }
    let tees = outcome.tees.iter().filter(|tee| tee.stream == Stream::Stdout);
    transcript.left_out += tees.map(|tee| tee.total - tee.bytes.len() as u64).sum::<u64>();
    transcript
}

/// What is known when both have ended.
struct Ended {
    submission: Report,
    interactor: Report,
    message: String,
    transcript: Transcript,
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
    fn of(outcome: &GroupOutcome) -> Option<Self> {
        let message = outcome.tee(INTERACTOR, Stream::Stderr)?;
        Some(Ended {
            submission: outcome.report(SUBMISSION)?.clone(),
            interactor: outcome.report(INTERACTOR)?.clone(),
            message: printable(&message.bytes),
            transcript: transcript(outcome),
        })
    }

    fn outcome(self, memory_exit_code: Option<i32>) -> Outcome {
        let failed = failure(&self.submission, memory_exit_code);
        let (verdict, first_failure) = resolve(Saying::of(&self.interactor), failed);
        let note = self.note(verdict, first_failure);
        let talk = Talk { interactor: self.interactor, first_failure, transcript: self.transcript };
        Outcome { verdict, report: Some(self.submission), note, talk: Some(talk) }
    }

    fn note(&self, verdict: Verdict, first_failure: Option<Party>) -> String {
        match first_failure {
            None => String::new(),
            Some(Party::Submission) if self.submission.reached().contains(&Limit::Output) => {
                "it said too much".into()
            }
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
