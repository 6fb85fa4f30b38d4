//! What is known of a submission when it has been judged.

use std::path::PathBuf;

use cofferdam::Report;

use crate::failure::Failure;
use crate::transcript::Transcript;
use crate::verdict::Verdict;

/// One test.
#[derive(Debug)]
pub struct Outcome {
    /// What is said of it.
    pub verdict: Verdict,
    /// The account of the submission's run; none if there was no run.
    pub report: Option<Report>,
    /// Why, for people.
    pub note: String,
    /// What was said, if the problem is interactive.
    pub talk: Option<Talk>,
}

/// The other side of an interactive run.
#[derive(Debug)]
pub struct Talk {
    /// The account of the interactor's run.
    pub interactor: Report,
    /// Who failed first, if anybody did.
    pub first_failure: Option<Party>,
    /// What the two said to each other.
    pub transcript: Transcript,
}

/// One of the two who talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// The program that is judged: it crashed, or went beyond a limit.
    Submission,
    /// The problem's program: it said that the submission is wrong, or was at fault itself.
    Interactor,
}

impl Party {
    /// As the tables and the JSON have it.
    pub fn name(self) -> &'static str {
        match self {
            Party::Submission => "submission",
            Party::Interactor => "interactor",
        }
    }
}

impl Outcome {
    /// The judge's own error: never silent, and never the submission's fault.
    pub fn internal(failure: &Failure) -> Self {
        Outcome { verdict: Verdict::InternalError, report: None, note: failure.to_string(), talk: None }
    }
}

/// A test, where it ran, and what came of it.
#[derive(Debug)]
pub struct TestResult {
    /// Of the problem's test.
    pub name: String,
    /// The number of the CPU.
    pub cpu: usize,
    /// None if the test was not run, because one before it had failed already.
    pub outcome: Option<Outcome>,
}

/// A submission.
#[derive(Debug)]
pub struct Judgement {
    /// The name of the problem.
    pub problem: String,
    /// The file.
    pub submission: PathBuf,
    /// The name of the language's table.
    pub language: String,
    /// The account of the compiler's run, if there was one.
    pub compiler: Option<Report>,
    /// What the compiler said, if it did not succeed.
    pub message: Option<String>,
    /// In the order of the problem's tests; empty if there was nothing to run.
    pub tests: Vec<TestResult>,
    /// That of the first test that was not accepted, or of compiling.
    pub verdict: Verdict,
}

impl Judgement {
    /// Whether the judge failed in any test.
    pub fn has_internal_error(&self) -> bool {
        let outcomes = self.tests.iter().filter_map(|test| test.outcome.as_ref());
        outcomes.into_iter().any(|outcome| outcome.verdict == Verdict::InternalError)
    }

    /// The first test that was not accepted: the one that the verdict comes from.
    pub fn deciding(&self) -> Option<(&TestResult, &Outcome)> {
        let tests = self.tests.iter().filter_map(|test| Some((test, test.outcome.as_ref()?)));
        tests.into_iter().find(|(_, outcome)| outcome.verdict != Verdict::Accepted)
    }
}
