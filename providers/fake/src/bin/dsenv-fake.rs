//! Serves an empty fake cloud on loopback until it is killed, and prints where:
//! `DSENV_FAKE_ENDPOINT=127.0.0.1:4567`.

use dsenv_fake::{ENDPOINT_VARIABLE, FakeCloud, Loopback};
use std::io::{self, Write};

fn main() -> io::Result<()> {
    let loopback = Loopback::start(FakeCloud::new())?;
    let mut stdout = io::stdout();
    writeln!(stdout, "{ENDPOINT_VARIABLE}={}", loopback.endpoint())?;
    stdout.flush()?;
    loopback.join();
    Ok(())
}
