//! The commands that make, join, compare and judge zoos, as scripts meet them.

use crate::support::{err, fails, json, of_crate, ok, tupate};
use serde_json::Value;

/// The folder with the small evaluation of `common/zoo`.
fn golden(name: &str) -> String {
    of_crate("common/zoo/tests/golden").join(name).to_str().unwrap().to_owned()
}

#[test]
fn vectors_of_numpy_are_judged_alike_from_folder_and_zoo() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let (npy, truth) = (golden("npy"), golden("truth.csv"));
    let by_folder = [
        "evaluate",
        "--npy",
        &npy,
        "--reduce",
        "mean-rows",
        "--truth",
        &truth,
        "--exclude",
        "noise",
        "--json",
    ];
    let output = tupate(dir, &by_folder);
    assert!(err(&output).contains("without an embedding, left out: gnu"), "{}", err(&output));
    assert!(!err(&output).contains("above 1"), "{}", err(&output));
    let report = json(dir, &by_folder);
    let wanted: Value =
        serde_json::from_slice(&std::fs::read(golden("evaluate.json")).unwrap()).unwrap();
    let case = wanted["cases"].as_array().unwrap().iter().find(|case| {
        case["reduce"] == "mean-rows"
            && case["similarity"] == "cosine"
            && case["exclude"][0] == "noise"
    });
    let targets = case.unwrap()["targets"].as_array().unwrap();
    for (found, wanted) in report["targets"].as_array().unwrap().iter().zip(targets) {
        assert_eq!(found["target"], wanted["target"]);
        let percent = |row: &Value| row["ndcg"]["percent"].as_f64().unwrap();
        assert!((percent(found) - percent(wanted)).abs() < 1e-9);
    }
    let settings = &report["settings"];
    assert_eq!(settings["reduce"], "mean-rows");
    assert_eq!(settings["excluded"][0], "noise");
    assert_eq!(settings["bootstrap"]["seed"], 0);
    assert!(report["interval95"]["rho"][0].is_number() && report["random"]["rho"].is_number());

    let import = [
        "zoo",
        "import-npy",
        &npy,
        "--reduce",
        "mean-rows",
        "--truth",
        &truth,
        "--setting",
        "invented",
        "--dtype",
        "f32",
        "--out",
        "animals.safetensors",
    ];
    ok(dir, &import);
    let shown = json(dir, &["zoo", "show", "animals.safetensors", "--json"]);
    assert_eq!(shown["transfer"][0]["setting"], "invented");
    assert_eq!(shown["embeddings"][0]["key"], "imported.late.position-mean");
    let by_zoo = ["evaluate", "--zoo", "animals.safetensors", "--exclude", "noise", "--json"];
    let own = json(dir, &by_zoo);
    for part in ["targets", "mean", "random", "interval95"] {
        assert_eq!(own[part], report[part], "{part}");
    }
    let table = ok(dir, &by_zoo[..by_zoo.len() - 1]);
    for part in ["(invented)", "95 % interval", "random order (exact)", "NDCG percent", "\nmean"] {
        assert!(table.contains(part), "{part:?} not in\n{table}");
    }
    std::fs::write(dir.join("percent.csv"), "t,ape,bee,cat\nape,,71.5,60\nbee,80,,55\n").unwrap();
    let percent = ["evaluate", "--zoo", "animals.safetensors", "--truth", "percent.csv"];
    let said = err(&tupate(dir, &percent));
    assert!(said.contains("scores above 1, such as 71.5"), "{said}");
    // Two tables are two seeds: a ceiling; against itself, nothing differs.
    let seeds = [
        "evaluate",
        "--zoo",
        "animals.safetensors",
        "--truth",
        &truth,
        "--truth",
        &truth,
        "--relevance",
        "gain",
        "--against",
        "imported",
        "--json",
    ];
    let seeds = json(dir, &seeds);
    assert_eq!(seeds["ceiling"]["regret"]["1"], 0.0);
    assert_eq!(seeds["paired"]["difference"]["rho"]["p_value"], 1.0);
    assert_eq!(seeds["settings"]["truth"]["seeds"], 2);

    assert!(ok(dir, &["zoo", "card", "animals.safetensors"]).contains("| invented |"));
    let same = ["zoo", "diff", "animals.safetensors", "animals.safetensors"];
    assert!(ok(dir, &same).contains("no difference"));
    let parts = ["does not say by which encoder"];
    let merge = ["zoo", "merge", "animals.safetensors", "animals.safetensors", "--out", "m"];
    fails(dir, &merge, 3, &parts);
    assert!(!dir.join("m").exists());
}

/// A setting that would go nowhere is not passed over.
#[test]
fn a_setting_names_tables_alone() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let (npy, truth) = (golden("npy"), golden("truth.csv"));
    let import = format!("zoo import-npy {npy} --reduce mean-rows --out animals.safetensors");
    let named = format!("{import} --setting invented");
    fails(dir, &named, 2, &["--setting invented", "--truth"]);
    ok(dir, &format!("{named} --truth {truth}"));

    let zoo = std::fs::read(dir.join("animals.safetensors")).unwrap();
    let matrix = tupate_zoo::Zoo::parse(&zoo).unwrap().transfer()[0].clone();
    std::fs::write(dir.join("transfer.json"), serde_json::to_vec(&matrix).unwrap()).unwrap();
    let own = "evaluate --zoo animals.safetensors --truth transfer.json --json";
    let other = format!("{own} --setting full-limited");
    fails(dir, &other, 2, &["--setting full-limited", "its own, invented", "leave --setting out"]);
    for fine in [own, &format!("{own} --setting invented")] {
        assert_eq!(json(dir, fine)["settings"]["truth"]["setting"], "invented");
    }
}

/// Every ranking of a zoo as a table of scores, which must then be judged alike.
#[test]
fn tables_of_scores_are_judged_as_what_they_came_from() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let (npy, truth) = (golden("npy"), golden("truth.csv"));
    let import = ["zoo", "import-npy", &npy, "--reduce", "mean-rows", "--out", "z.safetensors"];
    ok(dir, &import);
    let text = std::fs::read_to_string(&truth).unwrap();
    let targets: Vec<&str> =
        text.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
    let mut scores = std::collections::BTreeMap::new();
    for target in &targets {
        let rank = ["rank", "--zoo", "z.safetensors", "--target", target, "--json"];
        let said = tupate(dir, &rank);
        // Not every target of the truth has an embedding.
        if said.status.success() {
            let ranking: Value = serde_json::from_slice(&said.stdout).unwrap();
            let of = |s: &Value| (s["task"].as_str().unwrap().to_owned(), s["score"].to_string());
            let row: std::collections::BTreeMap<_, _> =
                ranking["sources"].as_array().unwrap().iter().map(of).collect();
            scores.insert((*target).to_owned(), row);
        }
    }
    let sources: std::collections::BTreeSet<&String> =
        scores.values().flat_map(|row| row.keys()).collect();
    let mut table = String::from("target");
    sources.iter().for_each(|source| table.push_str(&format!(",{source}")));
    for (target, row) in &scores {
        table.push_str(&format!("\n{target}"));
        for source in &sources {
            let score = row.get(*source).map_or("", String::as_str);
            table.push_str(&format!(",{score}"));
        }
    }
    std::fs::write(dir.join("scores.csv"), table + "\n").unwrap();
    let by_zoo =
        ["evaluate", "--zoo", "z.safetensors", "--truth", &truth, "--against", "scores.csv"];
    let own = json(dir, &[&by_zoo[..], &["--json"]].concat());
    let by_scores = ["evaluate", "--scores", "scores.csv", "--truth", &truth, "--json"];
    let other = json(dir, &by_scores);
    for part in ["targets", "mean", "random", "interval95"] {
        assert_eq!(own[part], other[part], "{part}");
    }
    assert_eq!(own["paired"]["against"], "scores.csv");
    for name in ["rho", "kendall_tau"] {
        assert_eq!(own["paired"]["difference"][name]["difference"], 0.0, "{name}");
    }
    assert_eq!(other["settings"]["scores"], "scores.csv");
    assert!(ok(dir, &by_scores[..5]).starts_with("Scores of scores.csv against"));
    // A zoo may carry it, under a name of its own.
    let carry =
        ["zoo", "import-npy", &golden("npy"), "--reduce", "mean-rows", "--out", "c.safetensors"];
    ok(dir, &[&carry[..], &["--scores", "own scores=scores.csv", "--truth", &truth]].concat());
    let named = ["evaluate", "--zoo", "c.safetensors", "--method", "own scores"];
    let carried = json(dir, &[&named[..], &["--against", "imported", "--json"]].concat());
    for part in ["targets", "mean", "interval95"] {
        assert_eq!(carried[part], other[part], "{part}");
    }
    assert_eq!(carried["paired"]["difference"]["rho"]["difference"], 0.0);
    assert_eq!(carried["settings"]["scores"], "own scores");
    assert!(ok(dir, &named).starts_with("Scores of own scores against"));
    assert!(ok(dir, &["zoo", "show", "c.safetensors"]).contains("scores of own scores: 6 targets"));
    fails(dir, &[&carry[..], &["--scores", "scores.csv"]].concat(), 2, &["textemb=text.csv"]);
    fails(dir, &[&carry[..], &["--scores", "a=no.csv"]].concat(), 3, &["cannot read no.csv"]);
    let taken = [&carry[..], &["--scores", "rrf=scores.csv"]].concat();
    fails(dir, &taken, 3, &["rrf", "a method or another table has that name"]);
    // Of measured transfer it may carry several settings, one a file of a sweep.
    for setting in ["full-limited", "limited-limited"] {
        let matrix = format!(
            r#"{{"setting": "{setting}", "metric": "accuracy", "seeds": [0], "targets": ["ape"],
            "sources": ["bee", "cat"], "scores": [[[0.5], [0.75]]], "no_transfer": [[null]]}}"#
        );
        std::fs::write(dir.join(format!("{setting}.json")), matrix).unwrap();
    }
    let both = ["--truth", "limited-limited.json", "--truth", "full-limited.json"];
    ok(dir, &[&carry[..], &both].concat());
    let transfer = &json(dir, &["zoo", "show", "c.safetensors", "--json"])["transfer"];
    let settings = [&transfer[0]["setting"], &transfer[1]["setting"]];
    assert_eq!(settings, ["full-limited", "limited-limited"]);
    let judged = ["evaluate", "--zoo", "c.safetensors"];
    fails(dir, &[&judged[..], &both].concat(), 2, &["give it alone"]);
    fails(dir, &judged, 2, &["choose one by --setting"]);
    // So may facts.
    std::fs::write(dir.join("facts.json"), r#"{"ape": {"name": "Apes", "licence": "MIT"}}"#)
        .unwrap();
    ok(dir, &[&carry[..], &["--facts", "facts.json"]].concat());
    let ape = &json(dir, &["zoo", "show", "c.safetensors", "--json"])["tasks"][0];
    assert_eq!((&ape["name"], &ape["licence"]), (&"Apes".into(), &"MIT".into()));
    std::fs::write(dir.join("facts.json"), r#"{"ape": {"size": 3}}"#).unwrap();
    let wrong = [&carry[..], &["--facts", "facts.json"]].concat();
    fails(dir, &wrong, 3, &["facts.json", "unknown field `size`"]);
    // What a table has not.
    let against = ["evaluate", "--scores", "scores.csv", "--truth", &truth, "--against", "lora"];
    fails(dir, &against, 2, &["lora", "no such file"]);
    let method = ["evaluate", "--scores", "scores.csv", "--truth", &truth, "--method", "lora"];
    fails(dir, &method, 2, &["--method"]);
    fails(dir, &["evaluate", "--scores", "scores.csv"], 2, &["give --truth CSV"]);
    fails(dir, &["evaluate", "--scores", "nowhere.csv", "--truth", &truth], 3, &["nowhere.csv"]);
}

#[test]
fn evaluation_refuses_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let (npy, truth) = (golden("npy"), golden("truth.csv"));
    std::fs::write(dir.join("bad.csv"), "t,ape,bee\nape,1,2\nbee,high,2\n").unwrap();
    std::fs::write(dir.join("other.csv"), "t,x,y\nx,1,2\n").unwrap();
    std::fs::write(dir.join("plain.csv"), "t,ape,bee,cat\nape,.1,.2,.3\n").unwrap();
    std::fs::create_dir(dir.join("empty")).unwrap();
    std::fs::create_dir(dir.join("bad")).unwrap();
    std::fs::write(dir.join("bad/x.npy"), b"no array").unwrap();
    fails(dir, &["evaluate", "--truth", &truth], 2, &["--zoo"]);
    fails(dir, &["evaluate", "--npy", &npy, "--zoo", "z", "--truth", &truth], 2, &["--npy"]);
    fails(dir, &["evaluate", "--npy", &npy, "--truth", &truth], 2, &["--reduce mean-rows"]);
    let flat = ["evaluate", "--npy", &npy, "--reduce", "flatten"];
    let with = |more: &[&'static str]| [&flat[..], more].concat();
    fails(dir, &flat, 2, &["give --truth CSV"]);
    let bad = with(&["--truth", "bad.csv"]);
    fails(dir, &bad, 3, &["bad.csv: line 3, column 2 (ape): \"high\""]);
    fails(dir, &with(&["--truth", "other.csv"]), 3, &["need", "x, y"]);
    fails(dir, &with(&["--truth", "nowhere.csv"]), 3, &["nowhere.csv"]);
    let gain = with(&["--truth", "plain.csv", "--relevance", "gain"]);
    fails(dir, &gain, 3, &["`no-transfer`"]);
    let magic = with(&["--truth", "plain.csv", "--relevance", "magic"]);
    fails(dir, &magic, 2, &["percent, fraction, rank, gain"]);
    let gauge = with(&["--truth", "plain.csv", "--similarity", "gauge"]);
    fails(dir, &gauge, 3, &["gauge compares LoRA's factors"]);
    fails(dir, &["evaluate", "--npy", "empty", "--truth", "plain.csv"], 3, &["no .npy files"]);
    fails(dir, &["evaluate", "--npy", "bad", "--truth", "plain.csv"], 3, &["x.npy", "signature"]);
    let import = ["zoo", "import-npy", &npy, "--out", "x.safetensors"];
    fails(dir, &import, 2, &["--reduce flatten"]);
    assert!(!dir.join("x.safetensors").exists());
}

#[test]
fn several_recipes_in_one_zoo() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for task in ["sample_topic", "sample_sentiment", "sample_entailment"] {
        let mut tune = vec!["tune", task, "--encoder", "@tiny-bert"];
        tune.extend(["--epochs", "2", "--lr", "5e-3", "--threads", "1", "--max-train", "30"]);
        tune.extend(["--out", task]);
        ok(dir, &tune);
    }
    let pack = |runs: &[&str], out: &str, more: &[&str]| {
        ok(dir, &[&["zoo", "pack"], runs, more, &["--name", "z", "--out", out]].concat());
    };
    let all = ["sample_topic", "sample_sentiment", "sample_entailment"];
    let recipes = ["--recipe", "aggregation=layer-mean", "--recipe", "aggregation=flatten"];
    pack(&all, "all.safetensors", &recipes);
    let shown = json(dir, &["zoo", "show", "all.safetensors", "--json"]);
    let sets = shown["embeddings"].as_array().unwrap();
    let keys: Vec<&str> = sets.iter().map(|set| set["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["lora.early", "lora.early.flatten", "lora.late", "lora.late.flatten"]);

    let rank = ["rank", "--zoo", "all.safetensors", "--target", "sample_topic", "--json"];
    let with = |more: &[&'static str]| [&rank[..], more].concat();
    assert_eq!(json(dir, &rank)["recipe"]["aggregation"], "layer-mean");
    let gauge = with(&["--similarity", "gauge", "--method", "lora.late.flatten"]);
    let gauge = json(dir, &gauge);
    assert_eq!(gauge["sources"].as_array().unwrap().len(), 2);
    assert_eq!(gauge["similarity"], "gauge");
    let parts = ["choose lora.early.flatten"];
    fails(dir, &with(&["--similarity", "gauge", "--method", "lora"]), 3, &parts);
    fails(dir, &with(&["--method", "ensemble"]), 2, &["two methods or more"]);
    // A run as the target is made as the set that is asked for was made.
    let mut by_run = with(&["--similarity", "gauge", "--method", "lora.late.flatten"]);
    let folder = dir.join("sample_topic");
    by_run[4] = folder.to_str().unwrap();
    let by_run = json(dir, &by_run);
    assert_eq!(by_run["recipe"]["aggregation"], "flatten");

    pack(&["sample_topic"], "one.safetensors", &[]);
    pack(&["sample_sentiment", "sample_entailment"], "two.safetensors", &[]);
    pack(&all, "three.safetensors", &[]);
    let merge = [
        "zoo",
        "merge",
        "one.safetensors",
        "two.safetensors",
        "--name",
        "z",
        "--out",
        "merged.safetensors",
    ];
    ok(dir, &merge);
    let read = |name: &str| std::fs::read(dir.join(name)).unwrap();
    assert!(read("merged.safetensors") == read("three.safetensors"));
    let truth = "target,sample_topic,sample_sentiment\nsample_entailment,0.5,0.6\n";
    std::fs::write(dir.join("truth.csv"), truth).unwrap();
    let judged = [&merge[..7], &["judged.safetensors", "--truth", "truth.csv"]].concat();
    ok(dir, &judged);
    assert!(ok(dir, &["zoo", "card", "judged.safetensors"]).contains("| unnamed |"));
    // The truth that is there already, and another one of the same setting.
    let again = ["zoo", "merge", "judged.safetensors", "one.safetensors", "--truth", "truth.csv"];
    let again = [&again[..], &["--out", "again.safetensors"]].concat();
    fails(dir, &again, 3, &["unnamed"]);
    assert!(!dir.join("again.safetensors").exists());
    let diff = json(dir, &["zoo", "diff", "two.safetensors", "three.safetensors", "--json"]);
    assert_eq!(diff["added"][0], "sample_topic");
    assert_eq!(diff["moved"].as_array().unwrap().len(), 0);
    let merge = ["zoo", "merge", "one.safetensors", "all.safetensors", "--out", "m.safetensors"];
    fails(dir, &merge, 3, &["differ in aggregation"]);
    let delta = ["--recipe", "values=delta", "--recipe", "checkpoint=late", "--dtype", "int8"];
    pack(&all, "delta.safetensors", &delta);
    let shown = json(dir, &["zoo", "show", "delta.safetensors", "--json"]);
    assert_eq!(shown["embeddings"][0]["key"], "lora.late.delta");
    assert_eq!(shown["embeddings"][0]["has_initial"], false);
}

#[test]
fn seeds_become_a_mean() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for (seed, method) in [("0", "lora"), ("1", "lora"), ("0", "bitfit"), ("1", "bitfit")] {
        let out = format!("{method}{seed}");
        let mut tune = vec!["tune", "sample_topic", "--encoder", "@tiny-bert", "--out", &out];
        tune.extend(["--method", method, "--seed", seed, "--epochs", "2", "--lr", "5e-3"]);
        // Of BitFit, which draws none, the seed of initial parameters does not count.
        tune.extend(["--init-seed", if method == "bitfit" { seed } else { "0" }]);
        tune.extend(["--threads", "1", "--max-train", "30"]);
        ok(dir, &tune);
    }
    let pack = |runs: &[&'static str], more: &[&'static str]| {
        [&["zoo", "pack"], runs, more, &["--dtype", "f32", "--name", "z", "--out"]].concat()
    };
    let with = |command: &[&'static str], out: &'static str| [command, &[out]].concat();
    ok(dir, &with(&pack(&["lora0", "bitfit0"], &[]), "0.safetensors"));
    ok(dir, &with(&pack(&["lora1", "bitfit1"], &[]), "1.safetensors"));
    let all = ["lora0", "bitfit0", "lora1", "bitfit1"];
    ok(dir, &with(&pack(&all, &["--mean"]), "packed.safetensors"));
    let merge = ["zoo", "merge", "0.safetensors", "1.safetensors", "--dtype", "f32"];
    let merged = [&merge[..], &["--mean", "--name", "z", "--out", "merged.safetensors"]].concat();
    ok(dir, &merged);
    let read = |name: &str| std::fs::read(dir.join(name)).unwrap();
    assert!(read("merged.safetensors") == read("packed.safetensors"));
    let shown = json(dir, &["zoo", "show", "merged.safetensors", "--json"]);
    assert_eq!(shown["tasks"][0]["tunings"], 2);
    assert!(ok(dir, &["zoo", "show", "merged.safetensors"]).contains(", mean of 2 tunings"));
    // Advice is packed with it, if it can be followed.
    let prefer = |advice: &'static str, out: &'static str| {
        [&pack(&all, &["--mean", "--prefer", advice])[..], &[out]].concat()
    };
    ok(dir, &prefer("ensemble.early,cosine", "advised.safetensors"));
    let shown = json(dir, &["zoo", "show", "advised.safetensors", "--json"]);
    let advice = serde_json::json!({ "method": "ensemble.early", "similarity": "cosine" });
    assert_eq!(shown["preferred"], advice);
    let text = ok(dir, &["zoo", "show", "advised.safetensors"]);
    assert!(text.contains("preferred ranking: ensemble.early, cosine"), "{text}");
    fails(dir, &prefer("lora", "no.safetensors"), 2, &["such as lora.early,centred"]);
    fails(dir, &prefer("tune,cosine", "no.safetensors"), 2, &["tune"]);
    // A target that was tuned once is compared with it.
    let rank = ["rank", "--zoo", "merged.safetensors", "--target", "lora1", "--json"];
    assert_eq!(json(dir, &rank)["sources"].as_array().unwrap().len(), 0);
    // Nothing is averaged unasked, counted twice or written where there is no mean.
    let refused = |command: &[&'static str], parts: &[&str]| {
        fails(dir, &with(command, "no.safetensors"), 3, parts);
        assert!(!dir.join("no.safetensors").exists());
    };
    refused(&pack(&all, &[]), &["sample_topic", "their mean"]);
    refused(&[&merge[..], &["--out"]].concat(), &["sample_topic", "their mean"]);
    refused(&pack(&["lora0", "lora0"], &["--mean"]), &["one embedding is there twice"]);
    refused(&pack(&["lora0", "lora1", "bitfit0"], &["--mean"]), &["give as many of each"]);
}
