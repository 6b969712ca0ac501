//! Every form of questions, sentences and scores, as it is distributed.

use super::*;
use serde_json::json;

/// A question, its context, and its answers with the text at their places.
pub(super) type Asked<'a> = (&'a str, &'a str, Vec<(&'a str, Option<&'a str>)>);

fn asked(example: &Example) -> Asked<'_> {
    let (Input::Question { question, context }, Label::Answers(answers)) =
        (&example.input, &example.label)
    else {
        panic!("no question: {example:?}");
    };
    let there =
        |answer: &Answer| answer.start.map(|start| &context[start..start + answer.text.len()]);
    (question, context, answers.iter().map(|a| (a.text.as_str(), there(a))).collect())
}

pub(super) fn questions(examples: &[Example]) -> Vec<Asked<'_>> {
    examples.iter().map(asked).collect()
}

/// A file as it is distributed, in two splits of the same content.
pub(super) fn both(task: &str, train: &str, dev: &str, content: &str) -> Dataset {
    let (train, dev) = (format!("{task}/{train}"), format!("{task}/{dev}"));
    let dir = folder(&[(&train, &gz(content)), (&dev, content.as_bytes())]);
    let dataset = from(&dir, task).map_err(|error| plain(&dir, &error)).unwrap();
    assert_eq!(dataset.train, dataset.dev);
    assert_eq!(dataset.class, tupate_tasks::task(task).unwrap().class);
    dataset
}

pub(super) fn has_note(dataset: &Dataset, wanted: &str) {
    assert!(dataset.notes.iter().any(|note| note.ends_with(wanted)), "{:?}", dataset.notes);
}

#[test]
fn squad_counts_characters_and_knows_the_unanswerable() {
    let content = json!({ "version": "v2.0", "data": [{ "title": "Cafés", "paragraphs": [{
        "context": "Le café € was 😀 in Ankara.",
        "qas": [
            { "id": "q1", "question": "Where?", "is_impossible": false, "answers": [
                { "text": "Ankara", "answer_start": 19 },
                { "text": "in Ankara", "answer_start": 16 },
                { "text": "Ankara", "answer_start": 19 },
            ] },
            { "id": "q2", "question": "Who?", "is_impossible": true, "answers": [],
              "plausible_answers": [{ "text": "café", "answer_start": 3 }] },
        ],
    }] }] });
    let content = content.to_string();
    for task in ["squad_v2", "squad_v1"] {
        let (train, dev) = if task == "squad_v2" {
            ("train-v2.0.json", "dev-v2.0.json")
        } else {
            ("train.json", "dev.json")
        };
        let dataset = both(task, &format!("{train}.gz"), dev, &content);
        let found = questions(&dataset.train);
        let context = "Le café € was 😀 in Ankara.";
        let first = vec![("Ankara", Some("Ankara")), ("in Ankara", Some("in Ankara"))];
        assert_eq!(found, [("Where?", context, first), ("Who?", context, vec![])]);
        assert_eq!(
            (dataset.objective, dataset.metric),
            (Objective::SpanExtraction, Metric::TokenF1)
        );
        assert!(dataset.label_names.is_empty());
        let summary = dataset.summary();
        let [answers, _] = summary.answers.unwrap();
        assert_eq!((answers.questions, answers.unanswerable), (2, 1));
        assert_eq!((answers.answers, answers.located, summary.majority), (2, 2, 0.5));
    }
}

#[test]
fn squad_answers_beside_their_offset_are_moved_and_counted() {
    let content = json!({ "data": [{ "paragraphs": [{ "context": "a bb ccc", "qas": [
        { "id": "1", "question": "?", "answers": [{ "text": "bb", "answer_start": 4 }] },
        { "id": "2", "question": "?", "answers": [{ "text": "ccc", "answer_start": 5 }] },
    ] }] }] });
    let dataset = both("squad_v1", "train-v1.1.json", "dev-v1.1.json", &content.to_string());
    let found = questions(&dataset.train);
    assert_eq!(found[0].2, [("bb", Some("bb"))]);
    has_note(&dataset, "1 answer up to 2 characters beside the offset; the offset was mended");
}

#[test]
fn newsqa_s_one_file_holds_all_splits() {
    let story = |split: &str, id: &str| {
        json!({ "storyId": id, "type": split, "text": "CNN -- Ünal won\n twice .\n", "questions": [
            { "q": "Who won?", "consensus": { "s": 7, "e": 12 } },
            { "q": "How often?", "consensus": { "s": 16, "e": 25 } },
            { "q": "Why?", "consensus": { "noAnswer": true } },
            { "q": "Asdf?", "consensus": { "badQuestion": true } },
        ] })
    };
    let all = json!({ "version": "1", "data": [
        story("train", "a"), story("dev", "b"), story("test", "c"), story("train", "d"),
    ] });
    let dir = folder(&[("newsqa/combined-newsqa-data-v1.json", all.to_string().as_bytes())]);
    let dataset = from(&dir, "newsqa").unwrap();
    assert_eq!((dataset.train.len(), dataset.dev.len()), (6, 3));
    let found = questions(&dataset.dev);
    assert_eq!(found[0].2, [("Ünal", Some("Ünal"))], "spaces are no part of an answer");
    assert_eq!(found[1].2, [("twice .", Some("twice ."))]);
    assert_eq!(found[2].2, []);
    has_note(&dataset, "left out 2 of 8 questions (25.0 %) that their annotators call bad");
}

#[test]
fn mrqa_marks_both_ends() {
    let header = json!({ "header": { "dataset": "NewsQA", "split": "train" } });
    let row = json!({ "id": "", "context": "The é cat sat.", "qas": [
        { "qid": "1", "question": "who", "answers": ["The Cat", "é cat"], "detected_answers": [
            { "text": "é cat", "char_spans": [[4, 8]], "token_spans": [[1, 2]] },
        ] },
        { "qid": "2", "question": "why", "answers": ["x"], "detected_answers": [] },
    ] });
    let lines = format!("{header}\n{row}\n");
    let dataset = both("newsqa", "train.jsonl", "dev.jsonl", &lines);
    let found = questions(&dataset.train);
    assert_eq!(found[0].2, [("é cat", Some("é cat")), ("The Cat", None)]);
    has_note(&dataset, "left out 1 of 2 questions (50.0 %) without a detected answer");
    let summary = dataset.summary().answers.unwrap()[0];
    assert_eq!((summary.answers, summary.located), (2, 1));
}

#[test]
fn hotpotqa_looks_in_the_supporting_paragraphs_first_and_says_yes_and_no() {
    let context =
        json!([["Other", ["Rome is old."]], ["Gold", ["It lies in rome.", " Noon is hot."]],]);
    let row = |id: &str, answer: &str| {
        json!({ "_id": id, "question": "?", "answer": answer, "context": context,
                "supporting_facts": [["Gold", 0]], "type": "bridge", "level": "easy" })
    };
    let list = json!([row("1", "Rome"), row("2", "no"), row("3", "Yes"), row("", "Paris")]);
    let names = ("hotpot_train_v1.1.json", "hotpot_dev_distractor_v1.json");
    let dataset = both("hotpotqa", names.0, names.1, &list.to_string());
    let found = questions(&dataset.train);
    let text = "yes no Other Rome is old. Gold It lies in rome. Noon is hot.";
    assert_eq!(found[0], ("?", text, vec![("rome", Some("rome"))]));
    assert_eq!(found[1].2, [("no", Some("no"))]);
    assert_eq!(found[2].2, [("yes", Some("yes"))]);
    let Label::Answers(no) = &dataset.train[1].label else { panic!() };
    assert_eq!(no[0].start, Some(4), "in the words in front, not in Noon");
    has_note(
        &dataset,
        "left out 1 of 4 questions (25.0 %) whose answer stands nowhere in the text",
    );
}

#[test]
fn duorc_has_several_answers_or_none() {
    let plot = "The GHOST leaves Ørsted.";
    let list = json!([{ "id": "f", "title": "t", "plot": plot, "qa": [
        { "id": "1", "question": "who", "answers": ["a spirit", "the ghost"], "no_answer": false },
        { "id": "2", "question": "why", "answers": [], "no_answer": true },
        { "id": "3", "question": "how", "answers": ["on foot"], "no_answer": false },
    ] }]);
    let names = ("SelfRC_train.json", "SelfRC_dev.json");
    let dataset = both("duorc_s", names.0, names.1, &list.to_string());
    let found = questions(&dataset.train);
    let answers = vec![("The GHOST", Some("The GHOST")), ("a spirit", None)];
    assert_eq!(found, [("who", plot, answers), ("why", plot, vec![])]);
    has_note(
        &dataset,
        "left out 1 of 3 questions (33.3 %) whose answer stands nowhere in the text",
    );
}

#[test]
fn drop_s_first_spans() {
    let none =
        json!({ "number": "3", "date": { "day": "", "month": "", "year": "" }, "spans": [] });
    let spans = |spans: &[&str]| json!({ "number": "", "date": {}, "spans": spans });
    let all = json!({ "p1": { "passage": "Ann and Bob ran 3 miles.", "wiki_url": "", "qa_pairs": [
        { "question": "who", "query_id": "1", "answer": spans(&["Bob", "Ann"]),
          "validated_answers": [spans(&["Ann"]), none] },
        { "question": "how far", "query_id": "2", "answer": none },
        { "question": "who not", "query_id": "3", "answer": spans(&["Eve"]) },
    ] }, "p2": { "passage": "Cy sat.", "qa_pairs": [
        { "question": "who sat", "query_id": "4", "answer": spans(&["Cy"]) },
    ] } });
    let names = ("drop_dataset_train.json", "drop_dataset_dev.json");
    // The later name stands first.
    let all = all.to_string().replace("p1", "p3");
    let dataset = both("drop", names.0, names.1, &all);
    let found = questions(&dataset.train);
    assert_eq!(found[0].2, [("Bob", Some("Bob")), ("Ann", Some("Ann"))]);
    assert_eq!(found[1].0, "who sat", "in the file's order");
    has_note(
        &dataset,
        "left out 1 of 4 questions (25.0 %) whose answer stands nowhere in the text",
    );
    has_note(
        &dataset,
        "left out 1 of 4 questions (25.0 %) whose answer is a number or a date, not a span",
    );
}

#[test]
fn wikihop_s_supports_are_one_text() {
    let list = json!([{ "id": "WH_1", "query": "country oslo", "answer": "norway",
                        "candidates": ["norway", "sweden"], "supports": ["Oslo is big.", "In Norway."] }]);
    let dataset = both("wikihop", "train.json", "dev.json", &list.to_string());
    let answer = vec![("Norway", Some("Norway"))];
    assert_eq!(questions(&dataset.train), [("country oslo", "Oslo is big. In Norway.", answer)]);
}

#[test]
fn multiqa_s_documents_are_one_context() {
    let header = json!({ "header": { "dataset_name": "ComQA", "split": "train" } });
    let documents = json!({ "documents": [
        { "title": "Rivers", "text": "The Nile is long.", "url": "no text" },
        { "snippet": "Snippet of the Amazon", "snippets": ["one", "two"] },
    ] });
    let row = |qid: &str, answers: serde_json::Value| {
        json!({ "id": qid, "context": documents, "qas": [
            { "qid": qid, "question": "which", "answers": { "open-ended": answers } },
        ] })
    };
    let extractive = json!({ "answer": "amazon river", "aliases": ["the amazon", "Nile"] });
    let released = json!({ "annotators_answer_candidates": [
        { "single_answer": { "extractive": extractive } },
    ] });
    let documented = json!({ "answer_candidates": [
        { "extractive": { "single_answer": { "answer": "long", "instances": [
            { "doc_id": 0, "part": "text", "start_byte": 12, "text": "long" },
        ] } } },
    ] });
    let yes = json!({ "annotators_answer_candidates": [{ "single_answer": { "yesno": "no" } }] });
    let lines: String = [
        header,
        row("1", released),
        row("2", documented),
        row("3", yes),
        row("4", json!({ "cannot_answer": "yes" })),
        row(
            "5",
            json!({ "annotators_answer_candidates": [{ "single_answer": { "number": 3.0 } }] }),
        ),
    ]
    .iter()
    .map(|row| format!("{row}\n"))
    .collect();
    for task in ["comqa", "cq", "hotpotqa"] {
        let dataset = both(task, "train.jsonl", "dev.jsonl", &lines);
        let found = questions(&dataset.train);
        assert_eq!(found[0].1, "yes no Rivers The Nile is long. Snippet of the Amazon one two");
        let answers =
            [("the Amazon", Some("the Amazon")), ("Nile", Some("Nile")), ("amazon river", None)];
        assert_eq!(found[0].2, answers);
        assert_eq!(found[1].2, [("long", Some("long"))]);
        assert_eq!(found[2].2, [("no", Some("no"))]);
        assert_eq!(found[3].2, []);
        has_note(&dataset, "left out 1 of 5 questions (20.0 %) whose answer is no text");
    }
}

#[test]
fn stsb_with_and_without_a_header() {
    let glue = "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore\n\
                0\tg\tf\t2012\t1\ts\ts\tA \"b.\tC.\t3.800\n1\tg\tf\t2012\t2\ts\ts\tD.\tE.\t0.000\n";
    let original =
        "g\tf\t2012\t0001\t3.800\tA \"b.\tC.\ng\tf\t2012\t0002\t0.000\tD.\tE.\tlicence\thttp\n";
    let first = both("stsb", "train.tsv.gz", "dev.tsv", glue);
    let second = both("stsb", "sts-train.csv.gz", "sts-dev.csv", original);
    assert_eq!(first.train, second.train);
    assert_eq!(first.train[0].input, Input::Pair("A \"b.".into(), "C.".into()));
    assert_eq!(first.train[0].label, Label::Score(3.8));
    let (objective, metric) = (Objective::Regression, Metric::PearsonSpearman);
    assert_eq!((first.objective, first.metric), (objective, metric));
    let [train, _] = first.summary().scores.unwrap();
    assert_eq!((train.min, train.max), (0.0, 3.8));
    assert!((train.mean - 1.9).abs() < 1e-6 && (train.deviation - 1.9).abs() < 1e-6);
}

#[test]
fn scitail_comes_in_two_formats() {
    let tsv = "A b.\tC d.\tentails\nE.\tF.\tneutral\n";
    let snli = "{\"gold_label\": \"entailment\", \"sentence1\": \"A b.\", \"sentence2\": \"C d.\"}\n\
                {\"gold_label\": \"neutral\", \"sentence1\": \"E.\", \"sentence2\": \"F.\"}\n";
    let tsv = both("scitail", "scitail_1.0_train.tsv", "scitail_1.0_dev.tsv", tsv);
    let snli = both("scitail", "train.txt", "dev.txt", snli);
    assert_eq!(tsv.train, snli.train);
    assert_eq!(labels(&tsv.train), [1, 0]);
}

/// The words and labels of sentences.
pub(super) fn sentences(dataset: &Dataset, examples: &[Example]) -> Vec<Vec<(String, String)>> {
    let of = |example: &Example| match (&example.input, &example.label) {
        (Input::Words(words), Label::Tags(tags)) => {
            assert_eq!(words.len(), tags.len());
            let name = |tag: &u32| dataset.label_names[*tag as usize].clone();
            words.iter().cloned().zip(tags.iter().map(name)).collect()
        }
        other => panic!("no sentence: {other:?}"),
    };
    examples.iter().map(of).collect()
}

pub(super) fn owned(sentence: &[(&str, &str)]) -> Vec<(String, String)> {
    sentence.iter().map(|(word, tag)| ((*word).to_owned(), (*tag).to_owned())).collect()
}

#[test]
fn conll_files_in_spaces_and_tabs() {
    let spaces = "# a comment of more words\n-DOCSTART- -X- -X- O\n\nPaid VBD B-VP O\n# # B-NP O\n5 CD I-NP B-MISC\n \
                  \t\nUp RB B-ADVP O\n\n\nlast NN B-NP O";
    let tabs = spaces
        .replace(" \t\n", "\n")
        .replace(' ', "\t")
        .replace("#\ta\tcomment\tof\tmore\twords", "# id = 1");
    let expected = [
        owned(&[("Paid", "O"), ("#", "O"), ("5", "B-MISC")]),
        owned(&[("Up", "O")]),
        owned(&[("last", "O")]),
    ];
    for content in [spaces, &tabs, &tabs.replace('\n', "\r\n")] {
        let dataset = both("ner", "eng.train", "eng.testa", content);
        assert_eq!(sentences(&dataset, &dataset.train), expected);
        assert_eq!(
            (dataset.objective, dataset.metric),
            (Objective::TokenClassification, Metric::SpanF1)
        );
        assert_eq!(dataset.label_names, ["B-MISC", "O"]);
        assert_eq!(dataset.class.name(), "SL");
    }
}

#[test]
fn constituents_are_columns_of_one_file() {
    let content =
        "Ann\tNNP\tNP\tS\tNone\nran\tVBD\tVP\tS\tNone\n\nIn\tIN\tPP\tVP\tS\nit\tPRP\tNP\tPP\tVP\n";
    for (task, tag) in [("pos_ptb", "PRP"), ("parent", "NP"), ("gparent", "PP"), ("ggparent", "VP")]
    {
        let dataset = both(task, "train.tsv", "dev.tsv", content);
        let found = sentences(&dataset, &dataset.train);
        assert_eq!(found[1][1], ("it".to_owned(), tag.to_owned()), "{task}");
        assert_eq!(dataset.metric, Metric::Accuracy);
    }
}

#[test]
fn constituents_are_read_from_trees() {
    let trees = "( (S (NP-SBJ-1 (PRP It) (-NONE- *T*-1))\n  (VP (VBZ is) (PP=2 (IN at)\n    (NP (-LRB- -LRB-) (NN home)))) (. .)))\n\
                 (ROOT (NN End))\n";
    for (task, expected) in [
        ("pos_ptb", "PRP VBZ IN -LRB- NN . NN"),
        ("parent", "NP VP PP NP NP S ROOT"),
        ("gparent", "S S VP PP PP None None"),
        ("ggparent", "None None S VP VP None None"),
    ] {
        let dataset = both(task, "train.mrg.gz", "dev.ptb", trees);
        let found = sentences(&dataset, &dataset.train);
        let join = |part: fn(&(String, String)) -> &String| {
            found.iter().flatten().map(part).map(String::as_str).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(join(|(word, _)| word), "It is at ( home . End");
        assert_eq!(join(|(_, tag)| tag), expected, "{task}");
        assert_eq!(found.len(), 2);
    }
    let derivations = "ID=wsj_0001.1 PARSER=GOLD NUMPARSE=1\n\
        (<T S[dcl] 0 2> (<L NP PRP PRP It NP>) (<L S[dcl]\\NP VBZ VBZ rains S[dcl]\\NP_1> ) )\n";
    let dataset = both("ccg", "train.auto", "dev.auto", derivations);
    let expected = owned(&[("It", "NP"), ("rains", "S[dcl]\\NP")]);
    assert_eq!(sentences(&dataset, &dataset.train), [expected]);
}

#[test]
fn errors_are_the_positive_class() {
    let content = "Dear\tc\nSir\ti\n\nI\tc\n";
    let names = ("fce-public.train.original.tsv", "fce-public.dev.original.tsv");
    let dataset = both("ged", names.0, names.1, content);
    assert_eq!(dataset.label_names, ["correct", "incorrect"]);
    assert_eq!(dataset.train[0].label, Label::Tags(vec![0, 1]));
    assert_eq!(dataset.metric, Metric::F05);
}

pub(super) const CONLLU: &str = "# sent_id = 1\n# text = Don't go\n\
    1-2\tDon't\t_\t_\t_\t_\t_\t_\t_\t_\n\
    1\tDo\tdo\tAUX\tVBP\t_\t3\taux\t_\t_\n\
    2\tn't\tnot\tPART\tRB\t_\t3\tadvmod\t_\t_\n\
    3\tgo\tgo\tVERB\tVB\t_\t0\troot\t_\t_\n\
    3.1\tgone\tgo\tVERB\tVBN\t_\t_\t_\t_\t_\n\n\
    1\tNew York\tNew York\tPROPN\tNNP\t_\t0\troot\t_\t_\n";

#[test]
fn conllu_columns_are_chosen_by_name_or_place() {
    let dataset = both("pos_ewt", "en_ewt-ud-train.conllu", "en_ewt-ud-dev.conllu", CONLLU);
    let expected =
        [owned(&[("Do", "AUX"), ("n't", "PART"), ("go", "VERB")]), owned(&[("New York", "PROPN")])];
    assert_eq!(sentences(&dataset, &dataset.train), expected);
    let dir = folder(&[("a.conllu", CONLLU.as_bytes())]);
    let path = dir.path().join("a.conllu");
    for (choice, tag) in
        [("tag=xpos", "NNP"), ("tag=deprel", "root"), ("tag=5", "NNP"), ("tag=UPOS", "PROPN")]
    {
        let columns: ColumnChoice = choice.parse().unwrap();
        let request = Request {
            columns: Some(&columns),
            dev_file: Some(&path),
            ..request(path.to_str().unwrap())
        };
        let dataset = load(&request).unwrap();
        assert_eq!(sentences(&dataset, &dataset.train)[1][0].1, tag, "{choice}");
        assert!(dataset.notes[0].starts_with("columns of CoNLL-U: tag = "), "{:?}", dataset.notes);
    }
}

#[test]
fn tags_that_training_never_shows_are_misses_and_told() {
    let dir =
        folder(&[("pos_ptb/train.tsv", b"a\tDT\nb\tNN\n"), ("pos_ptb/dev.tsv", b"c\tXX\nd\tNN\n")]);
    let dataset = from(&dir, "pos_ptb").unwrap();
    assert_eq!(dataset.label_names, ["DT", "NN", "XX"]);
    assert_eq!(dataset.dev[0].label, Label::Tags(vec![2, 1]));
    has_note(&dataset, "dev: labels that training never shows: XX (1 word)");
}

#[test]
fn a_known_task_s_training_file_alone_is_split_when_it_is_named() {
    let paragraph = |n: usize| {
        let qas: Vec<_> = (0..3)
            .map(|i| {
                json!({ "id": format!("{n}-{i}"), "question": format!("q {n} {i}"),
                             "answers": [{ "text": "x", "answer_start": 0 }] })
            })
            .collect();
        json!({ "context": format!("x {n}"), "qas": qas })
    };
    let article = |n: usize| json!({ "title": format!("t{n}"), "paragraphs": [paragraph(2 * n), paragraph(2 * n + 1)] });
    let squad = json!({ "data": (0..5).map(article).collect::<Vec<_>>() });
    let scores: String = (0..40).map(|i| format!("g\tf\ty\t{i}\t{i}.5\ta{i}\tb{i}\n")).collect();
    let words: String = (0..40).map(|i| format!("w{i}\tNN\nof\tIN\n\n")).collect();
    let dir = folder(&[
        ("squad.json", squad.to_string().as_bytes()),
        ("scores.tsv", scores.as_bytes()),
        ("words.tsv", words.as_bytes()),
    ]);
    for (task, file, sizes, how) in [
        (
            "squad_v1",
            "squad.json",
            (24, 6),
            "6 of the 30 training examples are held out, those about 1 of 5 articles or texts",
        ),
        ("stsb", "scores.tsv", (36, 4), "4 of the 40 training examples are held out, one in 10"),
        ("pos_ptb", "words.tsv", (36, 4), "4 of the 40 training examples are held out, one in 10"),
    ] {
        let file = dir.path().join(file);
        let with =
            |seed| load(&Request { train_file: Some(&file), seed, ..request(task) }).unwrap();
        let dataset = with(0);
        assert_eq!((dataset.train.len(), dataset.dev.len()), sizes, "{task}");
        has_note(&dataset, &format!("dev: no file for it; {how}, drawn with seed 0"));
        let name = tupate_tasks::task(task).unwrap().name;
        has_note(
            &dataset,
            &format!("a score on them is no score on the development set of {name}"),
        );
        assert_eq!(dataset, with(0));
        assert!((1..9).any(|seed| with(seed).dev != dataset.dev), "{task}");
        if let Input::Question { context, .. } = &dataset.dev[0].input {
            let other = |example: &Example| !example.input.texts().contains(&context.as_str());
            assert!(dataset.train.iter().all(other), "a context is on one side only");
        }
    }
}
