//! Stop anywhere, run again (law 6): after every operation of the disk with every unsynced write
//! lost, and in every call before and after its effect. The next run converges: one object a resource,
//! none twice, none lost, and the plan after it is empty.

#![allow(clippy::print_stdout)] // A failure shows where it was stopped.

use crate::lab::{Lab, Stop};
use dsenv::world::sim::PowerOff;
use dsenv_fake::{CallMatch, Values, Verb, What, When};
use std::sync::Arc;

/// One edit: what was applied before, what is being applied when it stops, how many objects there
/// are afterwards.
struct Edit {
    name: &'static str,
    values: Values,
    before: &'static str,
    after: &'static str,
    objects: usize,
    /// Types whose creates take no token: what they made is found by its tag, after a minute.
    tokenless: &'static [&'static str],
}

const DIAMOND: &str = "\
a: {kind: value, input: 1}
b: {kind: value, input: \"${a.output}\"}
c: {kind: value, input: \"${a.output}\"}
d: {kind: value, input: [\"${b.output}\", \"${c.output}\"]}
e: {kind: value, input: \"${d.output}\"}
f: {kind: value, input: 2}";

/// For how long EC2 may not show what it made.
const INVISIBLE_MS: u64 = 60_000;

const EDITS: &[Edit] = &[
    Edit {
        name: "create without tokens",
        values: Values::LinkedObjects,
        before: "",
        after: "n: {kind: network, cidr: 10.0.0.0/16}\na: {kind: value, input: 1}\n\
                b: {kind: value, input: \"${a.output}\"}",
        objects: 3,
        tokenless: &["fake.network", "fake.object"],
    },
    Edit {
        name: "replace without tokens",
        values: Values::LinkedObjects,
        before: "a: {kind: value, input: 1, replace_on: 1}\nb: {kind: value, input: \"${a.output}\"}",
        after: "a: {kind: value, input: 1, replace_on: 2}\nb: {kind: value, input: \"${a.output}\"}",
        objects: 2,
        tokenless: &["fake.object"],
    },
    Edit {
        name: "create a diamond",
        values: Values::LinkedObjects,
        before: "",
        after: DIAMOND,
        objects: 6,
        tokenless: &[],
    },
    Edit {
        name: "update",
        values: Values::LinkedObjects,
        before: "a: {kind: value, input: 1}\nb: {kind: value, input: 1}",
        after: "a: {kind: value, input: 2}\nb: {kind: value, input: 2}",
        objects: 2,
        tokenless: &[],
    },
    Edit {
        name: "replace create-first",
        values: Values::LinkedObjects,
        before: "a: {kind: value, input: 1, replace_on: 1}\nb: {kind: value, input: \"${a.output}\"}",
        after: "a: {kind: value, input: 1, replace_on: 2}\nb: {kind: value, input: \"${a.output}\"}",
        objects: 2,
        tokenless: &[],
    },
    Edit {
        name: "replace delete-first",
        values: Values::LinkedObjects,
        before: "a: {kind: value, input: {name: a}, replace_on: 1}\n\
                 b: {kind: value, input: {name: b, from: \"${a.output.name}\"}}",
        after: "a: {kind: value, input: {name: a}, replace_on: 2}\n\
                b: {kind: value, input: {name: b, from: \"${a.output.name}\"}}",
        objects: 2,
        tokenless: &[],
    },
    Edit {
        name: "delete a chain",
        values: Values::LinkedObjects,
        before: "a: {kind: value, input: 1}\nb: {kind: value, input: \"${a.output}\"}\n\
                 c: {kind: value, input: \"${b.output}\"}\nz: {kind: value, input: 1}",
        after: "z: {kind: value, input: 1}",
        objects: 1,
        tokenless: &[],
    },
    Edit {
        name: "everything at once",
        values: Values::LinkedObjects,
        before: "a: {kind: value, input: 1, replace_on: 1}\nb: {kind: value, input: \"${a.output}\"}\n\
                 c: {kind: value, input: {name: c}, replace_on: 1}\nd: {kind: value, input: 1}\n\
                 e: {kind: value, input: 1}",
        after: "a: {kind: value, input: 1, replace_on: 2}\nb: {kind: value, input: \"${a.output}\"}\n\
                c: {kind: value, input: {name: c}, replace_on: 2}\nd: {kind: value, input: 2}\n\
                n: {kind: value, input: \"${d.output}\"}",
        objects: 5,
        tokenless: &[],
    },
    Edit {
        name: "a kind becomes another",
        values: Values::Objects,
        before: "a: {kind: value, input: 1}\nb: {kind: value, input: 1}",
        after: "a: {kind: network, cidr: 10.0.0.0/16}\nb: {kind: value, input: 1}",
        objects: 2,
        tokenless: &[],
    },
    Edit {
        name: "a database is accepted first",
        values: Values::Objects,
        before: "",
        after: "db: {kind: database, engine: postgres, version: \"18\"}\n\
                m: {kind: machine, uses: {db: read}}",
        objects: 3,
        tokenless: &[],
    },
    Edit {
        name: "a volume grows and its machine is made anew",
        values: Values::Objects,
        before: "data: {kind: volume, size: 1GiB}\nfiles: {kind: share}\n\
                 m: {kind: machine, image: a, uses: {data: read_write, files: read}}",
        after: "data: {kind: volume, size: 2GiB}\nfiles: {kind: share}\n\
                m: {kind: machine, image: b, uses: {data: read_write, files: read}}",
        objects: 5,
        tokenless: &[],
    },
    Edit {
        name: "a database is changed",
        values: Values::Objects,
        before: "db: {kind: database, engine: postgres, version: \"17\"}",
        after: "db: {kind: database, engine: postgres, version: \"18\"}",
        objects: 1,
        tokenless: &[],
    },
    Edit {
        name: "a database is deleted",
        values: Values::Objects,
        before: "db: {kind: database, engine: postgres, version: \"17\"}\nz: {kind: value, input: 1}",
        after: "z: {kind: value, input: 1}",
        objects: 1,
        tokenless: &[],
    },
];

fn each_edit(test: impl Fn(&Edit) + Sync) {
    for edit in EDITS {
        println!("{}", edit.name);
        test(edit);
    }
}

fn prepared(edit: &Edit) -> Lab {
    let mut lab = Lab::of(edit.values);
    for ty in edit.tokenless {
        lab.cloud.set_tokenless(ty, INVISIBLE_MS);
    }
    if !edit.before.is_empty() {
        lab.apply(edit.before);
    }
    lab.write(edit.after);
    lab
}

/// Stops the edit there and goes on after it; `false` when the run ended before the stop.
fn stops_and_converges(edit: &Edit, stop: Stop) -> bool {
    let mut lab = prepared(edit);
    let stopped = lab.run_until(stop);
    println!("  {stop:?}");
    lab.check(false);
    // What is planned is what is applied, also after a crash.
    lab.try_plan().unwrap_or_else(|problem| panic!("{}", crate::lab::words(problem)));
    lab.apply_and_settle(edit.after);
    assert_eq!(lab.cloud.objects().len(), edit.objects);
    stopped
}

#[test]
fn a_power_failure_after_any_operation_of_the_disk_loses_nothing() {
    each_edit(|edit| {
        let mut operations = 0;
        while stops_and_converges(edit, Stop::Disk(operations, PowerOff::DropsAll)) {
            operations += 1;
        }
        assert!(operations > 20, "{operations}");
    });
}

#[test]
fn a_power_failure_that_tears_what_was_not_synced_loses_nothing() {
    each_edit(|edit| {
        let mut operations = 0;
        while stops_and_converges(edit, Stop::Disk(operations, PowerOff::Tears(operations))) {
            operations += 3;
        }
    });
}

#[test]
fn a_death_in_any_call_loses_nothing() {
    each_edit(|edit| {
        for when in [When::Before, When::After] {
            let mut nth = 1;
            while stops_and_converges(edit, Stop::Call(nth, when)) {
                nth += 1;
            }
            assert!(nth > 2, "{nth}");
        }
    });
}

/// A second crash while the first is being recovered from.
#[test]
fn a_death_during_recovery_loses_nothing() {
    let edit = EDITS.iter().find(|edit| edit.name == "everything at once").expect("it is listed");
    for first in (1..20).step_by(3) {
        let mut nth = 1;
        loop {
            let mut lab = prepared(edit);
            lab.run_until(Stop::Call(first, When::After));
            if !lab.run_until(Stop::Call(nth, When::After)) {
                break;
            }
            lab.apply_and_settle(edit.after);
            assert_eq!(lab.cloud.objects().len(), edit.objects);
            nth += 1;
        }
    }
}

/// After a crash the goal may be another one: back to what was before.
#[test]
fn a_death_in_any_call_and_then_back_to_what_was() {
    each_edit(|edit| {
        let mut nth = 1;
        loop {
            let mut lab = prepared(edit);
            let stopped = lab.run_until(Stop::Call(nth, When::After));
            // A database whose delete was begun may be half gone: making it anew must be asked for.
            lab.options.allowed.replace = ["data", "db"].map(crate::lab::addr).into();
            lab.apply_and_settle(if edit.before.is_empty() {
                "z: {kind: value, input: 1}"
            } else {
                edit.before
            });
            if !stopped {
                break;
            }
            nth += 1;
        }
    });
}

/// Scenario 3: a bug in the engine or a provider, in the middle of the second resource. What was begun
/// stands in the journal, the lock is free, and the next apply goes on from there.
#[test]
fn a_panic_in_the_second_resource_loses_nothing() {
    for when in [When::Before, When::After] {
        let mut lab = Lab::new();
        lab.write("a: {kind: value, input: 1}\nb: {kind: value, input: '${a.output}'}");
        lab.cloud.inject(CallMatch::verb(Verb::Create).at("b").fails(What::Crash { when }));
        lab.cloud.on_crash(Arc::new(|_, _| panic!("a bug")));
        let run =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| lab.run_unchecked().is_ok()));
        assert!(run.is_err(), "the bug is not hidden");
        lab.cloud.clear_faults();
        let identity = dsenv::vault::Identity::find(&*lab.world).expect("readable");
        let loaded = lab.store().load(identity.as_ref()).expect("a sound state");
        let leftover = loaded.leftover.expect("the run did not come to its end");
        let open: Vec<_> = leftover.open_steps.iter().map(|step| step.addr.to_string()).collect();
        assert_eq!(open, ["b"]);
        assert!(loaded.state.resources.contains_key(&crate::lab::addr("a")));
        lab.run().unwrap_or_else(|problem| panic!("{}", crate::lab::words(problem)));
        lab.assert_settled();
        assert_eq!(lab.cloud.objects().len(), 2);
    }
}
