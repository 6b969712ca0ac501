//! Ranking: order, and refusal to compare unlike things.

mod common;

use common::{recipe, zoo};
use proptest::prelude::*;
use tupate_embedding::TaskEmbedding;
use tupate_tasks::{Checkpoint, Recipe};
use tupate_zoo::{Error, Query, Ranking, SIMILARITIES, Similarity, Target, rank};

fn ask(target: Target<'_>, method: Option<&str>, similarity: &str) -> Result<Ranking, Error> {
    rank(&zoo(), &Query { target, method, similarity: Similarity::named(similarity).unwrap() })
}

fn order(ranking: &Ranking) -> Vec<&str> {
    ranking.sources.iter().map(|s| s.task.as_str()).collect()
}

#[test]
fn sources_come_closest_first_and_never_the_target() {
    let ranking = ask(Target::Task("a"), None, "cosine").unwrap();
    assert_eq!(order(&ranking), ["b", "c", "d"]);
    assert_eq!(ranking.sources.iter().map(|s| s.rank).collect::<Vec<_>>(), [1, 2, 3]);
    // cos of (1,0) with (2,.5): 2/√4.25
    assert!((ranking.sources[0].score - 2.0 / 4.25_f64.sqrt()).abs() < 1e-12);
    assert_eq!(ranking.recipe, recipe(Checkpoint::Late), "late goes before early");
}

#[test]
fn a_set_is_chosen_by_key() {
    let ranking = ask(Target::Task("a"), Some("lora.early"), "cosine").unwrap();
    assert_eq!(order(&ranking), ["b"]);
    assert!(ranking.sources[0].score.abs() < 1e-12);
    let error = ask(Target::Task("c"), Some("lora.early"), "cosine").unwrap_err();
    assert!(matches!(error, Error::UnknownTask { .. }), "{error}");
    let error = ask(Target::Task("a"), Some("bitfit"), "cosine").unwrap_err().to_string();
    assert_eq!(error, "no bitfit embeddings in this zoo; it has lora.early, lora.late");
}

#[test]
fn centred_and_delta_by_hand() {
    // The mean of the four late vectors is (.5625, .4375).
    let angle = |x: [f64; 2], y: [f64; 2]| {
        (x[0] * y[0] + x[1] * y[1]) / (x[0].hypot(x[1]) * y[0].hypot(y[1]))
    };
    for (similarity, origin) in [("centred", [0.5625, 0.4375]), ("delta", [0.5, 0.5])] {
        let ranking = ask(Target::Task("a"), None, similarity).unwrap();
        let to = |v: [f64; 2]| [v[0] - origin[0], v[1] - origin[1]];
        for source in &ranking.sources {
            let vector = match source.task.as_str() {
                "b" => [2.0, 0.5],
                "c" => [0.25, 1.0],
                _ => [-1.0, 0.25],
            };
            let wanted = angle(to([1.0, 0.0]), to(vector));
            assert!((source.score - wanted).abs() < 1e-6, "{similarity} {}", source.task);
        }
    }
}

#[test]
fn an_embedding_from_elsewhere_ranks_like_the_task_it_is() {
    let outside = TaskEmbedding {
        task: "mine".into(),
        recipe: recipe(Checkpoint::Late),
        values: vec![1.0, 0.0],
    };
    let ranking = ask(Target::Embeddings(std::slice::from_ref(&outside)), None, "cosine").unwrap();
    assert_eq!(order(&ranking), ["a", "b", "c", "d"]);
    assert_eq!(ranking.sources[0].score, 1.0);
    assert_eq!(ranking.target, "mine");
}

#[test]
fn unlike_recipes_are_refused_by_field() {
    let mut other: Recipe = recipe(Checkpoint::Late);
    other.encoder.weights_sha256 = "cd".repeat(32);
    other.init_seed = 7;
    let outside = TaskEmbedding { task: "mine".into(), recipe: other, values: vec![1.0, 0.0] };
    let error =
        ask(Target::Embeddings(std::slice::from_ref(&outside)), None, "cosine").unwrap_err();
    let Error::Incomparable { differences } = &error else { panic!("{error}") };
    let fields: Vec<_> = differences.iter().map(|d| d.field.as_str()).collect();
    assert_eq!(fields, ["encoder", "init_seed"], "the late set is the nearest one");
    assert_eq!(
        error.to_string(),
        "these embeddings cannot be compared; they differ in encoder: tiny (cdcdcdcdcdcd) against \
         tiny (abababababab); init_seed: 7 against 0"
    );
}

#[test]
fn similarities_are_unique_and_known_by_name() {
    for s in SIMILARITIES {
        assert_eq!(Similarity::named(s.name).unwrap().name, s.name);
        assert!(s.describe.ends_with('.'), "{}", s.name);
    }
    let error = Similarity::named("euclid").unwrap_err().to_string();
    assert_eq!(error, "no similarity euclid; there are cosine, centred, delta, gauge");
}

proptest! {
    #[test]
    fn a_ranking_does_not_depend_on_scale(scale in 0.001_f32..1000.0) {
        let outside = |s: f32| TaskEmbedding {
            task: "mine".into(),
            recipe: recipe(Checkpoint::Late),
            values: vec![0.5 * s, 0.75 * s],
        };
        let (one, scaled) = (outside(1.0), outside(scale));
        let a = ask(Target::Embeddings(std::slice::from_ref(&one)), None, "cosine").unwrap();
        let b = ask(Target::Embeddings(std::slice::from_ref(&scaled)), None, "cosine").unwrap();
        prop_assert_eq!(order(&a), order(&b));
    }
}
