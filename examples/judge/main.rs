//! A small online judge: compiles submissions and runs them on a problem's tests, each step in a container with
//! limits.
//!
//! ```text
//! cargo run --release --example judge -- run PROBLEM SUBMISSION
//!
//! judge run examples/judge/problems/sum examples/judge/problems/sum/submissions/ac.c
//! judge run examples/judge/problems/sum solution.py --expect AC --json
//! judge run problems/sum solution.kt --languages my-languages.toml
//! judge check examples/judge/problems/guess
//! judge check --all examples/judge/problems
//! judge languages
//! ```
//!
//! `README.md` beside this file tells how to add a language or a problem.
//!
//! # A submission's way
//!
//! 1. *Compile* (`compile.rs`). The compiler runs in a container of its own, with looser limits. What it makes
//!    comes back as bytes. If it fails the verdict is CE, with what it said.
//! 2. *Run* (`batch.rs`, or `interactive.rs` where the problem's own program talks to the submission). Each test
//!    has a new container: read-only files, a private `/tmp`, no network, and the limits of the problem. There is
//!    one worker for each CPU, and what it runs stays on that CPU (`workers.rs`).
//! 3. *Compare* (`checker.rs`), in the judge: the right answer is never in a container.
//!
//! # Limits
//!
//! CPU time of all processes together is what a problem limits; it does not depend on what else the machine
//! does. Wall time is the backstop for programs that sleep. The cause in the report says which it was. A program
//! may run on a little beyond both, so that its true time can be told. Memory, processes, output, sizes of files
//! and of all files together are limited too (`limits.rs`).
//!
//! Limits are strict: where one cannot be held, nothing is judged, and the error says what to do. An ordinary
//! user without a cgroup can accept weaker mechanisms by `--best-effort`. Then a program that takes too much
//! memory finds that it gets no more, and usually fails: RE takes the place of MLE. CPU time of children that
//! nobody waited for does not count. Which mechanism holds which limit is printed in any case.
//!
//! # Exit code
//!
//! 0: every test ran; the verdict is in the output. 1: it is not the one that was expected (`--expect`, `check`).
//! 2: the judge failed, with the reason on standard error.

mod batch;
mod calls;
mod check;
mod checker;
mod compile;
mod expectation;
mod failure;
mod interactive;
mod json;
mod judge;
mod language;
mod limits;
mod natural;
mod outcome;
mod problem;
mod progress;
mod table;
mod text;
mod transcript;
mod units;
mod verdict;
mod workers;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use cofferdam::{Enforcement, ErrorKind};

use check::{Check, Checked, Checking};
use failure::Failure;
use judge::{Judge, Submission};
use language::Languages;
use limits::Seat;
use problem::Problem;
use progress::Progress;
use verdict::Verdict;

const JUDGED: u8 = 0;
const NOT_AS_EXPECTED: u8 = 1;
const JUDGE_FAILED: u8 = 2;

fn main() -> ExitCode {
    // A wrong usage exits with code 2 too.
    let options = Options::parse();
    ExitCode::from(act(&options).unwrap_or_else(|failure| {
        eprintln!("judge: {failure}");
        JUDGE_FAILED
    }))
}

/// Judge submissions in containers.
///
/// Exit code: 0 judged, 1 not the expected verdict, 2 the judge failed.
#[derive(Parser)]
#[command(name = "judge")]
struct Options {
    #[command(subcommand)]
    action: Action,

    /// File with further languages, or other ways to run the built-in ones
    #[arg(long, global = true, value_name = "FILE")]
    languages: Option<PathBuf>,

    /// Accept weaker limits where strict ones cannot be had here
    #[arg(long, global = true)]
    best_effort: bool,

    /// CPUs to run on, one test at a time on each [default: all]
    #[arg(long, global = true, value_name = "N[,N]", value_delimiter = ',')]
    cpus: Vec<usize>,

    /// Multiply all limits of time, on a machine that is slower than those that they were made for
    #[arg(long, global = true, value_name = "F", default_value_t = 1.0, value_parser = factor)]
    time_factor: f64,

    /// Print a JSON object instead of a table
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Action {
    /// Judge one submission
    Run {
        /// Directory with `problem.toml`
        problem: PathBuf,

        /// Source file
        submission: PathBuf,

        /// Name of its language [default: by the file's extension]
        #[arg(long, value_name = "NAME")]
        language: Option<String>,

        /// Exit with code 1 if the verdict is another
        #[arg(long, value_name = "VERDICT")]
        expect: Option<Verdict>,

        /// Leave out the tests after one that failed
        #[arg(long)]
        fail_fast: bool,
    },

    /// Judge all submissions of problems, and compare the verdicts with what their first lines expect
    Check {
        /// Directories with `problem.toml`; with `--all`, directories of such directories
        #[arg(required = true, value_name = "DIR")]
        problems: Vec<PathBuf>,

        /// Check all problems in each directory
        #[arg(long)]
        all: bool,
    },

    /// List the languages, and which of them are installed here
    Languages,
}

/// Does what the options say; returns the exit code.
fn act(options: &Options) -> Result<u8, Failure> {
    let languages = Languages::load(options.languages.as_deref())?;
    match &options.action {
        Action::Languages => list(&languages),
        Action::Run { problem, submission, language, expect, fail_fast } => {
            let wish = Wish { language: language.as_deref(), expect: *expect, fail_fast: *fail_fast };
            run(&Court::open(options, &languages)?, problem, submission, &wish)
        }
        Action::Check { problems, all } => check(&Court::open(options, &languages)?, problems, *all),
    }
}

/// What judging needs, whatever is judged.
struct Court<'a> {
    languages: &'a Languages,
    seats: Vec<Seat>,
    /// What holds the limits here.
    served: Vec<Enforcement>,
    json: bool,
}

impl<'a> Court<'a> {
    /// Finds the CPUs and tries the limits on them.
    fn open(options: &Options, languages: &'a Languages) -> Result<Self, Failure> {
        let cpus = if options.cpus.is_empty() { workers::usable_cpus()? } else { options.cpus.clone() };
        let (best_effort, time_factor) = (options.best_effort, options.time_factor);
        let seats: Vec<_> = cpus.into_iter().map(|cpu| Seat { cpu, best_effort, time_factor }).collect();
        let served = limits::rehearse(&seats).map_err(|error| unavailable(&error, best_effort))?;
        Ok(Court { languages, seats, served, json: options.json })
    }

    /// Prints the one or the other, and for people what held the limits.
    fn tell(
        &self,
        json: impl FnOnce() -> serde_json::Value,
        table: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        match self.json {
            true => print(&format!("{}\n", json())),
            false => print(&format!("limits: {}\n\n{}", limits::mechanisms(&self.served), table())),
        }
    }
}

fn unavailable(error: &cofferdam::Error, best_effort: bool) -> Failure {
    match error.kind() {
        ErrorKind::LimitUnavailable if !best_effort => {
            Failure::new(format!("{error}; or accept weaker limits with --best-effort"))
        }
        _ => Failure::new(error.to_string()),
    }
}

/// What the user says of a single submission.
struct Wish<'a> {
    language: Option<&'a str>,
    expect: Option<Verdict>,
    fail_fast: bool,
}

fn run(court: &Court, problem: &Path, submission: &Path, wish: &Wish) -> Result<u8, Failure> {
    let problem = Problem::load(problem)?;
    let submission = Submission::read(submission, wish.language, court.languages)?;
    let submission = submission.map_err(|reason| Failure::new(format!("not installed here: {reason}")))?;
    let judge = Judge::new(&problem, court.languages, court.seats[0], wish.fail_fast)?;
    let progress = Progress::new(&problem.title, problem.tests.len());
    let judgement = judge.judge(&submission, &court.seats, || progress.advance());
    progress.finish();
    let judgement = judgement?;
    let right = wish.expect.map(|verdict| [verdict]);
    let right = right.as_ref().map(|right| &right[..]);
    court.tell(
        || json::of_judgement(&judgement, &court.served, right),
        || format!("{}\n\n{}", problem.title, table::of_judgement(&judgement)),
    )?;
    Ok(match right {
        _ if judgement.has_internal_error() => JUDGE_FAILED,
        Some(right) if !right.contains(&judgement.verdict) => NOT_AS_EXPECTED,
        _ => JUDGED,
    })
}

fn check(court: &Court, directories: &[PathBuf], all: bool) -> Result<u8, Failure> {
    let mut problems = Vec::new();
    for directory in directories {
        match all {
            true => problems.extend(problem::all_in(directory)?),
            false => problems.push(directory.clone()),
        }
    }
    let all_strict = court.served.iter().all(|by| by.strict);
    let check = Check { languages: court.languages, seats: &court.seats, all_strict };
    let mut checked = Vec::new();
    for problem in &problems {
        checked.extend(check.check(problem)?);
    }
    court.tell(|| json::of_checked(&checked, &court.served), || table::of_checked(&checked))?;
    Ok(exit_code(&checked))
}

fn exit_code(checked: &[Checked]) -> u8 {
    let judge_failed = |one: &Checked| match &one.result {
        Checking::Judged(judgement, _) => judgement.has_internal_error(),
        Checking::Skipped(_) => false,
        Checking::Failed(_) => true,
    };
    match checked.iter().all(Checked::is_right) {
        _ if checked.iter().any(judge_failed) => JUDGE_FAILED,
        true => JUDGED,
        false => NOT_AS_EXPECTED,
    }
}

fn list(languages: &Languages) -> Result<u8, Failure> {
    let rows = languages.iter().map(|(id, language)| {
        let installed = language.find().map_or_else(|reason| format!("no: {reason}"), |_| "yes".into());
        [id.to_owned(), language.name().to_owned(), installed]
    });
    print(&table::of_languages(rows))?;
    Ok(JUDGED)
}

fn factor(text: &str) -> Result<f64, &'static str> {
    let factor = text.parse().ok().filter(|factor| (0.1..=1000.0).contains(factor));
    factor.ok_or("expected a number from 0.1 to 1000")
}

fn print(text: &str) -> Result<(), Failure> {
    let written = io::stdout().write_all(text.as_bytes());
    written.map_err(|error| Failure::new(format!("cannot write to standard output: {error}")))
}
