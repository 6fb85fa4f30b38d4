//! Parts that this program plays for somebody else: a process of the host, or of another container, that has
//! something and keeps it until its standard input ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child as HostChild, ChildStdout, Command, ExitCode, Stdio};

use cofferdam::{Child, Container};

use crate::{prober, sys};

/// The first argument.
pub const STAY: &str = "stay";
const READY: &str = "ready:";

/// A part: makes what it has from its arguments, and says what others must know of it.
pub type Part = fn(&[String]) -> Result<(Box<dyn std::any::Any>, String), i32>;

/// Plays a part, if the arguments say so.
pub fn main(arguments: &[String]) -> Option<ExitCode> {
    let [first, part, rest @ ..] = arguments else { return None };
    if first != STAY {
        return None;
    }
    let (_, play) = crate::table::PARTS.iter().find(|(name, _)| name == part)?;
    let kept = play(rest);
    let said = match &kept {
        Ok((_, said)) => format!("{READY}{said}\n"),
        Err(errno) => format!("failed: {errno}\n"),
    };
    let _ = std::io::stdout().write_all(said.as_bytes());
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    drop(kept);
    Some(ExitCode::SUCCESS)
}

/// Nothing but being there, with a secret in its memory; says its address.
pub fn idle(arguments: &[String]) -> Result<(Box<dyn std::any::Any>, String), i32> {
    let secret: Box<[u8]> = arguments.concat().into_bytes().into();
    let address = sys::at(&*secret).to_string();
    Ok((Box::new(secret), address))
}

/// A process of the host that plays a part until it is dropped.
pub struct HostProcess {
    process: HostChild,
    _output: ChildStdout,
    /// What it said.
    pub said: String,
}

impl HostProcess {
    pub fn start(part: &str, arguments: &[String]) -> Result<Self, String> {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args([STAY, part]).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("this program");
        let mut output = process.stdout.take().expect("a pipe");
        let said = ready(&mut output);
        let process = HostProcess { process, _output: output, said: String::new() };
        said.map(|said| process.having(said))
    }

    fn having(mut self, said: String) -> Self {
        self.said = said;
        self
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for HostProcess {
    fn drop(&mut self) {
        // It has things to remove.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// Another container that plays a part until it is dropped.
pub struct Neighbour {
    pub child: Child,
    /// What it said.
    pub said: String,
}

impl Neighbour {
    pub fn start(container: Container, part: &str, arguments: &[String]) -> Result<Self, String> {
        let mut child = prober::staying(container, part, arguments).spawn().map_err(|e| e.to_string())?;
        let said = ready(child.stdout.as_mut().expect("a pipe"))?;
        Ok(Neighbour { child, said })
    }

    /// Ends it; what it says in the end.
    pub fn end(mut self) -> Result<String, String> {
        drop(self.child.stdin.take());
        let output = self.child.wait_with_output().map_err(|error| error.to_string())?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// Waits until a part has what it has.
fn ready(output: impl Read) -> Result<String, String> {
    let mut line = String::new();
    let _ = BufReader::with_capacity(1, output).read_line(&mut line);
    let said = line.trim_end().strip_prefix(READY);
    said.map(|said| said.trim().to_owned()).ok_or_else(|| format!("what this part needs: {line}"))
}
