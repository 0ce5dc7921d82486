//! Encryption of single values at rest.
//!
//! Envelope encryption, as SOPS does it: the engine wraps one random [`SealKey`] a state with age
//! for each recipient (that part is the engine's), and every secret value is sealed with that key
//! here, XChaCha20-Poly1305 with a random 24-byte nonce. The `context` (lineage and address) is
//! authenticated, so that a sealed password cannot be pasted under another name.
//!
//! ## Why not age for each value
//! An X25519 exchange a value makes a plan of 10,000 secrets take a second; one exchange a state
//! does not. The cipher is the one that age uses itself.

use chacha20poly1305::aead::{Aead, AeadCore, KeyInit, OsRng, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use std::fmt;
use zeroize::Zeroizing;

/// What a sealed text starts with; a version of the form, and greppable.
pub const SEALED_PREFIX: &str = "sealed:v1:";
const NONCE_BYTES: usize = 24;

/// 32 bytes that open every secret sealed with them. Overwritten when dropped, never printed.
#[derive(Clone)]
pub struct SealKey(Zeroizing<[u8; 32]>);

impl SealKey {
    /// Takes the bytes as they are; they must come from a random source or a key derivation.
    pub fn new(bytes: [u8; 32]) -> SealKey {
        SealKey(Zeroizing::new(bytes))
    }

    /// Makes a fresh random key from the system's source.
    pub fn generate() -> SealKey {
        let key = XChaCha20Poly1305::generate_key(&mut OsRng);
        SealKey::new(key.into())
    }

    /// Derives a key for one purpose from a longer secret (BLAKE3 key derivation). The same
    /// purpose and secret give the same key; the purpose is a constant in the caller's code.
    pub fn derive(purpose: &str, secret: &[u8]) -> SealKey {
        SealKey::new(blake3::derive_key(purpose, secret))
    }

    /// Returns the bytes, for handing the key to a process of one's own or wrapping it.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(key)")
    }
}

/// Why a sealed text could not be opened.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SealError {
    /// The text is not of the form that [`Sealer::seal`] writes.
    #[error("not a sealed value: expected `{SEALED_PREFIX}` and hexadecimal text")]
    Malformed,
    /// Another key sealed it, it was moved to another name, or it was changed.
    #[error("the key does not open this value, or the value was changed or moved")]
    Refused,
}

/// Seals and opens values with one key.
#[derive(Clone)]
pub struct Sealer {
    cipher: XChaCha20Poly1305,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer")
    }
}

impl Sealer {
    /// Makes a sealer for this key.
    pub fn new(key: &SealKey) -> Sealer {
        Sealer { cipher: XChaCha20Poly1305::new(Key::from_slice(key.expose())) }
    }

    /// Encrypts `plain` for this `context`. Two calls give two texts: the nonce is random.
    pub fn seal(&self, context: &str, plain: &[u8]) -> String {
        let nonce = XChaCha20Poly1305::generate_nonce(&mut OsRng);
        let payload = Payload { msg: plain, aad: context.as_bytes() };
        let sealed = self.cipher.encrypt(&nonce, payload).expect("a value is shorter than 256 GiB");
        let mut text =
            String::with_capacity(SEALED_PREFIX.len() + 2 * (NONCE_BYTES + sealed.len()));
        text.push_str(SEALED_PREFIX);
        push_hex(&mut text, &nonce);
        push_hex(&mut text, &sealed);
        text
    }

    /// Decrypts what [`Sealer::seal`] gave for the same key and `context`.
    pub fn open(&self, context: &str, sealed: &str) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let hex = sealed.strip_prefix(SEALED_PREFIX).ok_or(SealError::Malformed)?;
        let bytes = parse_hex(hex).ok_or(SealError::Malformed)?;
        if bytes.len() < NONCE_BYTES {
            return Err(SealError::Malformed);
        }
        let (nonce, cipher_text) = bytes.split_at(NONCE_BYTES);
        let payload = Payload { msg: cipher_text, aad: context.as_bytes() };
        let plain = self.cipher.decrypt(XNonce::from_slice(nonce), payload);
        plain.map(Zeroizing::new).map_err(|_| SealError::Refused)
    }
}

/// Appends bytes as lower-case hexadecimal.
pub fn push_hex(text: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        text.push(DIGITS[usize::from(byte >> 4)] as char);
        text.push(DIGITS[usize::from(byte & 15)] as char);
    }
}

/// Reads lower- or upper-case hexadecimal; `None` when a digit is wrong or one is missing.
pub fn parse_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_only_with_the_same_key_and_name() {
        let key = SealKey::generate();
        let sealed = Sealer::new(&key).seal("a", b"hunter2");
        assert_eq!(&**Sealer::new(&key).open("a", &sealed).expect("same key"), b"hunter2");
        assert_eq!(Sealer::new(&key).open("b", &sealed), Err(SealError::Refused));
        let other = Sealer::new(&SealKey::generate());
        assert_eq!(other.open("a", &sealed), Err(SealError::Refused));
    }

    #[test]
    fn a_changed_or_foreign_text_is_told_apart() {
        let sealer = Sealer::new(&SealKey::generate());
        let mut sealed = sealer.seal("a", b"hunter2");
        let last = sealed.pop().expect("not empty");
        sealed.push(if last == '0' { '1' } else { '0' });
        assert_eq!(sealer.open("a", &sealed), Err(SealError::Refused));
        assert_eq!(sealer.open("a", "hunter2"), Err(SealError::Malformed));
        assert_eq!(sealer.open("a", "sealed:v1:zz"), Err(SealError::Malformed));
    }
}
