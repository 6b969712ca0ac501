//! The table of encoders.

use super::*;

#[test]
fn revisions_and_sums_are_whole() {
    for known in ENCODERS {
        assert_eq!(known.revision.len(), 40, "{}", known.name);
        assert!(known.files.iter().any(|f| f.path == WEIGHTS_FILE && f.sha256.is_some()));
        for file in known.files {
            assert!(file.sha256.is_none_or(|sum| sum.len() == 64), "{} {}", known.name, file.path);
        }
    }
}

#[test]
fn a_wrong_file_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("weights");
    std::fs::write(&path, b"other").unwrap();
    let error = check(&path, Some(&"0".repeat(64))).unwrap_err();
    assert!(error.to_string().contains("it was removed, pull again"), "{error}");
    assert!(!path.exists());
}

#[test]
fn a_name_that_is_no_encoder_lists_them() {
    let error = resolve("no-such-encoder").unwrap_err();
    assert!(
        error.to_string().contains("minilm, mpnet, bert-base-uncased, roberta-base"),
        "{error}"
    );
}

/// Whose files are what these sums are of: `{}` and nothing.
static TINY: Known = Known {
    name: "tiny",
    describe: "made up",
    licence: "none",
    repository: ("owner", "tiny"),
    revision: "0123456789012345678901234567890123456789",
    files: &[
        pinned(CONFIG_FILE, "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"),
        pinned(WEIGHTS_FILE, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ],
    wheel: None,
};

#[test]
fn what_is_sound_of_a_damaged_encoder_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (dir.path().join("old"), dir.path().join("new"));
    std::fs::create_dir_all(&old).unwrap();
    std::fs::create_dir_all(&new).unwrap();
    std::fs::write(old.join(CONFIG_FILE), "{}").unwrap();
    std::fs::write(old.join(WEIGHTS_FILE), "cut").unwrap();
    TINY.keep_sound(&old, &new).unwrap();
    assert_eq!(std::fs::read(new.join(CONFIG_FILE)).unwrap(), b"{}");
    assert!(!new.join(WEIGHTS_FILE).exists());
}

#[test]
fn one_program_at_a_time_pulls() {
    #[derive(Default)]
    struct Notes(std::sync::Arc<std::sync::Mutex<Vec<String>>>);
    impl Watch for Notes {
        fn note(&mut self, text: &str) {
            self.0.lock().unwrap().push(text.to_owned());
        }
        fn download(&mut self, _: &str, _: u64, _: Option<u64>) {}
    }
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("tiny");
    let first = hold(&folder, &mut Notes::default()).unwrap();
    let notes = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let (second, told) = (folder.clone(), Notes(notes.clone()));
    let waiting = std::thread::spawn(move || {
        let mut told = told;
        let hold = hold(&second, &mut told).unwrap();
        let there = second.exists();
        hold.done();
        there
    });
    while notes.lock().unwrap().is_empty() {
        std::thread::yield_now();
    }
    std::fs::create_dir(&folder).unwrap();
    first.done();
    assert!(waiting.join().unwrap(), "the second one waited until it was there");
    assert_eq!(*notes.lock().unwrap(), ["another program is getting tiny; waiting for it"]);
    assert!(!dir.path().join(".tiny.lock").exists());
}
