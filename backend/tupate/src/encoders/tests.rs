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
