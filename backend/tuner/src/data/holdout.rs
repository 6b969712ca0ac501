//! Development examples for a task that has no file of them.

use super::Example;
use super::draw::{Draw, Purpose};
use std::collections::HashSet;
use std::hash::Hash;

/// One example in so many is held out.
const HELD_OUT: usize = 10;

/// A training split in two; both keep the order.
pub(super) struct Split {
    pub(super) kept: Vec<Example>,
    pub(super) held: Vec<Example>,
    /// How it was split, for people.
    pub(super) how: String,
}

fn draw(seed: u64) -> Draw {
    Draw::new(seed, Purpose::HoldOut)
}

/// A tenth of `n`, at least one.
fn tenth(n: usize) -> usize {
    ((n + HELD_OUT / 2) / HELD_OUT).max(1)
}

fn split(examples: Vec<Example>, held: &HashSet<usize>, how: String) -> Split {
    let (mut kept, mut out) = (Vec::new(), Vec::new());
    for (i, example) in examples.into_iter().enumerate() {
        if held.contains(&i) { &mut out } else { &mut kept }.push(example);
    }
    Split { kept, held: out, how }
}

/// One in [`HELD_OUT`] of every class, at least one. `Err` is a class that has
/// one example only.
pub(super) fn by_class(examples: Vec<Example>, classes: usize, seed: u64) -> Result<Split, usize> {
    let mut draw = draw(seed);
    let mut of_class = vec![Vec::new(); classes];
    for (i, example) in examples.iter().enumerate() {
        for class in example.label.classes() {
            of_class[*class as usize].push(i);
        }
    }
    let mut held = HashSet::new();
    for (class, members) in of_class.iter_mut().enumerate() {
        if members.len() == 1 {
            return Err(class);
        }
        draw.shuffle(members);
        held.extend(members.iter().take(tenth(members.len())).copied());
    }
    Ok(split(examples, &held, format!("one in {HELD_OUT} of each class")))
}

/// One in [`HELD_OUT`]. `None` where there is one example only.
pub(super) fn at_random(examples: Vec<Example>, seed: u64) -> Option<Split> {
    if examples.len() < 2 {
        return None;
    }
    let mut order: Vec<usize> = (0..examples.len()).collect();
    draw(seed).shuffle(&mut order);
    order.truncate(tenth(order.len()));
    let held = order.into_iter().collect();
    Some(split(examples, &held, format!("one in {HELD_OUT}")))
}

/// Whole groups, until one example in [`HELD_OUT`] is held out: questions
/// about one text are either learnt from or asked. `groups` are by example.
/// `None` where there is one group only.
pub(super) fn by_group<G: Copy + Eq + Hash>(
    examples: Vec<Example>,
    groups: &[G],
    seed: u64,
) -> Option<Split> {
    let mut seen = HashSet::new();
    let mut order: Vec<G> = groups.iter().copied().filter(|group| seen.insert(*group)).collect();
    let all = order.len();
    if all < 2 {
        return None;
    }
    draw(seed).shuffle(&mut order);
    let mut sizes = std::collections::HashMap::<G, usize>::new();
    for group in groups {
        *sizes.entry(*group).or_default() += 1;
    }
    let (wanted, mut count, mut chosen) = (tenth(examples.len()), 0, HashSet::new());
    for group in order.into_iter().take(all - 1) {
        if count >= wanted {
            break;
        }
        count += sizes[&group];
        chosen.insert(group);
    }
    let held = (0..groups.len()).filter(|&i| chosen.contains(&groups[i])).collect();
    let how = format!("those about {} of {all} articles or texts", chosen.len());
    Some(split(examples, &held, how))
}
