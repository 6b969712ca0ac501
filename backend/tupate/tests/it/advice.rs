//! Ranking as a zoo's makers advise, and by a target's runs of several methods.

use crate::support::{err, fails, json, ok, tupate};

#[test]
fn advice_is_followed_as_far_as_the_target_has_what_it_takes() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let tasks = "sample_topic,sample_sentiment,sample_entailment";
    let tune = format!("tune {tasks} --method lora,bitfit --encoder @tiny-bert --out runs");
    ok(dir, &format!("{tune} --epochs 2 --lr 5e-3 --threads 1 --max-train 30"));
    let pack = "zoo pack runs/sample_sentiment runs/sample_entailment --dtype f32 --name z";
    ok(dir, &format!("{pack} --prefer ensemble.early,centred --out z"));
    let both = "--target runs/sample_topic/lora --target runs/sample_topic/bitfit";
    let rank = |target: &str| json(dir, &format!("rank --zoo z --json {target}"));
    let same = |unasked: &str, asked: &str| {
        assert_eq!(rank(unasked), rank(&format!("{unasked} {asked}")), "{unasked}");
    };

    // A task of the zoo, and one that was tuned by every method.
    let whole = "--method ensemble.early --similarity centred";
    same("--target sample_sentiment", whole);
    same(both, whole);
    let ranking = rank(both);
    let sets: Vec<_> = ranking["ensemble"].as_array().unwrap().iter().map(|m| &m["set"]).collect();
    assert_eq!(sets, ["bitfit.early", "lora.early"]);
    assert_eq!(
        (&ranking["target"], &ranking["similarity"]),
        (&"sample_topic".into(), &"centred".into())
    );
    let text = ok(dir, &format!("rank --zoo z {both}"));
    assert!(text.contains("centred similarity of bitfit.early + lora.early (early)"), "{text}");
    assert!(text.contains(", as its makers advise:"), "{text}");
    // A folder of a run by every method is the same.
    assert_eq!(rank("--target runs/sample_topic"), ranking);
    // As if it were in the zoo.
    ok(dir, &pack.replace("pack ", "pack runs/sample_topic --out all "));
    let inside = format!("rank --zoo all --target sample_topic --json {whole}");
    assert_eq!(json(dir, &inside)["sources"], ranking["sources"]);

    // By one method: its part, and how to have it whole.
    let one = "--target runs/sample_topic/lora";
    same(one, "--method lora.early --similarity centred");
    let said = tupate(dir, &format!("rank --zoo z {one}"));
    for part in
        ["advise ensemble.early, centred", "runs/sample_topic/lora has lora.early", "by bitfit"]
    {
        assert!(err(&said).contains(part), "{part:?} not in {}", err(&said));
    }
    assert!(!String::from_utf8_lossy(&said.stdout).contains("advise"));

    // What is asked for is done, and parameters that are late stay so.
    assert_eq!(rank(&format!("{one} --similarity cosine"))["recipe"]["checkpoint"], "late");
    assert_eq!(rank(&format!("{one} --method lora"))["similarity"], "cosine");
    let late = rank("--target runs/sample_topic/lora/late");
    assert_eq!(
        (&late["recipe"]["checkpoint"], &late["similarity"]),
        (&"late".into(), &"cosine".into())
    );
    assert_eq!(late["target"], "sample_topic");
    let early = rank("--target runs/sample_topic/lora/early");
    assert_eq!(early["sources"], rank(one)["sources"]);
    let chosen = rank(&format!("{both} --method bitfit"));
    assert_eq!(
        chosen["sources"],
        rank("--target runs/sample_topic/bitfit --method bitfit")["sources"]
    );

    // Advice that it cannot follow is none: after one epoch there is nothing early.
    let short = "tune sample_topic --method bitfit --encoder @tiny-bert --epochs 1 --lr 5e-3 --max-train 30";
    ok(dir, &format!("{short} --threads 1 --out short"));
    assert_eq!(rank("--target short")["recipe"]["checkpoint"], "late");
    // It may name a method alone.
    ok(dir, &format!("{pack} --prefer bitfit,delta --out plain"));
    for target in ["sample_sentiment", "runs/sample_topic"] {
        let ranking = json(dir, &format!("rank --zoo plain --json --target {target}"));
        assert_eq!(ranking["recipe"]["method"]["name"], "bitfit");
        assert_eq!(ranking["similarity"], "delta");
    }

    let refused =
        |target: &str, part: &str| fails(dir, &format!("rank --zoo z {target}"), 2, &[part]);
    refused(&format!("{one} --method ensemble"), "give that of bitfit, too");
    refused(
        &format!("{both} --similarity cosine"),
        "choose one of lora, bitfit, or all by ensemble",
    );
    refused(&format!("{one} --target sample_sentiment"), "goes alone");
    refused(&format!("{one} --target nowhere"), "no target nowhere");
    std::fs::create_dir(dir.join("runs/sample_topic/ptuning-v2")).unwrap();
    let unfinished = "rank --zoo z --target runs/sample_topic";
    fails(dir, unfinished, 3, &["runs/sample_topic/ptuning-v2", "no run in this folder"]);
    let mixed =
        "--target runs/sample_topic/lora --target runs/sample_entailment/bitfit --method ensemble";
    fails(dir, &format!("rank --zoo z {mixed}"), 3, &["must be of one task", "sample_entailment"]);
}
