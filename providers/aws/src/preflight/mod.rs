//! What stands in the way of a plan: quotas, what is not offered, images that are gone, permissions.
//!
//! In: what the plan means to do. Out: remarks, one an address and verdict. The questions go out
//! together, each is one call or a few, and nothing is changed. What could not be asked is said in one
//! warning: a plan is not refused for what nobody knows.
//!
//! | module | asks |
//! |---|---|
//! | `quotas` | whether what is launched fits into the quotas of the account |
//! | `offered` | whether types, images and classes are to be had in the region |
//! | `permissions` | whether the caller may do all of it: only when that is asked for |

mod offered;
mod permissions;
mod quotas;

use crate::clients::Aws;
use dsenv_sdk::preflight::{Intended, Intent, Preflight, Remark, Verdict};
use dsenv_sdk::value::Value;
use dsenv_sdk::{Addr, OpError, Term};

/// What one question came to.
#[derive(Debug, Default)]
struct Checked {
    remarks: Vec<Remark>,
    /// What was not checked, and why: `quotas were not checked: ...`.
    open: Option<String>,
}

/// Asks everything at once.
pub(crate) async fn look(aws: &Aws, request: Preflight<'_>) -> Result<Vec<Remark>, OpError> {
    let intended = request.intended;
    let permissions = async {
        match request.check_permissions {
            true => permissions::check(aws, intended).await,
            false => Ok(Checked::default()),
        }
    };
    let (quotas, types, images, classes, permissions) = futures::join!(
        quotas::check(aws, intended),
        offered::check_types(aws, intended),
        offered::check_images(aws, intended),
        offered::check_classes(aws, intended),
        permissions,
    );
    // Whoever wants permissions checked is not served by a plan that says nothing of them.
    Ok(gathered([permissions?, images, types, classes, quotas]))
}

/// One remark an address and verdict, in the order in which they came, and one on what is open.
fn gathered<const N: usize>(checked: [Checked; N]) -> Vec<Remark> {
    let mut gathered: Vec<Remark> = Vec::new();
    let mut open = Vec::new();
    for Checked { remarks, open: why } in checked {
        open.extend(why);
        for remark in remarks {
            let alike = |it: &&mut Remark| it.addr == remark.addr && it.verdict == remark.verdict;
            match gathered.iter_mut().find(alike) {
                Some(known) => {
                    known.message = format!("{}; {}", known.message, remark.message);
                    let helps = known.help.take().into_iter().chain(remark.help);
                    known.help = helps.reduce(|one, other| format!("{one}; {other}"));
                }
                None => gathered.push(remark),
            }
        }
    }
    if !open.is_empty() {
        gathered.push(Remark {
            addr: None,
            verdict: Verdict::Warns,
            message: open.join("; "),
            help: None,
        });
    }
    gathered
}

fn refuses(addr: &Addr, message: String, help: String) -> Remark {
    Remark { addr: Some(addr.clone()), verdict: Verdict::Refuses, message, help: Some(help) }
}

/// Whether something new is made.
fn makes(intent: Intent) -> bool {
    match intent {
        Intent::Create | Intent::Replace => true,
        Intent::Update | Intent::Delete => false,
    }
}

/// A text among the arguments, when it is known.
fn text<'a>(it: &Intended<'a>, name: &str) -> Option<&'a str> {
    it.args.get(name).and_then(Term::known).and_then(Value::as_text)
}

/// A whole number among the arguments that is not negative, when it is known.
fn number(it: &Intended<'_>, name: &str) -> Option<u64> {
    let known = it.args.get(name).and_then(Term::known);
    known.and_then(Value::as_int).and_then(|number| u64::try_from(number).ok())
}

/// The texts of a list among the arguments, when all of it is known.
fn texts<'a>(it: &Intended<'a>, name: &str) -> Vec<&'a str> {
    let known = it.args.get(name).and_then(Term::known);
    let items = known.and_then(Value::as_list).unwrap_or_default();
    items.iter().filter_map(Value::as_text).collect()
}

/// `a`, `b`.
fn quoted<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_remark_a_verdict() {
        let remark = |addr: &str, message: &str, help: &str| {
            refuses(&Addr::resource(addr), message.to_owned(), help.to_owned())
        };
        let checked = [
            Checked { remarks: vec![remark("a", "x", "do x")], open: Some("p".to_owned()) },
            Checked {
                remarks: vec![remark("b", "y", "do y"), remark("a", "z", "do z")],
                open: Some("q".to_owned()),
            },
        ];
        let [a, b, open] = &gathered(checked)[..] else { panic!("three remarks") };
        assert_eq!((&*a.message, a.help.as_deref()), ("x; z", Some("do x; do z")));
        assert_eq!(b.message, "y");
        assert_eq!((&*open.message, open.verdict), ("p; q", Verdict::Warns));
    }
}
