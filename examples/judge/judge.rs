//! Judging a submission: compile it, run it on every test, say a verdict.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::compile::{Compiled, Program, compile};
use crate::failure::Failure;
use crate::language::{Languages, Toolchain};
use crate::limits::Seat;
use crate::outcome::{Judgement, Outcome, TestResult};
use crate::problem::{Problem, Test};
use crate::verdict::Verdict;
use crate::{batch, interactive, workers};

/// A problem that is ready to judge by: its interactor, if it has one, is compiled.
pub struct Judge<'a> {
    problem: &'a Problem,
    interactor: Option<Program<'a>>,
    fail_fast: bool,
}

/// Somebody's solution.
pub struct Submission<'a> {
    /// The file.
    pub path: &'a Path,
    /// What is in it.
    pub source: Vec<u8>,
    /// The name of its language.
    pub language: &'a str,
    /// What compiles and runs it.
    pub toolchain: Toolchain<'a>,
}

impl<'a> Judge<'a> {
    /// Compiles the interactor. With `fail_fast` tests after one that failed are left out.
    pub fn new(
        problem: &'a Problem,
        languages: &'a Languages,
        seat: Seat,
        fail_fast: bool,
    ) -> Result<Self, Failure> {
        let interactor = problem.interactor.as_deref();
        let interactor = interactor.map(|path| compile_interactor(path, languages, seat)).transpose()?;
        Ok(Judge { problem, interactor, fail_fast })
    }

    /// Judges, with one test at a time on each seat; compiling takes place on the first. `tested` is called
    /// after each test.
    pub fn judge(
        &self,
        submission: &Submission,
        seats: &[Seat],
        tested: impl Fn() + Sync,
    ) -> Result<Judgement, Failure> {
        let first = *seats.first().ok_or_else(|| Failure::new("there is no CPU to judge on"))?;
        let judgement = Judgement {
            problem: self.problem.name(),
            submission: submission.path.to_owned(),
            language: submission.language.to_owned(),
            compiler: None,
            message: None,
            tests: Vec::new(),
            verdict: Verdict::CompileError,
        };
        match compile(submission.toolchain, &submission.source, first)? {
            Compiled::Error(report, message) => {
                Ok(Judgement { compiler: Some(report), message: Some(message), ..judgement })
            }
            Compiled::Program(program, compiler) => {
                let tests = self.run(&program, seats, tested);
                Ok(Judgement { compiler, verdict: overall(&tests), tests, ..judgement })
            }
        }
    }

    /// Runs the tests in their order. A test is left out only if one that stands *before* it has failed, so the
    /// verdict does not depend on which worker was faster.
    fn run(&self, program: &Program, seats: &[Seat], tested: impl Fn() + Sync) -> Vec<TestResult> {
        let failed = AtomicUsize::new(usize::MAX);
        workers::each(seats, &self.problem.tests, |seat, place, test| {
            let wanted = !self.fail_fast || place < failed.load(Ordering::Relaxed);
            let outcome = wanted.then(|| self.test(program, test, seat));
            if outcome.as_ref().is_some_and(|outcome| outcome.verdict != Verdict::Accepted) {
                failed.fetch_min(place, Ordering::Relaxed);
            }
            tested();
            TestResult { name: test.name.clone(), cpu: seat.cpu, outcome }
        })
    }

    fn test(&self, program: &Program, test: &Test, seat: Seat) -> Outcome {
        let outcome = match &self.interactor {
            None => batch::run(program, self.problem, test, seat),
            Some(interactor) => interactive::run(program, interactor, self.problem, test, seat),
        };
        outcome.unwrap_or_else(|failure| Outcome::internal(&failure))
    }
}

/// An interactor that cannot be had is the judge's failure.
fn compile_interactor<'a>(
    path: &'a Path,
    languages: &'a Languages,
    seat: Seat,
) -> Result<Program<'a>, Failure> {
    let interactor = Submission::read(path, None, languages)?;
    let interactor = interactor.map_err(|reason| Failure::new(format!("{}: {reason}", path.display())))?;
    match compile(interactor.toolchain, &interactor.source, seat)? {
        Compiled::Program(program, _) => Ok(program),
        Compiled::Error(_, message) => Err(Failure::new(format!("{}: {message}", path.display()))),
    }
}

impl<'a> Submission<'a> {
    /// Reads a file, in this language, or in that of its extension. The inner error is the reason why the
    /// language is not here.
    pub fn read(
        path: &'a Path,
        language: Option<&str>,
        languages: &'a Languages,
    ) -> Result<Result<Self, String>, Failure> {
        let source = fs::read(path).map_err(|error| Failure::read(path, &error))?;
        let (id, language) = languages.of(language, path)?;
        Ok(language.find().map(|toolchain| Submission { path, source, language: id, toolchain }))
    }
}

/// That of the first test that was not accepted.
fn overall(tests: &[TestResult]) -> Verdict {
    let mut verdicts = tests.iter().filter_map(|test| test.outcome.as_ref()).map(|outcome| outcome.verdict);
    verdicts.find(|verdict| *verdict != Verdict::Accepted).unwrap_or(Verdict::Accepted)
}
