//! Files in forms that their names do not say, or that people's tools write.

use super::forms::{CONLLU, both, has_note, owned, questions, sentences};
use super::own::{all, chosen};
use super::*;
use serde_json::json;

#[test]
fn comments_of_as_many_columns_as_the_words() {
    let expected = [owned(&[("the", "O"), ("#", "O")]), owned(&[("peru", "B-LOC")])];
    for content in [
        // MultiCoNER.
        "# id 5239d808\tdomain=en\nthe _ _ O\n# _ _ O\n\n# id f5458a3a\tdomain=en\nperu _ _ B-LOC\n",
        "# sent_id = 5\nthe _ _ O\n# _ _ O\n\n# sent_id = 6\nperu _ _ B-LOC\n",
        "# sent_id = 5\n# text = the#\nthe _ _ O\n# _ _ O\n\n# sent_id = 6\n# text = peru\nperu _ _ B-LOC\n",
    ] {
        let dataset = both("ner", "train.conll", "dev.conll", content);
        assert_eq!(sentences(&dataset, &dataset.train), expected, "{content}");
    }
    let words = "# _ _ O\nthe _ _ O\n\nperu _ _ B-LOC\n";
    let dataset = both("ner", "train.conll", "dev.conll", words);
    assert_eq!(sentences(&dataset, &dataset.train)[0][0].0, "#", "a word in front of one sentence");
}

#[test]
fn conllu_by_another_name() {
    let dir = folder(&[("a.conll", CONLLU.as_bytes()), ("a.conllu", CONLLU.as_bytes())]);
    let read = |name: &str| {
        let path = dir.path().join(name);
        load(&Request { dev_file: Some(&path), ..request(path.to_str().unwrap()) }).unwrap()
    };
    let (conll, conllu) = (read("a.conll"), read("a.conllu"));
    assert_eq!(conll.train, conllu.train);
    has_note(&conll, "its lines are those of CoNLL-U: tag = \"upos\"");
    // Labels in ten columns of another kind are those of a word a line.
    let other = "EU\t_\t_\t_\t_\t_\t_\t_\t_\tB\nrejects\t_\t_\t_\t_\t_\t_\t_\t_\tO\n\n";
    assert_eq!(own("a.conll", other.repeat(2).as_bytes()).unwrap().label_names, ["B", "O"]);
}

#[test]
fn words_in_tables() {
    let words = "Ann\tNNP\tNP\nran\tVBD\tVP\n\nBob\tNNP\tNP\nsat\tVBD\tVP\n";
    let task = chosen("a.tsv", words, "word=1,tag=3").unwrap();
    assert_eq!(task.notes[0], "columns: word = 1, tag = 3");
    assert_eq!(task.label_names, ["NP", "VP"]);
    assert_eq!(all(&task).len(), 2);
    let message = own("a.tsv", words.as_bytes()).unwrap_err();
    assert!(message.ends_with("or word=1,tag=2 for a word a line"), "{message}");
    let message = own("a.tsv", words.replace("NP\tNP", "NP\tNNP").as_bytes()).unwrap_err();
    assert!(message.ends_with("or word=1,tag=2 for a word a line"), "{message}");
}

#[test]
fn numbers_of_columns_are_a_header() {
    let rows = "a,x\nb,y\nc,x\nd,y\n";
    let bare = chosen("a.csv", rows, "text=1,label=2").unwrap();
    for header in ["0,1\n", "\"0\",\"1\"\n"] {
        let task = chosen("a.csv", &format!("{header}{rows}"), "text=1,label=2").unwrap();
        assert_eq!((&task.train, &task.dev), (&bare.train, &bare.dev), "{header}");
    }
    let tabs = format!("0\t1\n{}", rows.replace(',', "\t"));
    assert_eq!(chosen("a.tsv", &tabs, "text=1,label=2").unwrap().train, bare.train);
    // A text that is called as columns are is a text where its label is one of others.
    let title = chosen("a.csv", &format!("title,x\n{rows}"), "text=1,label=2").unwrap();
    assert_eq!(all(&title).len(), 5);
}

#[test]
fn json_lines_by_another_name() {
    let row = |text: &str, label: &str| format!("{}\n", json!({ "text": text, "label": label }));
    let lines: String = (0..4).map(|i| row(&format!("t{i}"), ["x", "y"][i % 2])).collect();
    let task = own("a.jsonl", lines.as_bytes()).unwrap();
    assert_eq!(own("a.json", lines.as_bytes()).unwrap().train, task.train);
    let named = lines.replace("label", "mood").replace("text", "body");
    assert_eq!(chosen("a.json", &named, "text=body,label=mood").unwrap().train, task.train);
    let mrqa: String = (0..2)
        .map(|i| {
            json!({ "context": format!("x {i}"), "qas": [{ "qid": i, "question": "q",
                    "detected_answers": [{ "char_spans": [[0, 0]] }] }] })
            .to_string()
                + "\n"
        })
        .collect();
    assert_eq!(own("a.json", mrqa.as_bytes()).unwrap().objective, Objective::SpanExtraction);
}

#[test]
fn numbers_of_classes_with_a_point() {
    let lines: String =
        (0..4).map(|i| format!("{{\"text\": \"t{i}\", \"label\": {}.0}}\n", i % 2)).collect();
    let csv: String = (0..4).map(|i| format!("t{i},{}.0\n", i % 2)).collect();
    let task = own("a.jsonl", lines.as_bytes()).unwrap();
    assert_eq!(task.label_names, ["0.0", "1.0"]);
    assert_eq!(task.train, own("a.csv", format!("text,label\n{csv}").as_bytes()).unwrap().train);
}

#[test]
fn quotes_around_a_header_s_names() {
    let csv = "\"sentence1\",\"sentence2\",\"score\"\na,b,0.5\nc,d,1.5\n";
    let dir = folder(&[("stsb/train.csv", csv.as_bytes()), ("stsb/dev.csv", csv.as_bytes())]);
    let scores: Vec<_> =
        from(&dir, "stsb").unwrap().train.into_iter().map(|example| example.label).collect();
    assert_eq!(scores, [Label::Score(0.5), Label::Score(1.5)]);
}

#[test]
fn answers_with_their_places_one_by_one() {
    let answers =
        json!([{ "text": "Ankara", "answer_start": 5 }, { "text": "ara", "answer_start": 8 }]);
    let row = |id: &str, answers: serde_json::Value| {
        let context = "é in Ankara";
        json!({ "id": id, "context": context, "question": "q", "answers": answers })
    };
    let lines = format!("{}\n{}\n", row("1", answers), row("2", json!([])));
    let dataset = both("squad_v2", "train.jsonl", "dev.jsonl", &lines);
    let found = questions(&dataset.train);
    assert_eq!(found[0].2, [("Ankara", Some("Ankara")), ("ara", Some("ara"))]);
    assert_eq!(found[1].2, []);
    let dir = folder(&[("own.jsonl", lines.as_bytes())]);
    let path = dir.path().join("own.jsonl");
    let own = load(&Request { dev_file: Some(&path), ..request(path.to_str().unwrap()) }).unwrap();
    assert_eq!(own.train, dataset.train);
}
