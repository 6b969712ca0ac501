//! Zoos in several files: what is ranked over all of them is what one file would give.

mod common;

use common::{embedding, recipe, task, zoo};
use proptest::prelude::*;
use std::cell::RefCell;
use tupate_embedding::TaskEmbedding;
use tupate_metrics::at_once;
use tupate_tasks::{Checkpoint, Recipe};
use tupate_zoo::narrow::Narrow;
use tupate_zoo::shards::{self, Closest, Index, Question, Reply, Shard, Shards, Wish};
use tupate_zoo::{
    Dtype, Error, NewEmbedding, Query, SIMILARITIES, Similarity, Target, TransferMatrix, Zoo, rank,
    sha256_hex,
};

/// Tasks in `dim` dimensions that share most of their length.
fn large(tasks: usize, dim: usize, seed: u64) -> Zoo {
    let noise = |i: u64| {
        let x = i.wrapping_add(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let x = (x ^ (x >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((x >> 40) as f32) / (1 << 23) as f32 - 1.0
    };
    let row = |task: usize| -> Vec<f32> {
        (0..dim)
            .map(|d| noise(d as u64 + (1 << 40)) + 0.3 * noise((task * dim + d) as u64))
            .collect()
    };
    let all = (0..tasks).map(|t| {
        let mut new = embedding(&format!("t{t:03}"), Checkpoint::Late, &row(t));
        new.task.train_examples = t as u64;
        new
    });
    Zoo::pack("large", "Many directions.", all).unwrap()
}

fn split(zoo: &Zoo, most: usize) -> Vec<Shard> {
    let ids: Vec<String> = zoo.tasks().iter().map(|task| task.id.clone()).collect();
    ids.chunks(most).map(|ids| Shard::new(zoo.with_only(ids))).collect()
}

/// The closest over all shards, each of which is asked by itself.
fn over(
    index: &Index,
    shards: &[Shard],
    target: Target<'_>,
    similarity: &'static Similarity,
    filters: &[(String, String)],
    most: usize,
) -> Result<Closest, Error> {
    let shards = RefCell::new(shards.to_vec());
    let wish = Wish { target, method: Some("lora"), similarity, filters, most };
    let answer = async |question: Question| {
        let mut shards = shards.borrow_mut();
        let replies: Result<Vec<_>, Error> =
            shards.iter_mut().map(|shard| shard.answer(&question)).collect();
        // As over a wire.
        let sent = serde_json::to_string(&question.join(replies?)).unwrap();
        Ok(serde_json::from_str(&sent).unwrap())
    };
    at_once(shards::rank(index, &wish, &answer))
}

/// An index of these shards.
fn index_of(shards: &[Shard]) -> Index {
    let mut index = Index::new("large", "");
    for (at, shard) in shards.iter().enumerate() {
        let bytes = shard.zoo().to_bytes(Dtype::F32).unwrap();
        index.add(&format!("{at}.safetensors"), &bytes, shard.zoo()).unwrap();
    }
    index
}

fn whole(zoo: &Zoo, target: &str, similarity: &str) -> Vec<(String, f64)> {
    let similarity = Similarity::named(similarity).unwrap();
    let query = Query { target: Target::Task(target), method: None, similarity };
    rank(zoo, &query).unwrap().sources.into_iter().map(|s| (s.task, s.score)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn shards_rank_as_one_file_does(
        seed: u64, tasks in 2_usize..40, most in 1_usize..50, cut in 1_usize..40, at: usize,
    ) {
        let zoo = large(tasks, 33, seed);
        let target = format!("t{:03}", at % tasks);
        for similarity in SIMILARITIES.iter().filter(|s| s.universal) {
            let shards = split(&zoo, cut);
            let index = index_of(&shards);
            let one = whole(&zoo, &target, similarity.name);
            let task = Target::Task(&target);
            let many = over(&index, &shards, task, similarity, &[], most).unwrap();
            prop_assert_eq!(many.nearest.all as usize, tasks - 1);
            prop_assert_eq!(many.ranking.sources.len(), most.min(tasks - 1));
            for (found, (id, score)) in many.ranking.sources.iter().zip(&one) {
                // The mean is summed in another order.
                prop_assert!((found.score - score).abs() < 1e-6, "{} {id}", similarity.name);
                prop_assert!(similarity.of_all || found.task == *id);
            }
            // The same target from elsewhere, beside its double.
            let set = zoo.sets().next().unwrap();
            let guest = TaskEmbedding {
                task: target.clone(),
                recipe: set.recipe.clone(),
                values: zoo.row(set, &target).unwrap(),
            };
            if !similarity.of_all {
                let guest = Target::Embeddings(std::slice::from_ref(&guest));
                let same = over(&index, &shards, guest, similarity, &[], most).unwrap();
                prop_assert_eq!(&same.ranking, &many.ranking);
            }
            let filters = [("min".to_owned(), "7".to_owned())];
            let few = over(&index, &shards, task, similarity, &filters, most).unwrap().nearest;
            let narrow = Narrow::of(&filters);
            prop_assert!(few.sources.iter().all(|found| narrow.passes(&found.task)));
            let passing =
                one.iter().filter(|(id, _)| zoo.task(id).unwrap().train_examples >= 7).count();
            prop_assert_eq!(few.passing as usize, passing);
            prop_assert_eq!(few.sources.len(), most.min(passing));
        }
    }

    #[test]
    fn no_bytes_are_an_index_that_panics(bytes: Vec<u8>) {
        prop_assert!(Index::parse(&bytes).is_err());
    }
}

#[test]
fn a_file_is_the_only_shard_of_its_zoo() {
    let zoo = large(30, 8, 3);
    let file = zoo.to_bytes(Dtype::F32).unwrap();
    let mut shards = Shards::of_file(&file).unwrap().unwrap();
    let index = Index::parse(&shards.index().to_bytes().unwrap()).unwrap();
    assert_eq!((&*index.name, &*index.description), (zoo.name(), zoo.description()));
    assert_eq!((index.tasks, index.bytes()), (30, file.len() as u64));
    assert_eq!(index.shards[0].sha256, sha256_hex(&file));
    let similarity = Similarity::named("centred").unwrap();
    let target = Target::Task("t007");
    let wish = Wish { target, method: None, similarity, filters: &[], most: 5 };
    let answer = RefCell::new(&mut shards);
    let asked = async |question: Question| answer.borrow_mut().answer(&question);
    let closest = at_once(shards::rank(&index, &wish, &asked)).unwrap();
    let found: Vec<_> = closest.ranking.sources.iter().map(|source| &source.task).collect();
    let one = whole(&zoo, "t007", "centred");
    assert_eq!(found, one.iter().take(5).map(|(task, _)| task).collect::<Vec<_>>());
    // Which shards know nothing of.
    let truth = TransferMatrix::from_csv(b"target,t001\nt000,0.5\n", "full-full", "accuracy");
    let measured = zoo.with_transfer(vec![truth.unwrap()]).unwrap();
    assert!(Shards::of_file(&measured.to_bytes(Dtype::F32).unwrap()).unwrap().is_none());
    assert!(Shards::of_file(&file[..file.len() - 1]).is_err());
}

/// An index of two halves, and their files.
fn halves() -> (Index, Vec<Vec<u8>>) {
    let zoo = large(9, 8, 5);
    let mut index = Index::new("large", "Two halves.");
    let mut files = Vec::new();
    for (at, shard) in split(&zoo, 5).iter().enumerate() {
        let bytes = shard.zoo().to_bytes(Dtype::F32).unwrap();
        index.add(&format!("half-{at}.safetensors"), &bytes, shard.zoo()).unwrap();
        files.push(bytes);
    }
    (index, files)
}

#[test]
fn an_index_opens_the_very_files_that_it_names() {
    let (index, files) = halves();
    assert_eq!((index.tasks, index.shards.len()), (9, 2));
    let bytes = index.to_bytes().unwrap();
    assert!(Index::is_begun_by(&bytes) && !Index::is_begun_by(&files[0]));
    let index = Index::parse(&bytes).unwrap();
    assert_eq!(index.to_bytes().unwrap(), bytes);
    assert_eq!(index.open(&index.shards[1], &files[1]).unwrap().tasks().len(), 4);
    let other = index.open(&index.shards[0], &files[1]).unwrap_err();
    assert!(matches!(other, Error::Checksum { .. }), "{other}");
    let newer = String::from_utf8(bytes.clone()).unwrap().replace("\"1.0\"", "\"1.9\"");
    assert!(Index::parse(newer.as_bytes()).is_ok());
    let newer = newer.replace("\"1.9\"", "\"2.0\"");
    assert!(matches!(Index::parse(newer.as_bytes()), Err(Error::TooNew { .. })));
}

#[test]
fn a_zoo_that_begins_as_json_might_is_a_zoo() {
    // A header of 31,520 bytes: the file begins with a space and `{`.
    let length = |zoo: &Zoo| {
        let bytes = zoo.to_bytes(Dtype::F32).unwrap();
        u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize
    };
    let zoo = large(9, 8, 5);
    let missing = 31_520 - length(&zoo.clone().described(""));
    let zoo = zoo.described(&"x".repeat(missing));
    let bytes = zoo.to_bytes(Dtype::F32).unwrap();
    assert_eq!(&bytes[..2], b" {");
    assert!(!Index::is_begun_by(&bytes));
}

#[test]
fn shards_tuned_from_elsewhere_do_not_come_together() {
    let part = |id: &str, initial: f32| {
        let mut new = embedding(id, Checkpoint::Late, &[1.0, 2.0]);
        new.initial = Some(vec![initial; 2]);
        let zoo = Zoo::pack("z", "", [new]).unwrap();
        (zoo.to_bytes(Dtype::F32).unwrap(), zoo)
    };
    let [(a, first), (b, other), (c, alike)] = [part("a", 0.5), part("b", 0.25), part("c", 0.5)];
    let mut index = Index::new("z", "");
    index.add("a.safetensors", &a, &first).unwrap();
    let error = index.add("b.safetensors", &b, &other).unwrap_err().to_string();
    assert!(error.contains("tuned from other initial parameters"), "{error}");
    index.add("c.safetensors", &c, &alike).unwrap();
    // One that was changed afterwards, by its index's leave.
    let text = String::from_utf8(index.to_bytes().unwrap()).unwrap();
    let sly = text
        .replace(&sha256_hex(&c), &sha256_hex(&b))
        .replace(&format!("\"bytes\": {}", c.len()), &format!("\"bytes\": {}", b.len()));
    let sly = Index::parse(sly.as_bytes()).unwrap();
    let error = sly.open(&sly.shards[1], &b).unwrap_err().to_string();
    assert!(error.contains("tuned from other initial parameters"), "{error}");
    // An index that says nothing of them is of an earlier version.
    let digest = text.lines().find(|line| line.contains("initial_sha256")).unwrap();
    let older = text.replace(&format!("{digest}\n"), "");
    let older = older.replace("\"has_initial\": true,", "\"has_initial\": true");
    let older = Index::parse(older.as_bytes()).unwrap();
    assert!(older.open(&older.shards[0], &a).is_ok());
}

#[test]
fn a_target_from_elsewhere_stands_in_the_place_of_its_name() {
    let zoo = large(12, 9, 1);
    let shards = split(&zoo, 5);
    let set = zoo.sets().next().unwrap();
    let mut values = zoo.row(set, "t003").unwrap();
    values.iter_mut().step_by(2).for_each(|value| *value += 0.4);
    let guest = TaskEmbedding { task: "t003".into(), recipe: set.recipe.clone(), values };
    let target = Target::Embeddings(std::slice::from_ref(&guest));
    let similarity = Similarity::named("centred").unwrap();
    let many = over(&index_of(&shards), &shards, target, similarity, &[], 20).unwrap().ranking;
    let one = rank(&zoo, &Query { target, method: None, similarity }).unwrap();
    assert_eq!(many.sources.len(), 11);
    for (many, one) in many.sources.iter().zip(&one.sources) {
        assert_eq!(many.task, one.task);
        assert!((many.score - one.score).abs() < 1e-6, "{} and {}", many.score, one.score);
    }
}

#[test]
fn what_contradicts_itself_is_no_index() {
    let text = String::from_utf8(halves().0.to_bytes().unwrap()).unwrap();
    for (from, to, says) in [
        ("half-0.safetensors", "../half.safetensors", "a shard's name"),
        ("half-0.safetensors", ".safetensors", "a shard's name"),
        ("half-0.safetensors", "a/b.safetensors", "a shard's name"),
        ("half-0.safetensors", "half-1.safetensors", "half-1.safetensors twice"),
        ("\"tasks\": 9", "\"tasks\": 10", "states 10 tasks, its shards hold 9"),
        ("\"tasks\": 5", "\"tasks\": 18446744073709551615", "more than"),
        ("\"dim\": 8", "\"dim\": 0", "twice or empty"),
        ("\"sha256\": \"", "\"sha256\": \"X", "no sha256"),
        ("\"name\": \"large\"", "\"name\": 5", "cannot be read"),
    ] {
        let wrong = text.replacen(from, to, 1);
        assert_ne!(wrong, text, "{from}");
        let error = Index::parse(wrong.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(says), "{to}: {error}");
    }
    assert!(matches!(Index::parse(b"{}"), Err(Error::NotAZoo(_))));
    assert!(matches!(Index::parse(b"\x08\0\0\0\0\0\0\0{}      "), Err(Error::NotAZoo(_))));
}

#[test]
fn shards_of_unlike_recipes_do_not_come_together() {
    let (mut index, files) = halves();
    let one = |recipe: Recipe| {
        let values = vec![1.0; 8];
        let initial = Some(vec![0.5; 8]);
        Zoo::pack("z", "", [NewEmbedding { task: task("n"), recipe, values, initial }]).unwrap()
    };
    let other = one(Recipe { init_seed: 7, ..recipe(Checkpoint::Late) });
    let error = index.add("c.safetensors", &files[0], &other).unwrap_err();
    assert!(error.to_string().contains("seed"), "{error}");
    let early = one(recipe(Checkpoint::Early));
    let error = index.add("c.safetensors", &files[0], &early).unwrap_err().to_string();
    assert!(
        error.contains("has lora.early embeddings, and half-0.safetensors has none"),
        "{error}"
    );
    let short = index.add("c.safetensors", &files[0], &zoo()).unwrap_err().to_string();
    assert!(short.contains("lora.early"), "{short}");
}

#[test]
fn tasks_are_found_by_parts_of_their_names_and_gathered_as_a_zoo() {
    let (index, files) = halves();
    let mut shards = Shards::new(index);
    for (at, file) in files.iter().enumerate() {
        shards.open(&format!("half-{at}.safetensors"), file).unwrap();
    }
    let set = || "lora.late".to_owned();
    let question = Question::Search { set: set(), text: " TASK t00".into(), most: 7 };
    let Reply::Search(found) = shards.answer(&question).unwrap() else { panic!() };
    let found: Vec<_> = found.iter().map(|task| &*task.id).collect();
    assert_eq!(found, ["t000", "t001", "t002", "t003", "t004", "t005", "t006"]);
    // The id alone is ASCII or not; both are found in any case.
    for (text, count) in [("", 9), ("T00", 9), ("task t008", 1), ("TÄSK", 0)] {
        let question = Question::Search { set: set(), text: text.into(), most: 99 };
        let Reply::Search(found) = shards.answer(&question).unwrap() else { panic!() };
        assert_eq!(found.len(), count, "{text}");
    }
    // A whole name comes before those that begin with it, and these before the others.
    let named = |id: &str, name: &str| {
        let mut new = embedding(id, Checkpoint::Late, &[1.0, 2.0]);
        new.task.name = name.into();
        new
    };
    let names = [("a", "Say it 1"), ("b", "It 11"), ("c", "IT 1"), ("d", "1"), ("it 1", "E")];
    let zoo = Zoo::pack("n", "", names.map(|(id, name)| named(id, name))).unwrap();
    let mut parts = split(&zoo, 2);
    let question = Question::Search { set: set(), text: "it 1".into(), most: 3 };
    let replies = parts.iter_mut().map(|shard| shard.answer(&question).unwrap());
    let Reply::Search(found) = question.join(replies.collect::<Vec<_>>()) else { panic!() };
    let found: Vec<_> = found.iter().map(|task| &*task.id).collect();
    assert_eq!(found, ["c", "it 1", "b"]);
    let Reply::Facets(facets) = shards.answer(&Question::Facets { set: set() }).unwrap() else {
        panic!()
    };
    assert_eq!(facets.families.into_iter().collect::<Vec<_>>(), ["made up"]);
    let zoo = large(9, 8, 5);
    let tasks = vec!["t001".to_owned(), "t008".into(), "elsewhere".into()];
    let gathered = shards.gather(&tasks).unwrap().unwrap();
    assert_eq!(gathered, Zoo::pack("large", "Two halves.", of(&zoo, &tasks)).unwrap());
    assert!(shards.gather(&tasks[2..]).unwrap().is_none());
    assert!(shards.open("other.safetensors", &files[0]).is_err());
}

#[test]
fn what_shards_cannot_answer_is_said() {
    let shards = split(&large(9, 8, 5), 4);
    let index = index_of(&shards);
    let fails = |target: Target<'_>, method: Option<&str>| {
        let similarity = Similarity::named("centred").unwrap();
        let wish = Wish { target, method, similarity, filters: &[], most: 3 };
        let shards = RefCell::new(shards.clone());
        let answer = async |question: Question| -> Result<Reply, Error> {
            let mut shards = shards.borrow_mut();
            let replies: Result<Vec<_>, Error> =
                shards.iter_mut().map(|shard| shard.answer(&question)).collect();
            Ok(question.join(replies?))
        };
        at_once(shards::rank(&index, &wish, &answer)).unwrap_err().to_string()
    };
    assert_eq!(
        fails(Target::Task("nobody"), None),
        "no task nobody has lora.late embeddings in the 9 tasks of large"
    );
    assert!(fails(Target::Task("t001"), Some("ensemble")).contains("smaller zoos, in one file"));
    assert!(fails(Target::Task("t001"), Some("bitfit")).contains("no bitfit embeddings"));
    let guest = |recipe: Recipe, values: usize| TaskEmbedding {
        task: "mine".into(),
        recipe,
        values: vec![1.0; values],
    };
    let short = guest(recipe(Checkpoint::Late), 3);
    assert!(fails(Target::Embeddings(std::slice::from_ref(&short)), None).contains("has 3 values"));
    let other = guest(Recipe { init_seed: 7, ..recipe(Checkpoint::Late) }, 8);
    assert!(fails(Target::Embeddings(std::slice::from_ref(&other)), None).contains("differ in"));
    let several = fails(Target::Embeddings(&[short, other]), None);
    assert!(several.contains("is ranked by one: choose it"), "{several}");
}

/// Some of a zoo's tasks on their way into another.
fn of(zoo: &Zoo, tasks: &[String]) -> Vec<NewEmbedding> {
    let set = zoo.sets().next().unwrap();
    let one = |id: &&String| NewEmbedding {
        task: zoo.task(id).unwrap().clone(),
        recipe: set.recipe.clone(),
        values: zoo.row(set, id).unwrap(),
        initial: zoo.initial(set).map(<[f32]>::to_vec),
    };
    tasks.iter().filter(|id| zoo.task(id).is_some()).collect::<Vec<_>>().iter().map(one).collect()
}
