//! Arguments in few words.

use dsenv_sdk::provider::Prior;
use dsenv_sdk::value::{Map, Value};

pub(crate) fn map<const N: usize>(pairs: [(&str, Value); N]) -> Map {
    pairs.map(|(name, value)| (name.to_owned(), value)).into()
}

pub(crate) fn text(text: &str) -> Value {
    Value::text(text)
}

pub(crate) fn list(items: &[&str]) -> Value {
    Value::List(items.iter().map(|item| Value::text(*item)).collect())
}

pub(crate) fn tags(pairs: &[(&str, &str)]) -> Value {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), Value::text(*value));
    Value::Map(pairs.iter().map(pair).collect())
}

/// The same arguments with these in the place of theirs.
pub(crate) fn with(args: &Map, pairs: &[(&str, Value)]) -> Map {
    let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    args.clone().into_iter().chain(pairs).collect()
}

/// The cloud's name for an object, as an argument of another.
pub(crate) fn id(prior: &Prior) -> Value {
    Value::text(&*prior.observed.remote_id)
}
