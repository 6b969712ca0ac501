//! What is kept is of what is declared: other settings, other files, lost lines.

use super::*;

#[test]
fn results_of_other_settings_are_refused() {
    let place = Place::new();
    place.run(PLAN).unwrap();
    for (from, to) in [("lr = \"2e-3\"", "lr = \"1e-3\""), ("\"--limited\", \"8\"", "")] {
        let error = format!("{:#}", place.run(&PLAN.replace(from, to)).unwrap_err());
        assert!(error.contains("the experiment now says"), "{error}");
    }
    // A further task is no other setting.
    place.write("data/d/train.tsv");
    let more = format!("{PLAN}\n[[task]]\nid = \"d\"\nlicence = \"MIT\"\n");
    place.run(&more).unwrap();
    assert_eq!(place.lines("tuning.jsonl").len(), 8);
}

#[test]
fn what_the_cache_has_of_other_settings_is_not_taken_for_results() {
    let place = Place::new();
    place.run(PLAN).unwrap();
    // Results that are begun anew, while runs and cells of before lie in the cache.
    fs::remove_dir_all(place.results()).unwrap();
    for (from, to) in [
        ("lr = \"2e-3\"", "lr = \"1e-3\""),
        ("\"--limited\", \"8\"", ""),
        ("x.val.tsv.gz", "x.train.tsv.gz"),
    ] {
        let error = format!("{:#}", place.run(&PLAN.replace(from, to)).unwrap_err());
        assert!(error.contains("remove that folder to begin anew"), "{error}");
    }
    let calls = place.calls().len();
    place.run(PLAN).unwrap();
    assert_eq!(place.lines("tuning.jsonl").len(), 6);
    assert_eq!(place.lines("limited-limited.jsonl").len(), 15);
    let again: Vec<_> = place.calls().split_off(calls);
    let computed = |call: &&String| call.starts_with("tune") || call.starts_with("transfer");
    assert_eq!(again.iter().filter(computed).count(), 0, "{again:?}");
}

#[test]
fn lines_that_came_meanwhile_stay_and_lost_ones_come_again() {
    let place = Place::new();
    place.run(PLAN).unwrap();
    let path = place.results().join("tuning.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let table = || Table::<Tuned>::open(path.clone(), |row| row.options().to_owned());
    // A table that was read before others wrote.
    fs::write(&path, lines[..2].join("\n")).unwrap();
    let mut early = table().unwrap();
    fs::write(&path, lines[..5].join("\n")).unwrap();
    early.add(vec![serde_json::from_str(lines[5]).unwrap()]).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    // The embeddings are there, the lines are not: they come from the runs.
    fs::remove_file(&path).unwrap();
    place.run(PLAN).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    // Of two machines that do not have the same files.
    fs::write(&path, text.replacen("\"cd\"", "\"ef\"", 1)).unwrap();
    let error = table().err().unwrap().to_string();
    assert!(error.contains("line 4: made of other examples of a than line 1"), "{error}");
}
