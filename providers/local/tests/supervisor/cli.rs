//! The commands and services of the tests, each a process of its own.

use dsenv_local::supervisor::{
    Command, EnvValue, Health, Process, Restart, StopSignal, Supervisor, Unit, Work,
};
use dsenv_sdk::seal::SealKey;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// The key of every test folder.
pub(crate) fn key() -> SealKey {
    SealKey::derive("dsenv supervisor tests", b"a fixed secret")
}

/// Runs a future on a runtime of its own.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().expect("a runtime").block_on(future)
}

/// `cli DIR ensure` prints the guard's pid; `cli DIR put ADDRESS:PORT` keeps a service running
/// and prints its pid.
pub(crate) fn command(args: &[OsString]) -> ExitCode {
    let text = |idx: usize| args.get(idx).and_then(|arg| arg.to_str()).expect("an argument");
    let supervisor = Supervisor::at(Path::new(text(0)), key());
    let printed: Result<u32, String> = block_on(async {
        let client = supervisor.ensure().await.map_err(|error| error.to_string())?;
        if text(1) == "ensure" {
            return Ok(client.ping().await.map_err(|error| error.to_string())?.guard_pid);
        }
        let address: SocketAddr = text(2).parse().expect("an address");
        let unit = web(Path::new(text(0)), "web", address);
        client.put_unit(unit).await.map_err(|error| error.to_string())?;
        let healthy = client.wait_healthy("web", Duration::from_secs(20)).await;
        healthy.map_err(|error| error.to_string())?;
        let units = client.list().await.map_err(|error| error.to_string())?;
        Ok(units[0].pid.expect("it runs"))
    });
    let (text, code) = match printed {
        Ok(pid) => (pid.to_string(), ExitCode::SUCCESS),
        Err(error) => (error, ExitCode::FAILURE),
    };
    writeln!(std::io::stdout(), "{text}").expect("somebody reads");
    code
}

/// `serve ADDRESS:PORT [STATUS]` answers every request; the body is its own environment.
pub(crate) fn serve(args: &[OsString]) -> ExitCode {
    let address = args[0].to_str().expect("an address");
    let status = args.get(1).and_then(|status| status.to_str()).unwrap_or("200 OK");
    let listener = TcpListener::bind(address).expect("a free port");
    writeln!(std::io::stdout(), "serving {address}").expect("a log");
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { continue };
        let _ = stream.read(&mut [0; 4096]);
        let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\nok");
    }
    ExitCode::SUCCESS
}

/// A unit that runs `command` in `dir`.
pub(crate) fn unit(dir: &Path, name: &str, command: Command) -> Unit {
    let env = [("PATH", "/usr/local/bin:/usr/bin:/bin"), ("LANG", "C.UTF-8")];
    let env: BTreeMap<String, EnvValue> =
        env.into_iter().map(|(name, value)| (name.into(), EnvValue::Plain(value.into()))).collect();
    Unit {
        name: name.into(),
        work: Work::Process(Process {
            command,
            cwd: PathBuf::from("/"),
            env,
            run_as: None,
            stop_signal: StopSignal::Term,
            stop_timeout_ms: 5_000,
        }),
        health: None,
        address: None,
        ports: Vec::new(),
        restart: Restart::Always,
        log: dir.join(format!("logs/{name}.log")),
    }
}

/// A shell line as a unit.
pub(crate) fn shell(dir: &Path, name: &str, line: &str) -> Unit {
    unit(dir, name, Command::Shell(line.into()))
}

/// A web server as a unit, with its port and its health.
pub(crate) fn web(dir: &Path, name: &str, address: SocketAddr) -> Unit {
    let binary = std::env::current_exe().expect("this binary").display().to_string();
    let argv = Command::Argv(vec![binary, "serve".into(), address.to_string()]);
    Unit {
        health: Some(Health::Http { address, path: "/".into(), ill_from: 500 }),
        address: Some(address.ip()),
        ports: vec![address.port()],
        ..unit(dir, name, argv)
    }
}

/// A port that was free a moment ago, on an address that only this test process uses.
pub(crate) fn free_address() -> SocketAddr {
    let [_, b, c, d] = std::process::id().to_be_bytes();
    let ip = IpAddr::from([127, b | 64, c, d.max(2)]);
    TcpListener::bind((ip, 0)).and_then(|it| it.local_addr()).expect("a free port")
}
