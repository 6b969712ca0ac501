//! The map: the same similarities as in rankings, for every method and similarity.

mod common;

use common::{embedding, recipe, task};
use tupate_metrics::{at_once, no_pause, random};
use tupate_tasks::{Aggregation, Checkpoint, MethodSpec, Recipe};
use tupate_zoo::map::{MOST, Map, ORDERED_BEST, Wish, map};
use tupate_zoo::{Dtype, Error, NewEmbedding, Query, SIMILARITIES, Similarity, Target, Zoo, rank};

fn draw(
    zoo: &Zoo,
    method: Option<&str>,
    similarity: &str,
    target: Option<&str>,
) -> Result<Map, Error> {
    let similarity = Similarity::named(similarity).unwrap();
    at_once(map(zoo, &Wish { method, similarity, target }, &no_pause))
}

/// Tasks in three groups, by three methods, early and late, and LoRA's factors.
fn groups() -> Zoo {
    let number = |seed: u64, i: u64| random(seed, i) as f32 / u64::MAX as f32 - 0.5;
    let methods = [
        MethodSpec::Lora { rank: 1, alpha: 1.0, targets: vec!["query".into()] },
        MethodSpec::BitFit,
        MethodSpec::PTuningV2 { prefix_length: 1 },
    ];
    let mut all = Vec::new();
    for (m, method) in methods.iter().enumerate() {
        for checkpoint in [Checkpoint::Early, Checkpoint::Late] {
            for t in 0..12_u64 {
                let values = (0..8)
                    .map(|i| number(t % 3, i) + 0.2 * number(100 * m as u64 + 10 + t, i) + 1.0);
                let own = Recipe { method: method.clone(), ..recipe(checkpoint) };
                let made = embedding(&format!("t{t:02}"), checkpoint, &values.collect::<Vec<_>>());
                let factors = Recipe { aggregation: Aggregation::Flatten, ..own.clone() };
                if m == 0 && checkpoint == Checkpoint::Late {
                    all.push(NewEmbedding { recipe: factors, ..made.clone() });
                }
                all.push(NewEmbedding { recipe: own, ..made });
            }
        }
    }
    Zoo::pack("groups", "", all).unwrap()
}

/// Every row of the map must be the ranking of its task.
#[track_caller]
fn agrees(zoo: &Zoo, method: &str, similarity: &'static Similarity) {
    let found = draw(zoo, Some(method), similarity.name, None).unwrap();
    for (at, id) in found.tasks.iter().enumerate() {
        let query = Query { target: Target::Task(id), method: Some(method), similarity };
        let ranking = rank(zoo, &query).unwrap();
        assert_eq!(ranking.sources.len() + 1, found.tasks.len());
        for source in &ranking.sources {
            let other = found.tasks.iter().position(|task| *task == source.task).unwrap();
            let similarity = found.similarities.at(at, other);
            assert!(
                // A ranking's direction is rounded to f32.
                (similarity - source.score).abs() < 1e-7,
                "{method}: {id} and {}: {similarity}, ranked by {}",
                source.task,
                source.score
            );
        }
        let nearest: Vec<&String> =
            found.nearest(at).into_iter().map(|other| &found.tasks[other]).collect();
        let ranked: Vec<&String> = ranking.sources.iter().map(|source| &source.task).collect();
        assert_eq!(nearest, ranked, "{method} {}", similarity.name);
    }
}

#[test]
fn similarities_are_those_of_rankings() {
    let zoo = groups();
    for dtype in [Dtype::F32, Dtype::F16, Dtype::Int8] {
        let read = Zoo::parse(&zoo.to_bytes(dtype).unwrap()).unwrap();
        for similarity in SIMILARITIES.iter().filter(|similarity| similarity.universal) {
            for method in ["lora.late", "bitfit.early", "ptuning-v2.late", "ensemble.late"] {
                agrees(&read, method, similarity);
            }
        }
        agrees(&read, "lora.late.flatten", Similarity::named("gauge").unwrap());
    }
}

#[test]
fn neighbours_on_the_map_are_alike() {
    let found = draw(&groups(), Some("lora.late"), "centred", None).unwrap();
    let group = |task: &String| task[1..].parse::<usize>().unwrap() % 3;
    let changes = found.tasks.windows(2).filter(|pair| group(&pair[0]) != group(&pair[1])).count();
    assert_eq!(changes, 2, "{:?}", found.tasks);
    for places in [&found.components, &found.scaling] {
        assert!(places.shares[0] >= places.shares[1] && places.shares[1] > 0.1, "{places:?}");
        assert!(places.stress.is_some_and(|stress| stress < 0.5), "{places:?}");
        // A task's own group is nearer than any other.
        for (i, p) in places.points.iter().enumerate() {
            let far = |j: usize| {
                let q = places.points[j];
                (p[0] - q[0]).hypot(p[1] - q[1])
            };
            let (mut inside, mut outside) = (0.0_f64, f64::INFINITY);
            for j in (0..12).filter(|&j| j != i) {
                if group(&found.tasks[i]) == group(&found.tasks[j]) {
                    inside = inside.max(far(j));
                } else {
                    outside = outside.min(far(j));
                }
            }
            assert!(inside < outside, "{i}: {inside} {outside}");
        }
    }
    // The same bytes, the same map, to the bit.
    assert_eq!(draw(&groups(), Some("lora.late"), "centred", None).unwrap(), found);
}

#[test]
fn what_a_map_cannot_show_is_said() {
    let zoo = groups();
    for (method, similarity, part) in [
        ("rrf.late", "cosine", "fuses ranks"),
        ("none", "cosine", "none"),
        ("bitfit.late", "gauge", "LoRA"),
    ] {
        let error = draw(&zoo, Some(method), similarity, None).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    // b is the mean of a, b and c: it has no direction from there.
    let rows = [("a", [1.0, 0.0]), ("b", [1.0, 1.0]), ("c", [1.0, 2.0])];
    let rows = rows.iter().map(|(id, v)| embedding(id, Checkpoint::Late, v));
    let flat = Zoo::pack("flat", "", rows).unwrap();
    let error = draw(&flat, None, "centred", None).unwrap_err().to_string();
    assert!(error.contains("centred similarity to b is undefined"), "{error}");
    // Two tasks, and one.
    let early = draw(&common::zoo(), Some("lora.early"), "cosine", None).unwrap();
    assert_eq!((early.tasks.len(), early.left_out), (2, 0));
    let one = Zoo::pack("one", "", [embedding("a", Checkpoint::Late, &[1.0])]).unwrap();
    let alone = draw(&one, None, "cosine", None).unwrap();
    assert_eq!((alone.tasks.len(), alone.scaling.stress), (1, None));
}

#[test]
fn of_a_large_set_the_targets_neighbours_are_shown() {
    let n = MOST + 40;
    let angle = |i: usize| i as f32 / n as f32;
    let rows = (0..n).map(|i| NewEmbedding {
        task: task(&format!("{i:04}")),
        recipe: recipe(Checkpoint::Late),
        values: vec![angle(i).cos(), angle(i).sin()],
        initial: None,
    });
    let zoo = Zoo::pack("many", "", rows).unwrap();
    let found = draw(&zoo, None, "cosine", Some("0000")).unwrap();
    assert_eq!((found.tasks.len(), found.left_out), (MOST, 40));
    assert!(!found.tasks.contains(&"1039".into()) && found.tasks.contains(&"0000".into()));
    let other = draw(&zoo, None, "cosine", Some("1039")).unwrap();
    assert!(!other.tasks.contains(&"0000".into()));
    const { assert!(ORDERED_BEST < MOST) };
    assert!(draw(&common::zoo(), Some("lora.late"), "cosine", Some("gone")).is_ok());
    assert_eq!(zoo.tasks().len(), n);
}
