//! Simulation: from a seed a graph, edits of it, faults, crashes, interrupts and hands in the cloud;
//! after each run what must hold, and at the end, without faults, everything converges.
//!
//! `DSENV_SIM_SEEDS=1000` runs more; `DSENV_SIM_SEED=17` runs one. A failure prints its seed.

use crate::lab::{Lab, Stop};
use dsenv::apply::{Interrupt, OnError};
use dsenv::world::World;
use dsenv::world::sim::PowerOff;
use dsenv_fake::{Seeded, Values, When};
use dsenv_sdk::value::Value;
use std::fmt::Write;
use std::time::Duration;

const SEEDS: u64 = 60;
const NODES_MAX: usize = 30;
const ROUNDS: usize = 6;

/// Numbers from a seed (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % sides as u64).expect("it is below a usize")
    }

    fn one_in(&mut self, sides: usize) -> bool {
        self.below(sides) == 0
    }
}

/// One resource; edges lead to nodes before it.
#[derive(Clone)]
struct Node {
    kind: usize,
    input: usize,
    replace_on: usize,
    needs: Vec<usize>,
}

fn random_node(at: usize, dice: &mut Dice) -> Node {
    let mut node = Node { kind: dice.below(9), input: 0, replace_on: 0, needs: Vec::new() };
    for _ in 0..dice.below(4).min(at) {
        node.needs.push(dice.below(at));
    }
    node.needs.sort_unstable();
    node.needs.dedup();
    node
}

/// Changes some nodes, takes some away, adds some.
fn edit(nodes: &mut [Option<Node>], dice: &mut Dice) {
    for (at, slot) in nodes.iter_mut().enumerate() {
        match (slot, dice.below(10)) {
            (Some(node), 0) => node.input += 1,
            (Some(node), 1) => node.replace_on += 1,
            (Some(node), 2) => node.needs = random_node(at, dice).needs,
            (slot @ Some(_), 3) => *slot = None,
            (slot @ None, 0..=2) => *slot = Some(random_node(at, dice)),
            _ => {}
        }
    }
}

fn text(nodes: &[Option<Node>]) -> String {
    let mut text = String::from("z: {kind: value, input: 0}\n");
    let is_value = |at: &&usize| nodes[**at].as_ref().is_some_and(|node| node.kind > 1);
    for (at, node) in nodes.iter().enumerate() {
        let Some(node) = node else { continue };
        // The only network takes every database in, so it stands on nothing.
        let there = node.needs.iter().filter(|to| nodes[**to].is_some() && node.kind > 0);
        let after: Vec<_> = there.clone().map(|to| format!("n{to}")).collect();
        let refs: Vec<_> =
            there.filter(is_value).map(|to| format!("\"${{n{to}.output}}\"")).collect();
        let (input, replace_on) = (node.input, node.replace_on);
        let block = match node.kind {
            0 => format!("kind: network, cidr: 10.{replace_on}.0.0/16"),
            1 => format!("kind: database, engine: postgres, version: \"{}\"", 10 + input),
            2 => format!(
                "kind: value, input: [{input}, {}], replace_on: {replace_on}, \
                 lifecycle: {{replace: delete_first}}",
                refs.join(", ")
            ),
            _ => format!(
                "kind: value, input: [{input}, {}], replace_on: {replace_on}",
                refs.join(", ")
            ),
        };
        writeln!(
            text,
            "n{at}: {{{}, depends_on: [{}]}}",
            block.replace(", ]", "]"),
            after.join(", ")
        )
        .expect("a text grows");
    }
    text
}

/// One round under faults: an apply that ends somehow.
fn round(lab: &mut Lab, goal: &str, dice: &mut Dice) {
    lab.write(goal);
    lab.options.parallelism = 1 + dice.below(12);
    lab.options.on_error = if dice.one_in(3) { OnError::Stop } else { OnError::Continue };
    lab.cloud.set_stale_reads(u32::try_from(dice.below(3)).expect("small"));
    if dice.below(3) > 0 {
        lab.cloud.seed_faults(Some(Seeded {
            seed: dice.below(1 << 30) as u64,
            per_mille: u32::try_from(dice.below(300)).expect("small"),
            node_max: 3,
            latency_max_ms: 90_000,
        }));
    }
    if dice.one_in(4) {
        lab.cloud.set_quota("fake.object", 3 + dice.below(NODES_MAX));
    }
    match dice.below(6) {
        0 => {
            let fate = match dice.below(3) {
                0 => PowerOff::DropsAll,
                1 => PowerOff::KeepsAll,
                _ => PowerOff::Tears(dice.below(1 << 20) as u64),
            };
            lab.run_until(Stop::Disk(dice.below(150) as u64, fate));
        }
        1 => {
            let nth = u32::try_from(1 + dice.below(60)).expect("small");
            lab.run_until(Stop::Call(nth, if dice.one_in(2) { When::Before } else { When::After }));
        }
        2 => {
            lab.run_until(Stop::Time(dice.below(60_000) as u64));
        }
        3 => drained(lab, dice),
        _ => drop(lab.run_unchecked()),
    }
    lab.cloud.seed_faults(None);
    lab.cloud.clear_faults();
    lab.cloud.set_quota("fake.object", 10_000);
    lab.check(false);
}

/// Somebody presses Ctrl-C, perhaps twice.
fn drained(lab: &mut Lab, dice: &mut Dice) {
    let interrupt = lab.interrupt.clone();
    let (first_ms, second_ms) = (dice.below(40_000) as u64, dice.below(40_000) as u64);
    let twice = dice.one_in(2);
    let runtime = lab.runtime();
    runtime.block_on(async {
        let ask = async {
            tokio::time::sleep(Duration::from_millis(first_ms)).await;
            interrupt.send_replace(Interrupt::Drain);
            if twice {
                tokio::time::sleep(Duration::from_millis(second_ms)).await;
                interrupt.send_replace(Interrupt::Abandon);
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            _ = lab.running() => {}
            () = ask => unreachable!("it is pending"),
        }
    });
    lab.interrupt.send_replace(Interrupt::None);
}

/// Somebody else works in the cloud: changes what is there, deletes what nobody stands on.
fn out_of_band(lab: &mut Lab, dice: &mut Dice) {
    for object in lab.cloud.objects() {
        if object.stage != dsenv_fake::Stage::Ready || !dice.one_in(12) {
            continue;
        }
        if dice.one_in(2) && object.args.contains_key("input") {
            lab.cloud.edit(&object.remote_id, |args| {
                args.insert("input".to_owned(), Value::text("by hand"));
            });
        } else if object.ty.name != "fake.database" {
            lab.cloud.delete_out_of_band(&object.remote_id);
            lab.gone.push(object.remote_id);
        }
    }
}

fn simulate(seed: u64) {
    let mut dice = Dice(seed);
    let values = if dice.one_in(2) { Values::Objects } else { Values::Builtin };
    let mut lab = Lab::of(values);
    // Some of what there is on EC2 takes no token.
    for ty in ["fake.network", "fake.object"] {
        if dice.one_in(3) {
            lab.cloud.set_tokenless(ty, 60_000);
        }
    }
    let count = 1 + dice.below(NODES_MAX);
    let mut nodes: Vec<Option<Node>> =
        (0..count).map(|at| Some(random_node(at, &mut dice))).collect();
    for node in &mut nodes {
        if dice.one_in(4) {
            *node = None;
        }
    }
    for _ in 0..ROUNDS {
        let known = |addr: &dsenv_sdk::Addr| {
            let state = lab.state();
            let at: usize = addr.name[1..].parse().expect("a number");
            nodes[at].is_some() || state.resources.contains_key(addr)
        };
        let all = (0..count).map(|at| crate::lab::addr(&format!("n{at}")));
        lab.write(&text(&nodes));
        // Data may go: what is simulated is the engine, and the guard has its own tests.
        lab.options.allowed.replace = all.filter(|addr| known(addr)).collect();
        round(&mut lab, &text(&nodes), &mut dice);
        if dice.one_in(3) {
            out_of_band(&mut lab, &mut dice);
        }
        edit(&mut nodes, &mut dice);
    }
    lab.options.parallelism = 10;
    lab.options.on_error = OnError::Continue;
    lab.cloud.set_stale_reads(0);
    lab.apply_and_settle(&text(&nodes));
    let expected = nodes.iter().flatten().count() + 1;
    assert_eq!(lab.state().resources.len(), expected);
    if values == Values::Objects {
        assert_eq!(lab.cloud.objects().len(), expected);
    }
    assert!(crate::lab::outcome(lab.destroy()).is_complete());
    assert!(lab.cloud.objects().is_empty());
    assert!(lab.world.sim_disk().operations() > 0);
}

#[test]
fn every_seed_converges() {
    let world = dsenv::world::real::RealWorld::new();
    let number = |name: &str| world.variable(name).map(|text| text.parse().expect("a number"));
    let only: Option<u64> = number("DSENV_SIM_SEED");
    let seeds = only.map_or(0..number("DSENV_SIM_SEEDS").unwrap_or(SEEDS), |seed| seed..seed + 1);
    let next = std::sync::Mutex::new(seeds);
    let work = || {
        loop {
            let seed = next.lock().expect("taking a seed does not panic").next();
            let Some(seed) = seed else { break };
            let name = format!("seed {seed}");
            // A thread's name stands in the message of its panic.
            let one = std::thread::Builder::new().name(name).spawn(move || simulate(seed));
            one.expect("a thread").join().unwrap_or_else(|_| panic!("DSENV_SIM_SEED={seed} fails"));
        }
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
}
