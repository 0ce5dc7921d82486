//! What the provider says of a plan before anybody sees it.

use crate::lab::{Lab, codes, lines_of, words};
use dsenv::diag::{Code, Findings, Severity};
use dsenv::drive::{Planned, Problem};
use dsenv_fake::{CallMatch, Verb, What, When};

const TWO: &str = "a: {kind: value, input: 1}\nb: {kind: value, input: 1}";

fn lab() -> Lab {
    let lab = Lab::new();
    lab.cloud.set_preflight(true);
    lab
}

/// `error E0817 b` and so on.
fn told(findings: &Findings) -> Vec<String> {
    let line = |found: &dsenv::diag::Diagnostic| {
        let address = found.address.clone().unwrap_or_default();
        format!("{} {} {address}", found.severity.as_str(), found.code).trim_end().to_owned()
    };
    findings.iter().map(line).collect()
}

fn notes(planned: &Planned) -> Vec<String> {
    told(&planned.diagnostics)
}

#[test]
fn a_quota_refuses_the_plan_before_anything_is_begun() {
    let mut lab = lab();
    lab.cloud.set_quota("fake.object", 1);
    let planned = lab.plan(TWO);
    assert_eq!(lines_of(&planned.plan), ["Create a: New", "Create b: New"], "it is shown");
    assert_eq!(told(&planned.verdicts), ["warning E0817 a", "error E0817 b"]);
    assert!(planned.verdicts.iter().all(|found| found.span.is_some()));
    let verbs: Vec<Verb> = lab.cloud.calls().iter().map(|call| call.verb).collect();
    let looks = [Verb::Identity, Verb::Inventory, Verb::Preflight];
    assert_eq!(verbs, looks, "whose it is, before anything else");
    assert_eq!(lab.refused(TWO), [Code::E0817, Code::E0817]);
    lab.cloud.set_quota("fake.object", 2);
    lab.apply_and_settle(TWO);
    // Later plans are looked over too, and what is there counts.
    let three = format!("{TWO}\nc: {{kind: value, input: 1}}");
    assert_eq!(told(&lab.plan(&three).verdicts), ["error E0817 c"]);
}

#[test]
fn a_first_plan_tells_of_what_a_lost_state_made() {
    let mut lab = lab();
    assert_eq!(told(&lab.plan(TWO).verdicts), Vec::<String>::new());
    lab.apply_and_settle(TWO);
    lab.lose_everything();
    let planned = lab.plan(TWO);
    assert_eq!(told(&planned.verdicts), ["warning E0820"]);
    // An apply says so too, before it asks.
    lab.approves = false;
    assert!(matches!(lab.run_unchecked(), Ok(dsenv::drive::Ended::Declined)));
    let planned = lab.asked.take().expect("somebody was asked");
    assert_eq!(told(&planned.verdicts), ["warning E0820"]);
    // What this very state left is not meant.
    lab.approves = true;
    lab.rebuild();
    lab.edit_state("state rm", |state| state.resources.clear());
    assert_eq!(told(&lab.plan(TWO).verdicts), Vec::<String>::new());
}

#[test]
fn what_lives_in_the_state_alone_is_no_matter_of_the_account() {
    let lab = Lab::of(dsenv_fake::Values::Builtin);
    lab.cloud.set_preflight(true);
    lab.plan(TWO);
    assert!(lab.cloud.calls().iter().all(|call| call.verb != Verb::Preflight));
}

#[test]
fn a_first_plan_without_credentials_is_shown_and_says_what_was_not_checked() {
    let lab = lab();
    lab.cloud.inject(CallMatch::verb(Verb::Identity).fails(What::Denied));
    let planned = lab.plan(TWO);
    assert_eq!(lines_of(&planned.plan), ["Create a: New", "Create b: New"]);
    assert_eq!(notes(&planned), ["note E0818"]);
    assert!(!planned.verdicts.has_errors());
    assert_eq!(planned.plan.bound.binding, None);
}

#[test]
fn a_first_plan_does_not_wait_for_ever() {
    let lab = lab();
    lab.cloud.inject(CallMatch::verb(Verb::Identity).fails(What::Hang { when: When::Before }));
    assert_eq!(notes(&lab.plan(TWO)), ["note E0818"]);
}

#[test]
fn a_first_plan_knows_whose_account_it_is_for() {
    let mut lab = lab();
    let planned = lab.plan(TWO);
    let bound = planned.plan.bound.binding.clone().expect("it was asked for");
    assert_eq!(bound.account, "000000000000");
    lab.cloud.set_identity("111111111111", "fake-1");
    let problem = lab.apply_saved(planned.plan).err().expect("another account");
    assert_eq!(codes(problem), [Code::E0813]);
}

#[test]
fn a_wrong_account_refuses_the_first_plan() {
    let lab = lab();
    lab.write(
        "blueprint: demo\nenvironments: {test: {provider: fake, account: \"222222222222\"}}\n\
         resources:\n  a: {kind: value, input: 1}\n",
    );
    assert_eq!(codes(lab.try_plan().err().expect("it is another")), [Code::E0813]);
}

#[test]
fn a_first_plan_stays_at_home_where_nobody_looks_ahead_or_looking_is_unwanted() {
    let mut lab = Lab::new();
    lab.plan(TWO);
    lab.cloud.set_preflight(true);
    lab.options.refresh = false;
    lab.plan(TWO);
    assert!(lab.cloud.calls().is_empty(), "{:?}", lab.cloud.calls());
}

#[test]
fn permissions_are_asked_for_on_demand() {
    let mut lab = lab();
    lab.cloud.deny("fake.object");
    assert!(!lab.plan(TWO).verdicts.has_errors());
    lab.options.check_permissions = true;
    assert_eq!(told(&lab.plan(TWO).verdicts), ["error E0817 a", "error E0817 b"]);
    lab.cloud.inject(CallMatch::verb(Verb::Preflight).fails(What::Denied));
    assert_eq!(codes(lab.try_plan().err().expect("it was asked for")), [Code::E0901]);
}

#[test]
fn permissions_are_not_checked_where_there_are_none() {
    let mut lab = Lab::new();
    lab.options.check_permissions = true;
    lab.write(TWO);
    let refused = |problem: Result<Planned, Problem>| codes(problem.err().expect("there are none"));
    assert_eq!(refused(lab.try_plan()), [Code::E0817]);
    lab.options.check_permissions = false;
    lab.apply(TWO);
    lab.options.check_permissions = true;
    assert_eq!(refused(lab.try_plan()), [Code::E0817]);
}

#[test]
fn a_look_that_fails_keeps_nobody_from_applying() {
    let mut lab = lab();
    lab.cloud.inject(CallMatch::verb(Verb::Preflight).fails(What::Denied));
    lab.apply("a: {kind: value, input: 1}");
    let planned = lab.plan(TWO);
    assert_eq!(notes(&planned), ["note E0818"]);
    assert!(planned.diagnostics.iter().all(|found| found.severity == Severity::Note));
    lab.apply_and_settle(TWO);
}

#[test]
fn a_saved_plan_is_looked_over_again() {
    let mut lab = lab();
    lab.cloud.set_quota("fake.object", 3);
    let planned = lab.plan(TWO);
    assert!(!planned.verdicts.has_errors());
    lab.cloud.set_quota("fake.object", 1);
    let problem = lab.apply_saved(planned.plan).err().unwrap_or_else(|| panic!("it is too much"));
    let words = words(problem);
    assert!(words.contains("E0817") && !words.contains("E0805"), "{words}");
    assert!(lab.cloud.object_at("a").is_none());
}
