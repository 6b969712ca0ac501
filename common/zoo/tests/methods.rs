//! Several recipes in one zoo: the gauge-invariant similarity and ensembles.

mod common;

use common::{embedding, recipe, task, zoo};
use tupate_embedding::TaskEmbedding;
use tupate_tasks::{Aggregation, Checkpoint, EncoderRef, MethodSpec, Recipe, Values};
use tupate_zoo::{Error, NewEmbedding, Query, Ranking, Similarity, Target, Zoo, rank};

fn ask(zoo: &Zoo, target: &str, method: &str, similarity: &str) -> Result<Ranking, Error> {
    let similarity = Similarity::named(similarity).unwrap();
    rank(zoo, &Query { target: Target::Task(target), method: Some(method), similarity })
}

fn scores(ranking: &Ranking) -> Vec<(&str, f64)> {
    ranking.sources.iter().map(|s| (s.task.as_str(), s.score)).collect()
}

/// One layer, one map of width 2, rank 1: A `[1, 2]` then B `[2, 1]`.
fn factors() -> Recipe {
    let encoder = EncoderRef { layers: 1, ..recipe(Checkpoint::Late).encoder };
    Recipe { encoder, aggregation: Aggregation::Flatten, ..recipe(Checkpoint::Late) }
}

fn with(recipe: &Recipe, rows: &[(&str, &[f32])]) -> Vec<NewEmbedding> {
    rows.iter()
        .map(|(id, values)| NewEmbedding {
            task: task(id),
            recipe: recipe.clone(),
            values: values.to_vec(),
            initial: None,
        })
        .collect()
}

#[test]
fn gauge_sees_the_update_and_not_its_factors() {
    // B·A: a and b are the same update in another basis, c is its opposite,
    // d is at a right angle.
    let rows: [(&str, &[f32]); 4] = [
        ("a", &[1.0, 2.0, 3.0, 1.0]),
        ("b", &[4.0, 8.0, 0.75, 0.25]),
        ("c", &[-1.0, -2.0, 3.0, 1.0]),
        ("d", &[2.0, -1.0, 3.0, 1.0]),
    ];
    let zoo = Zoo::pack("z", "", with(&factors(), &rows)).unwrap();
    assert_eq!(zoo.sets().next().unwrap().key, "lora.late.flatten");
    let ranking = ask(&zoo, "a", "lora", "gauge").unwrap();
    let found = scores(&ranking);
    assert_eq!(found.iter().map(|s| s.0).collect::<Vec<_>>(), ["b", "d", "c"]);
    for ((_, score), wanted) in found.iter().zip([1.0, 0.0, -1.0]) {
        assert!((score - wanted).abs() < 1e-12, "{found:?}");
    }
    // The cosine of raw factors thinks otherwise.
    assert!(ask(&zoo, "a", "lora", "cosine").unwrap().sources[0].score < 0.9);
}

#[test]
fn gauge_refuses_what_holds_no_factors_in_words() {
    let message = |embeddings: Vec<NewEmbedding>, method: &str| {
        let zoo = Zoo::pack("z", "", embeddings).unwrap();
        ask(&zoo, "a", method, "gauge").unwrap_err().to_string()
    };
    let rows: [(&str, &[f32]); 2] = [("a", &[1.0, 2.0, 3.0, 1.0]), ("b", &[4.0, 8.0, 0.75, 0.25])];
    assert_eq!(
        ask(&zoo(), "a", "lora", "gauge").unwrap_err().to_string(),
        "gauge compares the factors of every layer, which lora.late no longer has; pack the runs \
         with --recipe aggregation=flatten"
    );
    let mut both = with(&recipe(Checkpoint::Late), &rows);
    both.extend(with(&factors(), &rows));
    assert!(message(both, "lora").ends_with("choose lora.late.flatten"));
    let delta = Recipe { values: Values::Delta, ..factors() };
    assert!(message(with(&delta, &rows), "lora").contains("pack the runs"));
    let bitfit = Recipe { method: MethodSpec::BitFit, ..factors() };
    assert!(message(with(&bitfit, &rows), "bitfit").contains("and bitfit.late.flatten is BitFit"));
    let wide: [(&str, &[f32]); 2] = [("a", &[1.0; 6]), ("b", &[2.0; 6])];
    assert!(message(with(&factors(), &wide), "lora").contains("square maps"));
    let mut none = rows;
    none[1].1 = &[1.0, 1.0, 0.0, 0.0];
    assert!(message(with(&factors(), &none), "lora").contains("undefined"));
}

#[test]
fn delta_of_changes_is_their_cosine() {
    let delta = Recipe { values: Values::Delta, ..recipe(Checkpoint::Late) };
    let zoo = Zoo::pack("z", "", with(&delta, &[("a", &[1.0, 0.0]), ("b", &[1.0, 1.0])])).unwrap();
    let cosine = ask(&zoo, "a", "lora", "cosine").unwrap().sources;
    assert_eq!(ask(&zoo, "a", "lora", "delta").unwrap().sources, cosine);
}

/// LoRA puts b before c and d; BitFit d before c and b.
fn two_methods() -> Vec<NewEmbedding> {
    let bitfit = Recipe { method: MethodSpec::BitFit, ..recipe(Checkpoint::Late) };
    let lora: [(&str, &[f32]); 4] =
        [("a", &[1.0, 0.0]), ("b", &[1.0, 0.0]), ("c", &[0.6, 0.8]), ("d", &[0.0, 1.0])];
    let other: [(&str, &[f32]); 4] =
        [("a", &[1.0, 0.0]), ("b", &[-1.0, 0.0]), ("c", &[0.8, 0.6]), ("d", &[1.0, 0.0])];
    let mut all = with(&recipe(Checkpoint::Late), &lora);
    all.extend(with(&bitfit, &other));
    all
}

#[test]
fn an_ensemble_is_the_mean_of_similarities() {
    let zoo = Zoo::pack("z", "", two_methods()).unwrap();
    let ranking = ask(&zoo, "a", "ensemble", "cosine").unwrap();
    let found = scores(&ranking);
    for ((task, score), (wanted_task, wanted)) in
        found.iter().zip([("c", 0.7), ("d", 0.5), ("b", 0.0)])
    {
        assert_eq!(*task, wanted_task);
        assert!((score - wanted).abs() < 1e-7, "{found:?}");
    }
    let members: Vec<&str> = ranking.ensemble.iter().map(|m| m.set.as_str()).collect();
    assert_eq!(members, ["bitfit.late", "lora.late"]);
    assert_eq!(ask(&zoo, "a", "ensemble.late", "cosine").unwrap(), ranking);
    assert!(ask(&zoo, "a", "lora", "cosine").unwrap().ensemble.is_empty());
}

#[test]
fn fusion_of_ranks_by_hand() {
    let zoo = Zoo::pack("z", "", two_methods()).unwrap();
    // LoRA: b, c, d. BitFit: d, c, b. All have 1/61 + 1/63 or 2/62.
    let ranking = ask(&zoo, "a", "rrf", "cosine").unwrap();
    let ends = 1.0 / 61.0 + 1.0 / 63.0;
    assert_eq!(scores(&ranking), [("b", ends), ("d", ends), ("c", 2.0 / 62.0)]);
}

#[test]
fn ensembles_refuse_what_does_not_belong_together() {
    let message = |embeddings: Vec<NewEmbedding>, method: &str| {
        let zoo = Zoo::pack("z", "", embeddings).unwrap();
        ask(&zoo, "a", method, "cosine").unwrap_err().to_string()
    };
    let mut fewer = two_methods();
    fewer.remove(3);
    assert!(message(fewer, "ensemble").contains("lora.late lacks d"));
    let mut seeds = two_methods();
    seeds[4..].iter_mut().for_each(|e| e.recipe.init_seed = 3);
    assert!(message(seeds, "ensemble").contains("differ in init_seed: 3 against 0"));
    let one =
        vec![embedding("a", Checkpoint::Late, &[1.0]), embedding("b", Checkpoint::Late, &[1.0])];
    assert!(message(one, "ensemble").contains("no ensemble embeddings"));
    assert!(message(two_methods(), "ensemble.early").contains("no ensemble embeddings"));
    let mut three = two_methods();
    let other = MethodSpec::Lora { rank: 2, alpha: 1.0, targets: vec!["query".into()] };
    let other = Recipe { method: other, ..recipe(Checkpoint::Late) };
    three.extend(with(&other, &[("a", &[1.0, 0.0]), ("b", &[1.0, 0.5])]));
    assert!(message(three, "rrf").contains("one recipe a method"));
}

#[test]
fn a_target_from_elsewhere_has_an_embedding_for_every_method() {
    let own = |mut new: NewEmbedding| {
        new.task.id = "mine".into();
        TaskEmbedding { task: new.task.id, recipe: new.recipe, values: new.values }
    };
    let mut all = two_methods();
    let mine = vec![own(all.remove(0)), own(all.remove(3))];
    let zoo = Zoo::pack("z", "", all).unwrap();
    let by = |method: Option<&str>, embeddings: &[TaskEmbedding]| {
        let similarity = Similarity::named("centred").unwrap();
        rank(&zoo, &Query { target: Target::Embeddings(embeddings), method, similarity })
    };
    // As if they were in the zoo, in whatever order they are given.
    let whole = Zoo::pack("z", "", two_methods()).unwrap();
    let turned = [mine[1].clone(), mine[0].clone()];
    for method in ["ensemble", "ensemble.late", "rrf", "lora", "bitfit.late"] {
        let inside = ask(&whole, "a", method, "centred").unwrap();
        for embeddings in [&mine[..], &turned] {
            let outside = by(Some(method), embeddings).unwrap();
            assert_eq!((&*outside.target, &outside.ensemble), ("mine", &inside.ensemble));
            assert_eq!(
                (outside.sources, outside.recipe),
                (inside.sources.clone(), inside.recipe.clone())
            );
        }
    }
    let says = |method: Option<&str>, embeddings: &[TaskEmbedding], part: &str| {
        let error = by(method, embeddings).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    says(Some("rrf"), &mine[..1], "give that of bitfit, too");
    says(None, &mine, "choose one of lora, bitfit, or all by ensemble");
    says(Some("ptuning-v2"), &mine, "no ptuning-v2 embeddings in this zoo");
    says(None, &[], "the target has no embedding");
    let mut other = mine.clone();
    other[1].task = "yours".into();
    says(Some("ensemble"), &other, "must be of one task, not of mine and yours");
    let mut seed = mine;
    seed[0].recipe.init_seed = 9;
    for method in ["ensemble", "lora"] {
        says(Some(method), &seed, "they differ in init_seed: 9 against 0");
    }
}

#[test]
fn the_papers_recipe_goes_before_others() {
    let mut all = with(&recipe(Checkpoint::Late), &[("a", &[1.0, 0.0]), ("b", &[1.0, 1.0])]);
    let flat = Recipe { aggregation: Aggregation::Flatten, ..recipe(Checkpoint::Late) };
    all.extend(with(&flat, &[("a", &[1.0, 0.0, 2.0]), ("b", &[1.0, 1.0, 0.0])]));
    let zoo = Zoo::pack("z", "", all).unwrap();
    assert_eq!(zoo.set(Some("lora")).unwrap().key, "lora.late");
    assert_eq!(zoo.set(None).unwrap().key, "lora.late");
    assert_eq!(zoo.set(Some("lora.late.flatten")).unwrap().dim, 3);
}
