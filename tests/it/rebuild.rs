//! A state that was lost, and objects that it does not know.

use crate::lab::{Lab, addr, codes, lines_of, words};
use dsenv::diag::Code;
use dsenv::drive::{Adoption, Fate, Problem, Rebuilt, Surplus};
use dsenv::state::Status;
use dsenv::world::World;
use dsenv::world::sim::PowerOff;
use dsenv_fake::{CallMatch, Values, Verb, What};
use dsenv_sdk::value::Value;
use std::path::Path;

const DIR: &str = "/project/.dsenv/demo/test";
const CHAIN: &str = "n: {kind: network, cidr: 10.0.0.0/16}\na: {kind: value, input: 1}\n\
                     b: {kind: value, input: \"${a.output}\", protect: true}";

/// A blueprint whose data is not deleted by default.
fn strict(resources: &str) -> String {
    let body: String = resources.lines().map(|line| format!("  {line}\n")).collect();
    format!("blueprint: demo\nenvironments: {{test: {{provider: fake}}}}\nresources:\n{body}")
}

impl Lab {
    /// The whole folder of the state is gone, as on another machine.
    pub(crate) fn lose_everything(&self) {
        let disk = self.world.disk();
        for folder in ["", "/history", "/history/journals"] {
            let folder = format!("{DIR}{folder}");
            for entry in disk.list(Path::new(&folder)).expect("a folder") {
                let path = format!("{folder}/{}", entry.name);
                let _ = disk.remove(Path::new(&path));
            }
        }
    }

    /// Only the state's file is gone.
    fn lose_the_file(&self) {
        self.world.disk().remove(Path::new(&format!("{DIR}/state.json"))).expect("it is there");
    }

    fn try_rebuild(&self, lineage: Option<&str>) -> Result<Rebuilt, Problem> {
        let site = self.site();
        let (compiled, _) = site.compile(&self.request())?;
        let approves = self.approves;
        let approve = &mut |_: &Rebuilt| Box::pin(std::future::ready(approves)) as _;
        self.block_on(site.rebuild(&compiled, lineage, approve))
    }

    pub(crate) fn rebuild(&self) -> Rebuilt {
        let rebuilt = self.try_rebuild(None).unwrap_or_else(|problem| panic!("{}", words(problem)));
        assert_eq!(dsenv::state::verify(&self.state()), Vec::<String>::new());
        rebuilt
    }

    fn adopt(&self, surplus: Surplus) -> Adoption {
        let site = self.site();
        let (compiled, _) = site.compile(&self.request()).map_err(words).expect("it compiles");
        let approves = self.approves;
        let approve = &mut |_: &Adoption| Box::pin(std::future::ready(approves)) as _;
        self.block_on(site.adopt(&compiled, surplus, approve))
            .map_err(words)
            .expect("it is adopted")
    }

    /// Forgets a node, and leaves its object alone.
    fn forget(&self, text: &str) {
        let gone = addr(text);
        self.edit_state("state rm", |state| drop(state.remove(&gone)));
    }
}

fn taken(outcome: &dsenv::drive::Taking) -> Vec<String> {
    outcome.taken.iter().map(|it| format!("{} {:?}", it.owned.addr, it.how)).collect()
}

fn state_only(rebuilt: &Rebuilt) -> Vec<String> {
    rebuilt.outcome.state_only.iter().map(|it| format!("{} {:?}", it.addr, it.fate)).collect()
}

/// On a machine that never had the state: the same objects, and the next plan is empty.
#[test]
fn a_lost_state_is_rebuilt_from_the_tags_alone() {
    let mut lab = Lab::new();
    lab.apply(CHAIN);
    let before = lab.state();
    lab.lose_everything();
    assert_eq!(lines_of(&lab.try_plan().map_err(words).expect("it plans").plan).len(), 3);
    lab.use_new_identity();
    let rebuilt = lab.rebuild();
    assert_eq!(taken(&rebuilt.outcome), ["a Current", "b Current", "n Current"]);
    assert_eq!(rebuilt.serial, Some(1));
    let state = lab.state();
    assert_eq!(state.lineage, before.lineage, "tokens go on meaning the same");
    assert_eq!(state.protected, before.protected);
    for (addr, resource) in &state.resources {
        let (now, then) = (resource.current.as_ref(), before.resources[addr].current.as_ref());
        let (now, then) = (now.expect("it is there"), then.expect("it was there"));
        assert_eq!((&now.token, now.generation), (&then.token, then.generation));
        assert_eq!((&now.args, &now.observed), (&then.args, &then.observed));
        assert_eq!(resource.depends_on, before.resources[addr].depends_on);
    }
    let history = lab.store().read_history().expect("a history");
    let commands: Vec<_> = history.operations.iter().map(|it| it.command.as_str()).collect();
    assert_eq!(commands, ["state rebuild"]);
    lab.check(true);
    lab.run().map_err(words).expect("it runs");
    lab.assert_settled();
    assert_eq!(lab.cloud.objects().len(), 3);
}

/// Tokens of objects that are gone are not used again, whatever was counted.
#[test]
fn generations_never_go_back_over_a_rebuild() {
    let text = |on: i32| {
        format!("a: {{kind: value, input: 1, replace_on: {on}}}\nz: {{kind: value, input: 1}}")
    };
    let mut lab = Lab::new();
    for on in 1..4 {
        lab.apply(&text(on));
    }
    lab.apply("a: {kind: value, input: 1, replace_on: 3}");
    let made = lab.state().resources[&addr("a")].current.clone().expect("it is there");
    assert_eq!(made.generation, 3);
    lab.lose_everything();
    lab.rebuild();
    let state = lab.state();
    assert_eq!(state.resources[&addr("a")].current.as_ref().map(|it| it.generation), Some(3));
    assert!(state.next_generation(&addr("a")) > 1_000_000);
    assert!(state.next_generation(&addr("z")) > 1_000_000, "it was deleted, and nobody knows");
    // Both are made under tokens that were never used.
    lab.apply_and_settle(&text(9));
    assert_eq!(lab.cloud.objects().len(), 2);
}

#[test]
fn a_state_that_is_there_is_not_rebuilt() {
    let mut lab = Lab::new();
    lab.apply(CHAIN);
    assert_eq!(codes(lab.try_rebuild(None).err().expect("it is there")), [Code::E0819]);
}

#[test]
fn nothing_is_rebuilt_from_nothing() {
    let lab = Lab::new();
    lab.write(CHAIN);
    assert_eq!(codes(lab.try_rebuild(None).err().expect("there is nothing")), [Code::E0819]);
}

/// What is not wanted changes nothing.
#[test]
fn a_rebuild_that_is_declined_leaves_no_state() {
    let mut lab = Lab::new();
    lab.apply(CHAIN);
    lab.lose_everything();
    lab.approves = false;
    assert_eq!(lab.rebuild().serial, None);
    assert!(!lab.store().has_state().expect("readable"));
}

#[test]
fn two_lineages_are_not_mixed() {
    let mut lab = Lab::new();
    lab.apply("a: {kind: value, input: 1}");
    let first = lab.state().lineage;
    lab.lose_everything();
    // Somebody did not know better.
    lab.next_process();
    lab.write("a: {kind: value, input: 1}\nb: {kind: value, input: 1}");
    drop(lab.run_unchecked());
    let second = lab.state().lineage;
    assert_ne!(first, second);
    lab.lose_everything();
    let problem = lab.try_rebuild(None).err().expect("there are two");
    let text = words(problem);
    assert!(text.contains("E0819") && text.contains(&first) && text.contains(&second), "{text}");
    let unknown = lab.try_rebuild(Some("nobody")).err().expect("there is none");
    assert_eq!(codes(unknown), [Code::E0819]);
    let rebuilt = lab.try_rebuild(Some(&second)).map_err(words).expect("it is chosen");
    assert_eq!(taken(&rebuilt.outcome), ["a Current", "b Current"]);
    assert_eq!(rebuilt.others, [(first, 1)].into());
    assert_eq!(lab.state().lineage, second);
}

/// What lives in the state alone: values are computed anew, a generated secret is lost, and who takes
/// it is named.
#[test]
fn a_generated_secret_is_lost_and_said_to_be() {
    let text = strict(
        "token: {kind: secret, generate: {length: 12}}\n\
         given: {kind: secret, from: \"${inputs.given}\"}\n\
         v: {kind: value, input: \"${db.host}\"}\n\
         db: {kind: database, engine: postgres, version: \"18\"}\n\
         m: {kind: machine, uses: {db: read}, environment: {T: \"${token.value}\", V: \"${v.output}\"}}",
    )
    .replace("resources:", "inputs: {given: {type: secret}}\nresources:");
    let mut lab = Lab::of(Values::Builtin);
    lab.inputs = vec![("given".to_owned(), "the-given-one".to_owned())];
    lab.apply(&text);
    lab.lose_everything();
    let rebuilt = lab.rebuild();
    assert_eq!(
        state_only(&rebuilt),
        [
            "given Computed",
            r#"token Lost([Addr { name: "m", key: None, part: None }])"#,
            "v Computed"
        ]
    );
    // Nothing is deleted or replaced: the machine gets the new one in place.
    let planned = lab.try_plan().map_err(words).expect("it plans");
    assert_eq!(
        lines_of(&planned.plan),
        ["Create token: New", "Update m: Changed([\"environment\"])"]
    );
    assert!(!planned.verdicts.has_errors());
    let told = rebuilt.next.expect("it can be told");
    assert_eq!(lines_of(&told.plan), lines_of(&planned.plan));
    lab.run().map_err(words).expect("it runs");
    lab.assert_settled();
}

/// A database whose password was made with a lost secret, and cannot be read, is not replaced.
#[test]
fn what_a_cloud_does_not_tell_is_no_reason_to_replace() {
    // `gpu` of a machine is replaced when it changes; as a secret it is never shown.
    let text = |value: &str| {
        format!(
            "blueprint: demo\ninputs: {{s: {{type: secret}}}}\n\
             environments: {{test: {{provider: fake}}}}\nresources:\n  \
             a: {{kind: value, input: 1, replace_on: \"{value}\"}}\n"
        )
    };
    let mut lab = Lab::new();
    lab.inputs = vec![("s".to_owned(), "hidden".to_owned())];
    lab.apply(&text("${inputs.s}"));
    assert!(
        lab.state().resources[&addr("a")]
            .current
            .as_ref()
            .is_some_and(|it| { !it.observed.values.contains_key("replace_on") })
    );
    lab.lose_everything();
    lab.rebuild();
    let planned = lab.try_plan().map_err(words).expect("it plans");
    assert_eq!(lines_of(&planned.plan), Vec::<String>::new());
}

/// Data that the blueprint has no place for any more is not deleted unasked, whatever is lost.
#[test]
fn data_is_not_deleted_after_a_rebuild_unasked() {
    let db = "db: {kind: database, engine: postgres, version: \"18\"}";
    let mut lab = Lab::new();
    // Even where the environment would not have minded.
    lab.apply(&format!("{db}\na: {{kind: value, input: 1}}"));
    lab.lose_everything();
    lab.write("a: {kind: value, input: 1}");
    let rebuilt = lab.rebuild();
    assert_eq!(taken(&rebuilt.outcome), ["a Current", "db Stray"]);
    assert_eq!(lab.refused("a: {kind: value, input: 1}"), [Code::E0809]);
    lab.options.allowed.delete_data = vec![addr("db")];
    lab.apply("a: {kind: value, input: 1}");
    assert_eq!(lab.cloud.objects().len(), 1);
}

/// Where only the file is gone, the history helps: with what lives in the state alone, and secrets.
#[test]
fn a_history_brings_secrets_back() {
    let text = "token: {kind: secret, generate: {length: 12}}\n\
                m: {kind: machine, environment: {T: \"${token.value}\"}}";
    let mut lab = Lab::of(Values::Builtin);
    lab.apply(text);
    let before = lab.state();
    lab.lose_the_file();
    let rebuilt = lab.rebuild();
    assert_eq!(state_only(&rebuilt), ["token FromHistory"]);
    let state = lab.state();
    assert!(state.serial > before.serial, "serials only grow");
    let value = |state: &dsenv::state::State| {
        let object = state.resources[&addr("token")].current.clone().expect("it is there");
        object.observed.values["value"].clone()
    };
    assert_eq!(value(&state), value(&before));
    let planned = lab.try_plan().map_err(words).expect("it plans");
    assert_eq!(lines_of(&planned.plan), Vec::<String>::new());
    assert!(matches!(rebuilt.outcome.state_only[0].fate, Fate::FromHistory));
}

/// An object whose creation had not finished is finished, and not made twice.
#[test]
fn what_was_begun_is_finished_after_a_rebuild() {
    let text =
        "db: {kind: database, engine: postgres, version: \"18\"}\nz: {kind: value, input: 1}";
    let mut lab = Lab::new();
    lab.write(text);
    lab.cloud.inject(CallMatch::verb(Verb::Poll).fails(What::Unknown { happened: false }));
    drop(lab.run_unchecked());
    lab.cloud.clear_faults();
    lab.lose_everything();
    let rebuilt = lab.rebuild();
    assert_eq!(taken(&rebuilt.outcome), ["db Unfinished", "z Current"]);
    let db = lab.state().resources[&addr("db")].current.clone().expect("it is there");
    assert_eq!(db.status, Status::Creating);
    lab.apply_and_settle(text);
    assert_eq!(lab.cloud.objects().len(), 2);
}

/// The old object of a replacement that was not finished: it goes by the next plan.
#[test]
fn the_newest_object_of_a_node_counts() {
    let text = |on: i32| format!("a: {{kind: value, input: 1, replace_on: {on}}}");
    let mut lab = Lab::new();
    lab.apply(&text(1));
    let old = lab.id("a");
    lab.cloud.inject(CallMatch::verb(Verb::Delete).fails(What::Invalid));
    lab.attempt(&text(2));
    lab.cloud.clear_faults();
    lab.lose_everything();
    let rebuilt = lab.rebuild();
    assert_eq!(taken(&rebuilt.outcome), ["a Current", "a Surplus"]);
    let resource = lab.state().resources[&addr("a")].clone();
    assert_eq!(resource.deposed[0].observed.remote_id, old);
    assert_eq!(resource.current.map(|it| it.generation), Some(2));
    lab.apply_and_settle(&text(2));
    assert_eq!(lab.cloud.objects().len(), 1);
}

/// Two of one name and no way to tell which is newer: neither is deleted by the way.
#[test]
fn what_cannot_be_told_apart_is_left_alone() {
    let mut lab = Lab::new();
    lab.apply("a: {kind: value, input: 1}");
    let (front, site) = (lab.front(), lab.site());
    lab.block_on(site.rename(&front, &addr("a"), &addr("b"))).map_err(words).expect("b is free");
    lab.write("b: {kind: value, input: 1}");
    lab.forget("b");
    drop(lab.run_unchecked());
    lab.lose_everything();
    let rebuilt = lab.rebuild();
    assert_eq!(taken(&rebuilt.outcome), ["b Current"]);
    assert_eq!(rebuilt.outcome.left.len(), 1);
    assert_eq!(lab.changes("b: {kind: value, input: 1}"), Vec::<String>::new());
    assert_eq!(lab.cloud.objects().len(), 2);
}

/// A secret that the cloud made and does not show any more: it gets another one in place, and who takes
/// it with it.
#[test]
fn a_secret_that_cannot_be_read_is_given_anew() {
    let text = "db: {kind: database, engine: postgres, version: \"18\"}\n\
                m: {kind: machine, uses: {db: read}}";
    let grant = "m.grant[\"db\"]";
    let mut lab = Lab::new();
    lab.apply(text);
    lab.lose_everything();
    lab.cloud.edit_attributes(&lab.id(grant), |attributes| drop(attributes.remove("password")));
    let rebuilt = lab.rebuild();
    assert_eq!(taken(&rebuilt.outcome), ["db Current", "m.grant[\"db\"] SecretLost", "m Current"]);
    let planned = lab.try_plan().map_err(words).expect("it plans");
    let updates = planned.plan.changes.iter().filter(|it| it.action == dsenv::diff::Action::Update);
    let updates: Vec<_> = updates.map(|it| it.addr.to_string()).collect();
    assert_eq!(updates, [grant, "m"]);
    lab.run().map_err(words).expect("it runs");
    lab.assert_settled();
    let object = lab.cloud.object_at(grant).expect("it is there");
    assert!(object.attributes.contains_key("password"));
}

/// The power goes off anywhere in a rebuild: the next one does it.
#[test]
fn a_rebuild_may_stop_anywhere() {
    for fate in [PowerOff::DropsAll, PowerOff::KeepsAll] {
        let mut operations = 0;
        loop {
            let mut lab = Lab::new();
            lab.apply(CHAIN);
            lab.lose_the_file();
            let disk = lab.world.sim_disk().clone();
            disk.cut_power_after(operations);
            let ended = lab.try_rebuild(None);
            lab.reboot(fate);
            let is_there = lab.store().load(None).is_ok_and(|it| !it.state.resources.is_empty());
            if !is_there {
                lab.rebuild();
            }
            lab.check(true);
            lab.run().map_err(words).expect("it runs");
            lab.assert_settled();
            assert_eq!(lab.cloud.objects().len(), 3);
            if ended.is_ok() {
                break;
            }
            operations += 1;
        }
        assert!(operations > 5, "{operations}");
    }
}

// ---------------------------------------------------------------- adopt

#[test]
fn an_orphan_is_adopted() {
    let text = "a: {kind: value, input: 1}\nb: {kind: value, input: \"${a.output}\"}";
    let mut lab = Lab::new();
    lab.apply(text);
    let id = lab.id("a");
    lab.edit_state("state rm", |state| {
        let b = state.resources.get_mut(&addr("b")).expect("it is there");
        b.depends_on.clear();
        state.resources.remove(&addr("a"));
    });
    let adoption = lab.adopt(Surplus::List);
    assert_eq!(taken(&adoption.outcome), ["a Current"]);
    assert!(adoption.done);
    let object = lab.state().resources[&addr("a")].current.clone().expect("it is known");
    assert_eq!(object.observed.remote_id, id);
    lab.check(true);
    lab.run().map_err(words).expect("it runs");
    lab.assert_settled();
    assert_eq!(taken(&lab.adopt(Surplus::List).outcome), Vec::<String>::new());
    let history = lab.store().read_history().expect("a history");
    assert!(history.operations.iter().any(|it| it.command == "adopt"));
}

#[test]
fn nothing_is_adopted_without_consent() {
    let mut lab = Lab::new();
    lab.apply("a: {kind: value, input: 1}");
    lab.forget("a");
    let serial = lab.state().serial;
    lab.approves = false;
    assert!(!lab.adopt(Surplus::List).done);
    assert_eq!(lab.state().serial, serial);
}

/// An object too many, and one of a node that is gone: listed, and on demand in the next plan.
#[test]
fn surplus_is_listed_and_deleted_by_an_ordinary_plan() {
    let text = strict(
        "db: {kind: database, engine: postgres, version: \"18\"}\nz: {kind: value, input: 1}",
    );
    let mut lab = Lab::new();
    lab.apply(&text);
    let old = lab.id("db");
    lab.forget("db");
    lab.forget("z");
    // Somebody applied without looking: there are two databases now.
    let text = strict("db: {kind: database, engine: postgres, version: \"18\"}");
    lab.write(&text);
    drop(lab.run_unchecked());
    let listed = lab.adopt(Surplus::List);
    assert!(!listed.done && listed.outcome.taken.is_empty());
    let left: Vec<_> = listed.outcome.left.iter().map(|it| it.owned.addr.to_string()).collect();
    assert_eq!(left, ["db", "z"]);
    assert_eq!(listed.outcome.left[0].owned.remote_id, old);
    let taken_too = lab.adopt(Surplus::Take);
    assert_eq!(taken(&taken_too.outcome), ["db Surplus", "z Stray"]);
    // Its data is asked about like any other.
    assert_eq!(lab.refused(&text), [Code::E0809]);
    lab.options.allowed.delete_data = vec![addr("db")];
    lab.apply_and_settle(&text);
    assert_eq!(lab.cloud.objects().len(), 1);
    assert_ne!(lab.id("db"), old);
}

/// Where a cloud takes no token, one token may be on two objects.
#[test]
fn a_second_object_of_one_token_can_be_told_from_the_first() {
    let mut lab = Lab::new();
    lab.cloud.set_tokenless("fake.object", 0);
    lab.apply("a: {kind: value, input: 1}");
    let made = lab.cloud.object_at("a").expect("it is there");
    let twin = lab.cloud.put_twin(&made.remote_id);
    let listed = lab.adopt(Surplus::List);
    assert_eq!(listed.outcome.left[0].owned.remote_id, twin);
    assert_eq!(taken(&lab.adopt(Surplus::Take).outcome), ["a Surplus"]);
    lab.apply_and_settle("a: {kind: value, input: 1}");
    let ids: Vec<_> = lab.cloud.objects().into_iter().map(|it| it.remote_id).collect();
    assert_eq!(ids, [made.remote_id]);
}

/// What is of another history is counted, and left alone.
#[test]
fn what_another_lineage_has_is_not_adopted() {
    let mut lab = Lab::new();
    lab.apply("a: {kind: value, input: 1}");
    let first = lab.state().lineage;
    lab.lose_everything();
    lab.next_process();
    drop(lab.run_unchecked());
    let adoption = lab.adopt(Surplus::Take);
    assert!(!adoption.done);
    assert_eq!(adoption.others, [(first, 1)].into());
}

/// By its name: an object that is an orphan, or one that dsenv never made.
#[test]
fn an_object_is_adopted_by_its_name() {
    let mut lab = Lab::new();
    lab.apply("a: {kind: value, input: 1}\nb: {kind: value, input: 1}");
    let id = lab.id("a");
    lab.forget("a");
    let site = lab.site();
    let (compiled, _) = site.compile(&lab.request()).map_err(words).expect("it compiles");
    let taken = lab.block_on(site.take_over(&compiled, &addr("a"), &id, "adopt"));
    taken.map_err(words).expect("it is free");
    lab.check(true);
    lab.assert_settled();
    let args = lab.cloud.object_at("a").expect("it is there").args;
    assert_eq!(args.get("input"), Some(&Value::Int(1)));
}
