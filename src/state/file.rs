//! The state's file, format `dsenv-state/1`: text to state and back, with a checksum.
//!
//! ```text
//! {
//!   "format": "dsenv-state/1",
//!   "blake3": "…",            of every byte behind this line
//!   "lineage": "…",
//!   …
//!   "resources": {
//!     "net": {…},             one line a resource: a diff shows which one changed
//! ```
//! The first two lines are compared byte by byte and the rest is hashed, so that no byte of the
//! file can change unnoticed. This is against accidents and editors, not against forgers.

use super::wire::value::{MapIn, MapOut, Sealing, open_map};
use super::wire::{
    AddrOut, BindingWire, Operation, PartError, ResourceIn, ResourceOut, WrappedKeyWire, addrs_in,
};
use super::{Resource, State};
use crate::vault::{Access, Identity, Place, Vault, VaultError, WrappedKey};
use dsenv_sdk::Addr;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The format that this version writes, and the only one that it reads.
pub const FORMAT: &str = "dsenv-state/1";
/// A state file may not be larger.
pub const STATE_BYTES_MAX: u64 = 1 << 30;

const HELP: &str = "`dsenv state history` lists the last generations, `dsenv state restore SERIAL` \
                    brings one back";

/// Why a state's file cannot be used. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It has no content: what a full disk or another tool leaves.
    #[error("the state `{}` is empty: {HELP}", .path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// It was cut, or edited by hand.
    #[error("the state `{}` is damaged or was edited by hand ({detail}): {HELP}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was seen.
        detail: String,
    },
    /// A newer dsenv wrote it.
    #[error(
        "the state `{}` has format `{format}`, and this dsenv reads `{FORMAT}`: use the version of \
         dsenv that wrote it, or a newer one", .path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// What it says.
        format: String,
    },
    /// It is something else.
    #[error("`{}` is not a state of dsenv: it has no `format` that begins with `dsenv-state/`", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Its secrets cannot be opened.
    #[error("the secrets of the state `{}` cannot be opened", .path.display())]
    Vault {
        /// The file.
        path: PathBuf,
        /// Why.
        source: VaultError,
    },
    /// It holds something that has no form in the file.
    #[error("the state cannot be written as text: {detail}")]
    Unwritable {
        /// What.
        detail: String,
    },
}

/// What a state's file holds.
#[derive(Debug)]
pub struct StateFile {
    /// The state.
    pub state: State,
    /// The keys, as far as this user has them.
    pub access: Access,
    /// The operation that wrote it.
    pub operation: Option<Operation>,
}

/// Turns a state into the text of its file. Without a vault a state with a secret is an error.
pub fn encode(
    state: &State,
    vault: Option<&Vault>,
    operation: Option<&Operation>,
) -> Result<Vec<u8>, FileError> {
    let mut text = Vec::with_capacity(1024 + 1024 * state.resources.len());
    let unwritable = |error: serde_json::Error| FileError::Unwritable { detail: error.to_string() };
    encode_body(&mut text, state, vault, operation).map_err(unwritable)?;
    let mut file = head(blake3::hash(&text).to_hex().as_str()).into_bytes();
    file.append(&mut text);
    Ok(file)
}

fn head(hash: &str) -> String {
    format!("{{\n  \"format\": \"{FORMAT}\",\n  \"blake3\": \"{hash}\",\n")
}

fn encode_body(
    text: &mut Vec<u8>,
    state: &State,
    vault: Option<&Vault>,
    operation: Option<&Operation>,
) -> Result<(), serde_json::Error> {
    let lineage = &state.lineage;
    let sealing = |place| Sealing { vault, lineage, place };
    field(text, "lineage", lineage)?;
    field(text, "serial", &state.serial)?;
    field(text, "blueprint", &state.blueprint)?;
    field(text, "environment", &state.environment)?;
    field(text, "operation", &operation)?;
    field(text, "bound", &state.bound.as_ref().map(BindingWire::from))?;
    field(text, "keys", &vault.map(|vault| WrappedKeyWire::from(vault.wrapped())))?;
    field(text, "protected", &state.protected.iter().map(AddrOut).collect::<Vec<_>>())?;
    let retired = state.retired.iter().map(|(addr, last)| (addr.to_string(), last));
    field(text, "retired", &retired.collect::<BTreeMap<_, _>>())?;
    // A state that was never rebuilt has no such line.
    if state.counted_from > 0 {
        field(text, "counted_from", &state.counted_from)?;
    }
    field(text, "outputs", &MapOut(&state.outputs, sealing(Place::Outputs)))?;
    text.extend_from_slice(b"  \"resources\": {");
    for (at, (addr, resource)) in state.resources.iter().enumerate() {
        text.extend_from_slice(if at == 0 { b"\n    " } else { b",\n    " });
        serde_json::to_writer(&mut *text, &AddrOut(addr))?;
        text.extend_from_slice(b": ");
        serde_json::to_writer(&mut *text, &ResourceOut::new(resource, sealing(Place::Node(addr))))?;
    }
    text.extend_from_slice(if state.resources.is_empty() { b"}\n}\n" } else { b"\n  }\n}\n" });
    Ok(())
}

fn field(text: &mut Vec<u8>, name: &str, value: &impl Serialize) -> Result<(), serde_json::Error> {
    text.extend_from_slice(b"  \"");
    text.extend_from_slice(name.as_bytes());
    text.extend_from_slice(b"\": ");
    serde_json::to_writer(&mut *text, value)?;
    text.extend_from_slice(b",\n");
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileIn {
    #[serde(rename = "format")]
    _format: String,
    #[serde(rename = "blake3")]
    _blake3: String,
    lineage: String,
    serial: u64,
    blueprint: String,
    environment: String,
    operation: Option<Operation>,
    bound: Option<BindingWire>,
    keys: Option<WrappedKeyWire>,
    protected: Vec<String>,
    retired: BTreeMap<String, u64>,
    #[serde(default)]
    counted_from: u64,
    outputs: MapIn,
    resources: BTreeMap<String, ResourceIn>,
}

/// Reads a state's file. `path` is for messages; `identity_path` says where an identity would be.
pub fn decode(
    bytes: &[u8],
    path: &Path,
    identity: Option<&Identity>,
    identity_path: &Path,
) -> Result<StateFile, FileError> {
    check_frame(bytes, path)?;
    let damaged = |detail: String| FileError::Damaged { path: path.to_owned(), detail };
    let file: FileIn = serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
    let wrapped = file.keys.map(WrappedKey::from);
    let access = Access::new(wrapped.as_ref(), identity, identity_path);
    let part = |error: PartError| match error {
        PartError::Addr(error) => damaged(error.to_string()),
        PartError::Vault(source) => FileError::Vault { path: path.to_owned(), source },
    };
    let lineage = file.lineage;
    let read = |(text, resource): (String, ResourceIn)| {
        let addr: Addr = text.parse()?;
        let resource = resource.open(&addr, &lineage, &access)?;
        Ok((addr, resource))
    };
    let resources = file.resources.into_iter().map(read);
    let resources: BTreeMap<Addr, Resource> = resources.collect::<Result<_, _>>().map_err(part)?;
    let retired = file.retired.into_iter().map(|(addr, last)| Ok((addr.parse::<Addr>()?, last)));
    let retired = retired.collect::<Result<_, PartError>>().map_err(part)?;
    let outputs = open_map(file.outputs, &access, &lineage, Place::Outputs);
    let state = State {
        serial: file.serial,
        blueprint: file.blueprint,
        environment: file.environment,
        bound: file.bound.map(Into::into),
        resources,
        outputs: outputs.map_err(|error| part(error.into()))?,
        protected: addrs_in(file.protected).map_err(part)?,
        retired,
        counted_from: file.counted_from,
        lineage,
    };
    Ok(StateFile { state, access, operation: file.operation })
}

/// Returns the serial of a file whose checksum fits; opens no secret.
pub(crate) fn serial_of(bytes: &[u8], path: &Path) -> Result<u64, FileError> {
    check_frame(bytes, path)?;
    #[derive(Deserialize)]
    struct Serial {
        serial: u64,
    }
    let serial = serde_json::from_slice::<Serial>(bytes);
    serial
        .map(|file| file.serial)
        .map_err(|error| FileError::Damaged { path: path.to_owned(), detail: error.to_string() })
}

/// Holds the file against its checksum, and says why where it does not fit.
fn check_frame(bytes: &[u8], path: &Path) -> Result<(), FileError> {
    let path = || path.to_owned();
    if bytes.iter().all(|byte| byte.is_ascii_whitespace() || *byte == 0) {
        return Err(FileError::Empty { path: path() });
    }
    let head_len = head(&"0".repeat(64)).len();
    if let Some((found, body)) = bytes.split_at_checked(head_len)
        && found == head(blake3::hash(body).to_hex().as_str()).as_bytes()
    {
        return Ok(());
    }
    #[derive(Deserialize)]
    struct Named {
        format: Option<String>,
    }
    let damaged = |detail: &str| FileError::Damaged { path: path(), detail: detail.to_owned() };
    let named = serde_json::from_slice::<Named>(bytes);
    match named.map(|named| named.format) {
        Ok(Some(format)) if format == FORMAT => Err(damaged("its checksum does not fit")),
        Ok(Some(format)) if is_numbered(&format) => Err(FileError::Newer { path: path(), format }),
        Ok(_) => Err(FileError::Foreign { path: path() }),
        Err(error) if error.is_eof() => Err(damaged("it ends in the middle")),
        Err(error) => Err(damaged(&format!("it is not JSON: {error}"))),
    }
}

fn is_numbered(format: &str) -> bool {
    format.strip_prefix("dsenv-state/").is_some_and(|number| number.parse::<u64>().is_ok())
}
