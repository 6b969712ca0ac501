//! Every way in which questions can be bad, by its exact message.

use super::*;

fn squad(context: &str, qas: &str) -> Vec<u8> {
    let (open, close) =
        ("{\"data\": [{\"title\": \"t\", \"paragraphs\": [{\"context\": ", "]}]}]}");
    format!("{open}{context:?}, \"qas\": [{qas}{close}").into_bytes()
}

fn qa(id: &str, answer: &str) -> String {
    format!("{{\"id\": {id:?}, \"question\": \"q\", \"answers\": [{answer}]}}")
}

#[test]
fn questions() {
    let at = |text: &str, start: i64| format!("{{\"text\": {text:?}, \"answer_start\": {start}}}");
    let one = |context: &str, answer: &str| squad(context, &qa("q1", answer));
    let twice = format!("{},{}", qa("q1", &at("a", 0)), qa("q1", &at("b", 2)));
    let mut cut = gz(&String::from_utf8(one("a b", &at("a", 0))).unwrap().repeat(50));
    cut.truncate(60);
    let forms = "SQuAD or SQuAD rows or MRQA or MultiQA";
    for (task, content, expected) in [
        (
            "squad_v1",
            b"  \n".to_vec(),
            "f.json: the file is empty; a header and examples were expected",
        ),
        (
            "squad_v1",
            b"{\"data\": [{\"title\": \"t\",\n \"paragraphs\": [{\"con".to_vec(),
            "f.json:2: malformed JSON at column 21: EOF while parsing a string; the file is cut off; \
             fetch it again",
        ),
        (
            "squad_v1",
            b"{\"data\": [{\"title\": \"t\", \"paragraphs\": []},\n {]}".to_vec(),
            "f.json:2: malformed JSON at column 3: key must be a string; repair it there, or fetch the \
             file again",
        ),
        (
            "squad_v1",
            b"{\"data\": [{\"title\": \"t\", \"paragraphs\": [\n{\"qas\": []}]}]}".to_vec(),
            "f.json:2: malformed JSON at column 11: missing field `context`; expected the form of SQuAD",
        ),
        (
            "squad_v1",
            b"hello".to_vec(),
            "f.json: no form of data that is known; squad_v1 comes in the form of FORMS",
        ),
        (
            "squad_v1",
            b"[1, 2]".to_vec(),
            "f.json: no form of data that is known; squad_v1 comes in the form of FORMS",
        ),
        (
            "drop",
            b"{\"context\": \"Passage: x\", \"completion\": \"y\", \"ref_text\": \"y\"}\n\
              {\"context\": \"Passage: x\", \"completion\": \"y\", \"ref_text\": \"y\"}\n"
                .to_vec(),
            "f.json: no form of data that is known (its fields are \"completion\", \"context\", \
             \"ref_text\"); drop comes in the form of DROP or FORMS",
        ),
        (
            "squad_v1",
            b"[{\"query\": \"q\", \"answer\": \"a\", \"supports\": [\"a\"]}]".to_vec(),
            "f.json: this is the form of WikiHop, but squad_v1 comes in the form of FORMS; name its own \
             files with --train and --dev",
        ),
        (
            "cq",
            b"who won?\t[\"Ann\"]\r\nwhy?\t[]\r\n".to_vec(),
            "f.json: questions and answers without texts to find the answers in; cq needs the contexts \
             of its MultiQA edition (JSON lines with \"context\" and \"qas\")",
        ),
        (
            "comqa",
            b"[{\"cluster_id\": \"c\", \"questions\": [\"q\"], \"answers\": [\"a\"]}]".to_vec(),
            "f.json: questions and answers without texts to find the answers in; comqa needs the \
             contexts of its MultiQA edition (JSON lines with \"context\" and \"qas\")",
        ),
        (
            "squad_v1",
            one("a b", "{\"text\": \"a\"}"),
            "f.json, question \"q1\": the answer \"a\" has no offset; give its first character's place \
             in the context, from 0, as \"answer_start\"",
        ),
        (
            "squad_v1",
            one("Der Käse ist gut", &at("gut", 14)),
            "f.json, question \"q1\": the offsets 14 to 17 of the answer reach past the context's 16 \
             characters; offsets count characters from 0",
        ),
        (
            "squad_v1",
            one("ab", &at("a", -1)),
            "f.json, question \"q1\": the offsets -1 to 0 of the answer reach past the context's 2 \
             characters; offsets count characters from 0",
        ),
        (
            // The offset is one of bytes, and inside a character at that.
            "squad_v1",
            one("€€€€ euro, euros", &at("euro", 13)),
            "f.json, question \"q1\": the offsets 13 to 17 of the answer reach past the context's 16 \
             characters; offsets count characters from 0",
        ),
        (
            "squad_v1",
            one("one two three four", &at("four", 4)),
            "f.json, question \"q1\": the answer \"four\" does not stand at character 4 of its context, \
             where \"two \" stands; offsets count characters from 0, not bytes; correct it",
        ),
        (
            "squad_v1",
            squad("a b", &twice),
            "f.json, question \"q1\": two questions have this id; give each its own",
        ),
        (
            "squad_v1",
            one("a b", ""),
            "f.json, question \"q1\": no answer, and not marked as impossible; give an answer with its \
             offset, or \"is_impossible\": true",
        ),
        (
            "squad_v1",
            one("a b", &at("", 0)),
            "f.json, question \"q1\": the answer is empty; fill it in or remove the example",
        ),
        (
            "squad_v1",
            one(" ", &at(" ", 0)),
            "f.json, question \"q1\": the context is empty; fill it in or remove the example",
        ),
        (
            "squad_v2",
            squad("a", "{\"id\": \"q1\", \"question\": \"q\", \"is_impossible\": true}"),
            "f.json: no question of 1 has an answer; there is nothing to learn",
        ),
        (
            "squad_v1",
            one("a b", &at("a", 0)),
            "f.json: too few articles or texts to hold one in ten of them out for development; add \
             some, or name a development file with --dev FILE",
        ),
        (
            "duorc_s",
            b"[{\"plot\": \"p\", \"qa\": [{\"question\": \"q\", \"answers\": [\"z\"], \"no_answer\": false}]}]"
                .to_vec(),
            "f.json: no question of 1 has an answer that stands in its text",
        ),
        (
            "newsqa",
            b"{\"data\": [{\"storyId\": \"s\", \"type\": \"test\", \"text\": \"t\", \"questions\": []}]}"
                .to_vec(),
            "f.json: no story of the file is of the train split (field \"type\")",
        ),
        (
            "newsqa",
            b"{\"data\": [{\"storyId\": \"s\", \"type\": \"train\", \"text\": \"a b\", \"questions\": [\
              {\"q\": \"q\", \"consensus\": {\"s\": 2, \"e\": 9}}]}]}"
                .to_vec(),
            "f.json, question \"s#1\": the offsets 2 to 9 of the answer reach past the context's 3 \
             characters; offsets count characters from 0",
        ),
        (
            "newsqa",
            b"{\"data\": [{\"storyId\": \"s\", \"type\": \"train\", \"text\": \"a b\", \"questions\": [\
              {\"q\": \"q\", \"consensus\": {}}]}]}"
                .to_vec(),
            "f.json, question \"s#1\": no answer, and not marked as impossible; give an answer with its \
             offset, or \"is_impossible\": true",
        ),
        (
            "hotpotqa",
            b"[{\"question\": \"q\", \"answer\": \"a\", \"context\": [[\"t\", \"no list\"]]}]".to_vec(),
            "f.json:1: malformed JSON at column 64: data did not match any variant of untagged enum \
             Paragraphs; expected the form of HotpotQA",
        ),
        (
            "drop",
            b"{\"p\": {\"passage\": \"a\", \"qa_pairs\": [{\"question\": \"q\"}]}}".to_vec(),
            "f.json:1: malformed JSON at column 53: missing field `answer`; expected the form of DROP",
        ),
        ("squad_v1", b"{\"data\": \"caf\xe9\"}".to_vec(), "f.json:1: not UTF-8 at byte 13 of the text; save the file as UTF-8"),
        (
            "squad_v1",
            cut,
            "f.json: the gzip data is damaged or cut off (it ends too early); fetch or compress it again",
        ),
    ] {
        let expected = expected.replace("FORMS", forms);
        assert_eq!(message(task, "f.json", &content, ""), expected);
    }
}

#[test]
fn questions_by_the_line_and_row() {
    let good = "{\"question\": \"q\", \"context\": \"a b\", \"answers\": [\"a\"]}\n";
    for (content, expected) in [
        (
            "{\"question\": \"q\", \"context\": \"a b\", \"answers\": [\"z\"]}\n".to_owned(),
            "f.jsonl:1: the answer \"z\" stands nowhere in its context; correct it, leave it empty if \
             the context has no answer, or remove the question",
        ),
        (
            format!("{good}{{\"question\": \"q\", \"context\": \"a b\", \"answers\": {{\"text\": [\"a\"], \"answer_start\": []}}}}\n"),
            "f.jsonl:2: the answer \"a\" has no offset; give its first character's place in the \
             context, from 0, as \"answer_start\"",
        ),
        (
            format!("{good}{{\"question\": \"q\", \"context\": \"a b\", \"answers\": [\"a\", 3]}}\n"),
            "f.jsonl:2: field \"answers\" is a list; expected a list of strings, or of {\"text\": …, \
             \"answer_start\": …}",
        ),
        (
            format!("{good}{{\"question\": \"q\", \"context\": \"a b\", \"answers\": [{{\"text\": \"b\"}}]}}\n"),
            "f.jsonl:2: the answer \"b\" has no offset; give its first character's place in the \
             context, from 0, as \"answer_start\"",
        ),
        (
            format!("{good}{{\"question\": \"q\", \"context\": \"a b\", \"answers\": 3}}\n"),
            "f.jsonl:2: field \"answers\" is a number; expected a string, a list of strings, or \
             {\"text\": […], \"answer_start\": […]}",
        ),
        (
            format!("{good}{{\"question\": \"q\", \"context\": \" \", \"answers\": \"a\"}}\n"),
            "f.jsonl:2: the answer \"a\" stands nowhere in its context; correct it, leave it empty if \
             the context has no answer, or remove the question",
        ),
        (
            "{\"header\": {}}\n{\"context\": \"a\", \"qas\": [{\"question\": \"q\"}]}\n".to_owned(),
            "f.jsonl:2: missing field `detected_answers`; expected the form of MRQA",
        ),
        (
            "{\"header\": {}}\n{\"context\": \"a\", \"qas\": [{\"question\": \"q\", \"detected_answers\": \
             [{\"char_spans\": [[0, 4]]}]}]}\n"
                .to_owned(),
            "f.jsonl:2: the offsets 0 to 5 of the answer reach past the context's 1 characters; offsets \
             count characters from 0",
        ),
    ] {
        assert_eq!(message("own", "f.jsonl", content.as_bytes(), ""), expected);
    }
    for (answers, expected) in [
        (
            "[0]",
            "f.jsonl:1: field \"answers\" is a list; expected a list of strings, or of {\"text\": …, \
             \"answer_start\": …}",
        ),
        (
            "[{\"answer_start\": 2}]",
            "f.jsonl:1: missing field `text`; expected {\"text\": …, \"answer_start\": …}",
        ),
    ] {
        let row =
            format!("{{\"question\": \"q\", \"context\": \"a b\", \"answers\": {answers}}}\n");
        assert_eq!(message("squad_v2", "f.jsonl", row.as_bytes(), ""), expected);
    }
    let table = b"question,context,answer\nq,a b,a\nq,a b,z\n";
    assert_eq!(
        message("own", "f.csv", table, ""),
        "f.csv:3: the answer \"z\" stands nowhere in its context; correct it, leave it empty if the \
         context has no answer, or remove the question"
    );
}

#[test]
fn splits_that_do_not_go_together() {
    let squad = squad("a b", &qa("1", "{\"text\": \"a\", \"answer_start\": 0}"));
    let dir = folder(&[
        ("a.csv", b"text,label\na,x\nb,y\n"),
        ("b.json", &squad),
        ("snli/train-00000-of-00003.parquet", b""),
        ("snli/train-00002-of-00003.parquet", b""),
        ("mnli/train-00000-of-00002.parquet", b""),
        ("mnli/train-00000-of-00001.parquet", b""),
    ]);
    let (train, dev) = (dir.path().join("a.csv"), dir.path().join("b.json"));
    let two = Request { dev_file: Some(&dev), ..request(train.to_str().unwrap()) };
    assert_eq!(
        plain(&dir, &load(&two).unwrap_err()),
        "a.csv: texts with classes but b.json holds questions with answers; name files of one kind"
    );
    for (task, expected) in [
        (
            "snli",
            "snli: shards are missing: of 3 there are train-00000-of-00003.parquet, \
             train-00002-of-00003.parquet; fetch the others, too",
        ),
        (
            "mnli",
            "mnli: more than one train file fits: train-00000-of-00001.parquet, \
             train-00000-of-00002.parquet; keep one of them in the folder, or, where the command has it, \
             name it with --train FILE",
        ),
    ] {
        assert_eq!(plain(&dir, &from(&dir, task).unwrap_err()), expected);
    }
}

/// Whatever a file is cut to or a byte of it becomes: an error or a data set,
/// never a panic.
#[test]
fn damaged_files_are_errors_or_data() {
    let answer = "{\"text\": \"ß b\", \"answer_start\": 2}";
    let samples: &[(&str, &str, String)] = &[
        ("squad_v2", "f.json", String::from_utf8(squad("a ß b", &qa("1", answer))).unwrap()),
        (
            "newsqa",
            "f.json",
            "{\"data\": [{\"storyId\": \"s\", \"type\": \"train\", \"text\": \"a ß b\", \"questions\": [\
             {\"q\": \"q\", \"consensus\": {\"s\": 2, \"e\": 4}}]}]}"
                .to_owned(),
        ),
        (
            "hotpotqa",
            "f.json",
            "[{\"_id\": \"1\", \"question\": \"q\", \"answer\": \"ß\", \"context\": [[\"t\", [\"a ß\"]]], \
             \"supporting_facts\": [[\"t\", 0]]}]"
                .to_owned(),
        ),
        (
            "cq",
            "f.jsonl",
            "{\"header\": {}}\n{\"context\": {\"documents\": [{\"title\": \"t\", \"text\": \"a ß\"}]}, \"qas\": [\
             {\"qid\": \"1\", \"question\": \"q\", \"answers\": {\"open-ended\": {\"answer_candidates\": [\
             {\"extractive\": {\"single_answer\": {\"answer\": \"ß\"}}}]}}}]}\n"
                .to_owned(),
        ),
        (
            "drop",
            "f.json",
            "{\"p\": {\"passage\": \"a ß\", \"qa_pairs\": [{\"question\": \"q\", \"query_id\": \"1\", \
             \"answer\": {\"spans\": [\"ß\"]}}]}}"
                .to_owned(),
        ),
        ("pos_ewt", "f.conllu", "1\tß\t_\tX\t_\t_\t_\t_\t_\t_\n\n1-2\tß\t_\tX\t_\t_\t_\t_\t_\t_\n".to_owned()),
        ("ner", "f.conll", "# ß\n-DOCSTART- O\n\nß O\nb B-X\n".to_owned()),
        ("parent", "f.ptb", "( (S (NP-SBJ (NN ß)) (VP (-NONE- *))))\n".to_owned()),
        ("ccg", "f.auto", "(<T S 0 1> (<L NP N N ß NP>) )\n".to_owned()),
        ("stsb", "f.tsv", "g\tf\ty\t1\t2.5\tß\tb\n".to_owned()),
    ];
    let dir = folder(&[]);
    for (task, name, content) in samples {
        let path = dir.path().join(name);
        let read = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            let _ =
                load(&Request { train_file: Some(&path), dev_file: Some(&path), ..request(task) });
        };
        for i in 0..content.len() {
            read(&content.as_bytes()[..i]);
            for byte in [b'(', b')', b'"', b'9', b'-', b'\t', b'\n', 0xff] {
                let mut bytes = content.as_bytes().to_vec();
                bytes[i] = byte;
                read(&bytes);
            }
        }
    }
}
