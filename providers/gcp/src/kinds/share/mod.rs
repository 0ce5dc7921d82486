//! `share`: refused. What Google Cloud has for it is Filestore, whose smallest file system has one TiB and
//! costs as much whatever is in it: nobody who writes `size: 50GiB` wants that unasked.
//! <https://cloud.google.com/filestore/docs/service-tiers>

use super::GcpKind;
use dsenv_sdk::provider::{Finding, Native, Neutral, Surroundings, refuses};

pub(crate) const KIND: GcpKind = GcpKind { name: "share", check, wants: |_, _| Vec::new(), lower };

fn check(_: &Neutral, _: &Surroundings<'_>) -> Vec<Finding> {
    let message = "on gcp a share is not built yet: the smallest one that Google Cloud has, of Filestore, is \
                   of one TiB and charged as such";
    let help = "put the files into a bucket, which many machines see at once, or onto a volume of one \
                machine";
    vec![refuses(&[], message, help)]
}

fn lower(_: &Neutral, _: &Surroundings<'_>) -> Vec<Native> {
    unreachable!("a share was refused")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::tests_of_kinds::{findings, neutral};
    use expect_test::expect;

    #[test]
    fn a_share_is_refused_with_what_to_take_instead() {
        expect![[r#"
            : refuses: on gcp a share is not built yet: the smallest one that Google Cloud has, of Filestore, is of one TiB and charged as such (put the files into a bucket, which many machines see at once, or onto a volume of one machine)
        "#]].assert_eq(&findings(&KIND, &neutral("home", "share", &[])));
    }
}
