//! Any bytes as the index of a zoo in shards, and as its first shard.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tupate_zoo::shards::{Index, Question, Shards};

fuzz_target!(|input: &[u8]| {
    let Ok(index) = Index::parse(input) else { return };
    let written = index.to_bytes().expect("what was read can be written");
    assert_eq!(Index::parse(&written).as_ref(), Ok(&index));
    let mut shards = Shards::new(index.clone());
    for shard in &index.shards {
        assert!(shards.open(&shard.file, input).is_err(), "an index is no shard");
    }
    for set in index.sets() {
        let _ = shards.answer(&Question::Total { set: set.key });
    }
});
