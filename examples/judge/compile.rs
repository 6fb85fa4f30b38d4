//! From a source to a program: compiling is a run in a container too, with looser limits.
//!
//! The compiler is as little to be trusted as what it compiles: it reads the submission, which can make it loop,
//! swell, or read a file into its messages. What it made comes out by standard output, as bytes; no file of the
//! host is shared with it.

use std::collections::BTreeSet;

use cofferdam::{Cause, Container, Output, Report};

use crate::failure::Failure;
use crate::language::Toolchain;
use crate::limits::{Limits, Seat};
use crate::text::printable;
use crate::verdict::ending;

/// Where the source lies when it is compiled: a directory that can be written.
const WORKSHOP: &str = "/tmp/box";
/// Where the program lies when it is run: it cannot be written.
const BOX: &str = "/box";

/// Compiles, with everything that the compiler says on standard error; then each file of the program goes to
/// standard output, behind a line with its size and its name.
const SCRIPT: &str = r#"
"$@" >&2 || exit
for file in $ARTEFACTS; do
    size=$(wc -c < "$file") || exit
    echo "$size $file" && cat "$file" || exit
done
"#;

/// What came of compiling.
pub enum Compiled<'a> {
    /// A program, and the account of the compiler's run, if there was one.
    Program(Program<'a>, Option<Report>),
    /// The compiler said no, or went beyond its limits.
    Error(Report, String),
}

/// Something that can be run.
pub struct Program<'a> {
    toolchain: Toolchain<'a>,
    files: Vec<Artefact>,
}

/// A file of a program.
struct Artefact {
    name: String,
    content: Vec<u8>,
}

/// Compiles a source; an error is the judge's.
pub fn compile<'a>(toolchain: Toolchain<'a>, source: &[u8], seat: Seat) -> Result<Compiled<'a>, Failure> {
    let compiler = toolchain.compiler()?;
    if compiler.is_empty() {
        let only = Artefact { name: toolchain.source().into(), content: source.to_vec() };
        return Ok(Compiled::Program(Program { toolchain, files: vec![only] }, None));
    }
    let container = seat.container(&toolchain.compile_limits());
    let container = toolchain.furnish(container)?.env("ARTEFACTS", toolchain.artefacts().join(" "));
    let container = container.command("sh").args(["-c", SCRIPT, "sh"]).args(compiler);
    let container = container.file(format!("{WORKSHOP}/{}", toolchain.source()), source);
    let output = container.current_dir(WORKSHOP).output()?;
    if !output.report.success() || output.report.cause() != Cause::Exited {
        let message = complaint(&output);
        return Ok(Compiled::Error(output.report, message));
    }
    let files = artefacts(&output.stdout)?;
    Ok(Compiled::Program(Program { toolchain, files }, Some(output.report)))
}

/// What the compiler said, and, if it did not end by itself, how it ended.
fn complaint(output: &Output) -> String {
    let said = printable(&output.stderr);
    match output.report.cause() {
        Cause::Exited => said,
        _ => format!("the compiler was ended: {}\n{said}", ending(&output.report)),
    }
}

/// Takes the files apart. The bytes come from the container, so nothing is taken for granted.
fn artefacts(mut bytes: &[u8]) -> Result<Vec<Artefact>, Failure> {
    let (mut files, mut names) = (Vec::new(), BTreeSet::new());
    while !bytes.is_empty() {
        let (artefact, rest) = artefact(bytes)
            .ok_or_else(|| Failure::new("what the compiler's container sent is not a list of files"))?;
        if names.insert(artefact.name.clone()) {
            files.push(artefact);
        }
        bytes = rest;
    }
    Ok(files)
}

fn artefact(bytes: &[u8]) -> Option<(Artefact, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (size, name) = std::str::from_utf8(&bytes[..end]).ok()?.split_once(' ')?;
    let (content, rest) = bytes[end + 1..].split_at_checked(size.parse().ok()?)?;
    let plain = !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0']);
    plain.then(|| (Artefact { name: name.into(), content: content.to_vec() }, rest))
}

impl Program<'_> {
    /// A container that runs the program within these limits, and what its language gets more.
    pub fn container(&self, limits: &Limits, seat: Seat) -> Result<Container, Failure> {
        let container = seat.container(&self.limits(limits));
        let container = self.toolchain.furnish(container)?.directory(BOX).current_dir(BOX);
        let container = self.files.iter().fold(container, |container, file| {
            container.file_with_mode(format!("{BOX}/{}", file.name), &file.content, 0o755)
        });
        self.toolchain.command(container, limits.memory)
    }

    /// What it may use: a problem's limits, and what its language gets more.
    pub fn limits(&self, limits: &Limits) -> Limits {
        self.toolchain.run_limits(*limits)
    }

    /// The exit code that means that the memory was too little.
    pub fn memory_exit_code(&self) -> Option<i32> {
        self.toolchain.memory_exit_code()
    }
}
