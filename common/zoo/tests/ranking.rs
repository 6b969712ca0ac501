//! Ranking: order, refusal to compare unlike things, share links.

mod common;

use common::{recipe, zoo};
use proptest::prelude::*;
use tupate_embedding::TaskEmbedding;
use tupate_tasks::{Checkpoint, Recipe};
use tupate_zoo::link::View;
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
    let ranking = ask(Target::Embedding(&outside), None, "cosine").unwrap();
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
    let error = ask(Target::Embedding(&outside), None, "cosine").unwrap_err();
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

#[test]
fn links_of_today_open_tomorrow() {
    let view = View {
        zoo: Some("https://example.org/a b&c.safetensors?x=1#y".into()),
        sha256: Some("0f".repeat(32)),
        target: Some("größe".into()),
        method: Some("lora.late".into()),
        similarity: Some("centred".into()),
    };
    assert_eq!(
        view.to_fragment(),
        format!(
            "zoo=https%3A%2F%2Fexample.org%2Fa+b%26c.safetensors%3Fx%3D1%23y&sha256={}\
             &target=gr%C3%B6%C3%9Fe&method=lora.late&similarity=centred",
            "0f".repeat(32)
        )
    );
    assert_eq!(View::from_fragment(&view.to_fragment()), view);
    assert_eq!(
        View::from_fragment("#target=a&later=1"),
        View { target: Some("a".into()), ..View::default() }
    );
    assert_eq!(View::from_fragment("#sha256=XYZ"), View::default(), "no sum, no claim");
    assert_eq!(View::from_fragment(""), View::default());
    assert_eq!(View::default().to_fragment(), "");
}

proptest! {
    #[test]
    fn any_view_survives_its_link(
        zoo in proptest::option::of(".{1,40}"),
        target in proptest::option::of(".{1,40}"),
        method in proptest::option::of(".{1,20}"),
        similarity in proptest::option::of("[a-z]{1,10}"),
        sha256 in proptest::option::of("[0-9a-f]{64}"),
    ) {
        let view = View { zoo, sha256, target, method, similarity };
        let fragment = view.to_fragment();
        prop_assert!(fragment.is_ascii());
        prop_assert_eq!(&View::from_fragment(&fragment), &view);
        prop_assert_eq!(&View::from_fragment(&format!("#{fragment}")), &view);
    }

    #[test]
    fn any_fragment_is_read_without_panic(fragment in ".{0,200}") {
        View::from_fragment(&fragment);
    }

    #[test]
    fn a_ranking_does_not_depend_on_scale(scale in 0.001_f32..1000.0) {
        let outside = |s: f32| TaskEmbedding {
            task: "mine".into(),
            recipe: recipe(Checkpoint::Late),
            values: vec![0.5 * s, 0.75 * s],
        };
        let (one, scaled) = (outside(1.0), outside(scale));
        let a = ask(Target::Embedding(&one), None, "cosine").unwrap();
        let b = ask(Target::Embedding(&scaled), None, "cosine").unwrap();
        prop_assert_eq!(order(&a), order(&b));
    }
}
