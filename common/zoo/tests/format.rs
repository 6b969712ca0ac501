//! The zoo file: round trips, canonical bytes, and every kind of damage.

mod common;

use common::{embedding, zoo};
use proptest::prelude::*;
use std::collections::BTreeMap;
use tupate_tasks::{Checkpoint, Projection};
use tupate_zoo::outline::{FIRST, MAX_HEADER, Outline, head_length, is_large};
use tupate_zoo::{Dtype, Error, Facts, Preferred, ScoreTable, TransferMatrix, Zoo, sha256_hex};

fn header_length(bytes: &[u8]) -> usize {
    u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize
}

#[test]
fn what_is_written_is_read_back() {
    for dtype in [Dtype::F16, Dtype::F32] {
        // The plane's numbers are exact in either type.
        assert_eq!(Zoo::parse(&zoo().to_bytes(dtype).unwrap()).unwrap(), zoo());
    }
}

#[test]
fn the_bytes_do_not_depend_on_the_order_of_arrival() {
    let bytes = zoo().to_bytes(Dtype::F16).unwrap();
    let late = [("a", [1.0, 0.0]), ("b", [2.0, 0.5]), ("c", [0.25, 1.0]), ("d", [-1.0, 0.25])];
    let early = [("b", [1.0, -1.0]), ("a", [1.0, 1.0])];
    let early = early.iter().map(|(id, v)| embedding(id, Checkpoint::Early, v));
    let late = late.iter().map(|(id, v)| embedding(id, Checkpoint::Late, v));
    let other = Zoo::pack("plane", "Four directions.", early.chain(late)).unwrap();
    assert_eq!(sha256_hex(&other.to_bytes(Dtype::F16).unwrap()), sha256_hex(&bytes));
}

#[test]
fn the_format_stays_as_it_is() {
    // Links carry the sha256 of a file: the same zoo must give these bytes in
    // every later version of format 1.
    assert_eq!(
        sha256_hex(&zoo().to_bytes(Dtype::F16).unwrap()),
        "c9804082828813aa16cefdf552012ace8671d633b048c0195131ecbe31c3f594"
    );
}

/// A zoo with everything that format 1.1 added.
fn zoo_1_1() -> Zoo {
    let truth = b"target,no-transfer,a,b,c,d\na,0.5,,0.75,0.625,0.5\nb,0.5,0.875,,,0.25\n";
    let truth = TransferMatrix::from_csv(truth, "full-full", "accuracy").unwrap();
    zoo().with_transfer(vec![truth]).unwrap()
}

/// Written by earlier versions of this code; they must open for good.
const FILE_1_0: &[u8] = include_bytes!("fixtures/plane-1.0.safetensors");
const FILE_1_1: &[u8] = include_bytes!("fixtures/plane-1.1.safetensors");

fn schema(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[8..8 + header_length(bytes)]).into_owned();
    let (_, rest) = text.split_once("\\\"schema\\\":\\\"").unwrap();
    rest.split('\\').next().unwrap().to_owned()
}

#[test]
fn files_of_earlier_versions_open_and_stay_as_they_are() {
    assert_eq!(Zoo::parse(FILE_1_0).unwrap(), zoo());
    assert_eq!(schema(FILE_1_0), "1.0");
    assert!(zoo().to_bytes(Dtype::F16).unwrap() == FILE_1_0);
    let read = Zoo::parse(FILE_1_1).unwrap();
    assert_eq!(schema(FILE_1_1), "1.1");
    assert_eq!(read.transfer(), zoo_1_1().transfer());
    assert!(zoo_1_1().to_bytes(Dtype::Int8).unwrap() == FILE_1_1);
}

#[test]
fn a_file_states_the_least_version_that_has_what_it_uses() {
    assert_eq!(schema(&zoo().to_bytes(Dtype::F32).unwrap()), "1.0");
    assert_eq!(schema(&zoo().to_bytes(Dtype::Int8).unwrap()), "1.1");
    assert_eq!(schema(&zoo_1_1().to_bytes(Dtype::F16).unwrap()), "1.1");
    let array = tupate_zoo::npy::Array { shape: vec![2], values: vec![1.0, 2.0] };
    let imported =
        tupate_zoo::import("i", "s", "e", vec![(common::task("x"), array)], None).unwrap();
    assert_eq!(schema(&imported.to_bytes(Dtype::F32).unwrap()), "1.1");
    assert_eq!(Zoo::parse(&imported.to_bytes(Dtype::F32).unwrap()).unwrap(), imported);
}

#[test]
fn one_byte_a_value_stays_close_and_keeps_the_initial_values() {
    let zoo = zoo();
    let read = Zoo::parse(&zoo.to_bytes(Dtype::Int8).unwrap()).unwrap();
    for (set, own) in read.sets().zip(zoo.sets()) {
        assert_eq!(set, own);
        assert_eq!(read.initial(set), zoo.initial(own));
        for (row, exact) in read.rows(set).zip(zoo.rows(own)) {
            // Differences from the mean are below 1.6: half a step is 0.0063.
            assert!(
                row.iter().zip(&exact).all(|(x, y)| (x - y).abs() < 0.0064),
                "{row:?} {exact:?}"
            );
        }
    }
    // What was rounded once is not rounded further by f32.
    assert_eq!(Zoo::parse(&read.to_bytes(Dtype::F32).unwrap()).unwrap(), read);
}

/// The file with another manifest, which its sha256 vouches for.
fn with_manifest(bytes: &[u8], change: &dyn Fn(&str) -> String) -> Vec<u8> {
    let end = 8 + header_length(bytes);
    let header = std::str::from_utf8(&bytes[8..end]).unwrap();
    let header = header.trim_end();
    let manifest: String =
        serde_json::from_str::<serde_json::Value>(header).unwrap()["__metadata__"]["tupate_zoo"]
            .as_str()
            .unwrap()
            .to_owned();
    let sly = change(&manifest);
    assert_ne!(sly, manifest);
    let text = |text: &str| serde_json::to_string(text).unwrap();
    let header = header
        .replace(&text(&manifest), &text(&sly))
        .replace(&sha256_hex(manifest.as_bytes()), &sha256_hex(sly.as_bytes()));
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &bytes[end..]].concat()
}

#[test]
fn advice_of_a_stranger_is_text_and_no_more() {
    let advice = Preferred { method: "lora.late".into(), similarity: "centred".into() };
    let bytes = zoo().with_preferred(advice).unwrap().to_bytes(Dtype::F32).unwrap();
    let with = |from: &str, to: &str| {
        Zoo::parse(&with_manifest(&bytes, &|manifest| manifest.replace(from, to)))
    };
    // Of a later version of the format, say: it opens, and is not repeated.
    let later = with("\"centred\"", "\"likeness; ls\"").unwrap();
    assert_eq!(later.preferred().unwrap().similarity, "likeness; ls");
    assert!(!tupate_zoo::card(&later, "z", "0").contains("likeness"));
    let error = with("\"centred\"", "\"\\u001b[2J\"").unwrap_err().to_string();
    assert!(error.contains("the preferred similarity must have"), "{error}");
}

#[test]
fn a_tensor_listed_twice_hides_no_other() {
    // Two equally long names: the list says `aaa…` twice, `aab…` goes unchecked.
    let rows = |id: &str, moment| embedding(id, moment, &[1.0, 2.0]);
    let two = [rows("a", Checkpoint::Early), rows("a", Checkpoint::Late)];
    let two = two.map(|mut e| {
        e.initial = None;
        e.recipe.checkpoint = Checkpoint::Late;
        e
    });
    let [one, mut other] = two;
    other.recipe.init_seed = 1;
    let bytes = Zoo::pack("z", "", [one, other]).unwrap().to_bytes(Dtype::F32).unwrap();
    let listed = |name: &str| format!("{{\"name\":\"{name}\"");
    let file = with_manifest(&bytes, &|manifest| {
        manifest.replace(&listed("embeddings/lora.late.2"), &listed("embeddings/lora.late"))
    });
    let error = Zoo::parse(&file).unwrap_err().to_string();
    assert!(error.contains("listed twice"), "{error}");
}

#[test]
fn every_single_flipped_bit_is_noticed() {
    let bytes = zoo().to_bytes(Dtype::F16).unwrap();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            match Zoo::parse(&damaged) {
                Err(_) => {}
                // Padding of the header carries no meaning.
                Ok(read) => {
                    assert!(bytes[at] == b' ' && at < 8 + header_length(&bytes), "byte {at}");
                    assert_eq!(read, zoo());
                }
            }
        }
    }
}

#[test]
fn every_cut_is_noticed() {
    let bytes = zoo().to_bytes(Dtype::F16).unwrap();
    for end in 0..bytes.len() {
        assert!(Zoo::parse(&bytes[..end]).is_err(), "cut at {end}");
    }
    let middle = Zoo::parse(&bytes[..bytes.len() / 2]).unwrap_err().to_string();
    assert!(
        middle.contains("ends after") && middle.contains("download or copy it again"),
        "{middle}"
    );
    let mut longer = bytes;
    longer.push(0);
    assert!(Zoo::parse(&longer).is_err());
}

#[test]
fn damage_is_told_from_what_never_was_a_zoo() {
    let bytes = zoo().to_bytes(Dtype::F16).unwrap();
    let mut flipped = bytes.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let error = Zoo::parse(&flipped).unwrap_err();
    assert!(
        matches!(&error, Error::Checksum { what, .. } if what.starts_with("initial/")),
        "{error}"
    );

    for (foreign, content) in [
        ("a web page", b"<!doctype html><html>not found</html>" as &[u8]),
        ("nothing", b""),
        ("a picture", b"\x89PNG\r\n\x1a\n0000000000000000"),
    ] {
        let error = Zoo::parse(content).unwrap_err();
        assert!(matches!(error, Error::NotAZoo(_)), "{foreign}: {error}");
    }
}

/// Replaces text in the header by text of the same length.
fn with_header(from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let bytes = zoo().to_bytes(Dtype::F16).unwrap();
    let end = 8 + header_length(&bytes);
    let header = std::str::from_utf8(&bytes[8..end]).unwrap();
    assert!(header.contains(from), "{header}");
    let mut changed = bytes[..8].to_vec();
    changed.extend(header.replacen(from, to, 1).bytes());
    changed.extend(&bytes[end..]);
    changed
}

#[test]
fn a_header_that_lies_is_refused() {
    // The first tensor claims the second one's place, lies about its end, its
    // shape, its type.
    for (from, to) in [
        ("\"data_offsets\":[0,8]", "\"data_offsets\":[8,8]"),
        ("\"data_offsets\":[0,8]", "\"data_offsets\":[0,9]"),
        ("\"shape\":[2,2]", "\"shape\":[4,1]"),
        ("\"dtype\":\"F16\"", "\"dtype\":\"I16\""),
    ] {
        assert!(Zoo::parse(&with_header(from, to)).is_err(), "{from} → {to}");
    }
    // A length that claims more than there is must not be allocated.
    let mut bytes = zoo().to_bytes(Dtype::F16).unwrap();
    for claim in [u64::MAX, u64::MAX / 2, 1 << 40, 99_999_999, bytes.len() as u64] {
        bytes[..8].copy_from_slice(&claim.to_le_bytes());
        assert!(Zoo::parse(&bytes).is_err(), "{claim}");
    }
}

#[test]
fn packing_refuses_what_contradicts_itself() {
    let message = |embeddings: Vec<tupate_zoo::NewEmbedding>| {
        Zoo::pack("z", "", embeddings).unwrap_err().to_string()
    };
    let a = || embedding("a", Checkpoint::Late, &[1.0, 2.0]);
    assert!(message(vec![a(), a()]).contains("two embeddings of a"));
    assert!(message(vec![a(), embedding("b", Checkpoint::Late, &[1.0])]).contains("has 1 values"));
    assert!(message(vec![embedding("a", Checkpoint::Late, &[0.0, 0.0])]).contains("all zeros"));
    assert!(
        message(vec![embedding("a", Checkpoint::Late, &[f32::NAN, 0.0])]).contains("not finite")
    );
    assert!(
        message(vec![embedding("a\n", Checkpoint::Late, &[1.0])]).contains("control characters")
    );
    let mut other_start = embedding("b", Checkpoint::Late, &[1.0, 2.0]);
    other_start.initial = Some(vec![0.0; 2]);
    assert!(message(vec![a(), other_start]).contains("different initial parameters"));
    let mut larger = embedding("a", Checkpoint::Early, &[1.0, 2.0]);
    larger.task.train_examples = 5;
    assert!(message(vec![a(), larger]).contains("two different descriptions"));
}

#[test]
fn what_a_terminal_would_obey_is_refused() {
    let bytes = zoo().to_bytes(Dtype::F32).unwrap();
    for (from, what) in [
        ("\"plane\"", "the name"),
        ("\"Four directions.\"", "the description"),
        ("\"Task a\"", "a task's name"),
        ("\"made up\"", "a family"),
        ("\"tiny\"", "an encoder"),
        ("\"query\"", "a method"),
    ] {
        let to = "\"\\u001b]0;x\\u0007\"";
        let error = Zoo::parse(&with_manifest(&bytes, &|manifest| manifest.replace(from, to)));
        let error = error.unwrap_err().to_string();
        assert!(error.contains("has control characters"), "{what}: {error}");
    }
    let lines = zoo().described("Two\nlines.").to_bytes(Dtype::F32).unwrap();
    assert_eq!(Zoo::parse(&lines).unwrap().description(), "Two\nlines.");
}

proptest! {
    #[test]
    fn any_bytes_are_refused_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Zoo::parse(&bytes).is_err());
    }

    #[test]
    fn any_damage_of_a_newer_file_is_refused_without_panic(
        cuts in proptest::collection::vec((0_usize..6000, any::<u8>()), 1..8),
        end in 1_usize..6000,
    ) {
        let mut bytes = FILE_1_1.to_vec();
        for (at, value) in cuts {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        bytes.truncate(end);
        if let Ok(read) = Zoo::parse(&bytes) {
            prop_assert_eq!(read, Zoo::parse(FILE_1_1).unwrap());
        }
    }

    #[test]
    fn any_damage_is_refused_without_panic(
        cuts in proptest::collection::vec((0_usize..4000, any::<u8>()), 1..8),
        end in 0_usize..4000,
    ) {
        let mut bytes = zoo().to_bytes(Dtype::F16).unwrap();
        for (at, value) in cuts {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        bytes.truncate(end.max(1));
        if let Ok(read) = Zoo::parse(&bytes) {
            prop_assert_eq!(read, zoo());
        }
    }

    #[test]
    fn any_values_survive_in_f32(rows in proptest::collection::vec(
        proptest::collection::vec(-1e30_f32..1e30, 3), 1..6,
    )) {
        let rows = rows.into_iter().enumerate().map(|(i, mut row)| {
            row[0] += 1.0;
            embedding(&format!("t{i}"), Checkpoint::Late, &row)
        });
        if let Ok(zoo) = Zoo::pack("any", "", rows) {
            prop_assert_eq!(Zoo::parse(&zoo.to_bytes(Dtype::F32).unwrap()).unwrap(), zoo);
        }
    }
}

#[test]
fn one_set_is_read_from_its_own_bytes_alone() {
    for file in [FILE_1_0, FILE_1_1] {
        let whole = Zoo::parse(file).unwrap();
        let head = head_length(&file[..FIRST]).unwrap() as usize;
        let outline = Outline::parse(&file[..head]).unwrap();
        assert_eq!(outline.file_length(), file.len() as u64);
        for set in whole.sets() {
            let keys = [set.key.as_str()];
            let ranges = outline.ranges(&keys);
            let sum: u64 = ranges.iter().map(|range| range.end - range.start).sum();
            assert!(sum < outline.file_length() - head as u64, "{sum}");
            let bytes: Vec<(u64, Vec<u8>)> = ranges
                .iter()
                .map(|range| (range.start, file[range.start as usize..range.end as usize].to_vec()))
                .collect();
            let parts = |bytes: &[(u64, Vec<u8>)]| -> Result<Zoo, Error> {
                let parts: Vec<_> = bytes.iter().map(|(at, b)| (*at, b.as_slice())).collect();
                outline.open(&keys, &parts)
            };
            let part = parts(&bytes).unwrap();
            assert_eq!(part.sets().collect::<Vec<_>>(), [set]);
            assert!(part.rows(set).eq(whole.rows(set)));
            assert_eq!(part.initial(set), whole.initial(set));
            assert_eq!(part.tasks(), whole.tasks());
            // What was changed on the way is noticed, and so is what is not there.
            let mut changed = bytes.clone();
            changed[0].1[0] ^= 1;
            assert!(matches!(parts(&changed), Err(Error::Checksum { .. })));
            changed[0].1.clear();
            assert!(matches!(parts(&changed), Err(Error::Damaged(_))));
        }
        let all: Vec<&str> = whole.sets().map(|set| set.key.as_str()).collect();
        let data = head as u64..file.len() as u64;
        assert_eq!(outline.ranges(&all), vec![data]);
        assert_eq!(outline.ranges(&["none"]), []);
        assert!(Outline::parse(&file[..head - 1]).is_err());
    }
    let large = |length: u64| is_large(&length.to_le_bytes());
    assert!(!large(2 << 20) && large((2 << 20) + 1) && large(MAX_HEADER));
    // For whoever reads it to refuse.
    assert!(!large(MAX_HEADER + 1) && !is_large(&[0xff; 7]) && !is_large(b"{}      "));
    assert!(head_length(&[0; 7]).is_err());
    assert!(head_length(&[0xff; 8]).is_err());
}

#[test]
fn a_projected_zoo_says_so_and_is_compared_with_its_like_only() {
    let rows = |id: &str, x: f32| {
        let mut e = embedding(id, Checkpoint::Late, &[0.0; 24].map(|y: f32| y + x));
        e.values[0] = 1.0;
        e
    };
    let zoo = Zoo::pack("z", "", [rows("a", 1.0), rows("b", -1.0)]).unwrap();
    let projection = Projection { dim: 16, seed: 5 };
    let projected = zoo.projected(projection).unwrap();
    let set = projected.sets().next().unwrap();
    assert_eq!((set.key.as_str(), set.dim), ("lora.late.projected", 16));
    assert_eq!(set.recipe.projection, Some(projection));
    let own = zoo.sets().next().unwrap();
    let exact = tupate_embedding::project(&zoo.row(own, "b").unwrap(), &projection).unwrap();
    assert_eq!(projected.row(set, "b").unwrap(), exact);
    assert_eq!(projected.initial(set).is_some(), zoo.initial(own).is_some());
    let bytes = projected.to_bytes(Dtype::F32).unwrap();
    assert_eq!(schema(&bytes), "1.2");
    assert_eq!(Zoo::parse(&bytes).unwrap(), projected);
    let error =
        tupate_zoo::merge("m", "", [("a", &zoo), ("b", &projected)], tupate_zoo::Repeated::Same)
            .unwrap_err();
    assert!(
        error.to_string().contains("projection: none against 16 dimensions, seed 5"),
        "{error}"
    );
    assert!(projected.projected(projection).is_err());
}

#[test]
fn tables_of_scores_travel_in_the_zoo() {
    let table = |name: &str| ScoreTable::from_csv(b"t,a,b\na,,0.25\nb,1e-9,\n", name).unwrap();
    let zoo = zoo_1_1().with_scores(vec![table("z"), table("data size")]).unwrap();
    assert_eq!(zoo.scores()[0].name, "data size");
    assert_eq!(zoo.scores()[1].scores, [[None, Some(0.25)], [Some(1e-9), None]]);
    let bytes = zoo.to_bytes(Dtype::Int8).unwrap();
    assert_eq!(schema(&bytes), "1.3");
    assert_eq!(Zoo::parse(&bytes).unwrap().scores(), zoo.scores());
    assert_eq!(zoo.without(&["a".into()]).scores(), zoo.scores());
    let refused = |change: fn(&mut ScoreTable), wanted: &str| {
        let mut bad = table("z");
        change(&mut bad);
        let error = zoo_1_1().with_scores(vec![bad]).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    };
    for name in ["lora", "lora.late", "rrf", "ensemble.early"] {
        let error = zoo_1_1().with_scores(vec![table(name)]).unwrap_err().to_string();
        assert!(error.contains("a method or another table has that name"), "{name}: {error}");
    }
    refused(|t| t.name.clear(), "must have 1 to");
    refused(|t| t.sources[1] = "a".into(), "source a is listed twice");
    refused(|t| t.scores[0].truncate(1), "not 2 targets × 2 sources × 1 seeds");
    refused(|t| t.scores.truncate(1), "not 2 targets × 2 sources × 1 seeds");
    refused(|t| t.scores[0][1] = Some(f64::NAN), "not finite");
    let twice = zoo_1_1().with_scores(vec![table("z"), table("z")]).unwrap_err().to_string();
    assert!(twice.contains("the scores of z: a method or another table"), "{twice}");
    let same =
        tupate_zoo::merge("m", "", [("1", &zoo), ("2", &zoo)], tupate_zoo::Repeated::Same).unwrap();
    assert_eq!(same.scores(), zoo.scores());
    let mut other = table("z");
    other.scores[0][1] = None;
    let other = zoo_1_1().with_scores(vec![other]).unwrap();
    let error =
        tupate_zoo::merge("m", "", [("1", &zoo), ("2", &other)], tupate_zoo::Repeated::Same)
            .unwrap_err()
            .to_string();
    assert!(error.contains("different tables of scores called z"), "{error}");
}

#[test]
fn facts_replace_what_they_name_and_nothing_else() {
    let facts = |json: &str| serde_json::from_str::<BTreeMap<String, Facts>>(json);
    let given = facts(r#"{"a": {"name": "Apes", "licence": "MIT"}, "b": {"family": "f"}}"#);
    let told = zoo().with_facts(given.unwrap()).unwrap();
    let (a, b) = (told.task("a").unwrap(), told.task("b").unwrap());
    let own = zoo();
    let (own_a, own_b) = (own.task("a").unwrap(), own.task("b").unwrap());
    assert_eq!((a.name.as_str(), a.licence.as_deref()), ("Apes", Some("MIT")));
    assert_eq!((&a.family, &a.link), (&own_a.family, &own_a.link));
    assert_eq!((b.family.as_str(), &b.name, &b.licence), ("f", &own_b.name, &own_b.licence));
    assert_eq!(told.task("c"), own.task("c"));
    let error = zoo().with_facts(facts(r#"{"zz": {}}"#).unwrap()).unwrap_err().to_string();
    assert!(error.contains("zz") && error.contains("a, b, c"), "{error}");
    assert!(facts(r#"{"a": {"size": 3}}"#).is_err());
}
