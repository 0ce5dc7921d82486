//! A real moto server for tests of the provider for AWS, and boto3 to look at it from outside.
//!
//! ```text
//! requirements.txt --venv, pip, once a target folder--> python --serve.py--> 127.0.0.1:port
//! ```
//! moto answers for AWS in its own process and keeps everything in memory. The process ends with
//! the [`Moto`], and also when the test is killed: it reads its standard input, whose other end
//! only the test holds.
//!
//! What must not be here: anything that moto lacks or does too kindly; that is added in front of
//! it, by [`aws_proxy`](crate::aws_proxy).

mod venv;

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The region that moto and boto3 are asked for.
pub const REGION: &str = "us-east-1";

/// The account that moto says every caller is of.
pub const ACCOUNT: &str = "123456789012";

const SERVE: &str = include_str!("serve.py");

/// A moto server of this process's own, until it is dropped.
#[derive(Debug)]
pub struct Moto {
    address: SocketAddr,
    python: PathBuf,
    server: Child,
}

impl Moto {
    /// Starts a server that has nothing yet, and returns once it takes connections.
    ///
    /// The first call below a target folder makes the Python environment, which takes a minute and
    /// the network; calls in other processes wait for it. Blocks, as everything here does. The
    /// error says what is missing and how to get it.
    pub fn start() -> Result<Moto, String> {
        let python = venv::interpreter()?;
        let mut server = Command::new(&python)
            .args(["-W", "ignore", "-c", SERVE])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot run {}: {error}", python.display()))?;
        match first_line(&mut server).and_then(|line| connected(&line)) {
            Ok(address) => Ok(Moto { address, python, server }),
            Err(error) => {
                end(&mut server);
                Err(error)
            }
        }
    }

    /// Returns where it answers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns where it answers, as the SDKs want to be told.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the interpreter that has boto3.
    pub fn python(&self) -> &Path {
        &self.python
    }

    /// Forgets everything that exists in it.
    pub fn reset(&self) -> Result<(), String> {
        let ask = || {
            let mut stream = TcpStream::connect(self.address)?;
            let head = format!(
                "POST /moto-api/reset HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\n\
                 Connection: close\r\n\r\n",
                self.address
            );
            stream.write_all(head.as_bytes())?;
            let mut reply = String::new();
            stream.read_to_string(&mut reply)?;
            std::io::Result::Ok(reply)
        };
        let reply = ask().map_err(|error| format!("moto at {}: {error}", self.address))?;
        match reply.split(' ').nth(1) {
            Some("200") => Ok(()),
            _ => Err(format!("moto at {} did not reset: {reply}", self.address)),
        }
    }

    /// Runs a Python script against moto itself and returns what it prints, which must be JSON.
    ///
    /// It is how a test looks at what exists without what it tests. boto3 gets the endpoint, the
    /// region and credentials that mean nothing from the environment, which holds nothing else.
    pub fn boto3(&self, script: &str) -> Result<Value, String> {
        self.boto3_at(&self.endpoint(), script)
    }

    /// The same against another endpoint, such as a proxy in front of moto.
    pub fn boto3_at(&self, endpoint: &str, script: &str) -> Result<Value, String> {
        let output = Command::new(&self.python)
            .args(["-W", "ignore", "-c", script])
            .env_clear()
            .env("AWS_ENDPOINT_URL", endpoint)
            .env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "a key that nobody checks")
            .env("AWS_DEFAULT_REGION", REGION)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("cannot run {}: {error}", self.python.display()))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        serde_json::from_slice(&output.stdout).map_err(|error| {
            format!("not JSON: {error}: {}", String::from_utf8_lossy(&output.stdout))
        })
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        end(&mut self.server);
    }
}

/// Reads where the server answers. It prints that once it listens, or ends.
fn first_line(server: &mut Child) -> Result<String, String> {
    let stdout = server.stdout.take().expect("its output is a pipe");
    let mut line = String::new();
    BufReader::new(stdout)
        .read_line(&mut line)
        .map_err(|error| format!("moto's output cannot be read: {error}"))?;
    Ok(line)
}

fn connected(line: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = line.trim().parse().map_err(|_| {
        "moto ended before it listened; why stands on this process's standard error".to_owned()
    })?;
    match TcpStream::connect(address) {
        Ok(_) => Ok(address),
        Err(error) => Err(format!("moto says that it listens at {address}: {error}")),
    }
}

fn end(server: &mut Child) {
    // It may have ended by itself; a child that was not waited for keeps its pid, so this hits
    // no other process.
    let _ = server.kill();
    let _ = server.wait();
}

#[cfg(test)]
mod tests {
    use super::{Moto, end};
    use std::io::Write;
    use std::net::TcpStream;

    /// What happens when a test is killed: the pipe to its server closes and nothing else.
    #[test]
    #[allow(clippy::disallowed_methods, reason = "tests read CI, as the whole project's do")]
    fn the_server_ends_when_its_standard_input_does() {
        let mut moto = match Moto::start() {
            Ok(moto) => moto,
            Err(missing) => {
                assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{missing}");
                let _ = writeln!(std::io::stderr(), "SKIPPED: {missing}");
                return;
            }
        };
        drop(moto.server.stdin.take());
        let status = moto.server.wait().expect("a child of this process");
        assert_eq!(status.code(), Some(0));
        assert!(TcpStream::connect(moto.address()).is_err());
        // The second end of a process that has ended hits no other.
        end(&mut moto.server);
    }
}
