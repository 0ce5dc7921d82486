//! Logs of machines, fetched from their mailboxes into the provider's own folder.
//!
//! `DIR/logs/INSTANCE/SERVICE.log`, for its owner's eyes alone, replaced as a whole. A machine sends
//! the end of each log again and again, a mebibyte at most: what is new of that is added to what was
//! fetched before, so that whoever follows the file misses nothing and sees nothing twice.

use super::report::BOOT;
use super::{machines, status};
use crate::clients::Aws;
use crate::failure::failed;
use dsenv_sdk::provider::OpErrorClass;
use dsenv_sdk::{Addr, OpError};
use futures::future::try_join_all;
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Where logs are fetched to, below the folder of the connection.
pub(crate) const LOGS: &str = "logs";
/// How much of one log is kept here.
const FILE_BYTES_MAX: usize = 8 << 20;
/// Less that is alike, at the seam of two fetches, may be so by chance.
const SEAM_BYTES_MIN: usize = 64;
/// How many logs are fetched together.
const LOGS_AT_A_TIME: usize = 16;

/// A log in a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Log {
    bucket: String,
    key: String,
    instance: String,
    service: String,
    written_s: u64,
}

/// Fetches the logs of everything that an address covers: by service, the machine's own first.
pub(super) async fn fetch(
    aws: &Aws,
    dir: &Path,
    addr: &Addr,
) -> Result<Vec<(String, PathBuf)>, OpError> {
    let (mailboxes, machines) =
        futures::try_join!(machines::mailboxes(aws), machines::instances(aws))?;
    let mailboxes: Vec<(&Addr, &String)> =
        mailboxes.iter().filter(|(owner, _)| addr.covers(owner)).collect();
    if mailboxes.is_empty() {
        return Err(no_logs(aws, addr).await?);
    }
    let mut fetched = Vec::new();
    for (owner, bucket) in mailboxes {
        let own = machines.iter().filter(|it| it.addr == *owner && it.is_there());
        let (there, members): (Vec<&str>, Vec<bool>) =
            own.map(|it| (&*it.id, it.is_member)).unzip();
        let logs = chosen(listed(aws, bucket).await?, &there);
        let instances: BTreeSet<&String> = logs.iter().map(|log| &log.instance).collect();
        let by_instance = instances.len() > 1 || members.contains(&true);
        for logs in logs.chunks(LOGS_AT_A_TIME) {
            let paths = try_join_all(logs.iter().map(|log| get(aws, dir, log))).await?;
            for (log, path) in logs.iter().zip(paths) {
                let mut name = log.service.clone();
                if by_instance {
                    name = format!("{name}@{}", log.instance);
                }
                if owner != addr {
                    name = format!("{owner}/{name}");
                }
                fetched.push((name, path));
            }
        }
    }
    if fetched.is_empty() {
        let message = format!("`{addr}` has sent no logs yet");
        let help = "`dsenv status` says how far it is; a machine sends them every few seconds";
        return Err(OpError::new(OpErrorClass::NotFound, message).help(help));
    }
    Ok(fetched)
}

/// What there is instead where there is no mailbox.
async fn no_logs(aws: &Aws, addr: &Addr) -> Result<OpError, OpError> {
    let (message, help) = match status::database_id(aws, addr).await? {
        Some(id) => (
            format!("on aws RDS keeps the logs of `{addr}`, and dsenv does not fetch them yet"),
            format!(
                "`aws rds describe-db-log-files --db-instance-identifier {id} --region {0}` lists \
                 them, and `aws rds download-db-log-file-portion` fetches one",
                aws.region
            ),
        ),
        None => (
            format!("on aws `{addr}` sends no logs"),
            "machines and pools with `services`, `software` or `uses` do".to_owned(),
        ),
    };
    Ok(OpError::new(OpErrorClass::Invalid, message).help(help))
}

/// Lists the logs in a mailbox; what bears another name than an agent gives is left out.
async fn listed(aws: &Aws, bucket: &str) -> Result<Vec<Log>, OpError> {
    let request = aws.s3.list_objects_v2().bucket(bucket).prefix("logs/");
    let mut pages = request.into_paginator().send();
    let mut logs = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|e| failed(&format!("looking into {bucket}"), e))?;
        for object in page.contents.unwrap_or_default() {
            let written = object.last_modified().map_or(0, |it| it.secs());
            let Some(key) = object.key else { continue };
            let Some((instance, service)) = parsed(&key) else { continue };
            let (instance, service) = (instance.to_owned(), service.to_owned());
            let written_s = u64::try_from(written).unwrap_or(0);
            logs.push(Log { bucket: bucket.to_owned(), key, instance, service, written_s });
        }
    }
    Ok(logs)
}

/// Reads `logs/i-0abc/jupyter.log`. Both names become names of files here, so neither may be more.
fn parsed(key: &str) -> Option<(&str, &str)> {
    let (instance, file) = key.strip_prefix("logs/")?.split_once('/')?;
    let service = file.strip_suffix(".log")?;
    let plain = |name: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        !name.is_empty() && name.chars().all(allowed)
    };
    (plain(instance) && plain(service)).then_some((instance, service))
}

/// The logs of the instances that are there; when none of those has sent any, of the one that wrote
/// last. The agent's own comes first.
fn chosen(mut logs: Vec<Log>, there: &[&str]) -> Vec<Log> {
    let is_there = |log: &Log| there.contains(&&*log.instance);
    if logs.iter().any(is_there) {
        logs.retain(is_there);
    } else if let Some(last) = logs.iter().max_by_key(|log| log.written_s) {
        let last = last.instance.clone();
        logs.retain(|log| log.instance == last);
    }
    let order = |log: &Log| (log.instance.clone(), log.service != BOOT, log.service.clone());
    logs.sort_by_key(order);
    logs
}

/// Fetches one log, unless what is here is what is there; returns where it is.
async fn get(aws: &Aws, dir: &Path, log: &Log) -> Result<PathBuf, OpError> {
    let folder = dir.join(LOGS).join(&log.instance);
    let path = folder.join(format!("{}.log", log.service));
    let written = SystemTime::UNIX_EPOCH + Duration::from_secs(log.written_s);
    let here = fs::metadata(&path).and_then(|facts| facts.modified());
    if here.is_ok_and(|here| here == written) {
        return Ok(path);
    }
    // One that is taken away meanwhile has expired: what was fetched before is all that there is.
    let Some(letter) = machines::read(aws, &log.bucket, &log.key, None).await? else {
        return Ok(path);
    };
    let before = fs::read(&path).unwrap_or_default();
    let whole = joined(before, letter.bytes);
    replace(&folder, &path, &whole, written).map_err(|error| {
        let message = format!("{} cannot be written", path.display());
        OpError::new(OpErrorClass::Invalid, message).caused_by(&error)
    })?;
    Ok(path)
}

/// What was there and what is new of the end of the same log; the end alone when the two do not meet.
fn joined(mut before: Vec<u8>, end: Vec<u8>) -> Vec<u8> {
    let reach = before.len().min(end.len());
    let seams = before.len() - reach..before.len();
    let Some(seam) = seams.clone().find(|at| end.starts_with(&before[*at..])) else { return end };
    let alike = before.len() - seam;
    let meets = alike >= SEAM_BYTES_MIN || alike == before.len() || alike == end.len();
    if !meets || before.len() + end.len() - alike > FILE_BYTES_MAX {
        return end;
    }
    before.extend_from_slice(&end[alike..]);
    before
}

/// Replaces a file as a whole. Its time is that of the log, by which the next fetch knows it.
fn replace(folder: &Path, path: &Path, bytes: &[u8], written: SystemTime) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let new = path.with_extension("log.new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(bytes)?;
    file.set_modified(written)?;
    drop(file);
    fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(instance: &str, service: &str, written_s: u64) -> Log {
        let (bucket, key) = ("b".to_owned(), format!("logs/{instance}/{service}.log"));
        let (instance, service) = (instance.to_owned(), service.to_owned());
        Log { bucket, key, instance, service, written_s }
    }

    fn names(logs: &[Log]) -> Vec<String> {
        logs.iter().map(|log| format!("{}@{}", log.service, log.instance)).collect()
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_left_out() {
        assert_eq!(parsed("logs/i-0abc/jupyter.log"), Some(("i-0abc", "jupyter")));
        for key in ["logs/../boot.log", "logs/i-0/../x.log", "logs/i-0/.log", "status/i-0.json"] {
            assert_eq!(parsed(key), None, "{key}");
        }
    }

    #[test]
    fn logs_are_of_what_is_there_or_of_who_wrote_last() {
        let all = || vec![log("i-a", "web", 1), log("i-b", "web", 3), log("i-b", "boot", 2)];
        assert_eq!(names(&chosen(all(), &["i-a", "i-c"])), ["web@i-a"]);
        assert_eq!(names(&chosen(all(), &[])), ["boot@i-b", "web@i-b"]);
        assert_eq!(names(&chosen(all(), &["i-b", "i-a"])), ["web@i-a", "boot@i-b", "web@i-b"]);
    }

    #[test]
    fn what_is_new_is_added_to_what_is_here() {
        let join = |before: &str, end: &str| {
            let whole = joined(before.as_bytes().to_vec(), end.as_bytes().to_vec());
            String::from_utf8(whole).expect("a text")
        };
        let lines = |range: std::ops::Range<u32>| {
            range.map(|number| format!("line {number}\n")).collect::<String>()
        };
        assert_eq!(join("", &lines(0..9)), lines(0..9));
        assert_eq!(join(&lines(0..9), &lines(0..30)), lines(0..30));
        assert_eq!(join(&lines(0..30), &lines(10..40)), lines(0..40));
        assert_eq!(join(&lines(0..30), &lines(10..30)), lines(0..30));
        // Something is missing between the two, or it is another log.
        assert_eq!(join(&lines(0..9), &lines(20..40)), lines(20..40));
        assert_eq!(join(&lines(20..40), &lines(0..5)), lines(0..5));
        let much = "x".repeat(FILE_BYTES_MAX);
        assert_eq!(join(&much, &format!("{}y", "x".repeat(99))).len(), 100);
    }
}
