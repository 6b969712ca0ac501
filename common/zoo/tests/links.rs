//! Share links: what they say, for good, and what they refuse.

mod common;

use common::zoo;
use proptest::prelude::*;
use tupate_zoo::link::{MAX_INLINE, MAX_REPEATS, Source, View, pack, unpack};
use tupate_zoo::{Dtype, Error, Zoo, sha256_hex};

#[test]
fn links_of_today_open_tomorrow() {
    let view = View {
        zoo: Some("https://example.org/a b&c.safetensors?x=1#y".into()),
        sha256: Some("0f".repeat(32)),
        target: Some("größe".into()),
        method: Some("lora.late".into()),
        similarity: Some("centred".into()),
        ..View::default()
    };
    assert_eq!(
        view.to_fragment(),
        format!(
            "zoo=https%3A%2F%2Fexample.org%2Fa+b%26c.safetensors%3Fx%3D1%23y&sha256={}\
             &target=gr%C3%B6%C3%9Fe&method=lora.late&similarity=centred",
            "0f".repeat(32)
        )
    );
    assert_eq!(View::from_fragment(&view.to_fragment()), view);
    assert_eq!(
        View::from_fragment("#target=a&later=1"),
        View { target: Some("a".into()), ..View::default() }
    );
    assert_eq!(View::from_fragment("#sha256=XYZ"), View::default(), "no sum, no claim");
    assert_eq!(View::from_fragment(""), View::default());
    assert_eq!(View::default().to_fragment(), "");
}

#[test]
fn links_of_the_second_form_open_tomorrow() {
    let view = View {
        target: Some("a".into()),
        method: Some("ensemble".into()),
        compare: vec!["lora.late".into(), "rrf".into()],
        measure: Some("ndcg.percent".into()),
        filters: vec![("class".into(), "QA".into()), ("family".into(), "a b".into())],
        data: Some("AAAA".into()),
        ..View::default()
    };
    let fragment = "target=a&method=ensemble&measure=ndcg.percent&compare=lora.late&compare=rrf\
                    &filter.class=QA&filter.family=a+b&data=AAAA";
    assert_eq!(view.to_fragment(), fragment);
    assert_eq!(View::from_fragment(fragment), view);
    let nothing = View::from_fragment("compare=&filter.=x&data=&measure=");
    assert_eq!(nothing, View::default());
    let many = "compare=x&filter.a=b&".repeat(MAX_REPEATS + 5);
    let many = View::from_fragment(&many);
    assert_eq!((many.compare.len(), many.filters.len()), (MAX_REPEATS, MAX_REPEATS));
}

#[test]
fn links_of_the_third_form_open_tomorrow() {
    let view = View {
        measure: Some("regret.3".into()),
        relevance: Some("gain".into()),
        truth: Some("full-limited".into()),
        plane: Some("scaling".into()),
        pair: vec!["lora.late".into(), "rrf.late".into()],
        ..View::default()
    };
    let fragment = "measure=regret.3&relevance=gain&truth=full-limited&plane=scaling\
                    &pair=lora.late&pair=rrf.late";
    assert_eq!(view.to_fragment(), fragment);
    assert_eq!(View::from_fragment(fragment), view);
    assert_eq!(View::from_fragment("pair=a&pair=&pair=b&pair=c").pair, ["a", "b"]);
}

#[test]
fn where_the_zoo_comes_from() {
    let of = |zoo: Option<&str>, data: Option<&str>| View {
        zoo: zoo.map(str::to_owned),
        data: data.map(str::to_owned),
        ..View::default()
    };
    assert_eq!(of(None, None).source(), Source::Own);
    assert_eq!(of(Some("https://x.org/z"), None).source(), Source::Url("https://x.org/z"));
    assert_eq!(of(Some("file:z.safetensors"), None).source(), Source::File("z.safetensors"));
    assert_eq!(of(Some("https://x.org/z"), Some("AA")).source(), Source::Inline("AA"));
}

/// The fixture of format 1.1, packed by Python's zlib.
const PACKED: &str = include_str!("fixtures/plane-1.1.link.txt");

#[test]
fn a_small_zoo_travels_in_the_link() {
    let bytes = zoo().to_bytes(Dtype::F16).unwrap();
    let start = View { zoo: Some("https://x.org/z".into()), ..View::default() };
    let view = start.with_inline(&bytes).unwrap();
    let received = View::from_fragment(&view.to_fragment());
    assert_eq!(received, view);
    let Source::Inline(text) = received.source() else { panic!("{received:?}") };
    let unpacked = unpack(text).unwrap();
    assert_eq!(Some(sha256_hex(&unpacked)), received.sha256);
    assert_eq!(Zoo::parse(&unpacked).unwrap(), zoo());

    let fixture: &[u8] = include_bytes!("fixtures/plane-1.1.safetensors");
    assert!(unpack(PACKED.trim_end()).unwrap() == fixture);
}

#[test]
fn a_link_unpacks_to_no_more_than_it_may() {
    // A bomb: 64 MiB of zeros in some 64 KiB.
    let bomb = {
        use std::io::Write;
        let mut encoder =
            flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        (0..64).for_each(|_| encoder.write_all(&vec![0; 1 << 20]).unwrap());
        base64::Engine::encode(
            &base64::engine::general_purpose::URL_SAFE_NO_PAD,
            encoder.finish().unwrap(),
        )
    };
    assert!(matches!(unpack(&bomb), Err(Error::Limit { .. })));
    assert!(matches!(pack(&vec![0; MAX_INLINE + 1]), Err(Error::Limit { .. })));
    assert_eq!(unpack(&pack(&vec![0; MAX_INLINE]).unwrap()).unwrap().len(), MAX_INLINE);
    // What cannot be made smaller does not fit well before that.
    let noise: Vec<u8> =
        (0..MAX_INLINE as u64).map(|i| tupate_metrics::random(1, i) as u8).collect();
    assert!(matches!(pack(&noise), Err(Error::Limit { .. })));
    for (text, part) in [("A", "base64url"), ("////", "base64url"), ("", "was the link cut")] {
        let error = unpack(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
    let cut = &PACKED[..PACKED.len() / 2 / 4 * 4];
    assert!(unpack(cut).unwrap_err().to_string().contains("was the link cut"));
}

proptest! {
    #[test]
    fn any_view_survives_its_link(
        zoo in proptest::option::of(".{1,40}"),
        target in proptest::option::of(".{1,40}"),
        method in proptest::option::of(".{1,20}"),
        similarity in proptest::option::of("[a-z]{1,10}"),
        sha256 in proptest::option::of("[0-9a-f]{64}"),
        data in proptest::option::of("[A-Za-z0-9_-]{1,40}"),
        measure in proptest::option::of(".{1,20}"),
        compare in proptest::collection::vec(".{1,20}", 0..4),
        (relevance, truth, plane, pair) in (
            proptest::option::of("[a-z]{1,10}"),
            proptest::option::of(".{1,20}"),
            proptest::option::of("[a-z]{1,10}"),
            proptest::collection::vec(".{1,20}", 0..3),
        ),
        filters in proptest::collection::vec((".{1,9}", ".{0,9}"), 0..4),
    ) {
        let view = View {
            zoo,
            sha256,
            data,
            target,
            method,
            compare,
            similarity,
            measure,
            relevance,
            truth,
            pair,
            plane,
            filters,
        };
        let fragment = view.to_fragment();
        prop_assert!(fragment.is_ascii());
        prop_assert_eq!(&View::from_fragment(&fragment), &view);
        prop_assert_eq!(&View::from_fragment(&format!("#{fragment}")), &view);
    }

    #[test]
    fn any_fragment_is_read_without_panic(fragment in ".{0,200}") {
        View::from_fragment(&fragment);
    }

    #[test]
    fn any_text_is_unpacked_or_refused(text in "[A-Za-z0-9_-]{0,200}") {
        let _ = unpack(&text);
    }

    #[test]
    fn any_bytes_survive_packing(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
        prop_assert_eq!(unpack(&pack(&bytes).unwrap()).unwrap(), bytes);
    }
}
