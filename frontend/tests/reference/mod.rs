//! A zoo and its rankings, fixed: native code and the browser must both arrive
//! at exactly these.

use tupate_frontend::answer::{Loaded, Origin, answer};
use tupate_tasks::{Checkpoint, EncoderRef, MethodSpec, Recipe, TASKS};
use tupate_zoo::link::View;
use tupate_zoo::{Dtype, NewEmbedding, SIMILARITIES, TaskEntry, Zoo, sha256_hex};

/// sha256 of the zoo's file.
const SHA256: &str = "cd12a30af91ef953e8b606eda22d84441ad1718d53c6b192f9934c8e845e639c";

/// Rankings for `sample_topic` by the universal ones of [`SIMILARITIES`]; numpy in `f64`
/// agrees to 1e-8.
const RANKINGS: &[&[(&str, f64)]] = &[
    &[
        ("sample_entailment", 0.9985436104097667),
        ("sample_sentiment", 0.998535153006323),
        ("sample_acceptability", 0.9982294505183973),
        ("sample_paraphrase", 0.9980883633847496),
        ("sample_similarity", 0.9980067696551705),
    ],
    &[
        ("sample_entailment", 0.1323754433152408),
        ("sample_sentiment", -0.05265186026570248),
        ("sample_paraphrase", -0.2436903166050422),
        ("sample_acceptability", -0.28690380750110894),
        ("sample_similarity", -0.33874817182189076),
    ],
    &[
        ("sample_entailment", 0.5691346075412127),
        ("sample_acceptability", 0.5651402731980111),
        ("sample_sentiment", 0.559155151948852),
        ("sample_paraphrase", 0.4556350392080417),
        ("sample_similarity", 0.44746392233113746),
    ],
];

/// Values that are the same on every target: integer steps, no functions of the
/// platform's mathematics.
fn values(seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut step = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 20) as f32 / 4096.0 - 0.5
    };
    (0..64).map(|i| if i < 48 { i as f32 / 8.0 } else { step() }).collect()
}

/// A small zoo, the same on every target.
pub fn zoo() -> Zoo {
    let encoder = EncoderRef {
        name: "tiny".into(),
        weights_sha256: "ab".repeat(32),
        layers: 2,
        hidden_size: 4,
    };
    let recipe = Recipe::paper(encoder, MethodSpec::BitFit, 7, Checkpoint::Late);
    let embeddings = TASKS.iter().filter(|task| task.id.starts_with("sample_")).enumerate();
    let embeddings = embeddings.map(|(i, task)| NewEmbedding {
        task: TaskEntry {
            id: task.id.into(),
            name: task.name.into(),
            class: task.class,
            family: task.family.into(),
            train_examples: 100,
            tunings: 1,
            metric: task.metric,
            score: Some(0.75),
            majority: Some(0.5),
            licence: None,
            link: None,
        },
        recipe: recipe.clone(),
        values: values(i as u32 + 1),
        initial: Some(values(0)),
    });
    Zoo::pack("In the browser", "", embeddings).expect("a sound zoo")
}

/// The zoo's file has the bytes it must have, and reads back.
pub fn check_file() {
    let bytes = zoo().to_bytes(Dtype::F32).expect("bytes");
    assert_eq!(sha256_hex(&bytes), SHA256);
    assert_eq!(Zoo::parse(&bytes).expect("the zoo"), zoo());
}

/// Every similarity ranks as it must, to the last bit.
pub fn check_rankings() {
    let file = zoo().to_bytes(Dtype::F32).expect("bytes");
    let (sha256, origin) = (sha256_hex(&file), Origin::File("z".into()));
    let read = Zoo::parse(&file).expect("the zoo");
    let loaded = Loaded::whole(read, &file, sha256, origin, None);
    let universal = || SIMILARITIES.iter().filter(|s| s.universal);
    assert_eq!(universal().count(), RANKINGS.len());
    for (similarity, expected) in universal().zip(RANKINGS) {
        let view = View {
            target: Some("sample_topic".into()),
            similarity: Some(similarity.name.into()),
            ..View::default()
        };
        let answer = answer(&loaded, &view).expect("a ranking");
        let found: Vec<(&str, f64)> =
            answer.ranking.sources.iter().map(|s| (s.task.as_str(), s.score)).collect();
        assert_eq!(found, *expected, "{}", similarity.name);
    }
}
