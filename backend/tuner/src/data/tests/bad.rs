//! Every way in which data can be bad, by its exact message.

use super::*;

/// The message for one own file; quotes the file's name, not its folder.
fn message(name: &str, content: &[u8]) -> String {
    own(name, content).map(|task| format!("{task:?}")).unwrap_err()
}

#[test]
fn own_files() {
    let many: String = (0..40).map(|i| format!("text {i},tag {i}\n")).collect();
    let many = format!("text,tag\n{many}");
    let numbers = |by: f64| -> String {
        let rows = (0..40).map(|i| format!("text {i},{}\n", f64::from(i) * by)).collect::<String>();
        format!("text,grade\n{rows}")
    };
    let (fractions, grades) = (numbers(0.5), numbers(1.0));
    let mut cut = gz(&format!("text,label\n{}", csv_lines(500)));
    cut.truncate(cut.len() / 2);
    for (name, content, expected) in [
        ("a.csv", &b""[..], "a.csv: the file is empty; a header and examples were expected"),
        ("a.jsonl", b"\n \n", "a.jsonl: the file is empty; a header and examples were expected"),
        ("a.csv", b"text,label\n", "a.csv: no examples, only a header; add one example a line"),
        (
            "a.csv",
            b"text,label\na,x\n\n\"b\nb\",y\nc,x,z\n",
            "a.csv:6: expected 2 columns, found 3; columns are separated by commas, and a field with \
             a comma or a line break in it needs double quotes around it",
        ),
        (
            "a.tsv",
            b"text\tlabel\r\na\tx\r\nb\r\n",
            "a.tsv:3: expected 2 columns, found 1; columns are separated by one tab each, and quotes \
             have no meaning",
        ),
        (
            "a.csv",
            b"text,label\na,x\n\"b,y\nc,x\n",
            "a.csv:3: a quoted field is opened and never closed; close it, and double every quote \
             inside a quoted field",
        ),
        (
            "a.csv",
            b"text,label\n\"Open he wrote,neg\nlost one,pos\nlost two,neg\n\"Third\" one,pos\nd,x\n",
            "a.csv:2: a quoted field goes on after its closing quote; double every quote inside",
        ),
        (
            "a.csv",
            b"text,label\na,x\n\"He said \\\"hi\\\" to me\",y\nb,x\n",
            "a.csv:3: a quoted field goes on after its closing quote; double every quote inside",
        ),
        (
            "a.json",
            b"{\"text\": {\"0\": \"a\"}, \"label\": {\"0\": \"x\"}}",
            "a.json:1: malformed JSON at column 1: invalid type: map, expected a sequence; expected a list \
             of objects, or one object a line (.jsonl)",
        ),
        (
            "a.csv",
            b"text;label\na;x\n",
            "a.csv:1: the header is the one column \"text;label\"; columns are separated by commas, \
             and a field with a comma or a line break in it needs double quotes around it",
        ),
        (
            "a.csv",
            b"text,label,text\na,x,b\n",
            "a.csv:1: two columns are named \"text\"; rename one; if this is no header, give places, such \
             as --columns text=1,label=2, or word=1,tag=2 for a word a line",
        ),
        (
            "a.jsonl",
            b"{\"text\": \"a\", \"text\": \"b\", \"label\": 1}\n",
            "a.jsonl:1: two columns are named \"text\"; rename one",
        ),
        (
            "a.csv",
            b"when,what,label\na,b,x\n",
            "a.csv:1: cannot tell which column is the text; the columns are \"when\", \"what\", \
             \"label\"; name it \"text\", or a pair \"sentence1\" and \"sentence2\", or say --columns \
             text=NAME; if this is no header, give places, such as --columns text=1,label=2, or \
             word=1,tag=2 for a word a line",
        ),
        (
            "a.csv",
            b"id,text,flavour\n1,a,x\n",
            "a.csv:1: cannot tell which column is the label; the columns are \"id\", \"text\", \
             \"flavour\"; name it \"label\", or say --columns label=NAME or score=NAME",
        ),
        (
            "a.jsonl",
            b"{\"text\": \"a\", \"label\": 1}\n{\"text\": \"b\", \"label\": 2\n",
            "a.jsonl:2: malformed JSON at column 24: EOF while parsing an object; each line must be \
             one JSON object",
        ),
        (
            "a.jsonl",
            b"[1, 2]\n",
            "a.jsonl:1: malformed JSON at column 1: invalid type: sequence, expected an object such \
             as {\"text\": …, \"label\": …}; each line must be one JSON object",
        ),
        (
            "a.jsonl",
            b"{\"text\": \"a\", \"label\": 1}\n\n{\"label\": 2, \"id\": 3}\n",
            "a.jsonl:3: no field \"text\"; the fields are \"label\", \"id\"",
        ),
        (
            "a.jsonl",
            b"{\"text\": 5, \"label\": 1}\n",
            "a.jsonl:1: field \"text\" is a number; expected a string",
        ),
        (
            "a.jsonl",
            b"{\"text\": \"a\", \"label\": 0.5}\n",
            "a.jsonl:1: label 0.5 in column \"label\" is a number with a fraction; to have numbers \
             predicted, say --columns score=label, and if these are classes, write them as words",
        ),
        (
            "a.csv",
            b"text,label\na,x\n  ,y\n",
            "a.csv:3: the text in column \"text\" is empty; fill it in or remove the line",
        ),
        (
            "a.csv",
            b"premise,hypothesis,label\na,,y\n",
            "a.csv:2: the text in column \"hypothesis\" is empty; fill it in or remove the line",
        ),
        (
            "a.csv",
            b"text,label\na, \n",
            "a.csv:2: the label in column \"label\" is empty; fill it in or remove the line",
        ),
        (
            "a.csv",
            b"text,label\na,x\nb,x\n",
            "a.csv: every example has the label \"x\"; there is nothing to learn from one class",
        ),
        (
            "a.csv",
            b"text,label\na,x\nb,y\nc,y\n",
            "a.csv: only one example has the label \"x\", too few to hold one out for development; \
             add examples, or name a development file with --dev FILE",
        ),
        (
            "a.csv",
            many.as_bytes(),
            "a.csv: column \"tag\" holds 40 different labels in 40 examples; that looks like free text, \
             but classes are needed",
        ),
        (
            "a.csv",
            fractions.as_bytes(),
            "a.csv:3: label 0.5 in column \"grade\" is a number with a fraction; to have numbers predicted, \
             say --columns score=grade, and if these are classes, write them as words",
        ),
        (
            "a.csv",
            grades.as_bytes(),
            "a.csv: column \"grade\" holds 40 different labels in 40 examples; to have numbers predicted, \
             say --columns score=grade, and if these are classes, there are too many",
        ),
        (
            "a.csv",
            b"text,score\na,1\nb,2.5\nc,3\n",
            "a.csv:3: label 2.5 in column \"score\" is a number with a fraction; to have numbers predicted, \
             say --columns score=score, and if these are classes, write them as words",
        ),
        (
            "a.csv",
            b"text,label\na,x\ncaf\xe9,y\n",
            "a.csv:3: not UTF-8 at byte 18 of the text; save the file as UTF-8",
        ),
        (
            "a.csv",
            b"text,label\r\na,x\r\nb\0,y\r\n",
            "a.csv:3: a NUL character at byte 18 of the text; the file is damaged, or is not a text \
             file",
        ),
        (
            "a.csv.gz",
            &cut,
            "a.csv.gz: the gzip data is damaged or cut off (it ends too early); fetch or compress it \
             again",
        ),
        (
            "a.csv.gz",
            b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff",
            "a.csv.gz: the gzip data is damaged or cut off (corrupt deflate stream); fetch or \
             compress it again",
        ),
        (
            "a",
            b"text,label\na,x\n",
            "a: the name does not say how to read it; end it in .csv, .tsv, .jsonl, .json, .conll, .conllu \
             or .parquet, all but the last optionally followed by .gz; a table of any name is read where \
             --columns says what its columns hold, such as --columns text=NAME,label=NAME",
        ),
        (
            "a.xlsx",
            b"PK",
            "a.xlsx: the name does not say how to read it; end it in .csv, .tsv, .jsonl, .json, .conll, \
             .conllu or .parquet, all but the last optionally followed by .gz; a table of any name is \
             read where --columns says what its columns hold, such as --columns text=NAME,label=NAME",
        ),
    ] {
        assert_eq!(message(name, content), expected);
    }
}

#[test]
fn known_tasks() {
    let sst2 = b"sentence\tlabel\na\t0\nb\t1\n";
    let files: &[(&str, &[u8])] = &[
        ("sst2/train.tsv", sst2),
        ("sst2/dev.tsv", b"sentence\tlabel\na\t0\nb\t2\n"),
        ("rte/train.tsv", b"index\tsentence1\tlabel\n0\ta\tentailment\n"),
        ("rte/dev.tsv", b""),
        ("wnli/train.tsv", b"index\tsentence1\tsentence2\tlabel\n0\ta\tb\t1\n"),
        ("wnli/dev.tsv", b"index\tsentence1\tsentence2\tlabel\n0\ta\tb\t0\n"),
        ("qnli/train.tsv", sst2),
        ("qnli/train.tsv.gz", sst2),
        ("mnli/train.a.tsv", sst2),
        ("mnli/train.b.tsv", sst2),
        ("mrpc/train.tsv", sst2),
        ("mrpc/test.tsv", sst2),
        ("cola/other.md", b""),
        ("Snli/train.tsv", b""),
        ("SNLI/train.tsv", b""),
        ("qqp/train.tsv", b"id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n1\t2\n"),
        ("qqp/dev.tsv", b""),
        ("loose.txt", b""),
    ];
    let dir = folder(files);
    for (task, expected) in [
        ("sst2", "sst2/dev.tsv:3: unknown label \"2\"; the labels of sst2 are 0, 1"),
        (
            "rte",
            "rte/train.tsv:1: no column \"sentence2\"; the columns are \"index\", \"sentence1\", \
             \"label\"",
        ),
        (
            "wnli",
            "wnli/train.tsv: every example has the label \"entailment\"; there is nothing to learn \
             from one class",
        ),
        (
            "qnli",
            "qnli: more than one train file fits: train.tsv, train.tsv.gz; keep one of them in the folder, \
             or, where the command has it, name it with --train FILE",
        ),
        (
            "mnli",
            "mnli: more than one train file fits: train.a.tsv, train.b.tsv; keep one of them in the \
             folder, or, where the command has it, name it with --train FILE",
        ),
        (
            "mrpc",
            "mrpc: no dev file for task mrpc (looked for dev.tsv, dev*); there: test.tsv, train.tsv; \
             put it there under such a name, or, where the command has it, name it with --dev FILE",
        ),
        (
            "cola",
            "cola: no train file for task cola (looked for train.tsv, in_domain_train.tsv, train*); \
             there: other.md; put it there under such a name, or, where the command has it, name it with \
             --train FILE",
        ),
        ("snli", "DIR: more than one folder fits task snli: SNLI, Snli; keep one"),
        ("qqp", "qqp/train.tsv: no example left: every line was passed over"),
        (
            "boolq",
            "DIR: no folder for task boolq; there: SNLI, Snli, cola, mnli, mrpc, qnli, qqp, rte, \
             sst2, wnli",
        ),
    ] {
        assert_eq!(plain(&dir, &from(&dir, task).unwrap_err()), expected);
    }
}

#[test]
fn labels_that_training_never_shows() {
    let dir = folder(&[
        ("mine.csv", b"text,label\na,x\nb,y\n"),
        ("dev.csv", b"text,label\na,x\nb,z\n"),
        ("other.csv", b"words,label\na,x\n"),
        ("train.tsv", b"sentence1\tsentence2\tgold_label\na\tb\tneutral\nc\td\tentailment\n"),
        ("dev.tsv", b"sentence1\tsentence2\tgold_label\na\tb\tneutral\nc\td\tcontradiction\n"),
    ]);
    let path = |name: &str| dir.path().join(name);
    let with = |task: &str, train: Option<&str>, dev: &str| {
        let (train, dev) = (train.map(path), path(dev));
        let request =
            Request { train_file: train.as_deref(), dev_file: Some(&dev), ..request(task) };
        plain(&dir, &load(&request).unwrap_err())
    };
    let mine = path("mine.csv");
    let mine = mine.to_str().unwrap();
    assert_eq!(
        with(mine, None, "dev.csv"),
        "dev.csv:3: label \"z\" never occurs in the training file, whose labels are x, y; correct it, \
         or add training examples of it"
    );
    assert_eq!(
        with("snli", Some("train.tsv"), "dev.tsv"),
        "dev.tsv:3: label \"contradiction\" never occurs in the training file, whose labels are \
         entailment, neutral; correct it, or add training examples of it"
    );
    assert_eq!(
        with(mine, None, "other.csv"),
        "other.csv:1: no column \"text\"; the columns are \"words\", \"label\""
    );
    assert_eq!(
        with(mine, Some("train.tsv"), "dev.csv"),
        "mine.csv is the training file already, so --train train.tsv cannot be one too; leave out \
         either"
    );
}

#[test]
fn requests_that_name_nothing() {
    let dir = folder(&[("mine/train.csv", b""), ("mine/x.md", b""), ("file", b"")]);
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (missing, mine) = (path("mine/gone.csv"), path("mine"));
    for (task, expected) in [
        (missing.as_str(), "mine/gone.csv: no such file; there: train.csv, x.md"),
        (&mine, "mine is a folder; name a file in it, or give --data DIR and the task mine"),
        (
            "rte",
            "task rte: its files are not known; name the folder that holds a folder rte with --data \
             DIR, or the files themselves with --train FILE and --dev FILE",
        ),
    ] {
        assert_eq!(plain(&dir, &load(&request(task)).unwrap_err()), expected);
    }
    let (file, gone) = (dir.path().join("file"), dir.path().join("gone"));
    for (data, expected) in [
        (&file, "file: not a folder; --data names the folder that holds one folder a task"),
        (&gone, "gone: no folder for task rte; the folder is empty or missing"),
    ] {
        let request = Request { data_dir: Some(data), ..request("rte") };
        assert_eq!(plain(&dir, &load(&request).unwrap_err()), expected);
    }
    let sample = Request { dev_file: Some(&file), ..request("sample_topic") };
    assert_eq!(
        load(&sample).unwrap_err().to_string(),
        "task sample_topic is generated by this program; leave out --train and --dev"
    );
    let nothing = Request { max_train: Some(0), ..request("sample_topic") };
    assert_eq!(
        load(&nothing).unwrap_err().to_string(),
        "--max-train 0 leaves nothing to train on; give 1 or more, or leave it out"
    );
}
