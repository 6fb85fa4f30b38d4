//! Languages: how a submission is compiled and run, as files describe it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use cofferdam::{Bind, Container};
use serde::Deserialize;

use crate::failure::Failure;
use crate::limits::{Limits, Wishes};
use crate::units::Size;

/// The languages that the judge brings along.
const BUILT_IN: &str = include_str!("languages.toml");

/// Where a container looks for programs.
const SEARCHED: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];

/// A language as a table of the file has it; the file's head explains the fields.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    name: String,
    extensions: Vec<String>,
    source: String,
    #[serde(default)]
    compile: Vec<String>,
    artefacts: Vec<String>,
    run: Vec<String>,
    #[serde(default)]
    needs: Vec<String>,
    #[serde(default)]
    binds: Vec<String>,
    #[serde(default)]
    optional_binds: Vec<String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    #[serde(default)]
    variables: BTreeMap<String, Variable>,
    #[serde(default)]
    compile_limits: Wishes,
    #[serde(default)]
    run_limits: Adjustments,
    memory_exit_code: Option<i32>,
}

/// How much more than a problem's limits a language gets.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Adjustments {
    time_factor: f64,
    extra_memory: Size,
    extra_pids: u64,
}

impl Default for Adjustments {
    fn default() -> Self {
        Adjustments { time_factor: 1.0, extra_memory: Size(0), extra_pids: 0 }
    }
}

/// A value that is found out on the host: from an environment variable if it is set, otherwise from what a
/// command prints.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Variable {
    env: Option<String>,
    #[serde(default)]
    command: Vec<String>,
}

/// All languages that are known, by the names of their tables.
#[derive(Debug)]
pub struct Languages(BTreeMap<String, Language>);

/// A language that is known; whether it is installed shows when it is asked for.
#[derive(Debug)]
pub struct Language {
    description: Description,
    values: OnceLock<Result<BTreeMap<String, String>, String>>,
}

/// A language that is installed.
#[derive(Clone, Copy, Debug)]
pub struct Toolchain<'a> {
    description: &'a Description,
    values: &'a BTreeMap<String, String>,
}

impl Languages {
    /// The built-in languages, and those of a file, which take the place of built-in ones of the same name.
    pub fn load(file: Option<&Path>) -> Result<Self, Failure> {
        let mut tables = parse("the built-in languages", BUILT_IN)?;
        if let Some(path) = file {
            let text = fs::read_to_string(path).map_err(|error| Failure::read(path, &error))?;
            tables.extend(parse(&path.display().to_string(), &text)?);
        }
        let language = |description| Language { description, values: OnceLock::new() };
        Ok(Languages(tables.into_iter().map(|(id, description)| (id, language(description))).collect()))
    }

    /// The language of this name, or, without one, that of the file's extension.
    pub fn of(&self, name: Option<&str>, source: &Path) -> Result<(&str, &Language), Failure> {
        let extension = source.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let fits = |id: &str, language: &Language| match name {
            Some(name) => id == name,
            None => language.description.extensions.iter().any(|known| known == extension),
        };
        self.iter().find(|(id, language)| fits(id, language)).ok_or_else(|| {
            let known = self.0.keys().map(String::as_str).collect::<Vec<_>>().join(" ");
            let wanted = name.map_or_else(|| format!("`{}`", source.display()), |name| format!("`{name}`"));
            Failure::new(format!(
                "{wanted}: no such language; known are {known}, and --languages adds others"
            ))
        })
    }

    /// Each with its name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Language)> {
        self.0.iter().map(|(id, language)| (id.as_str(), language))
    }
}

/// An error has the line and the column, and shows the line.
fn parse(place: &str, text: &str) -> Result<BTreeMap<String, Description>, Failure> {
    toml::from_str(text).map_err(|error| Failure::new(format!("{place}: {error}")))
}

impl Language {
    /// Its full name.
    pub fn name(&self) -> &str {
        &self.description.name
    }

    /// Looks for all that it needs, the first time; an error is the reason why it is not here.
    pub fn find(&self) -> Result<Toolchain<'_>, String> {
        let values = self.values.get_or_init(|| values(&self.description)).as_ref().map_err(Clone::clone)?;
        Ok(Toolchain { description: &self.description, values })
    }
}

/// Finds out the variables, and whether all files are there.
fn values(description: &Description) -> Result<BTreeMap<String, String>, String> {
    let variables = description.variables.iter();
    let values = variables
        .map(|(name, variable)| Ok((name.clone(), variable.value()?)))
        .collect::<Result<BTreeMap<_, _>, String>>()?;
    for needed in &description.needs {
        let needed = fill(needed, &values)?;
        if !is_readable(&needed) {
            return Err(format!("{needed} not found"));
        }
    }
    Ok(values)
}

impl Variable {
    fn value(&self) -> Result<String, String> {
        let set = self.env.as_ref().and_then(|name| std::env::var(name).ok());
        match (set, self.command.split_first()) {
            (Some(value), _) => Ok(value),
            (None, Some((program, arguments))) => first_line(program, arguments),
            (None, None) => Err(format!("{} is not set", self.env.as_deref().unwrap_or("its variable"))),
        }
    }
}

/// What a program of the host prints. It comes from the file of languages, not from a submission.
fn first_line(program: &str, arguments: &[String]) -> Result<String, String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|_| format!("{program} not found"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.lines().next() {
        Some(line) if output.status.success() => Ok(line.to_owned()),
        _ => Err(format!("{program} failed: {}", output.status)),
    }
}

/// Whether there is such a file: at this path, or, for a bare name, where a container looks for programs.
fn is_readable(program: &str) -> bool {
    let opens = |path: PathBuf| File::open(path).is_ok();
    match program.contains('/') {
        true => opens(program.into()),
        false => SEARCHED.iter().any(|directory| opens(Path::new(directory).join(program))),
    }
}

/// Puts values in the place of `{their names}`.
fn fill(text: &str, values: &BTreeMap<String, String>) -> Result<String, String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').ok_or_else(|| format!("`{text}`: a `{{` is not closed"))?;
        let value = values.get(name).ok_or_else(|| format!("`{text}`: there is no variable `{name}`"))?;
        filled.extend([before, value]);
        rest = after;
    }
    Ok(filled + rest)
}

impl<'a> Toolchain<'a> {
    /// The file name under which the compiler wants to see a submission.
    pub fn source(self) -> &'a str {
        &self.description.source
    }

    /// The compiler with its arguments; empty where nothing is compiled.
    pub fn compiler(self) -> Result<Vec<String>, Failure> {
        self.filled(&self.description.compile, self.values)
    }

    /// The files that go from the compiler to the run, as patterns of the shell.
    pub fn artefacts(self) -> &'a [String] {
        &self.description.artefacts
    }

    /// The exit code that means that the memory was too little.
    pub fn memory_exit_code(self) -> Option<i32> {
        self.description.memory_exit_code
    }

    /// What compiling may use.
    pub fn compile_limits(self) -> Limits {
        Limits::of_compiler().with(&self.description.compile_limits)
    }

    /// A problem's limits, with what this language gets more.
    pub fn run_limits(self, limits: Limits) -> Limits {
        let more = &self.description.run_limits;
        Limits {
            time: limits.time.mul_f64(more.time_factor),
            wall: limits.wall.mul_f64(more.time_factor),
            memory: limits.memory + more.extra_memory.0,
            pids: limits.pids + more.extra_pids,
            ..limits
        }
    }

    /// Adds the language's own files and environment to a container.
    pub fn furnish(self, container: Container) -> Result<Container, Failure> {
        let container = container.envs(&self.description.environment);
        let needed = self.filled(&self.description.binds, self.values)?;
        let optional = self.filled(&self.description.optional_binds, self.values)?;
        let container = needed.iter().map(|text| bind(text)).fold(container, Container::bind);
        Ok(optional.iter().map(|text| bind(text).optional()).fold(container, Container::bind))
    }

    /// The command that runs what was compiled, for a problem with so much memory.
    pub fn command(self, container: Container, memory: u64) -> Result<Container, Failure> {
        let mut values = self.values.clone();
        values.insert("memory_mib".into(), (memory >> 20).to_string());
        let words = self.filled(&self.description.run, &values)?;
        let (program, arguments) = words.split_first().ok_or_else(|| self.complaint("`run` is empty"))?;
        Ok(container.command(program).args(arguments))
    }

    fn filled(self, words: &[String], values: &BTreeMap<String, String>) -> Result<Vec<String>, Failure> {
        words.iter().map(|word| fill(word, values).map_err(|reason| self.complaint(&reason))).collect()
    }

    fn complaint(self, reason: &str) -> Failure {
        Failure::new(format!("the language {}: {reason}", self.description.name))
    }
}

/// `/source:/target`, or one path for both.
fn bind(text: &str) -> Bind {
    let (source, target) = text.split_once(':').unwrap_or((text, text));
    Bind::read_only(source, target)
}
