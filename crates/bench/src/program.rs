//! A server as a process.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context as _;

/// A running server, which ends with its owner.
pub(crate) struct Program {
    process: Child,
    asking: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Program {
    /// Starts this very program as a server. What it logs goes to a file, as where a service manager keeps it.
    ///
    /// # Errors
    /// Those of the operating system.
    pub(crate) fn start(
        arguments: &[&str],
        variables: &[(&str, &str)],
        log: &Path,
    ) -> anyhow::Result<(Self, SocketAddr)> {
        let mut command = Command::new(std::env::current_exe()?);
        // One thread, so that requests wait for each other in the same way in all servers, whatever the machine has.
        command.arg("serve").args(arguments).env_clear().env("TOKIO_WORKER_THREADS", "1");
        command.envs(variables.iter().copied()).stderr(File::create(log)?);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let pipes = process.stdin.take().zip(process.stdout.take());
        let (asking, answers) = pipes.context("a server without pipes")?;
        let mut program = Self { process, asking, answers: BufReader::new(answers) };
        let address = program.says().with_context(|| {
            format!("a server did not start: {}", fs::read_to_string(log).unwrap_or_default())
        })?;
        Ok((program, address))
    }

    /// The processor time that it has used.
    ///
    /// # Errors
    /// A server that is gone.
    pub(crate) fn worked(&mut self) -> anyhow::Result<Duration> {
        self.asking.write_all(b"\n")?;
        Ok(Duration::from_nanos(self.says()?))
    }

    fn says<T: FromStr>(&mut self) -> anyhow::Result<T> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        line.trim_end().parse().ok().with_context(|| format!("a server said {line:?}"))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
