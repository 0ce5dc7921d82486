//! What the engine believes and does when a provider fails, lies or loses a reply.

use crate::lab::Lab;
use dsenv::event::Event;
use dsenv_fake::{CallMatch, Verb, What};
use dsenv_sdk::value::Value;

/// A lost reply leaves the step open, and the next apply asks.
#[test]
fn a_lost_reply_is_found_out_at_the_next_apply() {
    for happened in [true, false] {
        let mut lab = Lab::new();
        lab.cloud.inject(CallMatch::verb(Verb::Create).nth(1).fails(What::Unknown { happened }));
        let outcome = lab.attempt("a: {kind: value, input: 1}");
        assert_eq!((outcome.unknown.len(), outcome.failed.len()), (1, 0));
        lab.apply_and_settle("a: {kind: value, input: 1}");
        assert_eq!(lab.cloud.objects().len(), 1);
    }
}

/// What stopped half way is finished, not made twice.
#[test]
fn a_creation_that_stopped_half_way_is_replaced() {
    let mut lab = Lab::new();
    lab.cloud.inject(CallMatch::verb(Verb::Create).nth(1).fails(What::Partial));
    let outcome = lab.attempt("a: {kind: value, input: 1}");
    assert_eq!(outcome.failed.len(), 1);
    assert_eq!(lab.changes("a: {kind: value, input: 1}"), ["Replace a: Tainted"]);
    lab.apply_and_settle("a: {kind: value, input: 1}");
    assert_eq!(lab.cloud.objects().len(), 1);
}

#[test]
fn a_throttled_call_is_tried_again() {
    let mut lab = Lab::new();
    for nth in 1..4 {
        let throttled = What::Throttled { retry_after_ms: Some(7_000) };
        lab.cloud.inject(CallMatch::verb(Verb::Create).nth(nth).fails(throttled));
    }
    lab.apply("a: {kind: value, input: 1}");
    let again = |event: &Event| matches!(event, Event::Retrying { after_ms: 7_000.., .. });
    assert!(lab.events.iter().any(again));
    assert_eq!(lab.cloud.objects().len(), 1);
    assert!(lab.cloud.calls().iter().filter(|call| call.verb == Verb::Create).count() == 4);
}

/// A cloud that takes a create and never ends it runs into the block's own limit.
#[test]
fn waiting_for_a_cloud_ends_with_the_timeout() {
    let text = "m: {kind: machine, cpus: 2+, timeouts: {create: 90s}}";
    let mut lab = Lab::new();
    lab.cloud.set_polls(Verb::Create, "fake.machine", u32::MAX);
    lab.cloud.set_ask_again_ms(20_000);
    let outcome = lab.attempt(text);
    assert_eq!(outcome.unknown.len(), 1, "{outcome:?}");
    assert_eq!(outcome.unknown[0].error.message, "no answer within 90 s");
    assert!(lab.cloud.calls().iter().filter(|call| call.verb == Verb::Poll).count() <= 5);
}

/// Reads are tried again too.
#[test]
fn a_throttled_read_is_tried_again() {
    let mut lab = Lab::new();
    lab.apply("a: {kind: value, input: 1}");
    for verb in [Verb::Identity, Verb::ReadMany] {
        let throttled = What::Throttled { retry_after_ms: None };
        lab.cloud.inject(CallMatch::verb(verb).nth(1).fails(throttled));
    }
    lab.assert_settled();
}

/// A read that is behind the truth does not make a second object.
#[test]
fn a_stale_read_does_not_look_like_a_deletion() {
    let mut lab = Lab::new();
    lab.cloud.set_stale_reads(1);
    lab.apply("a: {kind: value, input: 1}");
    assert_eq!(lab.changes("a: {kind: value, input: 1}"), Vec::<String>::new());
    lab.apply("a: {kind: value, input: 1}");
    assert_eq!(lab.cloud.objects().len(), 1);
}

/// An interrupted update that is asked for anew with another goal.
#[test]
fn an_interrupted_update_can_become_a_replacement() {
    let mut lab = Lab::new();
    lab.apply("a: {kind: value, input: 1, replace_on: 1}");
    lab.cloud.inject(CallMatch::verb(Verb::Update).fails(What::Unknown { happened: true }));
    let outcome = lab.attempt("a: {kind: value, input: 2, replace_on: 1}");
    assert_eq!(outcome.unknown.len(), 1);
    lab.cloud.clear_faults();
    lab.apply_and_settle("a: {kind: value, input: 2, replace_on: 2}");
    assert_eq!(lab.cloud.objects().len(), 1);
}

/// A tainted object whose delete fails is still tainted.
#[test]
fn a_failed_delete_does_not_heal_a_tainted_object() {
    let text = "a: {kind: value, input: {name: a}}";
    let mut lab = Lab::new();
    lab.cloud.inject(CallMatch::verb(Verb::Create).nth(1).fails(What::Partial));
    lab.attempt(text);
    lab.cloud.inject(CallMatch::verb(Verb::Delete).nth(1).fails(What::Denied));
    lab.attempt(text);
    assert_eq!(lab.changes(text), ["Replace a: Tainted"]);
    lab.apply_and_settle(text);
}

/// What an interrupted create made and somebody deleted meanwhile is made anew.
#[test]
fn an_object_that_went_before_it_was_adopted_is_made_anew() {
    let text = "a: {kind: value, input: 1}";
    let mut lab = Lab::new();
    lab.cloud.inject(CallMatch::verb(Verb::Create).nth(1).fails(What::Unknown { happened: true }));
    lab.attempt(text);
    lab.cloud.delete_out_of_band(&lab.id("a"));
    lab.attempt(text);
    lab.apply_and_settle(text);
    assert_eq!(lab.cloud.objects().len(), 1);
}

/// What the blueprint shows may change although nothing that exists does.
#[test]
fn outputs_alone_are_a_change_of_the_state() {
    let text = |outputs: &str| {
        format!(
            "blueprint: demo\nenvironments: {{test: {{provider: fake}}}}\n\
             resources: {{a: {{kind: value, input: 1}}}}\n{outputs}"
        )
    };
    let mut lab = Lab::new();
    lab.apply(&text(""));
    lab.apply(&text("outputs: {o: \"${a.output}\"}\n"));
    assert_eq!(lab.state().outputs["o"], Value::Int(1));
    lab.assert_settled();
}
