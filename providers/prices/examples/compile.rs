//! Compiles the price book of the program from a folder of tables.
//!
//! ```sh
//! cargo run -p dsenv-prices --example compile -- FOLDER providers/prices/prices.book
//! ```
//! Tables whose name ends in `.gz` are unpacked on the way. The same tables give the same bytes.

use dsenv_prices::compile::{Tables, compile};
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(folder), Some(book), None) = (arguments.next(), arguments.next(), arguments.next())
    else {
        return told(&"usage: compile FOLDER BOOK");
    };
    match run(&folder, &book) {
        Ok(summary) => {
            let _ = io::stdout().write_all(summary.as_bytes());
            ExitCode::SUCCESS
        }
        Err(message) => told(&message),
    }
}

fn told(message: &dyn std::fmt::Display) -> ExitCode {
    let _ = writeln!(io::stderr(), "{message}");
    ExitCode::FAILURE
}

fn open(folder: &Path, name: &str) -> Result<Box<dyn Read>, String> {
    let plain = folder.join(name);
    if let Ok(file) = File::open(&plain) {
        return Ok(Box::new(BufReader::new(file)));
    }
    let packed = folder.join(format!("{name}.gz"));
    let file = File::open(&packed);
    let file = file.map_err(|error| {
        format!("neither {} nor {}: {error}", plain.display(), packed.display())
    })?;
    Ok(Box::new(BufReader::new(flate2::read::GzDecoder::new(BufReader::new(file)))))
}

fn run(folder: &Path, book: &Path) -> Result<String, String> {
    let compiled = compile(Tables {
        instances: &mut open(folder, "instances.csv")?,
        compute_prices: &mut open(folder, "compute_prices.csv")?,
        service_prices: &mut open(folder, "service_prices.csv")?,
        spot_interruption: &mut open(folder, "aws_spot_interruption.csv")?,
        published_monthly: &mut open(folder, "published_monthly.csv")?,
    });
    let compiled = compiled.map_err(|error| error.to_string())?;
    std::fs::write(book, &compiled.bytes)
        .map_err(|error| format!("{}: {error}", book.display()))?;
    let mut summary = format!(
        "{} types, {} prices, {} of {} service rows are cost drivers, {} bytes\n",
        compiled.types,
        compiled.prices,
        compiled.mapped,
        compiled.services,
        compiled.bytes.len()
    );
    for line in &compiled.unused {
        summary += &format!("no row for the line of drivers.csv: {line}\n");
    }
    Ok(summary)
}
