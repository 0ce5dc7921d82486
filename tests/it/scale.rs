//! The engine's work grows with the blueprint and not faster: counted, not timed.
//!
//! What is counted is allocations and their bytes on the thread that runs the engine: a list that is
//! copied for each node, a map that is built for each step, shows in both. Times are in `tests/bench`.

use crate::lab::{Lab, words};
use dsenv_fake::Values;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fmt::Write;

/// Ten times the resources may take this many times the work: ordered maps cost a logarithm.
const GROWTH_MAX: f64 = 11.0;
const SMALL: usize = 400;

/// The system's allocator, which counts for each thread.
struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<u64> = const { Cell::new(0) };
}

fn note(bytes: usize) {
    // A thread that ends has no counter any more, and nobody asks.
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
    let _ = BYTES.try_with(|sum| sum.set(sum.get() + bytes as u64));
}

#[allow(unsafe_code, reason = "an allocator is; this one hands everything on as it is")]
// SAFETY: every call goes to the system's allocator with the arguments that it came with.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations and bytes of a piece of work on this thread.
fn work(run: impl FnOnce()) -> (u64, u64) {
    let before = (COUNT.get(), BYTES.get());
    run();
    (COUNT.get() - before.0, BYTES.get() - before.1)
}

/// Ten layers; each resource takes the outputs of three of the layer before.
fn layers(count: usize) -> String {
    let per = count / 10;
    let mut text = String::new();
    for layer in 0..10 {
        for at in 0..per {
            let takes = |step: usize| format!("${{l{}_{}.output}}", layer - 1, (at + step) % per);
            let input = if layer == 0 {
                at.to_string()
            } else {
                format!("[\"{}\", \"{}\", \"{}\"]", takes(0), takes(7), takes(13))
            };
            // A value that took its inputs whole would double with each layer.
            writeln!(text, "l{layer}_{at}: {{kind: value, input: {at}, replace_on: {input}}}")
                .expect("a text grows");
        }
    }
    text
}

#[test]
fn ten_times_the_resources_are_ten_times_the_work() {
    let measure = |count: usize| {
        let mut lab = Lab::of(Values::Builtin);
        let text = layers(count);
        let plan = work(|| drop(lab.plan(&text)));
        let apply = work(|| drop(lab.run_unchecked().map_err(words).expect("it is applied")));
        let again = work(|| assert!(lab.plan(&text).plan.is_empty()));
        lab.write("{}");
        let destroy = work(|| drop(lab.run_unchecked().map_err(words).expect("it is destroyed")));
        assert!(lab.state().resources.is_empty());
        [("plan", plan), ("apply", apply), ("plan, no change", again), ("destroy", destroy)]
    };
    let small = measure(SMALL);
    let large = measure(10 * SMALL);
    for ((what, (count, bytes)), (_, (count_10, bytes_10))) in small.into_iter().zip(large) {
        let growth = [count_10 as f64 / count as f64, bytes_10 as f64 / bytes as f64];
        assert!(
            growth.iter().all(|growth| *growth < GROWTH_MAX),
            "{what}: {count} allocations become {count_10}, {bytes} bytes become {bytes_10}"
        );
    }
}

/// The lines of ten times as many machines and buckets cost ten times the work, and no list is searched for each.
#[test]
fn ten_times_the_resources_are_ten_times_the_work_of_an_estimate() {
    use dsenv::drive::{Options, Request, Site};
    use dsenv::estimate::{Moment, Terms, estimate};
    use dsenv::registry::Registry;
    use dsenv::world::sim::{SimDisk, SimWorld};
    use dsenv_sdk::prices::Book;
    use std::path::{Path, PathBuf};
    use std::sync::Arc;
    let of = |count: usize| {
        let mut text = "blueprint: many\nresources:\n".to_owned();
        text.push_str("  net: {kind: network, cidr: 10.0.0.0/16}\n");
        for at in 0..count {
            writeln!(text, "  m{at}: {{kind: machine, type: m7i.large}}").expect("a text grows");
            writeln!(text, "  b{at}: {{kind: bucket}}").expect("a text grows");
        }
        text.push_str("environments:\n  prod: {provider: aws, region: us-east-1}\n");
        let disk = SimDisk::new();
        disk.put(Path::new("dsenv.yaml"), text.as_bytes());
        let site = Site {
            world: Arc::new(SimWorld::new(1, disk)),
            file: PathBuf::from("dsenv.yaml"),
            here: PathBuf::from("/"),
            cache: PathBuf::from("/cache"),
            variables: std::collections::BTreeMap::new(),
            registry: Registry::built_in(),
        };
        let (compiled, _) = site.compile(&Request::default()).expect("it compiles");
        let planned = site.foresee(&compiled, &Options::default()).expect("a plan");
        let (book, front) = (Book::builtin(), &compiled.front);
        let (plan, resolved) = (&planned.plan, &front.resolved);
        work(|| {
            let terms = Terms::of(&book);
            let all = estimate(plan, resolved, &*front.provider, &terms, Moment::After);
            assert!(all.total().missing == 0 && all.resources.len() == 2 * count + 1);
        })
    };
    let (few, many) = (of(SMALL / 4), of(SMALL / 4 * 10));
    let times = |few: u64, many: u64| many as f64 / few as f64;
    let (calls, bytes) = (times(few.0, many.0), times(few.1, many.1));
    assert!(calls < GROWTH_MAX && bytes < GROWTH_MAX, "{calls:.2} {bytes:.2}: {few:?} {many:?}");
}
