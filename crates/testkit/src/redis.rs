//! A Redis that a test may stop.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::{Engine, Port};

/// How long it may take to start.
const STARTS_WITHIN: Duration = Duration::from_secs(10);
/// Between two looks whether it has.
const PAUSE: Duration = Duration::from_millis(5);

/// A Redis of the test's own, to be killed and frozen at will: the shared one serves other tests. Ends with this
/// value.
#[derive(Debug)]
pub struct Redis {
    port: Port,
    directory: TempDir,
    process: Mutex<Option<Child>>,
}

impl Redis {
    /// Starts one on a free port, empty. `None` where Redis is left out, see [`Engine::url`].
    ///
    /// # Panics
    /// When that does not work.
    pub fn start() -> Option<Self> {
        Engine::Redis.url()?;
        let port = Port::hold();
        let directory = TempDir::new().expect("a directory");
        let redis = Self { port, directory, process: Mutex::new(None) };
        redis.restart();
        Some(redis)
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("redis://{}", self.port.address())
    }

    /// Starts it after [`Redis::kill`]: with what the last `SAVE` wrote, else empty.
    ///
    /// # Panics
    /// When that does not work.
    pub fn restart(&self) {
        let process = Command::new("redis-server")
            .args(["--port", &self.port.number().to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
            .arg(self.directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server is in the PATH");
        self.process.lock().expect("nobody panicked").replace(process);
        let end = Instant::now() + STARTS_WITHIN;
        while TcpStream::connect(self.port.address()).is_err() || self.ask("PING") != "+PONG\r\n" {
            assert!(Instant::now() < end, "redis-server does not answer");
            std::thread::sleep(PAUSE);
        }
    }

    /// Kills it with SIGKILL, and with it whatever was not saved.
    ///
    /// # Panics
    /// When it is not running.
    pub fn kill(&self) {
        let mut process = self.process.lock().expect("nobody panicked").take().expect("it runs");
        process.kill().and_then(|()| process.wait()).expect("its end");
    }

    /// Freezes it with SIGSTOP: it is there and does not answer.
    ///
    /// # Panics
    /// When it is not running.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets it go on after [`Redis::freeze`].
    ///
    /// # Panics
    /// When it is not running.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    /// What it answers to a command of plain words, as it comes over the wire.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn ask(&self, command: &str) -> String {
        let mut stream = TcpStream::connect(self.port.address()).expect("it listens");
        // Having answered, it closes the connection, which ends the answer.
        stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer.strip_suffix("+OK\r\n").unwrap_or(&answer).to_owned()
    }

    fn signal(&self, signal: &str) {
        let process = self.process.lock().expect("nobody panicked");
        let id = process.as_ref().expect("it runs").id();
        let status = Command::new("sh").args(["-c", &format!("kill -{signal} {id}")]).status();
        assert!(status.is_ok_and(|status| status.success()), "kill -{signal}");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if let Ok(mut process) = self.process.lock()
            && let Some(mut process) = process.take()
        {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
