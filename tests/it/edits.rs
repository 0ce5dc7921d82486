//! Edits of the state, and what somebody did to it or to the cloud meanwhile.

use crate::lab::{Lab, addr, codes, lines_of, outcome, words};
use dsenv::diag::Code;
use dsenv::diff::{Mode, Wishes};
use dsenv::drive::Ended;
use dsenv::state::edit;
use dsenv::world::World;
use dsenv_fake::{CallMatch, Verb, What, When};
use dsenv_sdk::value::Value;
use std::path::Path;
use std::time::Duration;

const STATE: &str = "/project/.dsenv/demo/test/state.json";

/// A name that was given away and comes back makes another object.
#[test]
fn a_renamed_resource_and_a_new_one_of_its_old_name_are_two_objects() {
    let mut lab = Lab::new();
    lab.apply("a: {kind: value, input: 1}");
    let old = lab.id("a");
    lab.edit_state("state mv", |state| {
        edit::rename(state, &addr("a"), &addr("b")).expect("b is free");
    });
    lab.write("a: {kind: value, input: 1}\nb: {kind: value, input: 1}");
    outcome(lab.run_unchecked());
    let ids: Vec<String> = lab.cloud.objects().iter().map(|it| it.remote_id.clone()).collect();
    assert!(ids.len() == 2 && ids.contains(&old), "{ids:?}");
    assert_eq!(dsenv::state::verify(&lab.state()), Vec::<String>::new());
}

/// Another name in the blueprint and in the state: the same object, which carries the new one.
#[test]
fn a_renamed_resource_keeps_its_object() {
    let mut lab = Lab::new();
    lab.apply("a: {kind: value, input: 1}\nc: {kind: value, input: \"${a.output}\"}");
    let id = lab.id("a");
    let (front, site) = (lab.front(), lab.site());
    lab.block_on(site.rename(&front, &addr("a"), &addr("b"))).map_err(words).expect("b is free");
    lab.cloud.clear_calls();
    lab.write("b: {kind: value, input: 1}\nc: {kind: value, input: \"${b.output}\"}");
    assert_eq!(lab.id("b"), id);
    lab.assert_settled();
    let again = lab.block_on(site.rename(&front, &addr("a"), &addr("b")));
    assert_eq!(codes(again.expect_err("it is renamed")), [Code::E0814]);
}

/// What an environment made is not made twice because a file is gone.
#[test]
fn a_state_that_is_gone_is_not_taken_for_a_new_one() {
    let text = "a: {kind: value, input: 1, protect: true}";
    let mut lab = Lab::new();
    lab.apply(text);
    lab.world.disk().remove(Path::new(STATE)).expect("it is there");
    assert_eq!(lab.refused(text), [Code::E0802]);
    assert_eq!(codes(lab.try_plan().err().expect("it is gone")), [Code::E0802]);
    let front = lab.front();
    let site = lab.site();
    let serial = lab.block_on(site.restore(&front, 1)).map_err(words).expect("it is kept");
    assert_eq!(serial, 2, "serials only grow");
    lab.assert_settled();
    assert!(lab.state().protected.contains(&addr("a")));
}

/// `state restore` across a replacement: what lives is not lost, and data is asked about.
#[test]
fn a_restore_across_a_replacement_loses_no_object() {
    let text = |on: i32| format!("a: {{kind: value, input: 1, replace_on: {on}}}");
    let mut lab = Lab::new();
    lab.apply(&text(1));
    lab.apply(&text(2));
    let living = lab.id("a");
    let (front, site) = (lab.front(), lab.site());
    lab.block_on(site.restore(&front, 1)).map_err(words).expect("it is kept");
    let state = lab.state();
    let deposed = &state.resources[&addr("a")].deposed;
    assert_eq!(deposed.len(), 1);
    assert_eq!(deposed[0].observed.remote_id, living);
    lab.apply_and_settle(&text(2));
    assert_eq!(lab.cloud.objects().len(), 1);
}

/// The same with a database in it: its deletion is asked about.
#[test]
fn data_that_a_restore_put_aside_is_not_deleted_unasked() {
    let text = |more: &str| {
        format!(
            "blueprint: demo\nenvironments: {{test: {{provider: fake}}}}\nresources:\n  \
             db: {{kind: database, engine: postgres, version: \"18\"{more}}}\n"
        )
    };
    let mut lab = Lab::new();
    lab.apply(&text(""));
    lab.options.allowed.replace = vec![addr("db")];
    lab.apply(&text(", encrypted: false"));
    lab.options.allowed.replace.clear();
    let (front, site) = (lab.front(), lab.site());
    lab.block_on(site.restore(&front, 1)).map_err(words).expect("it is kept");
    assert_eq!(lab.refused(&text("")), [Code::E0809]);
    lab.options.allowed.delete_data = vec![addr("db")];
    lab.apply_and_settle(&text(""));
}

/// An ignored argument is neither compared nor sent anew with another one.
#[test]
fn what_is_ignored_is_not_set_back_with_something_else() {
    let text = |cpus: &str| {
        format!(
            "m: {{kind: machine, cpus: {cpus}, environment: {{A: \"1\"}}, \
             lifecycle: {{ignore: [environment]}}}}"
        )
    };
    let mut lab = Lab::new();
    lab.apply(&text("2+"));
    let changed = Value::Map([("A".to_owned(), Value::text("by hand"))].into());
    let set = changed.clone();
    lab.cloud.edit(&lab.id("m"), |values| drop(values.insert("environment".to_owned(), set)));
    assert_eq!(lab.changes(&text("2+")), Vec::<String>::new());
    lab.apply_and_settle(&text("4+"));
    let object = lab.cloud.object_at("m").expect("it is there");
    assert_eq!(object.args.get("environment"), Some(&changed));
}

/// What is retained on purpose is not left over, and the environment is closed.
#[test]
fn a_destroy_that_retains_data_succeeds() {
    let db = "blueprint: demo\nenvironments: {test: {provider: fake}}\nresources:\n  \
              db: {kind: database, engine: postgres, version: \"18\", on_destroy: retain}\n  \
              a: {kind: value, input: 1}\n";
    let mut lab = Lab::new();
    lab.apply(db);
    let wishes = Wishes { mode: Mode::Destroy, ..Wishes::default() };
    let ended = lab.with_wishes(wishes, |lab| lab.run_unchecked());
    let Ok(Ended::Ran { outcome, left, .. }) = ended else { panic!("it ran") };
    assert!(outcome.is_complete());
    assert_eq!(left, []);
    assert_eq!(lab.cloud.objects().len(), 1);
    let closed = lab.cloud.calls().iter().any(|call| call.verb == Verb::Close);
    assert!(closed, "{:?}", lab.cloud.calls());
}

/// An old object that could not be deleted is not forgotten with the one that went outside.
#[test]
fn an_old_object_outlives_the_forgetting_of_the_current_one() {
    let text = |on: i32| {
        format!(
            "a: {{kind: value, input: 1, replace_on: {on}, lifecycle: {{replace: create_first}}}}"
        )
    };
    let mut lab = Lab::new();
    lab.apply(&text(1));
    lab.cloud.inject(CallMatch::verb(Verb::Delete).fails(What::Invalid));
    let outcome = lab.attempt(&text(2));
    assert_eq!(outcome.failed.len(), 1);
    lab.cloud.clear_faults();
    let state = lab.state();
    let current = state.resources[&addr("a")].current.as_ref().expect("the new one");
    lab.cloud.delete_out_of_band(&current.observed.remote_id);
    lab.gone.push(current.observed.remote_id.clone());
    let wishes = Wishes { mode: Mode::RefreshOnly, ..Wishes::default() };
    lab.with_wishes(wishes, |lab| lab.attempt(&text(2)));
    assert_eq!(lab.state().resources[&addr("a")].deposed.len(), 1, "it is known still");
    lab.apply_and_settle(&text(2));
    assert_eq!(lab.cloud.objects().len(), 1);
}

/// A plan that is made while an apply runs knows that, and takes nothing for interrupted.
#[test]
fn a_plan_amid_an_apply_says_so() {
    let mut lab = Lab::new();
    let slow = What::Latency { ms: 5_000, when: When::After };
    lab.cloud.inject(CallMatch::verb(Verb::Create).fails(slow));
    lab.write("a: {kind: value, input: 1}\nb: {kind: value, input: \"${a.output}\"}");
    let other = lab.neighbour("sim");
    let runtime = lab.runtime();
    let planned = runtime.block_on(async {
        let plan = async {
            tokio::time::sleep(Duration::from_millis(7_000)).await;
            let site = other.site();
            let (compiled, _) = site.compile(&other.request()).map_err(words).expect("it compiles");
            site.plan(&compiled, &other.options).await.map_err(words).expect("it plans")
        };
        futures::join!(lab.running(), plan).1
    });
    let holder = planned.amid.expect("the apply runs");
    assert_eq!(holder.operation, "apply");
    assert_eq!(planned.recovered.adopted, []);
    let planned = lab.try_plan().map_err(words).expect("it plans");
    assert!(planned.amid.is_none() && planned.plan.is_empty());
}

/// One object of the cloud is one node.
#[test]
fn an_object_is_not_imported_twice() {
    let text = "a: {kind: value, input: 1}\nb: {kind: value, input: 1}";
    let lab = Lab::new();
    lab.write(text);
    let args = [("input".to_owned(), Value::Int(1))].into();
    let id = lab.cloud.put_foreign("fake.object", &args);
    let site = lab.site();
    let (compiled, _) = site.compile(&lab.request()).map_err(words).expect("it compiles");
    lab.block_on(site.take_over(&compiled, &addr("a"), &id, "import"))
        .map_err(words)
        .expect("it is free");
    let twice = lab.block_on(site.take_over(&compiled, &addr("b"), &id, "import"));
    assert_eq!(codes(twice.expect_err("it is taken")), [Code::E0814]);
    let planned = lab.plan(text);
    assert_eq!(lines_of(&planned.plan), ["Create b: New"]);
}
