//! What was made, one durable file an object, named by its token.
//!
//! A record is written before the work begins and again when it is done, so that `find` can answer
//! after a crash at any moment. The private part, `own`, holds what the provider alone needs: the
//! superuser's password, the folder of the data. Secrets are sealed with the state's key, each bound
//! to lineage and address.

use super::files::{remove_durably, write_durably};
use dsenv_sdk::Addr;
use dsenv_sdk::provider::{Observed, Token};
use dsenv_sdk::seal::{SealKey, Sealer};
use dsenv_sdk::secret::Secret;
use dsenv_sdk::value::{Map, wire};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Changes with the form of the file.
const FORMAT: &str = "dsenv-local-object/1";

/// How far an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    /// Its creation has begun.
    Creating,
    /// It is there.
    Complete,
    /// Its deletion has begun.
    Deleting,
}

/// One object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    pub(crate) token: Token,
    pub(crate) addr: Addr,
    /// The native type's name.
    pub(crate) ty: String,
    /// Its name on this machine: of folders and units, unique in the environment.
    pub(crate) remote_id: String,
    pub(crate) stage: Stage,
    /// Its arguments as they were last given.
    pub(crate) args: Map,
    /// What is observed of it.
    pub(crate) values: Map,
    /// What the provider alone needs.
    pub(crate) own: Map,
}

impl Record {
    /// A record of what is about to be made.
    pub(crate) fn new(addr: &Addr, ty: &str, token: &Token, args: &Map) -> Record {
        Record {
            token: token.clone(),
            addr: addr.clone(),
            ty: ty.to_owned(),
            remote_id: format!("{}-{}", slug(addr), &token.as_str()[..8]),
            stage: Stage::Creating,
            args: args.clone(),
            values: Map::new(),
            own: Map::new(),
        }
    }

    /// What the engine sees of it.
    pub(crate) fn observed(&self) -> Observed {
        Observed { remote_id: self.remote_id.clone(), values: self.values.clone() }
    }

    /// Returns a text among the private values.
    pub(crate) fn own_text(&self, name: &str) -> Option<&str> {
        self.own.get(name).and_then(|value| value.expose_text())
    }

    /// Returns a text among the arguments.
    pub(crate) fn arg_text(&self, name: &str) -> Option<&str> {
        self.args.get(name).and_then(|value| value.as_text())
    }

    /// Returns a text among the observed values.
    pub(crate) fn value_text(&self, name: &str) -> Option<&str> {
        self.values.get(name).and_then(|value| value.as_text())
    }
}

/// `workers["eu"].member[2]` is `workers-eu-member-2`, cut to what names of folders and units bear.
pub(crate) fn slug(addr: &Addr) -> String {
    const LENGTH_MAX: usize = 40;
    let mut slug = String::new();
    for letter in addr.to_string().chars() {
        match letter {
            'a'..='z' | '0'..='9' | '_' => slug.push(letter),
            'A'..='Z' => slug.push(letter.to_ascii_lowercase()),
            _ if slug.ends_with('-') => {}
            _ => slug.push('-'),
        }
    }
    slug.truncate(LENGTH_MAX);
    slug.trim_end_matches('-').to_owned()
}

#[derive(Serialize, Deserialize)]
struct File {
    format: String,
    token: String,
    addr: String,
    #[serde(rename = "type")]
    ty: String,
    remote_id: String,
    stage: Stage,
    args: serde_json::Map<String, serde_json::Value>,
    values: serde_json::Map<String, serde_json::Value>,
    own: serde_json::Map<String, serde_json::Value>,
}

/// The records of one environment.
#[derive(Clone, Debug)]
pub(crate) struct Records {
    folder: PathBuf,
    lineage: String,
    sealer: Sealer,
    /// Held by [`Records::change`] from its read to its write.
    changing: Arc<Mutex<()>>,
}

impl Records {
    /// Names the records below an environment's folder; makes nothing.
    pub(crate) fn new(dir: &Path, lineage: &str, key: &SealKey) -> Records {
        let folder = dir.join("objects");
        let changing = Arc::new(Mutex::new(()));
        Records { folder, lineage: lineage.to_owned(), sealer: Sealer::new(key), changing }
    }

    /// Returns the record of a token; `None` when the token made nothing.
    pub(crate) fn get(&self, token: &Token) -> io::Result<Option<Record>> {
        match std::fs::read(self.path(token.as_str())?) {
            Ok(bytes) => self.decode(&bytes).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Says whether there are any; opens none.
    pub(crate) fn exist(&self) -> io::Result<bool> {
        match std::fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            entries => Ok(entries?.next().is_some()),
        }
    }

    /// Returns every record, by address, then token.
    pub(crate) fn all(&self) -> io::Result<Vec<Record>> {
        let entries = match std::fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut records = Vec::new();
        for entry in entries {
            let path = entry?.path();
            // Temporary files of a crash have no such ending.
            if path.extension().is_some_and(|extension| extension == "json") {
                match std::fs::read(&path) {
                    Ok(bytes) => records.push(self.decode(&bytes)?),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
        }
        records.sort_by(|a, b| (&a.addr, &a.token).cmp(&(&b.addr, &b.token)));
        Ok(records)
    }

    /// Returns the records of one type.
    pub(crate) fn of_type(&self, ty: &str) -> io::Result<Vec<Record>> {
        let mut records = self.all()?;
        records.retain(|record| record.ty == ty);
        Ok(records)
    }

    /// Writes a record; it is durable when this returns.
    pub(crate) fn save(&self, record: &Record) -> io::Result<()> {
        let context = self.context(&record.addr.to_string());
        let mut seal = |secret: &Secret| {
            let sealed = self.sealer.seal(&context, secret.expose().as_bytes());
            serde_json::json!({ wire::SEALED: sealed })
        };
        let file = File {
            format: FORMAT.to_owned(),
            token: record.token.to_string(),
            addr: record.addr.to_string(),
            ty: record.ty.clone(),
            remote_id: record.remote_id.clone(),
            stage: record.stage,
            args: wire::encode_map(&record.args, &mut seal),
            values: wire::encode_map(&record.values, &mut seal),
            own: wire::encode_map(&record.own, &mut seal),
        };
        let text = serde_json::to_vec_pretty(&file)?;
        write_durably(&self.path(record.token.as_str())?, &text)
    }

    /// Changes a record as it is on disk; nothing where it is gone. Two changes of one record at once
    /// are both kept.
    pub(crate) fn change(&self, token: &Token, change: impl FnOnce(&mut Record)) -> io::Result<()> {
        let _lock = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(mut record) = self.get(token)? else { return Ok(()) };
        change(&mut record);
        self.save(&record)
    }

    /// Removes a record; one that is gone is removed.
    pub(crate) fn remove(&self, token: &Token) -> io::Result<()> {
        remove_durably(&self.path(token.as_str())?)
    }

    /// A token of another form could lead out of the folder.
    fn path(&self, token: &str) -> io::Result<PathBuf> {
        let plain = token.len() >= 8 && token.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !plain {
            let text = format!("`{token}` is not a token: expected letters and digits");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        Ok(self.folder.join(format!("{token}.json")))
    }

    fn context(&self, addr: &str) -> String {
        format!("{}\n{addr}\nlocal object", self.lineage)
    }

    fn decode(&self, bytes: &[u8]) -> io::Result<Record> {
        let wrong = |text: String| io::Error::new(io::ErrorKind::InvalidData, text);
        let file: File = serde_json::from_slice(bytes)?;
        if file.format != FORMAT {
            return Err(wrong(format!("a record has the form `{}`, not `{FORMAT}`", file.format)));
        }
        let context = self.context(&file.addr);
        let mut open = |sealed: &str| {
            let plain = self.sealer.open(&context, sealed);
            let plain =
                plain.map_err(|error| wrong(format!("record of `{}`: {error}", file.addr)))?;
            let text = std::str::from_utf8(&plain).map_err(|error| wrong(error.to_string()))?;
            Ok::<_, io::Error>(Secret::new(text))
        };
        Ok(Record {
            args: wire::decode_map(file.args, &mut open)?,
            values: wire::decode_map(file.values, &mut open)?,
            own: wire::decode_map(file.own, &mut open)?,
            addr: file
                .addr
                .parse()
                .map_err(|error: dsenv_sdk::addr::AddrError| wrong(error.to_string()))?,
            token: Token::from_text(&file.token),
            ty: file.ty,
            remote_id: file.remote_id,
            stage: file.stage,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dsenv_sdk::value::Value;

    fn records(dir: &Path) -> Records {
        Records::new(dir, "lineage", &SealKey::derive("records test", b"x"))
    }

    #[test]
    fn a_record_comes_back_and_its_secret_is_not_on_disk() {
        let dir = tempfile::tempdir().expect("a folder");
        let records = records(dir.path());
        let addr: Addr = "workers[\"eu\"].member[2]".parse().expect("an address");
        let token = Token::new("lineage", &addr, 1);
        let mut record = Record::new(&addr, "local.workspace", &token, &Map::new());
        assert!(record.remote_id.starts_with("workers-eu-member-2-"), "{}", record.remote_id);
        record.own.insert("password".to_owned(), Value::Secret(Secret::new("hunter2")));
        records.save(&record).expect("saved");
        assert_eq!(records.get(&token).expect("read"), Some(record.clone()));
        assert_eq!(records.all().expect("read"), [record]);
        let file = dir.path().join("objects").join(format!("{token}.json"));
        assert!(!std::fs::read_to_string(&file).expect("a file").contains("hunter2"));
        records.remove(&token).expect("removed");
        records.remove(&token).expect("removed twice");
        assert_eq!(records.get(&token).expect("read"), None);
    }

    #[test]
    fn a_secret_that_was_moved_to_another_address_does_not_open() {
        let dir = tempfile::tempdir().expect("a folder");
        let records = records(dir.path());
        let token = Token::new("lineage", &Addr::resource("one"), 1);
        let mut record = Record::new(&Addr::resource("one"), "local.role", &token, &Map::new());
        record.own.insert("password".to_owned(), Value::Secret(Secret::new("hunter2")));
        records.save(&record).expect("saved");
        let file = dir.path().join("objects").join(format!("{token}.json"));
        let moved = std::fs::read_to_string(&file).expect("a file").replace("\"one\"", "\"two\"");
        std::fs::write(&file, moved).expect("written");
        assert!(records.get(&token).is_err());
        assert!(records.get(&Token::from_text("../../etc/passwd")).is_err());
    }
}
