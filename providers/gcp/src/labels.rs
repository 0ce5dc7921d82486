//! The user's own tags, which Google Cloud calls labels.
//!
//! Names begin with a lower-case letter; names and values have lower-case letters, digits, `_` and `-`, 63
//! of them at most: <https://cloud.google.com/compute/docs/labeling-resources>. A tag that does not fit is
//! refused and not bent: whoever bills by tags must find the ones that they wrote.

use crate::kinds;
use dsenv_sdk::Term;
use dsenv_sdk::provider::{Finding, Native, Neutral, refuses};
use dsenv_sdk::schema::{Class, Field, Type};
use dsenv_sdk::value::Value;

const CHARS_MAX: usize = 63;
/// 64 in all, and dsenv's own among them.
const LABELS_MAX: usize = 48;

/// The argument of every type that takes labels.
pub(crate) const LABELS: Field =
    Field::new("labels", Type::Map(&Type::Text), "Labels of the user's own.")
        .class(Class::Bind)
        .of("tags");

fn is_plain(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    text.len() <= CHARS_MAX && text.chars().all(plain)
}

/// What a resource's tags are refused for.
pub(crate) fn check(resource: &Neutral) -> Vec<Finding> {
    let mut findings = Vec::new();
    if resource.tags.len() > LABELS_MAX {
        let message = format!(
            "{} tags are more than the {LABELS_MAX} that there is room for",
            resource.tags.len()
        );
        let help = "Google Cloud takes 64 labels, and some of them are dsenv's";
        findings.push(refuses(&["tags"], message, help));
    }
    for (name, value) in &resource.tags {
        let why = if name.starts_with("goog") || name.starts_with("dsenv") {
            "begins as the ones that Google Cloud or dsenv writes"
        } else if !is_plain(name) || !name.starts_with(|c: char| c.is_ascii_lowercase()) {
            "is no label of Google Cloud: a lower-case letter, then those, digits, `_` and `-`, 63 at most"
        } else if !is_plain(value) {
            "has a value that is no label of Google Cloud: lower-case letters, digits, `_` and `-`, 63 at most"
        } else {
            continue;
        };
        let help = "write it as `cost_center: data-science`";
        findings.push(refuses(&["tags", name], format!("the tag `{name}` {why}"), help));
    }
    findings
}

/// Puts the resource's tags and owner onto every node that takes labels. An owner is not refused for its
/// letters: others become `_`, because an address of mail has some.
pub(crate) fn add(resource: &Neutral, natives: &mut [Native]) {
    let mut labels = resource.tags.clone();
    if let Some(owner) = &resource.owner {
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
        let text: String = owner.to_ascii_lowercase().chars().map(plain).take(CHARS_MAX).collect();
        labels.entry("owner".to_owned()).or_insert(text);
    }
    if labels.is_empty() {
        return;
    }
    let labels = labels.into_iter().map(|(name, value)| (name, Value::Text(value)));
    let labels = Term::Known(Value::Map(labels.collect()));
    for native in natives {
        let ty = kinds::NATIVE_TYPES.iter().find(|ty| ty.name == native.ty);
        if ty.is_some_and(|ty| ty.field("labels").is_some()) {
            native.args.insert("labels".to_owned(), labels.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::tests_of_kinds::{neutral, shown_findings};
    use expect_test::expect;

    #[test]
    fn what_is_no_label_is_refused() {
        let tags =
            [("Team", "a"), ("team", "Data Science"), ("goog-x", "a"), ("cost_center", "ds-1")];
        let tags = tags.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let resource = Neutral { tags: tags.into(), ..neutral("lake", "bucket", &[]) };
        expect![[r#"
            tags.Team: refuses: the tag `Team` is no label of Google Cloud: a lower-case letter, then those, digits, `_` and `-`, 63 at most (write it as `cost_center: data-science`)
            tags.goog-x: refuses: the tag `goog-x` begins as the ones that Google Cloud or dsenv writes (write it as `cost_center: data-science`)
            tags.team: refuses: the tag `team` has a value that is no label of Google Cloud: lower-case letters, digits, `_` and `-`, 63 at most (write it as `cost_center: data-science`)
        "#]]
        .assert_eq(&shown_findings(check(&resource)));
    }

    #[test]
    fn labels_stand_on_every_node_that_takes_some() {
        let owner = Some("Ada@example.org".to_owned());
        let resource = Neutral { owner, ..neutral("lake", "bucket", &[]) };
        let mut natives = (crate::kinds::bucket::KIND.lower)(
            &resource,
            &crate::kinds::tests_of_kinds::around(&Default::default()),
        );
        add(&resource, &mut natives);
        let labels = natives[0].args["labels"].known().expect("they are known").to_string();
        assert_eq!(labels, r#"{owner: "ada_example_org"}"#);
    }
}
