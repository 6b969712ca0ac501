//! What an answer holds: ensembles, the second method, measured gains, files on their way.

use super::*;
use crate::{guest, preparing};
use std::cell::Cell;
use tupate_embedding::TaskEmbedding;
use tupate_metrics::at_once;
use tupate_tasks::{EncoderRef, MethodSpec, Metric, Recipe, TaskClass};
use tupate_zoo::{Dtype, NewEmbedding, TaskEntry, TransferMatrix};

fn embedding(id: &str, method: MethodSpec, moment: Checkpoint, values: &[f32]) -> NewEmbedding {
    let encoder = EncoderRef {
        name: "tiny".into(),
        weights_sha256: "ab".repeat(32),
        layers: 2,
        hidden_size: 4,
    };
    NewEmbedding {
        task: TaskEntry {
            id: id.into(),
            name: id.to_uppercase(),
            class: TaskClass::ClassificationRegression,
            family: "test".into(),
            train_examples: 10,
            tunings: 1,
            metric: Metric::Accuracy,
            score: None,
            majority: None,
            licence: None,
            link: None,
        },
        recipe: Recipe::paper(encoder, method, 0, moment),
        values: values.to_vec(),
        initial: None,
    }
}

fn loaded() -> Loaded {
    let lora = || MethodSpec::Lora { rank: 1, alpha: 1.0, targets: vec!["query".into()] };
    let zoo = Zoo::pack(
        "test",
        "",
        [
            embedding("a", lora(), Checkpoint::Early, &[1.0, 0.0]),
            embedding("b", lora(), Checkpoint::Early, &[1.0, 0.1]),
            embedding("a", lora(), Checkpoint::Late, &[1.0, 0.0]),
            embedding("b", lora(), Checkpoint::Late, &[1.0, 1.0]),
            embedding("c", lora(), Checkpoint::Late, &[1.0, 0.2]),
            embedding("a", MethodSpec::BitFit, Checkpoint::Early, &[1.0]),
            embedding("b", MethodSpec::BitFit, Checkpoint::Early, &[-1.0]),
        ],
    )
    .unwrap();
    let origin = Origin::Server { url: "/zoos/z.safetensors".into(), first: true };
    let sets = zoo.sets().cloned().collect();
    let (modified, small, sha256) = (None, None, "cd".repeat(32));
    Loaded {
        zoo,
        sets,
        origin,
        bytes: 1,
        sha256,
        modified,
        whole: true,
        small,
        sharded: None,
        recent: Recent::default(),
    }
}

fn wish(target: Option<&str>, method: Option<&str>, similarity: Option<&str>) -> View {
    View {
        target: target.map(Into::into),
        method: method.map(Into::into),
        similarity: similarity.map(Into::into),
        ..View::default()
    }
}

#[test]
fn no_wish_is_met_with_defaults_and_the_link_names_them() {
    let loaded = loaded();
    let view = complete(&loaded, &View::default());
    assert_eq!(
        view,
        View {
            zoo: None,
            sha256: Some("cd".repeat(32)),
            target: Some("a".into()),
            method: Some("bitfit.early".into()),
            similarity: Some("cosine".into()),
            ..View::default()
        }
    );
    assert_eq!(complete(&loaded, &view), view);
}

#[test]
fn no_wish_is_met_as_the_zoos_makers_advise() {
    let advised = |method: &str, similarity: &str| {
        let advice = Preferred { method: method.into(), similarity: similarity.into() };
        let mut loaded = loaded();
        loaded.zoo = loaded.zoo.with_preferred(advice).unwrap();
        loaded
    };
    let named = |loaded: &Loaded, wish: &View| {
        let view = complete(loaded, wish);
        (view.method.unwrap(), view.similarity.unwrap())
    };
    let rrf = advised("rrf", "centred");
    assert_eq!(named(&rrf, &View::default()), ("rrf".into(), "centred".into()));
    let lora = advised("lora", "centred");
    assert_eq!(named(&lora, &View::default()), ("lora.late".into(), "centred".into()));
    // What the link names goes before, and is not mixed with advice.
    let wished = named(&lora, &wish(None, None, Some("cosine")));
    assert_eq!(wished, ("bitfit.early".into(), "cosine".into()));
    let wished = named(&lora, &wish(None, Some("lora.early"), None));
    assert_eq!(wished, ("lora.early".into(), "cosine".into()));
    // Advice that cannot be followed is none.
    let mut gone = advised("lora.late", "centred");
    gone.sets.retain(|set| set.key != "lora.late");
    assert_eq!(named(&gone, &View::default()), ("bitfit.early".into(), "cosine".into()));
}

#[test]
fn what_a_view_needs_is_fetched_first() {
    let zoo = loaded().zoo;
    let of = |zoo: &Zoo, method: Option<&str>, compare: &[&str]| {
        let compare = compare.iter().map(|other| (*other).to_owned()).collect();
        let view = View { compare, ..wish(None, method, None) };
        needed(&Outline::parse(&zoo.to_bytes(Dtype::F32).unwrap()).unwrap(), &view)
    };
    let all = ["bitfit.early", "lora.early", "lora.late"];
    assert_eq!(of(&zoo, None, &[]), ["bitfit.early"]);
    assert_eq!(of(&zoo, Some("lora"), &[]), ["lora.late"]);
    assert_eq!(of(&zoo, Some("rrf"), &[]), ["bitfit.early", "lora.early"]);
    let both = ["lora.late", "bitfit.early", "lora.early"];
    assert_eq!(of(&zoo, Some("lora.late"), &["ensemble.early"]), both);
    assert_eq!(of(&zoo, Some("ensemble.late"), &[]), all, "there is none, and why is to be said");
    assert_eq!(of(&zoo, Some("else"), &[]), all);
    let advice = Preferred { method: "ensemble.early".into(), similarity: "cosine".into() };
    let advised = zoo.with_preferred(advice).unwrap();
    assert_eq!(of(&advised, None, &[]), ["bitfit.early", "lora.early"]);
    // What is there alone ranks as all of them do.
    let bytes = advised.to_bytes(Dtype::F32).unwrap();
    let keys = ["bitfit.early", "lora.early"];
    let part = Outline::parse(&bytes).unwrap().open(&keys, &[(0, &bytes)]).unwrap();
    let (mut partly, mut wholly) = (loaded(), loaded());
    (partly.zoo, partly.whole, wholly.zoo) = (part, false, advised);
    let ranked = |loaded: &Loaded| answer(loaded, &View::default()).unwrap();
    assert_eq!(ranked(&partly), ranked(&wholly));
}

#[test]
fn a_method_means_its_late_set() {
    let loaded = loaded();
    let found = answer(&loaded, &wish(Some("a"), Some("lora"), None)).unwrap();
    assert_eq!(found.method, "lora.late");
    let order: Vec<_> = found.ranking.sources.iter().map(|s| s.task.as_str()).collect();
    assert_eq!(order, ["c", "b"]);
}

#[test]
fn wishes_that_cannot_be_met_are_named_and_kept() {
    let loaded = loaded();
    for (view, part) in [
        (wish(Some("zzz"), None, None), "zzz"),
        (wish(Some("c"), Some("lora.early"), None), "“c”"),
        (wish(None, Some("none"), None), "none"),
        (wish(None, None, Some("gauge")), "gauge"),
        (wish(None, None, Some("delta")), "initial parameters"),
    ] {
        let failure = answer(&loaded, &view).unwrap_err();
        assert!(failure.detail.contains(part), "{failure:?}");
        let kept = complete(&loaded, &view);
        assert_eq!(
            (kept.target, kept.method, kept.similarity),
            (view.target, view.method, view.similarity)
        );
    }
}

#[test]
fn ensembles_are_offered_where_they_can_be_made() {
    // LoRA and BitFit are both there early; a, b, and c are not all in both late.
    let names: Vec<_> = loaded().methods().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["bitfit.early", "lora.early", "lora.late", "ensemble", "rrf"]);
    // Where a zoo has both, of both checkpoints.
    let mut both = loaded();
    let mut late = both.sets[0].clone();
    (late.key, late.recipe.checkpoint) = ("bitfit.late".into(), Checkpoint::Late);
    both.sets.push(late);
    let labels: Vec<_> = both.methods().into_iter().skip(4).collect();
    let entry = |name: &str, label: &str| (name.to_owned(), label.to_owned());
    let wanted = [
        entry("ensemble.early", "Ensemble, early"),
        entry("ensemble", "Ensemble, late"),
        entry("rrf.early", "Rank fusion, early"),
        entry("rrf", "Rank fusion, late"),
    ];
    assert_eq!(labels, wanted);
    // By whatever name one is asked for, it is the one that is offered.
    let chosen = |loaded: &Loaded, wish| choose_method(&loaded.sets, Some(wish)).unwrap().0;
    assert_eq!(chosen(&both, "ensemble.late"), "ensemble");
    assert_eq!(chosen(&both, "ensemble.early"), "ensemble.early");
    assert_eq!(chosen(&loaded(), "rrf.early"), "rrf", "there are no others");
    assert_eq!(chosen(&loaded(), "rrf.late"), "rrf.late", "there is none, and why is to be said");
    let found = answer(&loaded(), &wish(Some("a"), Some("ensemble"), None)).unwrap();
    assert_eq!((&*found.method, found.ranking.ensemble.len()), ("ensemble", 2));
    let mut alone = loaded();
    alone.sets.retain(|set| set.key != "bitfit.early");
    assert!(alone.methods().iter().all(|(name, _)| !Fusion::is_named(name)));
}

#[test]
fn a_guest_is_ranked_by_all_methods_that_it_has() {
    let loaded = loaded();
    let own = |key: &str, values: &[f32]| {
        let set = loaded.sets.iter().find(|set| set.key == key).unwrap();
        TaskEmbedding { task: "mine".into(), recipe: set.recipe.clone(), values: values.into() }
    };
    let (lora, mut bitfit) = (own("lora.early", &[0.0, 1.0]), own("bitfit.early", &[2.0]));
    // Of BitFit it does not count.
    bitfit.recipe.init_seed = 7;
    let ask = |guest: &[TaskEmbedding], method: &str| {
        let answer = guest::answer(&loaded, &wish(Some("a"), Some(method), None), guest).unwrap();
        (answer.method, answer.ranking.ensemble.len(), answer.ranking.sources[0].score)
    };
    // With BitFit a is 1 and b −1, by LoRA 0 and about 0.1.
    let both = [bitfit.clone(), lora.clone()];
    assert_eq!(ask(&both, "ensemble"), ("ensemble".into(), 2, 0.5));
    assert_eq!(ask(&both, "bitfit.early"), ("bitfit.early".into(), 0, 1.0));
    assert_eq!(ask(&both, "lora.early").0, "lora.early");
    // By the one that was opened last where the others cannot follow.
    assert_eq!(ask(&both, "lora.late"), ("bitfit.early".into(), 0, 1.0));
    assert_eq!(ask(&[lora], "ensemble").0, "lora.early");
}

#[test]
fn runs_of_a_server_are_ranked_by_all_that_the_zoo_has_of_them() {
    let loaded = loaded();
    let lora = || MethodSpec::Lora { rank: 1, alpha: 1.0, targets: vec!["query".into()] };
    let run = |embeddings: &[NewEmbedding]| {
        Zoo::pack("mine", "", embeddings.to_vec()).unwrap().to_bytes(Dtype::F32).unwrap()
    };
    // Of BitFit the zoo has the early one alone.
    let bitfit = run(&[
        embedding("mine", MethodSpec::BitFit, Checkpoint::Early, &[2.0]),
        embedding("mine", MethodSpec::BitFit, Checkpoint::Late, &[2.0]),
    ]);
    let lora = run(&[
        embedding("mine", lora(), Checkpoint::Early, &[0.0, 1.0]),
        embedding("mine", lora(), Checkpoint::Late, &[0.0, 1.0]),
    ]);
    let both = [lora, bitfit];
    let of = |runs: &[Vec<u8>], wish| guest::of_runs(runs, &loaded, wish);
    let keys = |guest: &guest::Guest| {
        let key = |own: &TaskEmbedding| {
            format!("{}.{}", own.recipe.method.name(), own.recipe.checkpoint.name())
        };
        guest.embeddings.iter().map(key).collect::<Vec<_>>()
    };
    let guest = of(&both, None).unwrap();
    assert_eq!(keys(&guest), ["lora.late", "lora.early", "bitfit.early"]);
    assert_eq!((&*guest.name, &*guest.set), ("mine", "LoRA, late"));
    let ask = |method| {
        let view = wish(Some("a"), Some(method), None);
        let answer = (guest.answer)(&loaded, &view, &guest.embeddings).unwrap();
        (answer.method, answer.ranking.ensemble.len(), answer.ranking.sources.len())
    };
    assert_eq!(ask("ensemble"), ("ensemble".into(), 2, 2));
    assert_eq!(ask("lora.late"), ("lora.late".into(), 0, 3));
    // What is shown goes first, of the run that is looked at.
    let guest = of(&both, Some("lora.early")).unwrap();
    assert_eq!((keys(&guest)[0].as_str(), &*guest.set), ("lora.early", "LoRA, early"));
    let guest = of(&[both[1].clone(), both[0].clone()], Some("lora.early")).unwrap();
    assert_eq!((keys(&guest)[0].as_str(), &*guest.set), ("bitfit.early", "BitFit, early"));

    // The set of an ensemble that is shown, where the run has a part of it only.
    let guest = of(&both[..1], Some("ensemble.early")).unwrap();
    assert_eq!(keys(&guest), ["lora.early", "lora.late"]);

    let mut elsewhere = embedding("mine", MethodSpec::BitFit, Checkpoint::Early, &[2.0]);
    elsewhere.recipe.encoder.weights_sha256 = "ef".repeat(32);
    let refused = of(&[run(&[elsewhere])], None).unwrap_err();
    assert!(refused.detail.contains("efefef"), "{refused:?}");
    let broken = of(&[b"<html>".to_vec()], None).unwrap_err();
    assert!(broken.title.contains("cannot be read"), "{broken:?}");
}

#[test]
fn only_adapters_that_say_the_same_task_go_together() {
    let guest = |task: Option<&str>, key: &str| {
        let set = loaded().sets.into_iter().find(|set| set.key == key).unwrap();
        let own = TaskEmbedding { task: "x".into(), recipe: set.recipe, values: vec![1.0] };
        guest::Guest {
            name: "x".into(),
            place: guest::Place::Device,
            task: task.map(str::to_owned),
            kind: String::new(),
            embeddings: vec![own],
            answer: guest::answer,
            set: String::new(),
            notes: Vec::new(),
            assumed: None,
        }
    };
    let together =
        |task, other, key| guest(task, "lora.early").with(&guest(other, key)).embeddings.len();
    assert_eq!(together(Some("a"), Some("a"), "bitfit.early"), 2);
    assert_eq!(together(Some("a"), Some("a"), "lora.early"), 1, "it is opened once more");
    assert_eq!(together(Some("a"), Some("b"), "bitfit.early"), 1);
    assert_eq!(together(None, None, "bitfit.early"), 1, "called alike, of what nobody says");
}

#[test]
fn a_second_method_ranks_what_passes_the_filters() {
    let loaded = loaded();
    let view = View {
        compare: vec!["lora.early".into()],
        filters: vec![("max".into(), "10".into())],
        ..wish(Some("a"), Some("lora.late"), None)
    };
    let found = answer(&loaded, &view).unwrap();
    assert_eq!((found.all, found.ranking.sources.len()), (2, 2));
    let beside = found.beside.unwrap().unwrap();
    assert_eq!(beside.method, "lora.early");
    assert_eq!(beside.ranks, BTreeMap::from([("b".to_owned(), 1)]));

    let filters = vec![("max".into(), "9".into())];
    let none = answer(&loaded, &View { filters, ..view.clone() }).unwrap();
    assert_eq!((none.all, none.ranking.sources.len()), (2, 0));
    let compare = vec!["none".into()];
    let failure = answer(&loaded, &View { compare, ..view }).unwrap().beside.unwrap();
    assert!(failure.unwrap_err().detail.contains("none"));
}

#[test]
fn gains_are_against_the_score_without_transfer() {
    let matrix = |no_transfer: Option<f64>| TransferMatrix {
        setting: "full-limited".into(),
        metric: "accuracy".into(),
        seeds: vec![0, 1],
        targets: vec!["a".into()],
        sources: vec!["a".into(), "b".into(), "c".into()],
        scores: vec![vec![
            vec![Some(0.9), Some(0.9)],
            vec![Some(0.5), Some(0.75)],
            vec![None, None],
        ]],
        no_transfer: vec![vec![no_transfer, None]],
    };
    let zoo = |no_transfer| loaded().zoo.with_transfer(vec![matrix(no_transfer)]).unwrap();
    let gains = Gains::find(&zoo(Some(0.5)), "a").unwrap();
    // Not of itself, and not where nothing was run.
    assert_eq!(gains.of, BTreeMap::from([("b".to_owned(), 0.125)]));
    assert_eq!(gains.baseline, Some(0.5));
    let scores = Gains::find(&zoo(None), "a").unwrap();
    assert_eq!(scores.of, BTreeMap::from([("b".to_owned(), 0.625)]));
    assert_eq!(Gains::find(&zoo(None), "b"), None);
}

#[test]
fn gains_are_those_of_the_setting_with_the_most_targets() {
    let matrix = |setting: &str, targets: &[&str], score: f64| TransferMatrix {
        setting: setting.into(),
        metric: "accuracy".into(),
        seeds: vec![0],
        targets: targets.iter().map(|target| (*target).into()).collect(),
        sources: vec!["c".into()],
        scores: targets.iter().map(|_| vec![vec![Some(score)]]).collect(),
        no_transfer: targets.iter().map(|_| vec![Some(0.0)]).collect(),
    };
    let few = matrix("full-limited", &["a", "c"], 0.25);
    let many = matrix("limited-limited", &["a", "b"], 0.5);
    let alike = loaded().zoo.with_transfer(vec![few.clone(), many]).unwrap();
    let setting = |zoo: &Zoo, target: &str| Gains::find(zoo, target).unwrap().setting;
    // Of equals the first.
    assert_eq!(setting(&alike, "a"), "full-limited");
    assert_eq!(alike.widest_transfer().unwrap().setting, "full-limited");
    let many = matrix("limited-limited", &["a", "b", "c"], 0.5);
    let wider = loaded().zoo.with_transfer(vec![few, many]).unwrap();
    assert_eq!(setting(&wider, "a"), "limited-limited");
    assert_eq!(wider.widest_transfer().unwrap().setting, "limited-limited");
    let few = matrix("full-limited", &["a", "c"], 0.25);
    let other = matrix("limited-limited", &["b", "c", "x"], 0.5);
    let elsewhere = loaded().zoo.with_transfer(vec![few, other]).unwrap();
    assert_eq!(setting(&elsewhere, "a"), "full-limited", "where it was measured");
    assert_eq!(loaded().zoo.widest_transfer(), None);
}

#[test]
fn what_is_on_its_way_is_told_from_what_is_not_there() {
    let mut part = loaded();
    part.whole = false;
    let title =
        |loaded: &Loaded| answer(loaded, &wish(Some("a"), Some("none"), None)).unwrap_err().title;
    assert_eq!(title(&part), Failure::on_its_way().title);
    part.whole = true;
    assert_ne!(title(&part), Failure::on_its_way().title);
}

#[test]
fn links_tell_files_apart() {
    let shown = View { zoo: None, sha256: Some("ab".repeat(32)), ..View::default() };
    assert!(same_file(&shown, &View::default()));
    assert!(same_file(&shown, &View { target: Some("a".into()), ..shown.clone() }));
    assert!(!same_file(&shown, &View { sha256: Some("cd".repeat(32)), ..View::default() }));
    assert!(!same_file(&shown, &View { zoo: Some("/x".into()), ..View::default() }));
    assert_eq!(Origin::File("z".into()).in_link().as_deref(), Some("file:z"));
    assert_eq!(Origin::Url("https://a/z".into()).in_link().as_deref(), Some("https://a/z"));
}

#[test]
fn what_was_prepared_is_what_is_answered() {
    let prepare = |loaded: &Loaded, view: &View, own: Option<&[TaskEmbedding]>| {
        let turns = Cell::new(0);
        at_once(preparing::rank(loaded, view, own, &async || turns.set(turns.get() + 1)));
        turns.get()
    };
    let long = |first: f32| (0..700_000).map(|i| first + (i % 7) as f32).collect::<Vec<_>>();
    let lora = || MethodSpec::Lora { rank: 1, alpha: 1.0, targets: vec!["query".into()] };
    let embeddings = ["a", "b", "c", "d"].into_iter().zip([0.0, -3.0, 2.5, 1.0]);
    let zoo = |of: &dyn Fn(f32) -> Vec<f32>| {
        let all = embeddings.clone().map(|(id, v)| embedding(id, lora(), Checkpoint::Late, &of(v)));
        let zoo = Zoo::pack("test", "", all).unwrap();
        Loaded { sets: zoo.sets().cloned().collect(), zoo, ..loaded() }
    };
    let (light, heavy) = (zoo(&|v| vec![v, 1.0]), zoo(&long));
    assert!(!light.is_heavy() && heavy.is_heavy());
    let guest = [TaskEmbedding {
        task: "mine".into(),
        recipe: heavy.sets[0].recipe.clone(),
        values: long(-1.5),
    }];
    for similarity in ["cosine", "centred"] {
        let view = wish(Some("b"), None, Some(similarity));
        let fresh = zoo(&long);
        let own = answer(&fresh, &view).unwrap();
        let foreign = guest::answer(&fresh, &view, &guest).unwrap();
        let took = prepare(&heavy, &view, Some(&guest));
        assert!(took >= 6, "{similarity} was ranked with {took} turns for the page");
        assert_eq!(prepare(&heavy, &view, Some(&guest)), 0, "it is computed again");
        assert_eq!(answer(&heavy, &view).unwrap(), own);
        assert_eq!(guest::answer(&heavy, &view, &guest).unwrap(), foreign);
        assert_ne!(own.ranking.sources, foreign.ranking.sources);
    }
    // Another adapter of the same name, and what cannot be ranked.
    let view = wish(Some("b"), None, Some("centred"));
    let other = [TaskEmbedding { values: long(2.0), ..guest[0].clone() }];
    assert!(prepare(&heavy, &view, Some(&other)) > 0);
    assert_eq!(prepare(&heavy, &wish(Some("zzz"), None, None), None), 0);
    assert!(answer(&heavy, &wish(Some("zzz"), None, None)).is_err());
}
