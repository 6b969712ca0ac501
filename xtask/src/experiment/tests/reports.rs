//! Reports on what the stand-in left behind.

use super::*;

#[test]
fn a_report_has_a_table_for_every_question() {
    let place = Place::new();
    let variant = "init_seed = 7\nvariant = [{ seed = 5, rate = 0.5 }]";
    let plan = PLAN.replace("init_seed = 7", variant).replacen("seeds = [0]", "seeds = [0, 2]", 1);
    let plan = plan.replacen("encoder", "prefer = \"lora.early,centred\"\nencoder", 1);
    place.run(&plan).unwrap();
    place.write_embeddings(&[0, 2]);
    place.with(&plan, |experiment| experiment.layers().map(drop)).unwrap();
    let task = |id: &str, class: &str| json!({ "id": id, "class": class });
    let shown = json!({
        "tasks": [task("a", "CR"), task("b", "CR"), task("c", "SL")],
        "embeddings": [{ "key": "lora.early" }, { "key": "lora.late" }],
        "scores": [{ "name": "datasize" }, { "name": "textemb" }],
    });
    let figures =
        |x: f64| json!({ "rho": 2.0 * x, "ndcg": { "percent": x }, "regret": { "1": x } });
    let ends = json!([0.25, 0.75]);
    let test = json!({ "difference": -0.125, "interval95": [-0.25, 0.5], "p_value": 0.5 });
    let of_target = |name: &str, x: f64| {
        json!({
            "target": name, "kendall_tau": x, "regret": { "1": x }, "rank_of_best": 1,
            "ndcg": { "percent": x, "rank": x },
        })
    };
    let mut ceiling = figures(1.0);
    ceiling["targets"] = json!(2);
    let judged = json!({
        "targets": [
            of_target("a", 0.5),
            of_target("b", 0.25),
        ],
        "mean": figures(0.5), "random": figures(0.375), "ceiling": ceiling,
        "interval95": { "rho": ends, "ndcg": { "percent": ends }, "regret": { "1": ends } },
        "paired": { "difference": { "ndcg": { "percent": test }, "regret": { "1": test } } },
    });
    let ranking =
        json!({ "sources": [{ "task": "b", "score": 0.5 }, { "task": "c", "score": 0 }] });
    fs::write(place.context.root.join("shown"), shown.to_string()).unwrap();
    fs::write(place.context.root.join("ranking"), ranking.to_string()).unwrap();
    fs::write(place.context.root.join("judged"), judged.to_string()).unwrap();
    let path = place.context.root.join("experiment.toml");
    let plan = Plan::read(&path).unwrap();
    let report = place.report(&plan);
    for (task, value) in [("a", 1.0_f32), ("b", 2.0), ("c", -1.0)] {
        let values = [value, 1.0, 0.5, 0.25].map(f32::to_le_bytes).concat();
        let tensor = |shape| TensorView::new(Dtype::F32, shape, &values).unwrap();
        let tensors = ["early", "late"].map(|checkpoint| {
            let name = |part: &str| format!("{part}/lora.{checkpoint}");
            let initial = TensorView::new(Dtype::F32, vec![4], &[0; 16]).unwrap();
            [(name("embeddings"), tensor(vec![1, 4])), (name("initial"), initial)]
        });
        let file = safetensors::serialize(tensors.into_iter().flatten(), None).unwrap();
        for seed in [0, 2, 5] {
            let path = place.results().join(format!("embeddings/{seed}/{task}.safetensors"));
            fs::write(path, &file).unwrap();
        }
    }
    let truths = report::whole(&report).unwrap();
    report.make_zoo(&truths).unwrap();
    let merged = place.calls().into_iter().rfind(|call| call.starts_with("zoo merge")).unwrap();
    for part in [
        "a.safetensors",
        "c.safetensors",
        "limited-limited.json",
        "textemb=",
        "--dtype int8",
        "/0/b.safetensors",
        "/2/b.safetensors",
        "--mean",
        "--prefer lora.early,centred",
        "--facts",
    ] {
        assert!(merged.contains(part), "{part} in {merged}");
    }
    let facts = files::json(&report.work.join("facts.json")).unwrap();
    let link = "https://example.org/bees";
    let bees = json!({ "name": "Bees", "family": "flight", "licence": "MIT", "link": link });
    assert_eq!((&facts["b"], &facts["a"]), (&bees, &json!({ "licence": "MIT" })));
    let csv = fs::read_to_string(report.work.join("textemb.csv")).unwrap();
    assert_eq!(csv, "target,a,b,c\na,,1,0.5\nb,2,,1\nc,0,-0.001,\n");
    let text = report.text(&truths).unwrap();
    for line in [
        "18 runs, of all of which every tuned tensor got a gradient and moved; score on the \
         validation part, mean over 2 seeds.",
        "| a | CR | accuracy | 0.500 | 0.750 | 0.750 | MIT; whole |",
        "#### limited-limited, in-class: every method, cosine",
        "#### limited-limited, all-class, targets with several seeds: every method, cosine",
        "| textemb | 1.00 (0.25 to 0.75) | 0.500 (0.25 to 0.75) | – (– to –) | – (– to –) | \
         0.500 (0.25 to 0.75) | – (– to –) | – (– to –) | – (– to –) |",
        "| *random order* | 0.75 | 0.375 | – | – | 0.375 | – | – | – |",
        "| *one seed by the others* | 2.00 | 1.000 | – | – | 1.000 | – | – | – |",
        "| lora.late | -0.125 (-0.250 to +0.500) | 0.500 | -0.125 (-0.250 to +0.500) | 0.500 | \
         -0.125 (-0.250 to +0.500) | 0.500 | -0.125 (-0.250 to +0.500) | 0.500 |",
        "| | cosine: NDCG percent | Kendall τ | the source's mean alone: NDCG percent | Kendall τ \
         | cosine less that mean: NDCG percent | Kendall τ | the least change alone: NDCG percent \
         | Kendall τ |",
        "| lora.late | queries | 2 | 0.500 (0.25 to 0.75) | – (– to –) | 0.500 (0.25 to 0.75) | \
         – (– to –) |",
        "| bitfit.early | 0.500 / – | 0.500 / – |",
        "| | seed 0 | seed 2 | seed 5, rate × 0.5 | mean of 2 seeds |",
        "| lora.early | 0.500 / – | 0.500 / – | 0.500 / – | 0.500 / – |",
        "| | NDCG percent | p | Kendall τ | p |",
        "| lora.early | -0.125 (-0.250 to +0.500) | 0.500 | – (– to –) | – |",
        "Targets as one seed alone has them, and sources as the zoo has them, which is the mean \
         of 2 seeds:",
        "| | seed 0 | seed 2 | seed 5, rate × 0.5 |",
        "| lora.early | 0.500 / – | 0.500 / – | 0.500 / – |",
        "| | seed 2 | seed 5, rate × 0.5 | two tasks |",
        "The same of its change since tuning began:",
        "| | score and NDCG percent | score and Kendall τ |",
        "| lora.early | – | – |",
        "| | side by side | side by side, centred | mean of cosines | mean of centred cosines | \
         lower half | upper half | whitened |",
        "| rrf | -0.125 (-0.250 to +0.500) | 0.500 | – (– to –) | – | -0.125 (-0.250 to +0.500) | \
         0.500 |",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\nin\n{text}");
    }
    // Six rankings by embeddings in three similarities, two fusions with baselines of two
    // of them, two baselines, by layers of four sets and two ensembles in seven ways, and by the
    // updates of two sets: all alike, so that the first is taken.
    let chosen = "Targets as one of 2 seeds alone has them, each in turn, and sources as the zoo \
                  has them. For each target, of 76 ways to rank the one with the best mean NDCG \
                  percent on the other targets: lora.early, cosine 2 times.";
    assert!(text.contains(chosen), "{text}");
    assert!(text.contains("without the ways of layers.\n\nTargets as"), "{text}");
    assert!(text.contains("of 34 ways to rank"), "{text}");
    let cells = |cell: &str| [cell; 4].join(" | ");
    for (name, cell) in [
        ("chosen", "0.375 (0.25 to 0.50)"),
        ("ensemble.late, cosine", "0.375 (0.25 to 0.50)"),
        ("difference", "+0.000 (+0.000 to +0.000), p 1.000"),
    ] {
        assert!(text.contains(&format!("| {name} | {} |", cells(cell))), "{text}");
    }
    assert!(!text.contains("Not reported yet"), "{text}");
    assert!(text.contains("15 cells of 2 seeds (0.0 hours of computing): 10 transfers, 0 % of"));
    // Of two classes, what goes from one to the other is blank, and what was not run.
    let whole: Value = files::json(&report.work.join("limited-limited.json")).unwrap();
    let inside: Value = files::json(&report.work.join("limited-limited.in-class.json")).unwrap();
    assert_eq!(whole["scores"][1], json!([[0.75, null], [null, null], [0.75, null]]));
    assert_eq!(inside["scores"][1], json!([[0.75, null], [null, null], [null, null]]));
    assert_eq!(whole["no_transfer"], json!([[0.75, 0.75], [0.75, null], [0.75, 0.75]]));
    let repeated: Value = files::json(&report.work.join("limited-limited.repeated.json")).unwrap();
    assert_eq!(repeated["targets"], json!(["a", "c"]));
    assert_eq!(repeated["scores"], json!([whole["scores"][0], whole["scores"][2]]));
    assert_eq!(repeated["no_transfer"], json!([[0.75, 0.75], [0.75, 0.75]]));
    // Without one of its cells a seed is not reported, and said to be pending; nor is it in
    // the zoo. A setting without a whole seed is not there at all.
    let table = place.results().join("limited-limited.jsonl");
    let rows = fs::read_to_string(&table).unwrap();
    let without = |part: &str| -> String {
        let (kept, gone): (Vec<&str>, Vec<&str>) =
            rows.lines().partition(|line| !line.contains(part));
        assert!(!gone.is_empty(), "{part}");
        kept.join("\n")
    };
    fs::write(&table, without("\"seed\":1,\"target\":\"c\",\"source\":\"a\"")).unwrap();
    let fewer = report::whole(&report).unwrap();
    assert_eq!(fewer[0].matrix["seeds"], json!([0]));
    let text_of_fewer = report.text(&fewer).unwrap();
    assert!(text_of_fewer.contains("9 cells of 1 seed ("), "{text_of_fewer}");
    let pending = "- limited-limited, seed 1: 5 of 6 cells were measured.";
    assert!(text_of_fewer.lines().any(|line| line == pending), "{text_of_fewer}");
    fs::write(&table, without("\"target\":\"c\",\"source\":null")).unwrap();
    assert!(report::whole(&report).unwrap().is_empty());
    fs::write(&table, &rows).unwrap();
}
