//! A problem: a directory with `problem.toml`, `tests/` and `submissions/`.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::calls::Calls;
use crate::checker::Checker;
use crate::failure::Failure;
use crate::limits::{Limits, Wishes};
use crate::natural;

/// `problem.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    title: String,
    #[serde(default)]
    checker: Checker,
    interactor: Option<PathBuf>,
    #[serde(default)]
    calls: Calls,
    #[serde(default)]
    limits: Wishes,
}

/// A problem that submissions are judged by.
#[derive(Debug)]
pub struct Problem {
    directory: PathBuf,
    /// For people.
    pub title: String,
    /// How answers are compared.
    pub checker: Checker,
    /// The source of the program that talks to the submission, if the problem is interactive.
    pub interactor: Option<PathBuf>,
    /// Which system calls a submission may make.
    pub calls: Calls,
    /// What a submission may use, before its language's share.
    pub limits: Limits,
    /// In the order of their names.
    pub tests: Vec<Test>,
}

/// One test.
#[derive(Debug)]
pub struct Test {
    /// `N` of `N.in`.
    pub name: String,
    input: PathBuf,
    answer: PathBuf,
}

impl Problem {
    /// Reads `problem.toml`, and looks for the tests.
    pub fn load(directory: &Path) -> Result<Self, Failure> {
        let path = directory.join("problem.toml");
        let text = fs::read_to_string(&path).map_err(|error| Failure::read(&path, &error))?;
        let description: Description =
            toml::from_str(&text).map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
        let interactive = description.interactor.is_some();
        Ok(Problem {
            directory: directory.to_owned(),
            title: description.title,
            checker: description.checker,
            interactor: description.interactor.map(|file| directory.join(file)),
            calls: description.calls,
            limits: Limits::of_submission().with(&description.limits),
            tests: tests(&directory.join("tests"), interactive)?,
        })
    }

    /// The name of its directory.
    pub fn name(&self) -> String {
        let path = self.directory.canonicalize().unwrap_or_else(|_| self.directory.clone());
        path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The files in `submissions/`, in the order of their names.
    pub fn submissions(&self) -> Result<Vec<PathBuf>, Failure> {
        files(&self.directory.join("submissions"))
    }
}

/// The problems that are directly in a directory, in the order of their names.
pub fn all_in(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let problems: Vec<_> =
        files(directory)?.into_iter().filter(|path| path.join("problem.toml").exists()).collect();
    match problems.is_empty() {
        true => Err(Failure::new(format!("there is no problem in {}", directory.display()))),
        false => Ok(problems),
    }
}

impl Test {
    /// What the submission, or the interactor, reads.
    pub fn input(&self) -> Result<Vec<u8>, Failure> {
        fs::read(&self.input).map_err(|error| Failure::read(&self.input, &error))
    }

    /// The right answer.
    pub fn answer(&self) -> Result<Vec<u8>, Failure> {
        fs::read(&self.answer).map_err(|error| Failure::read(&self.answer, &error))
    }
}

/// Each `N.in`, which needs its `N.out` unless an interactor decides.
fn tests(directory: &Path, interactive: bool) -> Result<Vec<Test>, Failure> {
    let inputs = files(directory)?;
    let inputs =
        inputs.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "in"));
    let tests: Vec<_> = inputs.map(test).collect();
    let lonely = tests.iter().find(|test| !interactive && !test.answer.exists());
    match lonely {
        Some(test) => Err(Failure::new(format!("{} has no answer beside it", test.input.display()))),
        None if tests.is_empty() => Err(Failure::new(format!("there is no test in {}", directory.display()))),
        None => Ok(tests),
    }
}

fn test(input: PathBuf) -> Test {
    let name = input.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Test { name, answer: input.with_extension("out"), input }
}

/// What is in a directory, hidden files aside, in natural order.
fn files(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = fs::read_dir(directory).map_err(|error| Failure::read(directory, &error))?;
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| Failure::read(directory, &error))?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            files.push(entry.path());
        }
    }
    files.sort_by(|a, b| natural::order(&a.to_string_lossy(), &b.to_string_lossy()));
    Ok(files)
}
