//! The logs of units: bounded on disk, and readable from the end.
//!
//! ## Why the service writes the file itself
//! A pipe through the daemon would allow a clean rotation, and would kill every service that
//! writes while the daemon is down. So the service has the file open for appending, and a log
//! that grew too large is copied to `.1` and cut to nothing, as logrotate's `copytruncate` does:
//! what is written in the milliseconds between the two is lost, and the service never notices.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Where a log is rotated; a unit's logs take at most twice this, and what it writes in a second.
pub const LOG_BYTES_MAX: u64 = 20 * 1024 * 1024;

/// How much of a log's end is read to find its last lines.
const TAIL_BYTES_MAX: u64 = 256 * 1024;

/// Opens a log for appending; makes it, and its folder, when missing. For the owner alone.
pub(super) fn open(path: &Path) -> io::Result<File> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    File::options().append(true).create(true).mode(0o600).open(path)
}

/// Returns where the older part of a log is kept.
pub fn rotated(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(".1");
    PathBuf::from(name)
}

/// Rotates a log that has reached `limit`. One that does not exist is small.
pub(super) fn rotate_when_large(path: &Path, limit: u64) -> io::Result<()> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.len() >= limit => {}
        _ => return Ok(()),
    }
    let mut from = File::open(path)?;
    let mut to =
        File::options().write(true).create(true).truncate(true).mode(0o600).open(rotated(path))?;
    io::copy(&mut from, &mut to)?;
    // The service appends, so its next line is the first of the emptied file.
    File::options().write(true).open(path)?.set_len(0)
}

/// Returns the last `lines_max` lines of a log, oldest first; the rotated part is read when the
/// current one is too short. A missing log has no lines. Bytes that are not UTF-8 are replaced.
pub fn tail(path: &Path, lines_max: usize) -> io::Result<Vec<String>> {
    let mut lines = tail_of_file(path, lines_max)?;
    if lines.len() < lines_max {
        let mut older = tail_of_file(&rotated(path), lines_max - lines.len())?;
        older.append(&mut lines);
        lines = older;
    }
    Ok(lines)
}

fn tail_of_file(path: &Path, lines_max: usize) -> io::Result<Vec<String>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let start = file.metadata()?.len().saturating_sub(TAIL_BYTES_MAX);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES_MAX).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.len().saturating_sub(lines_max);
    Ok(lines[first..].iter().map(|line| (*line).to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_large_log_is_rotated_under_a_writer_and_its_tail_spans_both_parts() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("deep/log");
        let mut writer = open(&path).expect("made");
        writer.write_all(b"one\ntwo\n").expect("written");
        rotate_when_large(&path, 9).expect("looked at");
        assert!(!rotated(&path).exists());
        rotate_when_large(&path, 8).expect("rotated");
        writer.write_all(b"three\n").expect("written");
        assert_eq!(std::fs::read(&path).expect("read"), b"three\n");
        assert_eq!(tail(&path, 2).expect("read"), ["two", "three"]);
        assert_eq!(tail(&path, 1).expect("read"), ["three"]);
        assert_eq!(tail(&dir.path().join("none"), 5).expect("read"), [""; 0]);
    }
}
