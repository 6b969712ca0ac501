//! Whose turn it is.

use crate::store::OwnedRun;
use std::collections::HashMap;

/// The queued run to begin next: of the owners who wait, the one with the fewest
/// runs on workers, then the one who was served the longest ago, then the one who
/// waits longest; of theirs, the oldest. `queued` is oldest first; `served` counts
/// up with every start.
pub(super) fn next<'a>(
    queued: &'a [OwnedRun],
    running: &[OwnedRun],
    served: &HashMap<String, u64>,
) -> Option<&'a OwnedRun> {
    let on_workers = |owner: &str| running.iter().filter(|run| run.owner == owner).count();
    queued
        .iter()
        .enumerate()
        .min_by_key(|(place, run)| {
            let last = served.get(&run.owner).copied().unwrap_or_default();
            (on_workers(&run.owner), last, *place)
        })
        .map(|(_, run)| run)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tupate_api::{Data, NewRun, Run, RunState};

    fn run(owner: &str, id: usize) -> OwnedRun {
        let spec = NewRun {
            data: Data::Task("t".into()),
            name: None,
            method: None,
            encoder: None,
            columns: None,
            epochs: None,
            batch_size: None,
            learning_rates: None,
            max_train: None,
            max_length: None,
            seed: 0,
            init_seed: 0,
            ranking: None,
        };
        let run = Run {
            id: id.to_string(),
            owner: owner.into(),
            spec,
            state: RunState::Queued,
            reason: None,
            created: 0,
            updated: 0,
            starts: 0,
            finishing: false,
            progress: None,
            result: None,
            last_event: 1,
        };
        OwnedRun { run, owner: owner.into() }
    }

    /// Serves the whole queue with this many workers, each taking as long.
    fn order(owners: &str, workers: usize) -> String {
        let mut queued: Vec<_> =
            owners.chars().enumerate().map(|(i, o)| run(&o.to_string(), i)).collect();
        let (mut running, mut served, mut order) = (Vec::new(), HashMap::new(), String::new());
        while let Some(chosen) = next(&queued, &running, &served).cloned() {
            served.insert(chosen.owner.clone(), order.len() as u64 + 1);
            order.push_str(&chosen.owner);
            queued.retain(|run| run.run.id != chosen.run.id);
            running.push(chosen);
            if running.len() >= workers {
                running.remove(0);
            }
        }
        order
    }

    #[test]
    fn owners_take_turns_whoever_asked_for_more() {
        assert_eq!(order("aaaaabb", 1), "ababaaa");
        assert_eq!(order("aaaabc", 1), "abcaaa");
        assert_eq!(order("aaaabbbb", 2), "abababab");
        assert_eq!(order("", 1), "");
    }

    #[test]
    fn of_one_owner_the_oldest_goes_first() {
        let queued = [run("a", 1), run("a", 2)];
        assert_eq!(next(&queued, &[], &HashMap::new()).unwrap().run.id, "1");
    }

    #[test]
    fn who_has_a_worker_lets_others_go_first() {
        let queued = [run("a", 1), run("b", 2)];
        let served = HashMap::from([("b".to_owned(), 9)]);
        assert_eq!(next(&queued, &[run("a", 0)], &served).unwrap().owner, "b");
    }
}
