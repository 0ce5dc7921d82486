//! Secrets at rest: who may open a state, and the keys that its secrets are sealed with.
//!
//! A state has one random data key, wrapped with age for each recipient; that wrapped form stands
//! in the state's file. A user holds an [`Identity`], which unwraps it into a [`Vault`], and the
//! vault seals single values ([`dsenv_sdk::seal`]). Keys and plain text leave this module only as
//! [`Secret`] and [`SealKey`]; neither prints itself.
//!
//! ## Why sealed texts are used again
//! Sealing draws a random nonce, so sealing an unchanged password anew would change its line in
//! the state at every write. The vault remembers what it opened and gives the same text back.
//!
//! ## Why the provider's key is another one
//! A provider seals files that the engine never sees. If its key came from the data key, changing
//! the data key would lose them; so it is drawn once and wrapped beside it.

use crate::world::{DiskError, DiskErrorKind, World};
use age::secrecy::ExposeSecret;
use dsenv_sdk::seal::{SealError, SealKey, Sealer, parse_hex, push_hex};
use dsenv_sdk::{Addr, Secret};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use zeroize::Zeroizing;

/// The variable whose text is an identity; it wins over the file.
pub const IDENTITY_VARIABLE: &str = "DSENV_IDENTITY";
const IDENTITY_BYTES_MAX: u64 = 64 * 1024;
const RECIPIENTS_MAX: usize = 64;
const KEY_BYTES: usize = 32;

/// Why secrets cannot be opened or sealed.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// There is neither the variable nor the file.
    #[error(
        "this state holds secrets and there is no identity to open them: expected the variable \
         `{IDENTITY_VARIABLE}` or the file `{}`", .path.display()
    )]
    NoIdentity {
        /// Where the file would be.
        path: PathBuf,
    },
    /// The text is not an identity.
    #[error("{origin} holds no identity: expected a line that begins with `AGE-SECRET-KEY-1`")]
    BadIdentity {
        /// The variable or the file.
        origin: String,
    },
    /// A recipient's text is not one.
    #[error("`{text}` is not a recipient: expected a text that begins with `age1`")]
    BadRecipient {
        /// The text.
        text: String,
    },
    /// None was given, or too many.
    #[error("{count} recipients: expected 1 to {RECIPIENTS_MAX}")]
    RecipientCount {
        /// How many.
        count: usize,
    },
    /// The identity is somebody else's.
    #[error("this state was encrypted for {}, you hold {held}", .recipients.join(", "))]
    WrongIdentity {
        /// Whom the data key was wrapped for.
        recipients: Vec<String>,
        /// The recipient that belongs to the identity at hand.
        held: String,
    },
    /// The wrapped key itself is damaged.
    #[error("the wrapped key of the state is damaged")]
    DamagedKey,
    /// A sealed value stands in a state without a wrapped key.
    #[error("there is a sealed value and no key for it")]
    NoKey,
    /// A sealed value is damaged, moved, or of another key.
    #[error("the secret of `{place}` cannot be opened")]
    Sealed {
        /// The address, or `outputs`.
        place: String,
        /// Why.
        source: SealError,
    },
    /// The identity's file cannot be read or written.
    #[error("the identity cannot be used")]
    Disk(#[from] DiskError),
}

/// The user's own key. Never printed.
#[derive(Clone)]
pub struct Identity(age::x25519::Identity);

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.recipient())
    }
}

impl Identity {
    /// Reads an identity as `age-keygen` writes one: `#` begins a comment, the first other line
    /// is the key. `origin` names the variable or file in the error.
    pub fn parse(text: &str, origin: &str) -> Result<Identity, VaultError> {
        let mut lines = text.lines().map(str::trim);
        let key = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
        let key = key.and_then(|line| line.parse().ok());
        key.map(Identity).ok_or_else(|| VaultError::BadIdentity { origin: origin.to_owned() })
    }

    /// Makes a new one from the system's random source.
    pub fn generate() -> Identity {
        Identity(age::x25519::Identity::generate())
    }

    /// Returns the public half, `age1…`: what others wrap a key for.
    pub fn recipient(&self) -> String {
        self.0.to_public().to_string()
    }

    /// Finds the user's identity: the variable, else the file; `None` when there is neither.
    pub fn find(world: &dyn World) -> Result<Option<Identity>, VaultError> {
        if let Some(text) = world.variable(IDENTITY_VARIABLE) {
            let text = Zeroizing::new(text);
            return Identity::parse(&text, &format!("the variable `{IDENTITY_VARIABLE}`"))
                .map(Some);
        }
        read_identity(world, &identity_path(world))
    }

    /// Finds the user's identity, and makes one in the file on first need. Two processes that
    /// both need the first one end with the same.
    pub fn find_or_create(world: &dyn World) -> Result<Identity, VaultError> {
        if let Some(identity) = Identity::find(world)? {
            return Ok(identity);
        }
        let path = identity_path(world);
        let disk = world.disk();
        let folder = path.parent().expect("the path was joined to a folder");
        disk.create_dir_all(folder)?;
        let identity = Identity::generate();
        let key = identity.0.to_string();
        let text = Zeroizing::new(format!(
            "# created: {}\n# public key: {}\n{}\n",
            world.now(),
            identity.recipient(),
            key.expose_secret()
        ));
        // Linking fails when the name is taken, so that the first one wins.
        let draft = folder.join(format!("identity.{}.tmp", world.fresh_id()));
        disk.write_atomic(&draft, text.as_bytes())?;
        let linked = disk.hard_link(&draft, &path);
        disk.remove(&draft)?;
        disk.sync_dir(folder)?;
        match linked {
            Ok(()) => Ok(identity),
            Err(error) if error.kind == DiskErrorKind::Exists => {
                let other = read_identity(world, &path)?;
                other.ok_or(VaultError::NoIdentity { path })
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Returns where the identity's file is or would be.
pub fn identity_path(world: &dyn World) -> PathBuf {
    let absolute = |text: String| Some(PathBuf::from(text)).filter(|path| path.is_absolute());
    let config = world.variable("XDG_CONFIG_HOME").and_then(absolute);
    let config = config.unwrap_or_else(|| {
        let home = world.variable("HOME").unwrap_or_else(|| "/".to_owned());
        Path::new(&home).join(".config")
    });
    config.join("dsenv").join("identity.age")
}

fn read_identity(world: &dyn World, path: &Path) -> Result<Option<Identity>, VaultError> {
    let Some(bytes) = world.disk().read(path, IDENTITY_BYTES_MAX)? else { return Ok(None) };
    let bytes = Zeroizing::new(bytes);
    let origin = format!("`{}`", path.display());
    let text = std::str::from_utf8(&bytes);
    let text = text.map_err(|_| VaultError::BadIdentity { origin: origin.clone() })?;
    Identity::parse(text, &origin).map(Some)
}

/// The data key as it stands in the state's file: of no use without an identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedKey {
    /// Whom it was wrapped for, `age1…`, sorted.
    pub recipients: Vec<String>,
    /// The age file that holds it, in hexadecimal.
    pub sealed: String,
}

/// The open keys of one state.
pub struct Vault {
    wrapped: WrappedKey,
    sealer: Sealer,
    data_key: SealKey,
    provider_root: SealKey,
    /// Sealed texts by a keyed hash of place and plain text.
    known: Mutex<BTreeMap<[u8; 32], String>>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault({})", self.wrapped.recipients.join(", "))
    }
}

/// Where a sealed value stands: part of what the seal authenticates.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// In a node.
    Node(&'a Addr),
    /// In the outputs.
    Outputs,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Node(addr) => addr.fmt(f),
            // No address has a slash.
            Place::Outputs => f.write_str("/outputs"),
        }
    }
}

/// Returns the context that a secret at `place` of this history is sealed under.
pub fn seal_context(lineage: &str, place: Place<'_>) -> String {
    format!("{lineage}\n{place}")
}

impl Vault {
    /// Makes fresh keys, wrapped for these recipients.
    pub fn create(recipients: &[String]) -> Result<Vault, VaultError> {
        Vault::wrap(SealKey::generate(), SealKey::generate(), recipients)
    }

    /// Unwraps the keys of a state.
    pub fn open(wrapped: &WrappedKey, identity: &Identity) -> Result<Vault, VaultError> {
        let bytes = parse_hex(&wrapped.sealed).ok_or(VaultError::DamagedKey)?;
        let plain = age::decrypt(&identity.0, &bytes).map_err(|error| match error {
            age::DecryptError::NoMatchingKeys => VaultError::WrongIdentity {
                recipients: wrapped.recipients.clone(),
                held: identity.recipient(),
            },
            _ => VaultError::DamagedKey,
        })?;
        let plain = Zeroizing::new(plain);
        let (data, root) = plain.split_at_checked(KEY_BYTES).ok_or(VaultError::DamagedKey)?;
        let data = data.try_into().expect("it was split at its length");
        let root = root.try_into().map_err(|_| VaultError::DamagedKey)?;
        Ok(Vault::of(wrapped.clone(), SealKey::new(data), SealKey::new(root)))
    }

    /// Returns a vault with a new data key for these recipients. What the old one sealed must be
    /// sealed again by the caller; the provider's key stays.
    pub fn rotate(&self, recipients: &[String]) -> Result<Vault, VaultError> {
        Vault::wrap(SealKey::generate(), self.provider_root.clone(), recipients)
    }

    /// Returns the form for the state's file.
    pub fn wrapped(&self) -> &WrappedKey {
        &self.wrapped
    }

    /// Seals a secret. The same secret at the same place gives the text that it had, as long as
    /// this vault lives and has sealed or opened it before.
    pub fn seal(&self, context: &str, secret: &Secret) -> String {
        let id = self.identify(context, secret.expose());
        let mut known = self.known.lock().expect("nothing panics while it holds this");
        let fresh = || self.sealer.seal(context, secret.expose().as_bytes());
        known.entry(id).or_insert_with(fresh).clone()
    }

    /// Opens a sealed text; the error names no place, since the context is not for people.
    pub fn open_sealed(&self, context: &str, sealed: &str) -> Result<Secret, SealError> {
        let plain = self.sealer.open(context, sealed)?;
        let text = std::str::from_utf8(&plain).map_err(|_| SealError::Malformed)?;
        let id = self.identify(context, text);
        let mut known = self.known.lock().expect("nothing panics while it holds this");
        known.insert(id, sealed.to_owned());
        Ok(Secret::new(text))
    }

    /// Returns the key for what a provider keeps on disk for this environment. It stays the same
    /// when the data key is changed.
    pub fn provider_key(&self, lineage: &str, environment: &str) -> SealKey {
        let mut input = Zeroizing::new(self.provider_root.expose().to_vec());
        input.extend_from_slice(format!("{lineage}\n{environment}").as_bytes());
        SealKey::derive("dsenv 2026-11 provider files", &input)
    }

    fn wrap(data: SealKey, root: SealKey, recipients: &[String]) -> Result<Vault, VaultError> {
        let mut names = recipients.to_vec();
        names.sort();
        names.dedup();
        if names.is_empty() || names.len() > RECIPIENTS_MAX {
            return Err(VaultError::RecipientCount { count: names.len() });
        }
        let parse = |text: &String| {
            let recipient = text.parse::<age::x25519::Recipient>();
            recipient.map_err(|_| VaultError::BadRecipient { text: text.clone() })
        };
        let parsed: Vec<_> = names.iter().map(parse).collect::<Result<_, _>>()?;
        let dynamic = parsed.iter().map(|recipient| recipient as &dyn age::Recipient);
        let encryptor = age::Encryptor::with_recipients(dynamic).expect("there is a recipient");
        let mut plain = Zeroizing::new(data.expose().to_vec());
        plain.extend_from_slice(root.expose());
        let bytes = encrypt(encryptor, &plain).expect("writing to memory does not fail");
        let mut sealed = String::with_capacity(2 * bytes.len());
        push_hex(&mut sealed, &bytes);
        Ok(Vault::of(WrappedKey { recipients: names, sealed }, data, root))
    }

    fn of(wrapped: WrappedKey, data_key: SealKey, provider_root: SealKey) -> Vault {
        let sealer = Sealer::new(&data_key);
        Vault { wrapped, sealer, data_key, provider_root, known: Mutex::default() }
    }

    fn identify(&self, context: &str, plain: &str) -> [u8; 32] {
        let mut hash = blake3::Hasher::new_keyed(self.data_key.expose());
        hash.update(&(context.len() as u64).to_le_bytes()).update(context.as_bytes());
        hash.update(plain.as_bytes());
        *hash.finalize().as_bytes()
    }
}

fn encrypt(encryptor: age::Encryptor, plain: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut writer = encryptor.wrap_output(&mut bytes)?;
    std::io::Write::write_all(&mut writer, plain)?;
    writer.finish()?;
    Ok(bytes)
}

/// A vault, or why there is none: a state without secrets is read without one.
#[derive(Debug)]
pub enum Access {
    /// The keys are open.
    Open(Arc<Vault>),
    /// The state has no keys yet.
    Unkeyed,
    /// There are keys, and this user cannot open them.
    Locked(VaultError),
}

impl Access {
    /// Opens what a file holds with what the user has. `path` is where an identity would be.
    pub fn new(wrapped: Option<&WrappedKey>, identity: Option<&Identity>, path: &Path) -> Access {
        match (wrapped, identity) {
            (None, _) => Access::Unkeyed,
            (Some(_), None) => Access::Locked(VaultError::NoIdentity { path: path.to_owned() }),
            (Some(wrapped), Some(identity)) => match Vault::open(wrapped, identity) {
                Ok(vault) => Access::Open(Arc::new(vault)),
                Err(error) => Access::Locked(error),
            },
        }
    }

    /// Opens a sealed text at a place of this history.
    pub fn open_sealed(
        &self,
        lineage: &str,
        place: Place<'_>,
        sealed: &str,
    ) -> Result<Secret, VaultError> {
        let vault = match self {
            Access::Open(vault) => vault,
            Access::Unkeyed => return Err(VaultError::NoKey),
            Access::Locked(error) => return Err(error.again()),
        };
        let opened = vault.open_sealed(&seal_context(lineage, place), sealed);
        opened.map_err(|source| VaultError::Sealed { place: place.to_string(), source })
    }
}

impl VaultError {
    /// Says the same again; only the kinds that [`Access::Locked`] holds are told apart.
    pub(crate) fn again(&self) -> VaultError {
        match self {
            VaultError::NoIdentity { path } => VaultError::NoIdentity { path: path.clone() },
            VaultError::WrongIdentity { recipients, held } => {
                VaultError::WrongIdentity { recipients: recipients.clone(), held: held.clone() }
            }
            _ => VaultError::DamagedKey,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::sim::{SimDisk, SimWorld};

    #[test]
    fn only_the_identity_that_it_was_wrapped_for_opens_it() {
        let (mine, other) = (Identity::generate(), Identity::generate());
        let vault = Vault::create(&[mine.recipient()]).expect("a recipient");
        let sealed = vault.seal("a", &Secret::new("hunter2"));
        let again = Vault::open(vault.wrapped(), &mine).expect("mine");
        assert_eq!(again.open_sealed("a", &sealed).expect("sealed").expose(), "hunter2");
        assert_eq!(again.seal("a", &Secret::new("hunter2")), sealed, "an unchanged line stays");
        let error = Vault::open(vault.wrapped(), &other).expect_err("not mine").to_string();
        assert!(error.contains(&mine.recipient()) && error.contains(&other.recipient()), "{error}");
    }

    #[test]
    fn rotation_keeps_the_providers_key_and_nothing_else() {
        let (mine, other) = (Identity::generate(), Identity::generate());
        let old = Vault::create(&[mine.recipient()]).expect("a recipient");
        let new = old.rotate(&[other.recipient()]).expect("a recipient");
        let sealed = old.seal("a", &Secret::new("hunter2"));
        assert_eq!(new.open_sealed("a", &sealed).err(), Some(SealError::Refused));
        assert_eq!(old.provider_key("l", "e").expose(), new.provider_key("l", "e").expose());
        assert_ne!(old.provider_key("l", "e").expose(), old.provider_key("l", "f").expose());
        assert!(Vault::open(new.wrapped(), &mine).is_err());
    }

    #[test]
    fn the_identity_is_made_once_and_the_variable_wins() {
        let world = SimWorld::new(1, SimDisk::new()).with_variable("HOME", "/home/ana");
        assert!(Identity::find(&world).expect("nothing there").is_none());
        let first = Identity::find_or_create(&world).expect("made");
        assert_eq!(Identity::find_or_create(&world).expect("found").recipient(), first.recipient());
        let files: Vec<_> = world.sim_disk().files().into_keys().collect();
        assert_eq!(files, [PathBuf::from("/home/ana/.config/dsenv/identity.age")]);
        let bad = world.fork("sim").with_variable(IDENTITY_VARIABLE, "nonsense");
        let error = Identity::find(&bad).expect_err("it wins over the file").to_string();
        assert!(error.contains("the variable `DSENV_IDENTITY` holds no identity"), "{error}");
    }
}
