//! What is read, and how.

use super::*;
use std::num::NonZeroUsize;

#[test]
fn glue_formats_are_read_literally_gzip_or_not() {
    let quality = "\u{feff}Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n\
                   1\t1\t2\tHe said \"yes\".\t\"He agreed.\r\n0\t3\t4\tA, b.\tC.\r\n";
    let dir = folder(&[
        ("mrpc/train.tsv.gz", &gz(quality)),
        ("mrpc/dev.tsv", quality.as_bytes()),
        ("mrpc/test.tsv", b"unlabelled"),
    ]);
    let task = from(&dir, "mrpc").unwrap();
    assert_eq!(task.train[0].input.texts(), ["He said \"yes\".", "\"He agreed."]);
    assert_eq!(task.train, task.dev);
    assert_eq!(labels(&task.train), [1, 0]);
    assert_eq!(task.label_names, ["not_equivalent", "equivalent"]);
    assert_eq!((task.metric, task.family.as_str()), (Metric::AccuracyF1, "paraphrase"));
    assert!(task.licence.unwrap().contains("non-commercial"));
    assert_eq!(task.notes[2], "2 of the 2 dev examples are training examples, too");
}

#[test]
fn gzip_is_known_by_its_content_not_its_name() {
    let content = gz("text,label\na,x\nb,y\nc,x\nd,y\n");
    assert_eq!(own("plain.csv", &content).unwrap().train_available, 2);
    assert_eq!(own("named.csv.gz", b"text,label\na,x\nb,y\nc,x\nd,y\n").unwrap().task, "named");
}

#[test]
fn cola_s_dev_is_both_of_its_dev_files() {
    let dir = folder(&[
        ("CoLA/in_domain_train.tsv", b"x\t1\t\tFine.\nx\t0\t*\tNot \"fine.\n"),
        ("CoLA/in_domain_dev.tsv", b"x\t1\t\tIn.\n"),
        ("CoLA/out_of_domain_dev.tsv", b"y\t0\t*\tOut."),
    ]);
    let task = from(&dir, "cola").unwrap();
    assert_eq!(task.dev.len(), 2);
    assert_eq!(task.train[1].input, Input::Single("Not \"fine.".into()));
    assert_eq!(task.metric, Metric::Mcc);
}

#[test]
fn unlabelled_and_known_broken_lines_are_passed_over_and_counted() {
    let nli = b"sentence1\tsentence2\tgold_label\na\tb\tentailment\nc\td\t-\ne\tf\tneutral\n";
    let qqp = b"id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n\
                1\t1\t2\ta\tb\t1\n2\t3\t4\tbroken\n3\t5\t6\tc\t\t0\n4\t7\t8\td\te\t0\n";
    let dir = folder(&[
        ("snli/train.tsv", nli),
        ("snli/dev.tsv", nli),
        ("qqp/train.tsv", qqp),
        ("qqp/dev.tsv", qqp),
    ]);
    for (task, note) in [
        ("snli", "train.tsv: passed over 1 line without a label"),
        ("qqp", "train.tsv: passed over 2 lines with a broken or an empty text"),
    ] {
        let task = from(&dir, task).unwrap();
        assert_eq!(task.train.len(), 2);
        assert!(task.notes[0].ends_with(note), "{:?}", task.notes);
    }
}

#[test]
fn one_example_in_a_hundred_may_lack_something() {
    // The first lacks a text, the last a label; JSON may have null for either.
    let file = |rows: usize, csv: bool| {
        let row = |i: usize| {
            let text = if i == 0 { String::new() } else { format!("t{i}") };
            let label = if i == rows - 1 { String::new() } else { format!("l{}", i % 2) };
            match csv {
                true => format!("{text},{label}\n"),
                false => {
                    let none = |text: String| Some(text).filter(|text| !text.is_empty());
                    let value = serde_json::json!({ "text": none(text), "label": none(label) });
                    format!("{value}\n")
                }
            }
        };
        let rows: String = (0..rows).map(row).collect();
        if csv { format!("text,label\n{rows}") } else { rows }
    };
    for (name, csv, [text, label]) in [("a.csv", true, [2, 201]), ("a.jsonl", false, [1, 200])] {
        let data = own(name, file(200, csv).as_bytes()).unwrap();
        assert_eq!(data.train.len() + data.dev.len(), 198);
        for (what, line) in [("text", text), ("label", label)] {
            let note = format!(
                "passed over 1 of 200 examples (0.5 %) without a {what}, the first in line {line}"
            );
            assert!(data.notes.iter().any(|told| told.ends_with(&note)), "{:?}", data.notes);
        }
        own(name, file(100, csv).as_bytes()).unwrap();
        let error = own(name, file(99, csv).as_bytes()).unwrap_err().to_string();
        let end = format!(
            "{name}:{text}: the text in column \"text\" is empty; fill it in or remove the line"
        );
        assert!(error.ends_with(&end), "{error}");
    }
    let file = file(200, true).replace("t10,", " ,").replace("t11,", ",");
    let error = own("a.csv", file.as_bytes()).unwrap_err().to_string();
    let end = "a.csv:2: the text in column \"text\" is empty, the first of 3 such among 200 \
               examples; fill them in or remove the lines";
    assert!(error.ends_with(end), "{error}");
}

#[test]
fn own_files_of_every_format_are_the_same_task() {
    let rows = [("a, \"b\"", "10"), ("c", "9"), ("d", "10"), ("e", "9")];
    let mut csv = "stars,Review\n".to_owned();
    let mut tsv = csv.replace(',', "\t");
    let mut json = String::new();
    for (text, label) in rows {
        csv += &format!("{label},\"{}\"\n", text.replace('"', "\"\""));
        tsv += &format!("{label}\t{text}\n");
        json += &format!(
            "{}\n",
            serde_json::json!({ "stars": 9 + (label == "10") as i32, "Review": text })
        );
    }
    let read = |name, content: &str| own(name, content.as_bytes()).unwrap();
    let csv = read("mine.csv", &csv);
    assert_eq!(csv.label_names, ["9", "10"], "sorted as numbers");
    assert_eq!(
        csv.notes[0],
        "columns, guessed from their names: text = \"Review\", label = \"stars\""
    );
    for other in [read("mine.tsv", &tsv), read("mine.jsonl", &json)] {
        assert_eq!((&other.train, &other.dev), (&csv.train, &csv.dev));
        assert_eq!(other.label_names, csv.label_names);
    }
    assert_eq!(
        (csv.task.as_str(), csv.class.name(), csv.metric.name()),
        ("mine", "CR", "accuracy")
    );
}

#[test]
fn columns_are_guessed_by_name_and_by_what_is_left() {
    for (header, guess, left) in [
        (
            "id,Premise,Hypothesis,gold_label",
            "first text = \"Premise\", second text = \"Hypothesis\", label = \"gold_label\"",
            "; not used: \"id\"",
        ),
        (
            "sentence_1,sentence_2,class",
            "first text = \"sentence_1\", second text = \"sentence_2\", label = \"class\"",
            "",
        ),
        ("remark,label", "text = \"remark\", label = \"label\"", ""),
        ("text,flavour", "text = \"text\", label = \"flavour\"", ""),
        ("question,answer", "text = \"question\", label = \"answer\"", ""),
        ("title,text,topic", "text = \"text\", label = \"topic\"", "; not used: \"title\""),
        (
            "a,b,text,c,d,label,e,f,g",
            "text = \"text\", label = \"label\"",
            "; not used: \"a\", \"b\", \"c\", \"d\", \"e\" and 2 more",
        ),
    ] {
        let row = |label: &str, i: usize| {
            let columns =
                header.split(',').map(|name| match guess.ends_with(&format!("{name:?}")) {
                    true => label.to_owned(),
                    false => format!("t{i}"),
                });
            columns.collect::<Vec<_>>().join(",") + "\n"
        };
        let rows: String = (0..4).map(|i| row(["x", "y"][i % 2], i)).collect();
        let task = own("a.csv", format!("{header}\n{rows}").as_bytes()).unwrap();
        assert_eq!(task.notes[0], format!("columns, guessed from their names: {guess}{left}"));
    }
}

#[test]
fn a_tenth_of_each_class_is_held_out_and_the_seed_decides_which() {
    let text = format!("text,label\n{}", csv_lines(60));
    let dir = folder(&[("a.csv", text.as_bytes())]);
    let path = dir.path().join("a.csv");
    let with = |seed| load(&Request { seed, ..request(path.to_str().unwrap()) }).unwrap();
    let task = with(1);
    let mut held = labels(&task.dev);
    held.sort_unstable();
    assert_eq!(held, [0, 0, 0, 0, 1, 1]);
    assert_eq!((task.train.len(), task.train_available), (54, 54));
    assert_eq!(task, with(1));
    assert_ne!(task.dev, with(2).dev);
    assert_eq!(
        task.notes[2],
        "dev: no file for it; 6 of the 60 training examples are held out, one in 10 of each \
         class, drawn with seed 1"
    );
}

#[test]
fn fewer_dev_examples_are_drawn_with_a_seed_and_said_to_be_fewer() {
    let whole = load(&request("sample_topic")).unwrap();
    let few = |n, seed| whole.clone().limited_dev(NonZeroUsize::new(n).unwrap(), seed);
    let ten = few(10, 0);
    assert_eq!((ten.dev.len(), &ten.train), (10, &whole.train));
    assert!(ten.dev.iter().all(|example| whole.dev.contains(example)));
    assert_eq!(ten, few(10, 0));
    assert_ne!(ten.dev, few(10, 1).dev);
    assert!(ten.notes.last().unwrap().starts_with("scored on 10 of 160 dev examples"));
    assert_eq!(few(1000, 0), whole);
}

#[test]
fn max_train_draws_a_seeded_subset_and_says_so() {
    let text = format!("text,label\n{}", csv_lines(3000));
    let dir = folder(&[("a.csv", text.as_bytes()), ("dev.csv", b"text,label\nnew,no\n")]);
    let (path, dev) = (dir.path().join("a.csv"), dir.path().join("dev.csv"));
    let base = Request { dev_file: Some(&dev), ..request(path.to_str().unwrap()) };
    let with = |max_train, seed| load(&Request { max_train, seed, ..base }).unwrap();
    let task = with(Some(1200), 3);
    assert_eq!((task.train.len(), task.train_available, task.dev.len()), (1200, 3000, 1));
    assert_eq!(
        task.notes.last().unwrap(),
        "training on 1,200 of 3,000 examples, drawn with seed 3"
    );
    assert_eq!(task.train[..100], with(Some(100), 3).train[..], "a smaller subset is part of it");
    assert_ne!(task.train, with(Some(1200), 4).train);
    assert_eq!(with(Some(5000), 3).train, with(None, 3).train);
    let one = with(Some(1), 3);
    assert!(one.notes.last().unwrap().starts_with("none of them has the label "));
    let sample = load(&Request { max_train: Some(10), ..request("sample_topic") }).unwrap();
    assert_eq!(sample.train.len(), 10);
}

#[test]
fn a_folder_of_one_s_own_is_a_task_and_flags_name_files() {
    let rows = |n| format!("text,label\n{}", csv_lines(n)).into_bytes();
    let dir = folder(&[
        ("mine/train.csv", &rows(9)),
        ("mine/val.csv", &rows(4)),
        ("mine/extra.csv", &rows(6)),
        ("mine/notes.txt", b"ignored"),
    ]);
    let task = from(&dir, "mine").unwrap();
    assert_eq!((task.train.len(), task.dev.len(), task.family.as_str()), (9, 4, "own"));
    let extra: PathBuf = dir.path().join("mine/extra.csv");
    let named = Request { dev_file: Some(&extra), data_dir: Some(dir.path()), ..request("mine") };
    assert_eq!(load(&named).unwrap().dev.len(), 6);
    let alone = Request { train_file: Some(&extra), ..request("anything") };
    assert_eq!(load(&alone).unwrap().train_available, 4);
}

#[test]
fn a_summary_counts() {
    let summary =
        own("a.csv", format!("text,label\n{}", csv_lines(60)).as_bytes()).unwrap().summary();
    assert_eq!((summary.train, summary.dev, summary.max_words), (54, 6, 2));
    assert_eq!(summary.classes[0].label, "no");
    assert_eq!((summary.classes[0].train, summary.classes[0].dev), (36, 4));
    assert!((summary.majority - 4.0 / 6.0).abs() < 1e-12);
    assert!(matches!(source("sample_topic"), Source::Generated));
    assert!(about("sample_topic").unwrap().ends_with("its main clause decides"));
    assert!(matches!(source("rte"), Source::Files(known) if known.id == "rte"));
    assert!(matches!(source("stsb"), Source::Files(known) if known.id == "stsb"));
    assert!(matches!(source("mine"), Source::Own));
}
