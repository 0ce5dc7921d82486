//! What is refused, kept or forgotten: data, accounts, addresses, pins.

use crate::lab::{Lab, addr, codes, outcome, words};
use dsenv::diag::Code;
use dsenv::diff::{Mode, Wishes};
use dsenv::drive::Ended;
use dsenv_fake::Verb;
use dsenv_sdk::value::Value;

/// Data is not lost by default.
#[test]
fn a_database_is_not_deleted_by_default() {
    let text = "blueprint: demo\nenvironments: {prod: {provider: fake}}\nresources:\n  \
                db: {kind: database, engine: postgres, version: \"18\"}\n";
    let none = "blueprint: demo\nenvironments: {prod: {provider: fake}}\nresources: {}\n";
    let mut lab = Lab::new();
    lab.apply(text);
    assert_eq!(lab.refused(none), [Code::E0809]);
    lab.write(text);
    assert_eq!(codes(lab.destroy().err().expect("data")), [Code::E0809]);
    let changed = text.replace("version:", "encrypted: false, version:");
    assert_eq!(lab.refused(&changed), [Code::E0809]);
    lab.options.allowed.delete_data = vec![addr("db")];
    assert!(outcome(lab.destroy()).is_complete());
    assert!(lab.cloud.objects().is_empty());
}

/// A disk grows in place; to make it smaller is to make another one, and asked about as data is.
///
/// Seen to fail: with `grows()` taken for any change in place, and for any replacement.
#[test]
fn a_volume_grows_in_place_and_is_not_made_smaller_by_accident() {
    let text = |size: &str| {
        format!(
            "blueprint: demo\nenvironments: {{prod: {{provider: fake}}}}\nresources:\n  \
             data: {{kind: volume, size: {size}}}\n  \
             desk: {{kind: machine, uses: {{data: read_write}}}}\n"
        )
    };
    let mut lab = Lab::new();
    lab.apply(&text("20GiB"));
    let id = lab.id("data");
    lab.apply(&text("40GiB"));
    assert_eq!(lab.id("data"), id);
    lab.assert_settled();
    assert_eq!(lab.refused(&text("30GiB")), [Code::E0809]);
    // What a hand has made larger still is not made smaller either.
    lab.cloud.edit(&id, |args| drop(args.insert("gib".to_owned(), Value::Int(80))));
    assert_eq!(lab.refused(&text("60GiB")), [Code::E0809]);
    lab.apply(&text("80GiB"));
    assert_eq!(lab.id("data"), id);
    lab.options.allowed.replace = vec![addr("data")];
    lab.write(&text("30GiB"));
    assert!(outcome(lab.run_unchecked()).is_complete());
    assert_ne!(lab.id("data"), id);
}

/// What its block says of its data counts from the moment it says so.
#[test]
fn on_destroy_counts_as_the_block_says_it_now() {
    let text = |more: &str| {
        format!(
            "blueprint: demo\nenvironments: {{prod: {{provider: fake}}}}\nresources:\n  \
             db: {{kind: database, engine: postgres, version: \"18\"{more}}}\n"
        )
    };
    let mut lab = Lab::new();
    lab.apply(&text(""));
    lab.write(&text(", on_destroy: snapshot"));
    assert!(outcome(lab.destroy()).is_complete());
    assert_eq!(lab.cloud.snapshots().len(), 1);
}

/// `removed: destroy: false` and `on_destroy: retain` leave the object alone.
#[test]
fn what_is_forgotten_is_left_alone() {
    let db = "blueprint: demo\nenvironments: {prod: {provider: fake}}\nresources:\n  \
              db: {kind: database, engine: postgres, version: \"18\"}\n";
    let none = "blueprint: demo\nenvironments: {prod: {provider: fake}}\nresources: {}\n\
                removed: [{address: db, destroy: false}]\n";
    let mut lab = Lab::new();
    lab.apply(db);
    let owner = lab.state();
    lab.write(none);
    assert!(outcome(lab.run_unchecked()).is_complete());
    assert!(lab.state().resources.is_empty() && !owner.resources.is_empty());
    assert_eq!(lab.cloud.objects().len(), 1);
    let mut lab = Lab::new();
    let retained = db.replace("version:", "on_destroy: retain, version:");
    lab.write(&retained);
    outcome(lab.run());
    lab.write(&none.replace("removed:", "# removed:"));
    assert!(outcome(lab.run_unchecked()).is_complete());
    assert_eq!(lab.cloud.objects().len(), 1);
    assert!(lab.state().resources.is_empty());
}

#[test]
fn destroy_names_what_is_left() {
    let mut lab = Lab::new();
    lab.apply("a: {kind: value, input: 1}\nb: {kind: value, input: 1}");
    lab.edit_state("state rm", |state| {
        state.resources.remove(&addr("a"));
    });
    lab.write("b: {kind: value, input: 1}");
    let wishes = Wishes { mode: Mode::Destroy, ..Wishes::default() };
    let ended = lab.with_wishes(wishes, |lab| lab.run_unchecked());
    let Ok(Ended::Ran { left, .. }) = ended else { panic!("it ran") };
    assert_eq!(left.iter().map(|owned| owned.addr.to_string()).collect::<Vec<_>>(), ["a"]);
}

#[test]
fn another_account_is_refused_before_any_other_call() {
    let text = "blueprint: demo\nenvironments: {prod: {provider: fake, account: \"000000000000\"}}\n\
                resources: {a: {kind: value, input: 1}}\n";
    let mut lab = Lab::new();
    lab.apply(text);
    lab.cloud.clear_calls();
    lab.cloud.set_identity("999999999999", "fake-1");
    let problem = lab.try_plan().err().expect("another account");
    assert_eq!(codes(problem), [Code::E0813]);
    assert_eq!(lab.refused(text), [Code::E0813]);
    assert!(lab.cloud.calls().iter().all(|call| call.verb == Verb::Identity));
    // Also where only the state knows.
    assert_eq!(lab.refused(&text.replace(", account: \"000000000000\"", "")), [Code::E0813]);
    lab.cloud.set_identity("000000000000", "elsewhere");
    assert_eq!(lab.refused(text), [Code::E0813]);
}

#[test]
fn an_unknown_address_is_refused() {
    let mut lab = Lab::new();
    let wishes = Wishes { target: vec![addr("lak")], ..Wishes::default() };
    let refused = lab.with_wishes(wishes, |lab| {
        lab.write("lake: {kind: value, input: 1}");
        lab.try_plan().err().expect("there is no lak")
    });
    let findings = refused.into_findings();
    let first = findings.iter().next().expect("one");
    assert_eq!(first.code, Code::E0814);
    assert_eq!(first.help, ["did you mean `lake`?"]);
}

#[test]
fn locked_refuses_what_is_not_pinned() {
    let text = "m: {kind: machine, software: {python: \"3.11\"}}";
    let mut lab = Lab::new();
    lab.options.locked = true;
    assert_eq!(lab.refused(text), [Code::E0810]);
    // A plan from before it was pinned is shown and not applied.
    let saved = lab.plan(text).plan;
    assert_eq!(saved.not_locked.len(), 1);
    assert_eq!(codes(lab.apply_saved(saved).err().expect("not locked")), [Code::E0810]);
    lab.options.locked = false;
    lab.apply_and_settle(text);
    lab.options.locked = true;
    lab.assert_settled();
}

/// Two orders that are mere defaults agree on the one that is possible.
#[test]
fn what_stands_on_a_fixed_name_is_replaced_with_it_delete_first() {
    let text = |on: i32| {
        format!(
            "a: {{kind: value, input: {{name: a}}, replace_on: {on}}}\n\
             c: {{kind: value, input: \"${{a.output}}\"}}"
        )
    };
    let mut lab = Lab::new();
    lab.apply(&text(1));
    lab.take_changes();
    lab.apply(&text(2));
    assert_eq!(lab.take_changes(), ["delete c", "delete a", "create a", "create c"]);
    lab.assert_settled();
}

/// Neutral arguments may be taken from each other in any number of steps.
#[test]
fn a_long_chain_of_arguments_is_planned_and_one_that_doubles_is_refused() {
    let chain = |length: usize, link: &dyn Fn(usize) -> String| {
        let block = |at: usize| {
            let input = if at == 0 { "1".to_owned() } else { link(at - 1) };
            format!("r{at}: {{kind: value, input: {input}}}\n")
        };
        (0..length).map(block).collect::<String>()
    };
    let mut lab = Lab::new();
    let long = chain(600, &|before| format!("'${{r{before}.input}}'"));
    assert!(lab.apply(&long).is_complete());
    let mut lab = Lab::new();
    let pairs = chain(40, &|it| format!("['${{r{it}.input}}', '${{r{it}.input}}']"));
    assert_eq!(lab.refused(&pairs), [Code::E0402]);
}

/// What the provider remarks comes with the rest, of every resource that is fine by itself.
#[test]
fn all_findings_come_in_one_round() {
    let text = "blueprint: Bad Name\nenvironments: {prod: {provider: fake}}\nresources:\n  \
                odd: {kind: bukket}\n  \
                loop_a: {kind: value, input: '${loop_b.output}'}\n  \
                loop_b: {kind: value, input: '${loop_a.output}'}\n  \
                box: {kind: machine, purchase: {on_interruption: hibernate}}\n  \
                bad: {kind: machine, purchase: {on_interruption: hibernate}, cpus: many}\n";
    let mut found = Lab::new().refused(text);
    found.sort();
    let once = [Code::E0204, Code::E0207, Code::E0301, Code::E0601, Code::E0701];
    assert_eq!(found, once);
}

#[test]
fn a_long_cycle_is_told_by_its_ends() {
    let block =
        |at: usize| format!("r{at}: {{kind: value, input: '${{r{}.output}}'}}\n", (at + 1) % 500);
    let lab = Lab::new();
    lab.write(&(0..500).map(block).collect::<String>());
    let problem = lab.try_plan().err().expect("a cycle");
    let text = words(problem);
    assert!(text.contains("and so on over 494 more"), "{text}");
    assert!(text.len() < 2_000, "{text}");
}
