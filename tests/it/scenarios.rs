//! The scenarios of an engine that is trusted with money, each a test.

use crate::lab::{Lab, Stop, addr, codes, lines_of, outcome};
use dsenv::apply::{Interrupt, Outcome};
use dsenv::diag::Code;
use dsenv::diff::{Mode, Wishes};
use dsenv::drive::Ended;
use dsenv::event::Event;
use dsenv::state::Status;
use dsenv_fake::{CallMatch, Values, Verb, What, When};
use dsenv_sdk::value::Value;
use std::time::Duration;

pub(crate) const DIAMOND: &str = r#"
a: {kind: value, input: 1}
b: {kind: value, input: "${a.output}"}
c: {kind: value, input: "${a.output}"}
d: {kind: value, input: ["${b.output}", "${c.output}"]}
"#;

/// A chain under fixed names: each is replaced delete-first.
fn named_chain(on: &str) -> String {
    format!(
        r#"
a: {{kind: value, input: {{name: a}}, replace_on: {on}}}
b: {{kind: value, input: {{name: b, from: "${{a.output.name}}"}}}}
c: {{kind: value, input: {{name: c, from: "${{b.output.name}}"}}}}
"#
    )
}

fn applied(outcome: &Outcome) -> Vec<String> {
    let mut lines: Vec<_> =
        outcome.applied.iter().map(|(addr, verb)| format!("{} {addr}", verb.as_str())).collect();
    lines.sort();
    lines
}

fn late(verb: Verb, ms: u64) -> dsenv_fake::Fault {
    CallMatch::verb(verb).fails(What::Latency { ms, when: When::After })
}

/// Scenario 1: five objects exist, none was answered, the process dies.
#[test]
fn objects_of_a_killed_apply_are_adopted() {
    let five = (0..5).map(|n| format!("m{n}: {{kind: machine, cpus: 2+}}\n")).collect::<String>();
    let mut lab = Lab::new();
    lab.cloud.inject(late(Verb::Create, 5_000));
    lab.write(&five);
    assert!(lab.run_until(Stop::Time(2_000)));
    assert_eq!(lab.cloud.objects().len(), 5);
    lab.cloud.clear_faults();
    let planned = lab.plan(&five);
    assert_eq!(planned.recovered.adopted.len(), 5);
    assert_eq!(lines_of(&planned.plan), Vec::<String>::new());
    lab.apply_and_settle(&five);
    assert_eq!(lab.cloud.objects().len(), 5);
    let adopted = |event: &&Event| matches!(event, Event::Adopted { .. });
    assert_eq!(lab.events.iter().filter(adopted).count(), 0, "they were adopted before");
}

/// Scenario 1, told: the apply after it names each object that it took over.
#[test]
fn an_apply_says_what_it_adopted() {
    let mut lab = Lab::new();
    lab.cloud.inject(late(Verb::Create, 5_000));
    lab.write("a: {kind: value, input: 1}");
    assert!(lab.run_until(Stop::Time(2_000)));
    lab.cloud.clear_faults();
    lab.apply("a: {kind: value, input: 1}");
    let id = lab.id("a");
    assert!(lab.events.contains(&Event::Adopted { addr: addr("a"), remote_id: id }));
    let recovering = |event: &Event| matches!(event, Event::Recovering { .. });
    assert!(lab.events.iter().any(recovering));
}

/// Scenario 4, once: what is under way ends, nothing else begins, the lock is given back.
#[test]
fn an_interrupt_drains() {
    let mut lab = Lab::new();
    lab.cloud.inject(late(Verb::Create, 3_000));
    lab.write("a: {kind: value, input: 1}\nb: {kind: value, input: \"${a.output}\"}");
    let outcome = interrupted(&mut lab, &[(1_000, Interrupt::Drain)]);
    assert_eq!(applied(&outcome), ["create a"]);
    assert_eq!(outcome.skipped, [(addr("b"), None)]);
    assert!(outcome.interrupted && outcome.unknown.is_empty());
    lab.check(false);
    assert_eq!(lab.store().holder().expect("a lock"), None);
    lab.cloud.clear_faults();
    lab.interrupt.send_replace(Interrupt::None);
    assert_eq!(applied(&outcome_of(&mut lab)), ["create b"]);
    lab.assert_settled();
}

/// Scenario 4, twice: it ends at once, and what was begun is found by the next.
#[test]
fn a_second_interrupt_ends_at_once() {
    let mut lab = Lab::new();
    lab.cloud.inject(late(Verb::Create, 60_000));
    lab.write("a: {kind: value, input: 1}\nb: {kind: value, input: \"${a.output}\"}");
    let before_ms = lab.block_on(async { dsenv::world::World::monotonic_ms(&*lab.world) });
    let asked = [(1_000, Interrupt::Drain), (1_000, Interrupt::Abandon)];
    let outcome = interrupted(&mut lab, &asked);
    let after_ms = lab.block_on(async { dsenv::world::World::monotonic_ms(&*lab.world) });
    assert!(after_ms - before_ms < 3_000, "it took {} ms", after_ms - before_ms);
    assert_eq!(outcome.unknown.len(), 1);
    assert_eq!(outcome.skipped, [(addr("b"), None)]);
    lab.check(false);
    lab.cloud.clear_faults();
    lab.interrupt.send_replace(Interrupt::None);
    assert_eq!(applied(&outcome_of(&mut lab)), ["create b"]);
    lab.assert_settled();
    assert_eq!(lab.cloud.objects().len(), 2);
}

/// An interrupt that comes before the first step is one too.
#[test]
fn an_interrupt_before_the_first_step_begins_nothing() {
    let mut lab = Lab::new();
    lab.write(DIAMOND);
    lab.interrupt.send_replace(Interrupt::Drain);
    let ended = lab.run().expect("it is no refusal");
    assert!(matches!(ended, Ended::Interrupted));
    assert_eq!(lab.cloud.mutating_calls().len(), 0);
    assert_eq!(lab.store().holder().expect("a lock"), None);
}

fn outcome_of(lab: &mut Lab) -> Outcome {
    outcome(lab.run())
}

/// Runs, and asks for this after these milliseconds, one after the other.
fn interrupted(lab: &mut Lab, asked: &[(u64, Interrupt)]) -> Outcome {
    let interrupt = lab.interrupt.clone();
    let runtime = lab.runtime();
    let ended = runtime.block_on(async {
        let ask = async {
            for (after_ms, wish) in asked {
                tokio::time::sleep(Duration::from_millis(*after_ms)).await;
                interrupt.send_replace(*wish);
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            ended = lab.running() => ended,
            () = ask => unreachable!("it is pending"),
        }
    });
    outcome(ended)
}

/// Scenario 5.
#[test]
fn the_second_of_two_applies_names_the_first() {
    let mut lab = Lab::new();
    lab.cloud.inject(late(Verb::Create, 60_000));
    lab.write("a: {kind: value, input: 1}");
    let mut other = lab.neighbour("elsewhere");
    other.options.lock_timeout_ms = 5_000;
    let runtime = lab.runtime();
    let calls = lab.cloud.clone();
    let (first, second) = runtime.block_on(async {
        let second = async {
            tokio::time::sleep(Duration::from_millis(1_000)).await;
            let before = calls.calls().len();
            let ended = other.running().await;
            assert_eq!(calls.calls().len(), before, "the cloud was not touched");
            ended
        };
        futures::join!(lab.running(), second)
    });
    assert!(outcome(first).is_complete());
    let problem = second.err().expect("it is refused");
    let findings = problem.into_findings();
    let refused = findings.iter().next().expect("one");
    assert_eq!(refused.code, Code::E0801);
    for part in ["`tester` on `sim` (process 1) for `apply` since 2026-01-01", "waited 5000 ms"] {
        assert!(refused.message.contains(part), "{}", refused.message);
    }
}

/// Scenario 5, while somebody thinks: the lock is kept for as long as the question stands.
#[test]
fn the_lock_is_kept_while_somebody_thinks() {
    let mut lab = Lab::new();
    lab.thinks_ms = 5 * 60_000;
    lab.write("a: {kind: value, input: 1}");
    let mut other = lab.neighbour("elsewhere");
    let runtime = lab.runtime();
    let (first, second) = runtime.block_on(async {
        let second = async {
            tokio::time::sleep(Duration::from_millis(4 * 60_000)).await;
            other.running().await
        };
        futures::join!(lab.running(), second)
    });
    assert_eq!(codes(second.err().expect("it is locked")), [Code::E0801]);
    assert_eq!(applied(&outcome(first)), ["create a"]);
    lab.assert_settled();
}

/// And Ctrl-C while it stands does nothing but end it.
#[test]
fn an_interrupt_at_the_question_begins_nothing() {
    let mut lab = Lab::new();
    lab.thinks_ms = 60_000;
    lab.write("a: {kind: value, input: 1}");
    let interrupt = lab.interrupt.clone();
    let runtime = lab.runtime();
    let ended = runtime.block_on(async {
        let ask = async {
            tokio::time::sleep(Duration::from_millis(5_000)).await;
            interrupt.send_replace(Interrupt::Drain);
        };
        futures::join!(lab.running(), ask).0
    });
    assert!(matches!(ended, Ok(Ended::Interrupted)));
    assert_eq!(lab.cloud.mutating_calls().len(), 0);
    assert_eq!(lab.store().holder().expect("a lock"), None);
    lab.interrupt.send_replace(Interrupt::None);
    lab.thinks_ms = 0;
    lab.apply_and_settle("a: {kind: value, input: 1}");
}

/// Scenario 6: on the same host the death is seen at once.
#[test]
fn the_lock_of_a_dead_process_is_taken_over() {
    let mut lab = Lab::new();
    lab.cloud.inject(late(Verb::Create, 60_000));
    lab.write("a: {kind: value, input: 1}");
    assert!(lab.run_until(Stop::Time(1_000)));
    lab.cloud.clear_faults();
    lab.apply_and_settle("a: {kind: value, input: 1}");
    assert_eq!(lab.cloud.objects().len(), 1);
}

/// Scenario 6: on another host nobody can tell, so the lease runs out; and the one that slept through
/// it writes nothing any more.
#[test]
fn a_sleeper_that_lost_its_lock_writes_nothing() {
    let mut lab = Lab::new();
    let text = "a: {kind: value, input: 1}\nb: {kind: value, input: \"${a.output}\"}";
    lab.cloud.inject(late(Verb::Create, 5_000).clone());
    lab.write(text);
    let mut other = lab.neighbour("elsewhere");
    other.options.lock_timeout_ms = 5_000;
    let runtime = lab.runtime();
    let cloud = lab.cloud.clone();
    let (first, second) = runtime.block_on(async {
        let mut first = Box::pin(lab.running());
        // Stopped in the middle of the first create: nobody polls it, so nothing renews the lease.
        tokio::select! {
            biased;
            () = tokio::time::sleep(Duration::from_millis(1_000)) => {}
            _ = &mut first => panic!("it is not over"),
        }
        tokio::time::sleep(Duration::from_millis(dsenv::state::lease::LEASE_MS)).await;
        cloud.clear_faults();
        let second = other.running().await;
        (first.await, second)
    });
    assert!(outcome(second).is_complete());
    let lost = codes(first.err().expect("it lost its lock"));
    assert_eq!(lost, [Code::E0801]);
    other.check(true);
    other.assert_settled();
    assert_eq!(other.cloud.objects().len(), 2);
}

/// Scenario 7.
#[test]
fn a_second_apply_does_nothing() {
    let mut lab = Lab::new();
    lab.apply_and_settle(DIAMOND);
    assert_eq!(lab.cloud.objects().len(), 4);
    let planned = lab.plan(DIAMOND);
    assert!(planned.plan.is_empty());
}

/// Scenario 7, of every kind.
#[test]
fn every_kind_settles() {
    let text = r#"
net: {kind: network, cidr: 10.0.0.0/16}
lake: {kind: bucket, versioning: true}
features: {kind: database, engine: postgres, version: "18"}
token: {kind: secret, generate: {length: 32}}
notebook:
  kind: machine
  cpus: 2+
  uses: {features: read_write, lake: read}
  software: {python: "3.11", packages: [pandas]}
  environment: {TOKEN: "${token.value}"}
  services: {web: {run: "serve --port=${self.ports.web}", port: 8888}}
workers: {kind: pool, count: 2, uses: {lake: read_write}}
"#;
    for values in [Values::Builtin, Values::Objects] {
        let mut lab = Lab::of(values);
        lab.apply_and_settle(text);
        let outcome = outcome(lab.destroy());
        assert!(outcome.is_complete(), "{outcome:#?}");
        assert!(lab.cloud.objects().is_empty() && lab.state().resources.is_empty());
    }
}

/// Scenario 8.
#[test]
fn a_stale_plan_is_refused_before_any_call() {
    let mut lab = Lab::new();
    lab.apply("a: {kind: value, input: 1}");
    let saved = lab.plan("a: {kind: value, input: 2}").plan;
    lab.apply("a: {kind: value, input: 3}");
    lab.write("a: {kind: value, input: 2}");
    let calls = lab.cloud.calls().len();
    let problem = lab.apply_saved(saved).err().expect("it is stale");
    let findings = problem.into_findings();
    let refused = findings.iter().next().expect("one");
    assert_eq!(refused.code, Code::E0805);
    assert!(refused.message.contains("serial 1 ") && refused.message.contains("at 2 now"));
    assert_eq!(lab.cloud.calls().len(), calls);
}

/// Scenario 8: the first plan of all, applied twice.
#[test]
fn the_first_plan_is_applied_once() {
    let mut lab = Lab::new();
    let saved = lab.plan("a: {kind: value, input: 1}").plan;
    assert!(outcome(lab.apply_saved(saved.clone())).is_complete());
    lab.check(true);
    assert_eq!(codes(lab.apply_saved(saved).err().expect("it is stale")), [Code::E0805]);
}

/// Scenario 9.
#[test]
fn a_plan_for_dev_is_not_applied_to_prod() {
    let text = "blueprint: demo\nenvironments: {dev: {provider: fake}, prod: {provider: fake}}\n\
                resources: {a: {kind: value, input: 1}}\n";
    let mut lab = Lab::new();
    lab.environment = Some("dev".to_owned());
    let saved = lab.plan(text).plan;
    lab.environment = Some("prod".to_owned());
    let calls = lab.cloud.calls().len();
    assert_eq!(codes(lab.apply_saved(saved).err().expect("another one")), [Code::E0806]);
    assert_eq!(lab.cloud.calls().len(), calls);
}

/// Scenario 10.
#[test]
fn a_plan_of_another_version_or_blueprint_is_refused() {
    let mut lab = Lab::new();
    let mut saved = lab.plan("a: {kind: value, input: 1}").plan;
    lab.write("a: {kind: value, input: 2}");
    let problem = lab.apply_saved(saved.clone()).err().expect("it was edited");
    assert_eq!(codes(problem), [Code::E0805]);
    lab.write("a: {kind: value, input: 1}");
    saved.bound.tool_version = "0.0.0".to_owned();
    assert_eq!(codes(lab.apply_saved(saved).err().expect("another version")), [Code::E0807]);
    assert_eq!(lab.cloud.calls().len(), 0);
}

/// Scenario 11.
#[test]
fn drift_is_shown_accepted_or_reverted() {
    let mut lab = Lab::new();
    let text = "a: {kind: value, input: 1}";
    lab.apply(text);
    let id = lab.id("a");
    lab.cloud.edit(&id, |args| {
        args.insert("input".to_owned(), Value::Int(7));
    });
    let planned = lab.plan(text);
    assert_eq!(lines_of(&planned.plan), [r#"Update a: Drifted(["input"])"#]);
    let drift = &planned.plan.changes[0].drift[0];
    assert_eq!((&drift.before, &drift.after), (&Value::Int(1), &Value::Int(7)));
    assert!(drift.relevant);
    lab.take_changes();
    let only = Wishes { mode: Mode::RefreshOnly, ..Wishes::default() };
    lab.with_wishes(only, |lab| lab.apply(text));
    assert_eq!(lab.take_changes(), Vec::<String>::new());
    let seen = lab.state().resources[&addr("a")].current.clone().expect("it is there");
    assert_eq!(seen.observed.values["input"], Value::Int(7));
    lab.apply_and_settle(text);
    assert_eq!(lab.cloud.object_at("a").expect("a").args["input"], Value::Int(1));
}

/// Scenario 12.
#[test]
fn drift_that_nobody_uses_is_not_relevant() {
    let mut lab = Lab::new();
    let text = "a: {kind: network, cidr: 10.0.0.0/16}\nb: {kind: database, engine: postgres, version: \"18\"}";
    lab.apply(text);
    let id = lab.id("b");
    lab.cloud.edit_attributes(&id, |attributes| {
        attributes.insert("server_version".to_owned(), Value::text("18.9"));
    });
    let planned = lab.plan(text);
    let drift: Vec<_> = planned.plan.changes.iter().flat_map(|change| &change.drift).collect();
    assert_eq!(drift.len(), 1);
    assert!(!drift[0].relevant && !planned.plan.has_changes());
    lab.apply_and_settle(text);
}

/// Scenario 13.
#[test]
fn what_was_deleted_outside_is_created_again() {
    let mut lab = Lab::new();
    let text = "a: {kind: value, input: 1}\nb: {kind: value, input: \"${a.output}\"}\n\
                c: {kind: value, input: \"${b.output}\"}";
    lab.apply(text);
    lab.cloud.delete_out_of_band(&lab.id("b"));
    let lines = lab.changes(text);
    assert_eq!(lines[0], "Create b: GoneOutside");
    assert!(lines[1].starts_with("Replace c: Changed"), "{lines:?}");
    lab.apply_and_settle(text);
    assert_eq!(lab.cloud.objects().len(), 3);
}

/// Scenario 13.
#[test]
fn destroy_succeeds_where_something_is_gone_already() {
    let mut lab = Lab::new();
    lab.apply(DIAMOND);
    lab.cloud.delete_out_of_band(&lab.id("b"));
    assert!(outcome(lab.destroy()).is_complete());
    assert!(lab.cloud.objects().is_empty());
    assert!(lab.state().resources.is_empty());
}

/// Scenario 14.
#[test]
fn delete_first_deletes_upwards_and_creates_downwards() {
    let mut lab = Lab::new();
    lab.apply(&named_chain("1"));
    lab.take_changes();
    lab.apply(&named_chain("2"));
    let order = ["delete c", "delete b", "delete a", "create a", "create b", "create c"];
    assert_eq!(lab.take_changes(), order);
    lab.assert_settled();
}

/// Scenario 15.
#[test]
fn create_first_makes_what_it_needs_create_first() {
    let text = |on: i32| {
        format!(
            "a: {{kind: value, input: 1, replace_on: {on}, lifecycle: {{replace: delete_first}}}}\n\
             c: {{kind: value, input: \"${{a.output}}\", lifecycle: {{replace: create_first}}}}"
        )
    };
    let mut lab = Lab::new();
    lab.apply(&text(1));
    lab.take_changes();
    lab.apply(&text(2));
    assert_eq!(lab.take_changes(), ["create a", "create c", "delete c", "delete a"]);
    lab.assert_settled();
}

/// Scenario 16: the new one fails.
#[test]
fn a_create_first_replacement_that_fails_keeps_the_old_object() {
    let mut lab = Lab::new();
    lab.apply("a: {kind: value, input: 1, replace_on: 1}");
    let old = lab.id("a");
    lab.cloud.inject(CallMatch::verb(Verb::Create).fails(What::Quota));
    let outcome = lab.attempt("a: {kind: value, input: 1, replace_on: 2}");
    assert_eq!(outcome.failed.len(), 1);
    let state = lab.state();
    let kept = state.resources[&addr("a")].current.as_ref().expect("the old one counts again");
    assert_eq!((kept.observed.remote_id.as_str(), kept.status), (old.as_str(), Status::Ready));
    lab.cloud.clear_faults();
    lab.apply_and_settle("a: {kind: value, input: 1, replace_on: 2}");
}

/// Scenario 16: the delete of the old one fails.
#[test]
fn an_old_object_that_cannot_be_deleted_is_deleted_by_the_next_apply() {
    let mut lab = Lab::new();
    lab.apply("a: {kind: value, input: 1, replace_on: 1}");
    lab.cloud.inject(CallMatch::verb(Verb::Delete).fails(What::Denied));
    let outcome = lab.attempt("a: {kind: value, input: 1, replace_on: 2}");
    assert_eq!((outcome.applied.len(), outcome.failed.len()), (1, 1));
    assert_eq!(lab.state().resources[&addr("a")].deposed.len(), 1);
    lab.cloud.clear_faults();
    lab.take_changes();
    let planned = lab.plan("a: {kind: value, input: 1, replace_on: 2}");
    assert!(planned.plan.has_changes());
    lab.apply_and_settle("a: {kind: value, input: 1, replace_on: 2}");
    assert_eq!(lab.take_changes(), ["delete a"]);
}

/// Scenario 17: delete done, create fails; then the same goal, another goal, or none.
#[test]
fn a_replacement_cut_in_the_middle_is_finished_towards_the_new_goal() {
    let name = |on: &str| format!("a: {{kind: value, input: {{name: a}}, replace_on: {on}}}\n");
    let goals = [(name("2"), "create a"), (name("3"), "create a"), (String::new(), "")];
    for (goal, expected) in goals {
        let mut lab = Lab::new();
        lab.apply(&format!("{}z: {{kind: value, input: 0}}", name("1")));
        lab.cloud.inject(CallMatch::verb(Verb::Create).fails(What::Quota));
        let outcome = lab.attempt(&format!("{}z: {{kind: value, input: 0}}", name("2")));
        assert_eq!((outcome.applied.len(), outcome.failed.len()), (1, 1));
        assert_eq!(lab.cloud.objects().len(), 1);
        lab.cloud.clear_faults();
        lab.take_changes();
        lab.apply_and_settle(&format!("{goal}z: {{kind: value, input: 0}}"));
        assert_eq!(lab.take_changes().join(","), expected);
    }
}

/// Scenario 18.
#[test]
fn a_failed_step_skips_its_dependants_and_is_recorded() {
    let mut text: String = (0..9).map(|n| format!("i{n}: {{kind: value, input: {n}}}\n")).collect();
    text += "bad: {kind: value, input: 0}\n";
    for n in 0..3 {
        text += &format!("d{n}: {{kind: value, input: \"${{bad.output}}\"}}\n");
    }
    let mut lab = Lab::new();
    lab.cloud.inject(CallMatch::verb(Verb::Create).at("bad").fails(What::Invalid));
    let outcome = lab.attempt(&text);
    assert_eq!((outcome.applied.len(), outcome.failed.len(), outcome.skipped.len()), (9, 1, 3));
    assert!(outcome.skipped.iter().all(|(_, because)| *because == Some(addr("bad"))));
    assert_eq!(lab.state().resources.len(), 9);
    let errors = lab.store().read_errors().expect("the history of errors");
    assert_eq!(errors.len(), 1);
    assert_eq!(
        (errors[0].addr.to_string(), errors[0].failure.class.as_str()),
        ("bad".to_owned(), "invalid")
    );
    lab.cloud.clear_faults();
    assert_eq!(lab.apply(&text).applied.len(), 4);
    lab.assert_settled();
}

/// Scenario 18, the other way: nothing else begins.
#[test]
fn stop_begins_nothing_after_a_failure() {
    let mut lab = Lab::new();
    lab.options.parallelism = 1;
    lab.options.on_error = dsenv::apply::OnError::Stop;
    lab.cloud.inject(CallMatch::verb(Verb::Create).at("a").fails(What::Invalid));
    let text = "a: {kind: value, input: 1}\nb: {kind: value, input: 2}\nc: {kind: value, input: 3}";
    let outcome = lab.attempt(text);
    assert_eq!((outcome.applied.len(), outcome.failed.len(), outcome.skipped.len()), (0, 1, 2));
    assert_eq!(lab.cloud.mutating_calls().len(), 1);
}

/// Scenario 20.
#[test]
fn protection_outlives_its_block() {
    let mut lab = Lab::new();
    let with = "a: {kind: value, input: 1, protect: true}\nb: {kind: value, input: 1}";
    let without = "b: {kind: value, input: 1}";
    lab.apply(with);
    assert_eq!(lab.refused(without), [Code::E0808]);
    lab.write(with);
    assert_eq!(codes(lab.destroy().err().expect("protected")), [Code::E0808]);
    let replace = Wishes { replace: vec![addr("a")], ..Wishes::default() };
    assert_eq!(lab.with_wishes(replace, |lab| lab.refused(with)), [Code::E0808]);
    let target = Wishes { target: vec![addr("a")], ..Wishes::default() };
    assert_eq!(lab.with_wishes(target, |lab| lab.refused(without)), [Code::E0808]);
    // The block itself may go, and the protection stays in the state.
    lab.write("a: {kind: value, input: 1}\nb: {kind: value, input: 1}");
    assert_eq!(codes(lab.destroy().err().expect("protected")), [Code::E0808]);
    lab.edit_state("unprotect", |state| {
        state.protected.clear();
    });
    lab.apply_and_settle(without);
    assert_eq!(lab.cloud.objects().len(), 1);
}

/// Law 11: `protect` on what exists already is a change of the state, although nothing else is.
#[test]
fn protecting_what_exists_is_written_down() {
    let mut lab = Lab::new();
    lab.apply("a: {kind: value, input: 1}");
    lab.apply("a: {kind: value, input: 1, protect: true}");
    assert!(lab.state().protected.contains(&addr("a")));
    lab.assert_settled();
    assert_eq!(lab.refused("b: {kind: value, input: 1}"), [Code::E0808]);
}

/// Scenario 22.
#[test]
fn a_target_brings_what_it_needs_and_nothing_else() {
    let mut lab = Lab::new();
    let target = Wishes { target: vec![addr("b")], ..Wishes::default() };
    let outcome = lab.with_wishes(target, |lab| lab.attempt(DIAMOND));
    assert_eq!(applied(&outcome), ["create a", "create b"]);
    let mut lab = Lab::new();
    let exclude = Wishes { exclude: vec![addr("c")], ..Wishes::default() };
    let outcome = lab.with_wishes(exclude, |lab| lab.attempt(DIAMOND));
    assert_eq!(applied(&outcome), ["create a", "create b"], "c and what needs it are left out");
    lab.apply_and_settle(DIAMOND);
}

/// Scenario 22: one member.
#[test]
fn a_target_may_be_one_member() {
    let text =
        |n: i32| format!("w: {{kind: value, for_each: [x, y], input: \"${{each.key}}-{n}\"}}");
    let mut lab = Lab::new();
    lab.apply(&text(1));
    let target = Wishes { target: vec![addr("w[y]")], ..Wishes::default() };
    let outcome = lab.with_wishes(target, |lab| lab.attempt(&text(2)));
    assert_eq!(applied(&outcome), ["update w[\"y\"]"]);
}

/// Scenario 22: deletes turn the direction round.
#[test]
fn a_targeted_delete_takes_what_stands_on_it_along() {
    let mut lab = Lab::new();
    let rest = "z: {kind: value, input: 1}";
    lab.apply(&format!("{DIAMOND}\n{rest}"));
    let target = Wishes { target: vec![addr("b")], ..Wishes::default() };
    let outcome = lab.with_wishes(target, |lab| lab.attempt(rest));
    assert_eq!(applied(&outcome), ["delete b", "delete d"]);
    let keep = Wishes { mode: Mode::Destroy, exclude: vec![addr("c")], ..Wishes::default() };
    let outcome = lab.with_wishes(keep, |lab| lab.attempt(rest));
    assert_eq!(applied(&outcome), ["delete z"]);
    lab.check(true);
}

/// Scenario 22: what is not excluded is not pulled from under what is.
#[test]
fn what_an_excluded_resource_stands_on_is_not_deleted() {
    let mut lab = Lab::new();
    lab.apply("a: {kind: value, input: 1}\nb: {kind: value, input: \"${a.output}\"}");
    let exclude = Wishes { exclude: vec![addr("b")], ..Wishes::default() };
    let outcome = lab.with_wishes(exclude, |lab| lab.attempt("b: {kind: value, input: 2}"));
    assert_eq!(applied(&outcome), Vec::<String>::new());
    lab.apply_and_settle("b: {kind: value, input: 2}");
    assert_eq!(lab.cloud.objects().len(), 1);
}

/// Scenario 22: what stays is not left without what it stands on.
#[test]
fn what_is_left_out_is_not_pulled_the_ground_from() {
    let text = |on: i32| {
        format!(
            "a: {{kind: value, input: 1, replace_on: {on}}}\n\
             b: {{kind: value, input: \"${{a.output}}\"}}"
        )
    };
    let mut lab = Lab::new();
    lab.apply(&text(1));
    let target = Wishes { target: vec![addr("a")], ..Wishes::default() };
    assert_eq!(lab.with_wishes(target, |lab| lab.refused(&text(2))), [Code::E0816]);
    let exclude = Wishes { exclude: vec![addr("b")], ..Wishes::default() };
    assert_eq!(lab.with_wishes(exclude, |lab| lab.refused(&text(2))), [Code::E0816]);
    let both = Wishes { target: vec![addr("a"), addr("b")], ..Wishes::default() };
    assert!(lab.with_wishes(both, |lab| lab.attempt(&text(2))).is_complete());
}

/// Scenario 23, its half that is built: what is known after apply takes one apply.
#[test]
fn what_is_known_after_apply_takes_one_apply() {
    let text = "db: {kind: database, engine: postgres, version: \"18\"}\n\
                url: {kind: value, input: \"postgres://${db.host}:${db.port}\"}";
    let mut lab = Lab::of(Values::Builtin);
    let planned = lab.plan(text);
    assert!(planned.plan.changes[1].after["input"].known().is_none());
    lab.apply_and_settle(text);
    let state = lab.state();
    let url = state.resources[&addr("url")].current.as_ref().expect("it is there");
    assert!(
        url.args["input"]
            .as_text()
            .is_some_and(|text| text.starts_with("postgres://fake-database-"))
    );
}
