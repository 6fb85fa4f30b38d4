//! A program that works when asked to, inside a container or outside: what it takes to start it is not measured.

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use cofferdam::{Child, Container, Notifier};

/// Each line that it reads is a request, and each that it writes the nanoseconds that the work took.
pub struct Worker {
    requests: Box<dyn Write + Send>,
    answers: Box<dyn BufRead + Send>,
    process: Process,
}

enum Process {
    Contained(Box<Child>),
    Plain(std::process::Child),
}

impl Worker {
    pub fn inside(container: &Container) -> Result<Self, Box<dyn Error>> {
        use cofferdam::Stdio;
        let mut child = container.clone().stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        Worker::new(stdin, stdout, Process::Contained(Box::new(child)))
    }

    pub fn outside(command: &mut Command) -> Result<Self, Box<dyn Error>> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        Worker::new(stdin, stdout, Process::Plain(child))
    }

    fn new(
        requests: Option<impl Write + Send + 'static>,
        answers: Option<impl Read + Send + 'static>,
        process: Process,
    ) -> Result<Self, Box<dyn Error>> {
        let (Some(requests), Some(answers)) = (requests, answers) else { return Err("no pipes".into()) };
        let (requests, answers) = (Box::new(requests), Box::new(BufReader::new(answers)));
        Ok(Worker { requests, answers, process })
    }

    /// The calls that a worker inside waits for.
    pub fn notifier(&mut self) -> Option<Notifier> {
        match &mut self.process {
            Process::Contained(child) => child.notifier.take(),
            Process::Plain(_) => None,
        }
    }

    /// Has it work once.
    pub fn work(&mut self, request: &str) -> Result<Duration, Box<dyn Error>> {
        writeln!(self.requests, "{request}")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        let nanoseconds = line.trim().parse().map_err(|_| format!("a worker failed at `{request}`"))?;
        Ok(Duration::from_nanos(nanoseconds))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // A container ends with its handle.
        if let Process::Plain(child) = &mut self.process {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
