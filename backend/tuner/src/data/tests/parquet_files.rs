//! Parquet: files that pyarrow wrote (`fixtures/make_parquet.py`), and files
//! that are written here.

use super::*;
use ::parquet::basic::Compression as Codec;
use ::parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::parser::parse_message_type;
use std::sync::Arc;

const CLASSES: &[u8] = include_bytes!("fixtures/classes.parquet");
const QUESTIONS: &[u8] = include_bytes!("fixtures/questions.parquet");
const WORDS: &[u8] = include_bytes!("fixtures/words.parquet");

/// A file of texts, and of numbers of classes without their names (or of
/// scores).
fn written(texts: &[&str], labels: &[i64], scores: bool, codec: Codec) -> Vec<u8> {
    let kind = if scores { "DOUBLE" } else { "INT64" };
    let schema =
        format!("message schema {{ REQUIRED BYTE_ARRAY sentence (UTF8); REQUIRED {kind} label; }}");
    let schema = Arc::new(parse_message_type(&schema).unwrap());
    let properties = Arc::new(WriterProperties::builder().set_compression(codec).build());
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, properties).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let texts: Vec<_> = texts.iter().map(|text| ByteArray::from(*text)).collect();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<ByteArrayType>().write_batch(&texts, None, None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    if scores {
        let scores: Vec<f64> = labels.iter().map(|n| *n as f64 / 4.0).collect();
        column.typed::<DoubleType>().write_batch(&scores, None, None).unwrap();
    } else {
        column.typed::<Int64Type>().write_batch(labels, None, None).unwrap();
    }
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
    bytes
}

/// A file of columns of bytes that are not said to be texts.
fn unsaid(columns: &[(&str, Vec<Vec<u8>>)]) -> Vec<u8> {
    let fields = columns.iter().map(|(name, _)| format!("REQUIRED BYTE_ARRAY {name}; "));
    let schema = format!("message schema {{ {} }}", fields.collect::<String>());
    let schema = Arc::new(parse_message_type(&schema).unwrap());
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    for (_, values) in columns {
        let values: Vec<_> = values.iter().map(|value| ByteArray::from(value.clone())).collect();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&values, None, None).unwrap();
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
    bytes
}

#[test]
fn texts_that_are_not_said_to_be_texts() {
    let texts = || ["é", "b", "c", "d"].map(|text| text.as_bytes().to_vec()).to_vec();
    let labels = || ["x", "y", "x", "y"].map(|text| text.as_bytes().to_vec()).to_vec();
    let image = || vec![b"\xff\xd8".to_vec(); 4];
    let bytes = unsaid(&[("text", texts()), ("label", labels()), ("image", image())]);
    let task = own("a.parquet", &bytes).unwrap();
    assert_eq!(task.train.len() + task.dev.len(), 4);
    let mut found = task.train.iter().chain(&task.dev);
    assert!(found.any(|example| example.input == Input::Single("é".into())));
    let bytes = unsaid(&[("text", image()), ("label", labels())]);
    assert_eq!(
        own("a.parquet", &bytes).unwrap_err(),
        "a.parquet, row 1: field \"text\" is bytes that are not UTF-8; expected a string"
    );
}

#[test]
fn questions_about_one_text_stay_together_in_all_shards() {
    let shard = |shard: usize| {
        let column = |of: &dyn Fn(usize) -> String| (0..20).map(|i| of(i).into_bytes()).collect();
        unsaid(&[
            ("question", column(&|i| format!("q{shard} {i}"))),
            ("context", column(&|i| format!("x {}", i % 4))),
            ("answer", column(&|_| "x".to_owned())),
        ])
    };
    // As the hub once named them.
    let dir = folder(&[
        ("mine/train-00000-of-00002-abc123def456.parquet", &shard(0)),
        ("mine/train-00001-of-00002-99ab3def4567.parquet", &shard(1)),
    ]);
    let task = from(&dir, "mine").unwrap();
    assert_eq!((task.train.len(), task.dev.len()), (30, 10));
    let context = |example: &Example| example.input.texts()[1].to_owned();
    assert!(task.dev.iter().all(|example| context(example) == context(&task.dev[0])));
}

#[test]
fn pyarrow_s_classes_have_their_names() {
    let dir = folder(&[
        ("snli/train-00000-of-00002.parquet", CLASSES),
        ("snli/train-00001-of-00002.parquet", CLASSES),
        ("snli/validation-00000-of-00001.parquet", CLASSES),
        ("snli/hub.json", b"{}"),
        ("own.parquet", CLASSES),
    ]);
    let dataset = from(&dir, "snli").unwrap();
    assert_eq!(dataset.train.len(), 6, "shards together");
    assert_eq!(dataset.dev[0].input, Input::Pair("Ein Café.".into(), "Ein 😀.".into()));
    assert_eq!(labels(&dataset.dev), [0, 2, 1], "the table's numbers");
    assert!(
        dataset.notes[0].ends_with("passed over 1 line without a label"),
        "{:?}",
        dataset.notes
    );
    let own = dir.path().join("own.parquet");
    let message = load(&request(own.to_str().unwrap())).unwrap_err();
    assert_eq!(
        plain(&dir, &message),
        "own.parquet, row 3: the label in column \"label\" is empty; fill it in or remove the line"
    );
}

#[test]
fn pyarrow_s_nested_answers() {
    let names =
        ["train", "validation"].map(|split| format!("squad_v2/{split}-00000-of-00001.parquet"));
    let dir = folder(&[(&names[0], QUESTIONS), (&names[1], QUESTIONS), ("own.parquet", QUESTIONS)]);
    let dataset = from(&dir, "squad_v2").unwrap();
    assert_eq!(dataset.train.len(), 3);
    let answer = |text: &str, start| Answer { text: text.into(), start: Some(start) };
    assert_eq!(
        dataset.train[0].label,
        Label::Answers(vec![answer("Ankara", 16), answer("in Ankara", 13)]),
        "bytes, where the file has characters"
    );
    assert_eq!(dataset.train[1].label, Label::Answers(Vec::new()));
    // As a file of one's own, by the names of its columns.
    let own = dir.path().join("own.parquet");
    let request = Request { dev_file: Some(&own), ..request(own.to_str().unwrap()) };
    let task = load(&request).unwrap();
    assert_eq!(task.train, dataset.train);
    assert_eq!(
        task.notes[0],
        "columns, guessed from their names: question = \"question\", context = \"context\", answer = \
         \"answers\"; not used: \"id\", \"title\""
    );
}

#[test]
fn pyarrow_s_sentences() {
    let names = ["train", "validation"].map(|split| format!("ner/{split}-00000-of-00001.parquet"));
    let dir = folder(&[(&names[0], WORDS), (&names[1], WORDS)]);
    let dataset = from(&dir, "ner").unwrap();
    assert_eq!(dataset.label_names, ["B-ORG", "B-PER", "O"]);
    assert_eq!(
        dataset.train[0].input,
        Input::Words(vec!["EU".into(), "rejects".into(), "it".into()])
    );
    assert_eq!(dataset.train[0].label, Label::Tags(vec![0, 2, 2]));
    assert!(
        dataset.notes[1].ends_with("passed over 1 sentence without words"),
        "{:?}",
        dataset.notes
    );
}

#[test]
fn numbers_without_names_are_the_table_s() {
    for codec in [Codec::UNCOMPRESSED, Codec::SNAPPY, Codec::ZSTD(Default::default())] {
        let bytes = written(&["a", "b", "c"], &[1, 0, 1], false, codec);
        let dir = folder(&[("cola/train.parquet", &bytes), ("cola/dev.parquet", &bytes)]);
        assert_eq!(labels(&from(&dir, "cola").unwrap().train), [1, 0, 1]);
    }
    let bytes = written(&["a", "b", "c"], &[1, 0, 9], false, Codec::SNAPPY);
    let dir = folder(&[("cola/train.parquet", &bytes), ("cola/dev.parquet", &bytes)]);
    assert_eq!(
        plain(&dir, &from(&dir, "cola").unwrap_err()),
        "cola/train.parquet, row 3: unknown label \"9\"; the labels of cola are 0, 1"
    );
    let bytes = written(&["a", "b", "c", "d"], &[1, 2, 3, 4], true, Codec::SNAPPY);
    let dir = folder(&[("own.parquet", &bytes)]);
    let (path, columns) = (dir.path().join("own.parquet"), "score=label".parse().unwrap());
    let scored = Request { columns: Some(&columns), ..request(path.to_str().unwrap()) };
    let task = load(&scored).unwrap();
    assert_eq!(task.objective, Objective::Regression);
    assert_eq!(task.train.len() + task.dev.len(), 4);
}

/// Every cut and many damaged bytes: an error or a data set, never a panic.
#[test]
fn damaged_files_are_errors() {
    let dir = folder(&[("a.parquet", b"")]);
    let path = dir.path().join("a.parquet");
    let read = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        load(&request(path.to_str().unwrap())).map_err(|error| plain(&dir, &error))
    };
    for whole in [QUESTIONS, WORDS] {
        assert!(read(whole).is_ok() || read(whole).unwrap_err().contains("too few"));
        for cut in (0..whole.len()).step_by(37) {
            let message = read(&whole[..cut]).unwrap_err();
            assert!(message.starts_with("a.parquet: not a sound Parquet file ("), "{message}");
            assert!(message.ends_with("); fetch it again"), "{message}");
        }
        for i in (0..whole.len()).step_by(3) {
            let mut bytes = whole.to_vec();
            bytes[i] ^= 0x55;
            let _ = read(&bytes);
        }
    }
}
