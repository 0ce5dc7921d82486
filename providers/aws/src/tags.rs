//! Tags and names: how an object says whose it is.
//!
//! Every object carries its owner, address, type and token from its first moment, so that ownership
//! can be rebuilt from the account alone. Where a service has no idempotency token, the name carries
//! the start of ours, so that a create that is sent twice meets its own name.

use crate::clients::Aws;
use crate::object::{Live, Select, Tags};
use dsenv_sdk::OpError;
use dsenv_sdk::addr::Addr;
use dsenv_sdk::provider::{OpErrorClass, Owned, Owner, Token};

/// Where the address stands, in [`encode`]d form.
pub(crate) const ADDRESS: &str = "dsenv:address";
pub(crate) const BLUEPRINT: &str = "dsenv:blueprint";
pub(crate) const ENVIRONMENT: &str = "dsenv:environment";
/// What it is still to be tied to: the VPC of a gateway.
pub(crate) const FOR: &str = "dsenv:for";
pub(crate) const LINEAGE: &str = "dsenv:lineage";
/// What the console shows.
pub(crate) const NAME: &str = "Name";
/// The ports of a machine's services: `jupyter=8888 api=80`.
pub(crate) const PORTS: &str = "dsenv:ports";
pub(crate) const TOKEN: &str = "dsenv:token";
pub(crate) const TYPE: &str = "dsenv:type";

/// How many characters of a token stand in a name: 40 bits, where names need to differ only within
/// one account and address.
const TOKEN_CHARS: usize = 10;

/// The tags of a new object: whose it is, and the user's own.
pub(crate) fn all(aws: &Aws, addr: &Addr, ty: &str, token: &Token, own: Tags) -> Tags {
    let Owner { blueprint, environment, lineage } = &aws.owner;
    let ours = [
        (ADDRESS, encode(&addr.to_string())),
        (BLUEPRINT, encode(blueprint)),
        (ENVIRONMENT, encode(environment)),
        (LINEAGE, lineage.clone()),
        (NAME, display_name(&aws.owner, addr)),
        (TOKEN, token.to_string()),
        (TYPE, ty.to_owned()),
    ];
    // Ours win: an object whose tags lie is lost.
    own.into_iter().chain(ours.map(|(name, value)| (name.to_owned(), value))).collect()
}

/// The user's own tags among all of them: those of AWS and of dsenv are left out.
pub(crate) fn own(tags: &Tags) -> Tags {
    let ours = |name: &str| name.starts_with("aws:") || name.starts_with("dsenv:") || name == NAME;
    tags.iter().filter(|(name, _)| !ours(name)).map(|(k, v)| (k.clone(), v.clone())).collect()
}

/// Says whether these tags are of this blueprint and environment, and of this lineage where one is
/// named.
pub(crate) fn is_owned(tags: &Tags, owner: &Owner, lineage: Option<&str>) -> bool {
    let is = |name: &str, value: &str| tags.get(name).is_some_and(|it| it == value);
    is(BLUEPRINT, &encode(&owner.blueprint))
        && is(ENVIRONMENT, &encode(&owner.environment))
        && lineage.is_none_or(|lineage| is(LINEAGE, lineage))
}

/// Says whether tags are those that were asked for: for what a service does not filter by itself.
pub(crate) fn are_meant(tags: &Tags, aws: &Aws, select: Select<'_>) -> bool {
    match select {
        Select::Owner(lineage) => is_owned(tags, &aws.owner, lineage),
        Select::Token(token) => tags.get(TOKEN).is_some_and(|it| it == token.as_str()),
        Select::Ids(_) => true,
    }
}

/// Reads whose an object is; `None` when its tags do not say.
pub(crate) fn owned(live: &Live) -> Option<Owned> {
    let addr = address(&live.tags)?;
    Some(Owned {
        addr,
        ty: live.tags.get(TYPE)?.clone(),
        token: Token::from_text(live.tags.get(TOKEN)?),
        remote_id: live.remote_id.clone(),
        lineage: live.tags.get(LINEAGE).cloned().unwrap_or_default(),
    })
}

/// Reads the address that an object was made for; `None` when its tags do not say.
pub(crate) fn address(tags: &Tags) -> Option<Addr> {
    decode(tags.get(ADDRESS)?)?.parse().ok()
}

/// `workbench-prod-features`: what people see in the console. Not unique.
pub(crate) fn display_name(owner: &Owner, addr: &Addr) -> String {
    plain(&format!("{}-{}-{}", owner.blueprint, owner.environment, addr))
}

/// A name that no other object has, of `[a-z0-9-]`, not longer than `length_max`: what people
/// recognise, and the start of the token.
pub(crate) fn unique_name(owner: &Owner, addr: &Addr, token: &Token, length_max: usize) -> String {
    let mut name = display_name(owner, addr);
    name.truncate(length_max - TOKEN_CHARS - 1);
    format!("{}-{}", name.trim_end_matches('-'), &token.as_str()[..TOKEN_CHARS])
}

/// What every [`unique_name`] of this environment begins with. Names of others may begin so too.
pub(crate) fn name_prefix(owner: &Owner, length_max: usize) -> String {
    let mut prefix = plain(&format!("{}-{}", owner.blueprint, owner.environment));
    prefix.truncate(length_max - TOKEN_CHARS - 1);
    prefix.truncate(prefix.trim_end_matches('-').len());
    prefix
}

/// Says whether a name was made from this token.
pub(crate) fn is_named_by(name: &str, token: &Token) -> bool {
    name.strip_suffix(&token.as_str()[..TOKEN_CHARS]).is_some_and(|rest| rest.ends_with('-'))
}

/// A name that is needed belongs to something else, whose tags say of what.
pub(crate) fn taken(name: &str, tags: &Tags) -> OpError {
    let said = |tag: &str| tags.get(tag).and_then(|value| decode(value));
    let message = match (said(ADDRESS), said(BLUEPRINT), said(ENVIRONMENT)) {
        (Some(addr), Some(blueprint), Some(environment)) => format!(
            "the name {name} is taken: it is `{addr}` of environment `{environment}` of blueprint \
             `{blueprint}`"
        ),
        _ => format!("the name {name} is taken by something that dsenv did not make"),
    };
    OpError::new(OpErrorClass::Conflict, message)
}

/// Lower-case letters, digits and single hyphens, none at either end.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for c in text.chars() {
        match c {
            c if c.is_ascii_alphanumeric() => plain.push(c.to_ascii_lowercase()),
            _ if plain.ends_with('-') || plain.is_empty() => {}
            _ => plain.push('-'),
        }
    }
    plain.truncate(plain.trim_end_matches('-').len());
    plain
}

/// Writes a text in the characters that every service takes in the value of a tag: letters, digits,
/// spaces and `+ - . _ : / @`. Others become `=` and two hexadecimal digits a byte, as in mail.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Tagging.html>
pub(crate) fn encode(text: &str) -> String {
    let mut value = String::new();
    for byte in text.bytes() {
        match byte {
            b if b.is_ascii_alphanumeric() || b" +-._:/@".contains(&b) => value.push(b.into()),
            b => value.push_str(&format!("={b:02X}")),
        }
    }
    value
}

/// Reads what [`encode`] wrote; `None` when it did not.
pub(crate) fn decode(value: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('=') {
        bytes.extend(before.bytes());
        let digits = after.get(..2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &after[2..];
    }
    bytes.extend(rest.bytes());
    String::from_utf8(bytes).ok()
}

/// Collects the tags of an answer, whatever service it is of: each has a `Tag` of its own, with the
/// same two methods.
macro_rules! tags_in {
    ($tags:expr) => {
        $tags
            .iter()
            .filter_map(|tag| {
                let (key, value) = $crate::tags::Pair::pair(tag);
                Some((key?.to_owned(), value.unwrap_or_default().to_owned()))
            })
            .collect::<$crate::object::Tags>()
    };
}
pub(crate) use tags_in;

/// Reads a tag of any service.
pub(crate) trait Pair {
    fn pair(&self) -> (Option<&str>, Option<&str>);
}

macro_rules! optional_pair {
    ($($tag:ty),*) => {$(
        impl Pair for $tag {
            fn pair(&self) -> (Option<&str>, Option<&str>) {
                (self.key(), self.value())
            }
        }
    )*};
}
macro_rules! required_pair {
    ($($tag:ty),*) => {$(
        impl Pair for $tag {
            fn pair(&self) -> (Option<&str>, Option<&str>) {
                (Some(self.key()), Some(self.value()))
            }
        }
    )*};
}
optional_pair!(
    aws_sdk_ec2::types::Tag,
    aws_sdk_rds::types::Tag,
    aws_sdk_autoscaling::types::TagDescription
);
required_pair!(
    aws_sdk_efs::types::Tag,
    aws_sdk_iam::types::Tag,
    aws_sdk_s3::types::Tag,
    aws_sdk_ssm::types::Tag
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_survives_the_narrowest_tag() {
        for text in ["net", "lake[\"eu-1\"].grant[\"a\\\"b\"]", "w[2]", "ä=b"] {
            let value = encode(text);
            let allowed = |c: char| c.is_ascii_alphanumeric() || " +-=._:/@".contains(c);
            assert!(value.chars().all(allowed), "{value}");
            assert_eq!(decode(&value).as_deref(), Some(text));
        }
        assert_eq!(decode("a=4"), None);
        assert_eq!(decode("a=zz"), None);
    }

    #[test]
    fn names_fit_and_differ_by_their_token() {
        let owner = Owner {
            blueprint: "work_bench".to_owned(),
            environment: "prod".to_owned(),
            lineage: "l".to_owned(),
        };
        let addr: Addr = "lake[\"Eu/1\"]".parse().expect("an address");
        let name = |generation| unique_name(&owner, &addr, &Token::new("l", &addr, generation), 32);
        assert!(name(1).starts_with("work-bench-prod-lake-"), "{}", name(1));
        assert!(name(1).len() <= 32 && name(1) != name(2));
        assert!(is_named_by(&name(1), &Token::new("l", &addr, 1)));
        assert!(!is_named_by(&name(1), &Token::new("l", &addr, 2)));
        for length_max in [20, 25, 26, 27, 32, 63] {
            let name = unique_name(&owner, &addr, &Token::new("l", &addr, 1), length_max);
            assert!(name.starts_with(&name_prefix(&owner, length_max)), "{name}");
        }
        let long = Addr::resource(&"x".repeat(200));
        assert_eq!(unique_name(&owner, &long, &Token::new("l", &long, 1), 63).len(), 63);
    }
}
