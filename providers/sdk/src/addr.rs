//! Stable names: of a resource, of one member of a `for_each`, and of the native nodes below it.
//!
//! ```text
//! notebook                 a resource
//! workers["eu"]            one member of a resource with `for_each`
//! notebook.grant["lake"]   a native node that `notebook` is lowered to
//! workers.member[2]        another; an index where the parts are counted
//! ```
//! An address is what the state, plans, journals and people call a thing. It says nothing of the
//! provider and never changes while the blueprint calls the thing the same.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The key in brackets behind a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A position, for parts that are counted: `member[2]`.
    Index(u32),
    /// A name, for `for_each`: `workers["eu"]`.
    Text(Arc<str>),
}

/// A native node below a resource: `grant["lake"]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Part {
    /// What the node is to the resource: `grant`, `software`, `member`.
    pub name: Arc<str>,
    /// Which one, where there are several.
    pub key: Option<Key>,
}

/// The stable name of one node of the graph.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Addr {
    /// The resource as the blueprint names it.
    pub name: Arc<str>,
    /// The member, when the resource has `for_each`.
    pub key: Option<Key>,
    /// The native node below it; `None` is the resource's main node.
    pub part: Option<Part>,
}

impl Addr {
    /// Names a resource; `name` is not checked here, the compiler has done so.
    pub fn resource(name: &str) -> Addr {
        Addr { name: name.into(), key: None, part: None }
    }

    /// Returns the same address with a member's key.
    pub fn member(mut self, key: Key) -> Addr {
        self.key = Some(key);
        self
    }

    /// Returns the address of a native node below this one.
    pub fn part(&self, name: &str, key: Option<Key>) -> Addr {
        Addr { part: Some(Part { name: name.into(), key }), ..self.clone() }
    }

    /// Returns the address of the resource that this node belongs to, member key included.
    pub fn owner(&self) -> Addr {
        Addr { part: None, ..self.clone() }
    }

    /// Says whether `self`, as a user types it, covers `other`: a resource covers its members and
    /// their parts, a member covers its parts, a node covers itself.
    pub fn covers(&self, other: &Addr) -> bool {
        self.name == other.name
            && (self.key.is_none() && self.part.is_none()
                || self.key == other.key && (self.part.is_none() || self.part == other.part))
    }
}

impl Ord for Addr {
    /// By name, then key, then part. Written out because maps by address are all that a plan works
    /// with: most comparisons end at the name, and many are of one name with itself.
    #[inline]
    fn cmp(&self, other: &Addr) -> Ordering {
        if !Arc::ptr_eq(&self.name, &other.name) {
            match self.name.cmp(&other.name) {
                Ordering::Equal => {}
                unequal => return unequal,
            }
        }
        match (&self.key, &self.part, &other.key, &other.part) {
            (None, None, None, None) => Ordering::Equal,
            (key, part, other_key, other_part) => (key, part).cmp(&(other_key, other_part)),
        }
    }
}

impl PartialOrd for Addr {
    #[inline]
    fn partial_cmp(&self, other: &Addr) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::Index(index) => write!(f, "[{index}]"),
            // As JSON, which is how it is read: Rust's own escapes are others.
            Key::Text(text) => write!(f, "[{}]", serde_json::Value::from(&**text)),
        }
    }
}

impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(key) = &self.key {
            write!(f, "{key}")?;
        }
        if let Some(part) = &self.part {
            write!(f, ".{}", part.name)?;
            if let Some(key) = &part.key {
                write!(f, "{key}")?;
            }
        }
        Ok(())
    }
}

/// A text that is not an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an address: expected `name`, `name[\"key\"]` or `name.part[\"key\"]`")]
pub struct AddrError(pub String);

impl FromStr for Addr {
    type Err = AddrError;

    fn from_str(text: &str) -> Result<Addr, AddrError> {
        let wrong = || AddrError(text.to_owned());
        let (name, rest) = split_name(text).ok_or_else(wrong)?;
        let (key, rest) = split_key(rest).ok_or_else(wrong)?;
        let mut addr = Addr { name: name.into(), key, part: None };
        if let Some(rest) = rest.strip_prefix('.') {
            let (part, rest) = split_name(rest).ok_or_else(wrong)?;
            let (key, rest) = split_key(rest).ok_or_else(wrong)?;
            addr.part = Some(Part { name: part.into(), key });
            return if rest.is_empty() { Ok(addr) } else { Err(wrong()) };
        }
        if rest.is_empty() { Ok(addr) } else { Err(wrong()) }
    }
}

/// Splits a leading `[a-z][a-z0-9_]*` off.
fn split_name(text: &str) -> Option<(&str, &str)> {
    let end = text.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
    let name = &text[..end];
    name.starts_with(|c: char| c.is_ascii_lowercase()).then_some((name, &text[end..]))
}

/// Splits an optional `[2]` or `["eu"]` off; `None` when a bracket is open and not closed.
/// Quotes may be left out, since a shell eats them: `workers[eu]` is `workers["eu"]`.
fn split_key(text: &str) -> Option<(Option<Key>, &str)> {
    let Some(inner) = text.strip_prefix('[') else { return Some((None, text)) };
    if inner.starts_with('"') {
        let mut stream = serde_json::Deserializer::from_str(inner).into_iter::<String>();
        let key = stream.next()?.ok()?;
        let rest = inner[stream.byte_offset()..].strip_prefix(']')?;
        return Some((Some(Key::Text(key.into())), rest));
    }
    let (bare, rest) = inner.split_once(']')?;
    let key = match bare.parse() {
        Ok(index) => Key::Index(index),
        Err(_) if !bare.is_empty() => Key::Text(bare.into()),
        Err(_) => return None,
    };
    Some((Some(key), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read_back() {
        for text in
            ["net", "workers[\"eu\"]", "workers.member[2]", "nb[\"a\\\"b]\"].grant[\"lake\"]"]
        {
            assert_eq!(text.parse::<Addr>().expect("an address").to_string(), text);
        }
        let odd = Addr::resource("w").member(Key::Text("a\u{200b}\u{7f}\u{1}\n\\\"".into()));
        assert_eq!(odd.to_string().parse(), Ok(odd));
        assert_eq!("w[eu]".parse::<Addr>(), "w[\"eu\"]".parse());
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "Net", "a.", "a[", "a[]", "a[\"b]", "a.b.c", "a b", "1a"] {
            assert!(text.parse::<Addr>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_resource_covers_its_members_and_parts() {
        let covers = |a: &str, b: &str| {
            a.parse::<Addr>().expect("address").covers(&b.parse().expect("address"))
        };
        assert!(covers("w", "w[\"eu\"].member[0]") && covers("w[eu]", "w[\"eu\"].member[0]"));
        assert!(covers("w.member[0]", "w.member[0]") && !covers("w.member[0]", "w.member[1]"));
        assert!(!covers("w[eu]", "w") && !covers("w.member[0]", "w"));
    }
}
