//! Asking a unit whether it works.

use super::family;
use super::unit::{Health, Process, Work};
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;
use tokio::net::TcpStream;

/// How long one check may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);

/// Makes one check; the error is a sentence without its full stop.
pub(super) async fn check(health: &Health, work: &Work) -> Result<(), String> {
    let check = async {
        match health {
            Health::Tcp { address } => connect(*address).await.map(drop),
            Health::Command { argv } => match work {
                Work::Process(process) => run(argv, process).await,
                Work::Hosted { .. } => Err("a hosted task cannot run a check".into()),
            },
            Health::Http { address, path, ill_from } => {
                let status = get(*address, path).await?;
                if status < *ill_from {
                    return Ok(());
                }
                Err(format!("GET http://{address}{path} answered {status}"))
            }
        }
    };
    match tokio::time::timeout(CHECK_TIMEOUT, check).await {
        Ok(result) => result,
        Err(_) => Err(format!("no answer within {} s", CHECK_TIMEOUT.as_secs())),
    }
}

/// Runs a check as the process's own user; killed when it takes too long.
async fn run(argv: &[String], process: &Process) -> Result<(), String> {
    let (program, arguments) = argv.split_first().ok_or("the check is empty")?;
    let mut check = tokio::process::Command::new(program);
    check.args(arguments).current_dir(&process.cwd).env_clear();
    check.envs(process.env.iter().map(|(name, value)| (name, value.expose())));
    check.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    if let Some(user) = &process.run_as {
        check.uid(user.uid).gid(user.gid);
    }
    let failed = |error| format!("`{program}` failed: {error}");
    let mut check = family::spawn(&mut check).map_err(failed)?;
    let status = check.wait().await.map_err(failed)?;
    if status.success() {
        return Ok(());
    }
    Err(format!("`{program}` ended with {}", super::process::exit_of(status)))
}

async fn connect(address: SocketAddr) -> Result<TcpStream, String> {
    let stream = TcpStream::connect(address).await;
    stream.map_err(|error| format!("connecting to {address} failed: {error}"))
}

/// Returns the status of a GET. Redirects are not followed and the body is not read.
async fn get(address: SocketAddr, path: &str) -> Result<u16, String> {
    let failed =
        |error: &dyn std::fmt::Display| format!("GET http://{address}{path} failed: {error}");
    let stream = connect(address).await?;
    let handshake = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| failed(&error))?;
    let request = hyper::Request::get(path)
        .header("host", address.to_string())
        .header("user-agent", "dsenv")
        .header("connection", "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| failed(&error))?;
    // A task of its own drives the connection; it ends with the sender, or with the answer read.
    let driver = tokio::spawn(connection);
    let response = sender.send_request(request).await;
    driver.abort();
    response.map(|response| response.status().as_u16()).map_err(|error| failed(&error))
}
