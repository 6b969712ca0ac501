//! One's own files with columns that are named.

use super::*;

/// Loads one own file with this choice of columns.
pub(super) fn chosen(name: &str, content: &str, columns: &str) -> Result<Dataset, String> {
    let dir = folder(&[(name, content.as_bytes())]);
    let (path, columns) = (dir.path().join(name), columns.parse().unwrap());
    let request = Request { columns: Some(&columns), ..request(path.to_str().unwrap()) };
    load(&request).map_err(|error| plain(&dir, &error))
}

pub(super) fn all(dataset: &Dataset) -> Vec<&Example> {
    dataset.train.iter().chain(&dataset.dev).collect()
}

#[test]
fn named_columns_of_every_format() {
    let csv = "when,body,mood\n1,a,x\n2,b,y\n3,c,x\n4,d,y\n";
    let tsv = csv.replace(',', "\t");
    let lines: String = ["a x", "b y", "c x", "d y"]
        .iter()
        .filter_map(|row| row.split_once(' '))
        .map(|(body, mood)| {
            format!("{{\"when\": 1, \"body\": \"{body}\", \"mood\": \"{mood}\"}}\n")
        })
        .collect();
    let list = format!("[{}]", lines.trim_end().replace('\n', ","));
    let first = chosen("a.csv", csv, "text=body,label=mood").unwrap();
    assert_eq!(first.notes[0], "columns: text = \"body\", label = \"mood\"; not used: \"when\"");
    for (name, content) in
        [("a.tsv", &tsv), ("a.jsonl", &lines), ("a.json", &list), ("a.txt", &tsv)]
    {
        let other = chosen(name, content, "text=body,label=mood").unwrap();
        assert_eq!((&other.train, &other.dev), (&first.train, &first.dev), "{name}");
    }
    let headless = csv.split_once('\n').unwrap().1;
    let by_place = chosen("a.csv", headless, "text=2,label=3").unwrap();
    assert_eq!((&by_place.train, &by_place.dev), (&first.train, &first.dev));
    assert_eq!(by_place.notes[0], "columns: text = 2, label = 3");
    // What is not said is guessed.
    let half =
        chosen("a.csv", "text,body,label\na,b,x\nc,d,y\ne,f,x\ng,h,y\n", "text=body").unwrap();
    assert_eq!(half.notes[0], "columns: text = \"body\", label = \"label\"; not used: \"text\"");
}

#[test]
fn pairs_and_scores() {
    let csv = "left,right,closeness\na,b,0.5\nc,d,1e1\ne,f,-3\n";
    let task = chosen("a.csv", csv, "text1=left,text2=right,score=closeness").unwrap();
    assert_eq!((task.objective, task.metric), (Objective::Regression, Metric::PearsonSpearman));
    assert_eq!(task.class.name(), "CR");
    let mut scores: Vec<_> = all(&task)
        .iter()
        .map(|example| match (&example.input, &example.label) {
            (Input::Pair(a, _), Label::Score(score)) => (a.as_str(), *score),
            other => panic!("{other:?}"),
        })
        .collect();
    scores.sort_by(|a, b| a.0.cmp(b.0));
    assert_eq!(scores, [("a", 0.5), ("c", 10.0), ("e", -3.0)]);
    assert_eq!(
        task.notes[2],
        "dev: no file for it; 1 of the 3 training examples are held out, one in 10, drawn with seed 0"
    );
    let json = "{\"text\": \"a\", \"n\": 1}\n{\"text\": \"b\", \"n\": 2.5}\n{\"text\": \"c\", \"n\": \"3\"}\n";
    assert_eq!(all(&chosen("a.jsonl", json, "score=n").unwrap()).len(), 3);
}

#[test]
fn questions_are_guessed_or_named() {
    let csv = "question,context,answer\nwho?,Ann ran.,Ann\nwhen?,Bob sat.,\nwho?,Bob sat.,bob\n";
    let guessed = own("a.csv", csv.as_bytes()).unwrap();
    assert_eq!((guessed.objective, guessed.metric), (Objective::SpanExtraction, Metric::TokenF1));
    assert_eq!(guessed.class.name(), "QA");
    assert_eq!(
        guessed.notes[0],
        "columns, guessed from their names: question = \"question\", context = \"context\", answer = \
         \"answer\""
    );
    assert!(
        guessed.notes[2].contains("those about 1 of 2 articles or texts"),
        "{:?}",
        guessed.notes
    );
    let named = csv.replace("question,context,answer", "frage,text,antwort");
    let named = chosen("a.csv", &named, "question=frage,context=text,answer=antwort").unwrap();
    assert_eq!((&named.train, &named.dev), (&guessed.train, &guessed.dev));
    let answers: Vec<_> = all(&named).iter().map(|example| example.label.clone()).collect();
    let bob = Label::Answers(vec![Answer { text: "Bob".into(), start: Some(0) }]);
    assert!(answers.contains(&bob) && answers.contains(&Label::Answers(Vec::new())));
    let lists = "{\"question\": \"q\", \"context\": \"x 犬猫\", \"answers\": [\"猫\", \"z\"]}\n\
                 {\"question\": \"r\", \"context\": \"y z\", \"answers\": {\"text\": [\"z\"], \"answer_start\": [2]}}\n";
    let task = own("a.jsonl", lists.as_bytes()).unwrap();
    let cat = Answer { text: "猫".into(), start: Some(5) };
    let other = Answer { text: "z".into(), start: None };
    assert!(all(&task).iter().any(|e| e.label == Label::Answers(vec![cat.clone(), other.clone()])));
}

#[test]
fn questions_about_one_text_stay_together_wherever_they_stand() {
    let rows: String = (0..20).map(|i| format!("q{i},x {},x\n", i % 4)).collect();
    let task = own("a.csv", format!("question,context,answer\n{rows}").as_bytes()).unwrap();
    assert_eq!((task.train.len(), task.dev.len()), (15, 5));
    let context = |example: &Example| example.input.texts()[1].to_owned();
    assert!(task.dev.iter().all(|example| context(example) == context(&task.dev[0])));
}

#[test]
fn questions_in_a_form_of_their_own() {
    let squad = "{\"data\": [{\"title\": \"t\", \"paragraphs\": [{\"context\": \"x y\", \"qas\": [\
                 {\"id\": 7, \"question\": \"q\", \"answers\": [{\"text\": \"y\", \"answer_start\": 2}]}]}]}, \
                 {\"title\": \"u\", \"paragraphs\": [{\"context\": \"z\", \"qas\": [\
                 {\"id\": 8, \"question\": \"q\", \"answers\": [{\"text\": \"z\", \"answer_start\": 0}]}]}]}]}";
    let task = own("mine.json", squad.as_bytes()).unwrap();
    assert_eq!((task.task.as_str(), task.objective), ("mine", Objective::SpanExtraction));
    assert_eq!((task.train.len(), task.dev.len()), (1, 1));
    let mrqa = "{\"header\": {\"dataset\": \"x\"}}\n\
                {\"context\": \"x y\", \"qas\": [{\"qid\": \"1\", \"question\": \"q\", \"answers\": [], \
                \"detected_answers\": [{\"text\": \"y\", \"char_spans\": [[2, 2]]}]}]}\n\
                {\"context\": \"z\", \"qas\": [{\"qid\": \"2\", \"question\": \"q\", \"answers\": [], \
                \"detected_answers\": [{\"text\": \"z\", \"char_spans\": [[0, 0]]}]}]}\n";
    assert_eq!(all(&own("mine.jsonl", mrqa.as_bytes()).unwrap()).len(), 2);
}

#[test]
fn words_of_one_s_own() {
    let spans = "Ann B-PER\nran O\n\nBob B-PER\nsat O\n";
    let task = own("a.conll", spans.as_bytes()).unwrap();
    assert_eq!((task.objective, task.metric), (Objective::TokenClassification, Metric::SpanF1));
    assert_eq!((task.class.name(), task.family.as_str()), ("SL", "own"));
    assert_eq!(task.notes[0], "columns: word = 1, tag = the last one");
    let tags = "1\tAnn\tNNP\tx\n2\tran\tVBD\ty\n\n1\tBob\tNNP\tx\n2\tsat\tVBD\ty\n";
    let task = chosen("a.txt", tags, "word=2,tag=3").unwrap();
    assert_eq!((task.metric, task.label_names.join(" ")), (Metric::Accuracy, "NNP VBD".to_owned()));
    assert_eq!(task.notes[0], "columns: word = 2, tag = 3");
    let lists = "{\"tokens\": [\"Ann\", \"ran\"], \"tags\": [\"N\", \"V\"]}\n\
                 {\"tokens\": [\"Bob\", \"sat\"], \"tags\": [\"N\", \"V\"]}\n";
    let task = own("a.jsonl", lists.as_bytes()).unwrap();
    assert_eq!(
        task.notes[0],
        "columns, guessed from their names: words = \"tokens\", tag = \"tags\""
    );
    let named = lists.replace("tokens", "w").replace("tags", "t");
    let other = chosen("a.jsonl", &named, "words=w,tag=t").unwrap();
    assert_eq!((&other.train, &other.dev), (&task.train, &task.dev));
    let summary = task.summary();
    assert_eq!((summary.train, summary.dev), (1, 1));
    assert_eq!((summary.classes[0].train, summary.majority), (1, 0.5));
}
