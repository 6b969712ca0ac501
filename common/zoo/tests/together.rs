//! Two zoos: merged and compared; and the card of one.

mod common;

use common::{embedding, recipe, zoo};
use tupate_tasks::{Checkpoint, Recipe};
use tupate_zoo::{
    Dtype, Error, Move, NewEmbedding, Outline, Preferred, Repeated, Similarity, TransferMatrix,
    Zoo, card, diff, merge,
};

fn part(rows: &[(&str, [f32; 2])]) -> Zoo {
    let rows = rows.iter().map(|(id, v)| embedding(id, Checkpoint::Late, v));
    Zoo::pack("part", "", rows).unwrap()
}

fn cosine() -> &'static Similarity {
    Similarity::named("cosine").unwrap()
}

#[test]
fn merging_the_parts_gives_the_whole() {
    let left = part(&[("a", [1.0, 0.0]), ("b", [2.0, 0.5])]);
    let right = part(&[("b", [2.0, 0.5]), ("c", [0.25, 1.0])]);
    let both = merge("part", "", [("left", &left), ("right", &right)], Repeated::Same).unwrap();
    assert_eq!(both, part(&[("a", [1.0, 0.0]), ("b", [2.0, 0.5]), ("c", [0.25, 1.0])]));
    assert_eq!(
        merge("part", "", [("right", &right), ("left", &left)], Repeated::Same).unwrap(),
        both
    );
    assert_eq!(merge("part", "", [("left", &left)], Repeated::Same).unwrap(), left);
}

#[test]
fn merging_refuses_contradictions() {
    let left = part(&[("a", [1.0, 0.0])]);
    let message = |right: &Zoo| {
        merge("m", "", [("left", &left), ("right", right)], Repeated::Same).unwrap_err().to_string()
    };
    assert!(message(&part(&[("a", [1.0, 0.5])])).contains("different lora.late embeddings of a"));
    let mut other = embedding("b", Checkpoint::Late, &[1.0, 1.0]);
    other.recipe = Recipe { init_seed: 9, ..recipe(Checkpoint::Late) };
    let other = Zoo::pack("other", "", [other]).unwrap();
    let error = merge("m", "", [("left", &left), ("right", &other)], Repeated::Same).unwrap_err();
    let Error::Incomparable { differences } = &error else { panic!("{error}") };
    assert_eq!(differences[0].field, "init_seed");
    // One of them has a recipe more.
    assert!(message(&zoo()).contains("differ in checkpoint"));
    let mut start = embedding("b", Checkpoint::Late, &[1.0, 1.0]);
    start.initial = Some(vec![0.0; 2]);
    assert!(message(&Zoo::pack("o", "", [start]).unwrap()).contains("different initial"));
    let array = tupate_zoo::npy::Array { shape: vec![2], values: vec![1.0, 2.0] };
    let unknown =
        tupate_zoo::import("i", "s", "e", vec![(common::task("x"), array)], None).unwrap();
    let error =
        merge("m", "", [("u", &unknown), ("u", &unknown)], Repeated::Same).unwrap_err().to_string();
    assert!(error.contains("does not say by which encoder"), "{error}");
}

#[test]
fn transfer_is_merged_by_setting() {
    let matrix = |text: &str, setting: &str| {
        TransferMatrix::from_csv(text.as_bytes(), setting, "accuracy").unwrap()
    };
    let one = part(&[("a", [1.0, 0.0])]).with_transfer(vec![matrix("t,b\na,1", "x")]).unwrap();
    let two = part(&[("b", [1.0, 0.5])])
        .with_transfer(vec![matrix("t,b\na,1", "x"), matrix("t,b\na,2", "y")])
        .unwrap();
    let both = merge("m", "", [("1", &one), ("2", &two)], Repeated::Same).unwrap();
    assert_eq!(both.transfer().len(), 2);
    let odd = part(&[("b", [1.0, 0.5])]).with_transfer(vec![matrix("t,b\na,3", "x")]).unwrap();
    let error = merge("m", "", [("1", &one), ("o", &odd)], Repeated::Same).unwrap_err().to_string();
    assert!(error.contains("different transfer matrices of the setting x"), "{error}");
}

#[test]
fn what_differs_is_listed() {
    let old =
        part(&[("a", [1.0, 0.0]), ("b", [1.0, 0.5]), ("c", [1.0, 1.0]), ("gone", [0.0, 1.0])]);
    let new = part(&[("a", [1.0, 0.0]), ("b", [0.0, 1.0]), ("c", [1.0, 1.0]), ("new", [1.0, 0.1])]);
    let found = diff(&old, &new, cosine());
    assert_eq!((found.added, found.removed), (vec!["new".into()], vec!["gone".into()]));
    let step = |target: &str, source: &str, from, to| Move {
        set: "lora.late".into(),
        target: target.into(),
        source: source.into(),
        from,
        to,
    };
    // For c, a and b come to be equally close, and a goes before by its id.
    let moved =
        [step("a", "b", 1, 2), step("a", "c", 2, 1), step("c", "a", 2, 1), step("c", "b", 1, 2)];
    assert_eq!(found.moved, moved);
    assert!(diff(&old, &old, cosine()).is_empty());
    let recipe = old.sets().next().unwrap().recipe.clone();
    let found = diff(&old, &zoo(), cosine());
    assert_eq!(found.sets_added, ["lora.early"]);
    assert!(found.sets_changed.is_empty());
    let encoder = tupate_tasks::EncoderRef { weights_sha256: "cd".repeat(32), ..recipe.encoder };
    let other = [("a", [1.0, 0.0, 0.0]), ("b", [1.0, 0.5, 0.0])].map(|(id, row)| {
        let mut new = embedding(id, Checkpoint::Late, &row);
        new.recipe.encoder = encoder.clone();
        new
    });
    let found = diff(&old, &Zoo::pack("z", "", other).unwrap(), cosine());
    let fields: Vec<_> = found.sets_changed["lora.late"].iter().map(|d| &*d.field).collect();
    assert_eq!(fields, ["encoder", "dim"]);
    assert!(!found.is_empty());
    let gauge = diff(&old, &old, Similarity::named("gauge").unwrap());
    assert!(gauge.not_ranked["lora.late"].contains("flatten") && !gauge.is_empty());
}

#[test]
fn a_card_says_what_is_in_the_file() {
    let text = card(&zoo(), "plane.safetensors", "0123");
    for part in [
        "# plane\n\nFour directions.\n",
        "sha256 `0123`",
        "| lora.late | 4 | 2 | LoRA r=1 α=1 on query, late | tiny | abababababab | layer-mean | absolute | 0 |",
        "| a | Task a | CR | made up | 100 | 1 | accuracy | 0.7500 | 0.5000 | unknown |",
        "tupate rank --zoo plane.safetensors --target a",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    assert!(!text.contains("Measured transfer"));
    let mut sly = embedding("a", Checkpoint::Late, &[1.0, 1.0]);
    sly.task.name = "x | y # <script>".into();
    sly.task.id = "a`; ls; `".into();
    let plain = embedding("b", Checkpoint::Late, &[1.0, 1.0]);
    let text = card(&Zoo::pack("z", "", [sly.clone(), plain]).unwrap(), "z", "0");
    assert!(text.contains("x \\| y \\# \\<script\\>"), "{text}");
    assert!(text.contains("--zoo z --target b\n"), "{text}");
    sly.task.id = "-rf".into();
    let text = card(&Zoo::pack("z", "", [sly]).unwrap(), "z", "0");
    assert!(text.contains("--zoo z --target TASK\n"), "{text}");
}

/// A zoo of one tuning: `a` by both checkpoints, with this score.
fn tuning(late: [f32; 2], early: [f32; 2], score: Option<f64>) -> Zoo {
    let rows = [(Checkpoint::Late, late), (Checkpoint::Early, early)];
    let rows = rows.map(|(checkpoint, values)| {
        let mut one = embedding("a", checkpoint, &values);
        (one.task.score, one.task.majority) = (score, Some(0.5));
        one
    });
    Zoo::pack("tuning", "", rows).unwrap()
}

fn mean_of(zoos: &[&Zoo]) -> Result<Zoo, Error> {
    merge("mean", "", zoos.iter().map(|zoo| ("zoo", *zoo)), Repeated::Mean)
}

#[test]
fn a_mean_is_of_seeds() {
    let one = tuning([1.0, 0.0], [1.0, 1.0], Some(0.5));
    let two = tuning([3.0, -1.0], [0.0, 1.0], Some(0.75));
    let three = tuning([5.0, 4.0], [2.0, 1.5], Some(1.0));
    let both = mean_of(&[&one, &two]).unwrap();
    let row = |zoo: &Zoo, key: &str| {
        let set = zoo.sets().find(|set| set.key == key).unwrap().clone();
        zoo.rows(&set).next().unwrap()
    };
    assert_eq!(
        (row(&both, "lora.late"), row(&both, "lora.early")),
        (vec![2.0, -0.5], vec![0.5, 1.0])
    );
    let task = &both.tasks()[0];
    assert_eq!((task.tunings, task.score, task.majority), (2, Some(0.625), Some(0.5)));
    // A mean of two counts twice, and is told from a tuning in the file.
    let all = mean_of(&[&both, &three]).unwrap();
    assert_eq!((row(&all, "lora.late"), all.tasks()[0].tunings), (vec![3.0, 1.0], 3));
    let bytes = all.to_bytes(Dtype::F32).unwrap();
    assert_eq!(Zoo::parse(&bytes).unwrap(), all);
    assert!(String::from_utf8_lossy(&bytes).contains(r#"\"schema\":\"1.4\""#));
    let bytes = one.to_bytes(Dtype::F32).unwrap();
    assert!(!String::from_utf8_lossy(&bytes).contains("tunings"));
    let unscored = tuning([0.0, 2.0], [1.0, 2.0], None);
    assert_eq!(mean_of(&[&one, &unscored]).unwrap().tasks()[0].score, None);
}

#[test]
fn what_has_no_mean_is_refused() {
    let refused = |zoos: &[&Zoo]| mean_of(zoos).unwrap_err().to_string();
    let one = tuning([1.0, 0.0], [1.0, 1.0], Some(0.5));
    let no_mean = "a by LoRA r=1 α=1 on query (early) there is no mean: ";
    let twice = refused(&[&one, &one]);
    assert!(twice.contains(&format!("{no_mean}one embedding is there twice")), "{twice}");
    let changed = |change: fn(&mut NewEmbedding)| {
        let both = [Checkpoint::Late, Checkpoint::Early].map(|checkpoint| {
            let mut other = embedding("a", checkpoint, &[5.0, 1.0]);
            change(&mut other);
            other
        });
        refused(&[&one, &Zoo::pack("other", "", both).unwrap()])
    };
    assert!(changed(|e| e.initial = None).contains("began at different initial values"));
    assert!(changed(|e| e.task.train_examples = 7).contains("100 and 7 training examples"));
    let longer = changed(|e| (e.values, e.initial) = (vec![1.0; 3], Some(vec![0.5; 3])));
    assert!(longer.contains("they differ in length"), "{longer}");
    let three = [Checkpoint::Late, Checkpoint::Early, Checkpoint::Late]
        .into_iter()
        .enumerate()
        .map(|(at, checkpoint)| embedding("a", checkpoint, &[at as f32, 1.0]));
    let error = tupate_zoo::mean(three).unwrap_err().to_string();
    assert!(error.contains("of a there are 2 by LoRA r=1 α=1 on query (late) and 1 by LoRA"));
    // Nor do facts of a task fit that is a mean here and not there.
    let mut early = embedding("a", Checkpoint::Early, &[1.0, 2.0]);
    early.task.tunings = 3;
    let late = embedding("a", Checkpoint::Late, &[1.0, 2.0]);
    let error = Zoo::pack("z", "", [late, early.clone()]).unwrap_err().to_string();
    assert!(error.contains("means of 1 and of 3 tunings"), "{error}");
    early.task.tunings = 0;
    let error = Zoo::pack("z", "", [early]).unwrap_err().to_string();
    assert!(error.contains("a is said to be tuned 0 times"), "{error}");
}

fn advice(method: &str, similarity: &str) -> Preferred {
    Preferred { method: method.into(), similarity: similarity.into() }
}

#[test]
fn advice_is_in_the_file_and_can_be_followed() {
    let advised = zoo().with_preferred(advice("lora.early", "centred")).unwrap();
    let bytes = advised.to_bytes(Dtype::F32).unwrap();
    let read = Zoo::parse(&bytes).unwrap();
    assert_eq!(read.preferred(), Some(&advice("lora.early", "centred")));
    assert_eq!(read.to_bytes(Dtype::F32).unwrap(), bytes);
    assert!(String::from_utf8_lossy(&bytes).contains(r#"\"schema\":\"1.4\""#));
    let outline = Outline::parse(&bytes).unwrap();
    assert_eq!(outline.preferred(), read.preferred());
    // Also by who reads a part of it.
    let part = outline.open(&["lora.late"], &[(0, &bytes)]).unwrap();
    assert_eq!(part.preferred(), read.preferred());
    let text = card(&advised, "plane.safetensors", "0123");
    assert!(text.contains("--target a --method lora.early --similarity centred\n"), "{text}");
    let refused = |method: &str, similarity: &str| {
        zoo().with_preferred(advice(method, similarity)).unwrap_err().to_string()
    };
    assert!(refused("bitfit", "cosine").contains("lora.early, lora.late"));
    assert!(refused("lora.late", "likeness").contains("no similarity likeness"));
    assert!(refused("lora.late", "gauge").contains("gauge"));
    assert!(refused("rrf", "cosine").contains("two methods or more"));
}

#[test]
fn merged_zoos_keep_the_advice_that_all_give() {
    let with = |rows: &[(&str, [f32; 2])], method: &str| {
        part(rows).with_preferred(advice(method, "cosine")).unwrap()
    };
    let (a, b) = ([("a", [1.0, 0.0]), ("x", [0.0, 1.0])], [("b", [1.0, 1.0]), ("y", [2.0, 0.0])]);
    let merged = |one: &Zoo, two: &Zoo| {
        let both = merge("m", "", [("1", one), ("2", two)], Repeated::Same).unwrap();
        both.preferred().cloned()
    };
    let late = with(&a, "lora.late");
    assert_eq!(merged(&late, &with(&b, "lora.late")), Some(advice("lora.late", "cosine")));
    assert_eq!(merged(&late, &with(&b, "lora")), None);
    assert_eq!(merged(&late, &part(&b)), None);
}
