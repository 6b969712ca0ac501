//! What the model sees of texts, and what it is told of answers.

use super::*;
use crate::train::default_doc_stride;
use crate::train::golden::{encoder, here};
use candle_core::Device;
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::processors::roberta::RobertaProcessing;

fn tokens(length: usize) -> Tokens {
    Tokens {
        example: 0,
        input_ids: vec![9; length],
        token_type_ids: vec![1; length],
        target: Target::Class(1),
    }
}

fn limits(max_length: usize) -> Limits {
    Limits { max_length, doc_stride: 4 }
}

fn question(question: &str, context: &str, answer: Option<&str>) -> Example {
    let answers = answer.map(|text| Answer { text: text.into(), start: context.find(text) });
    Example {
        input: Input::Question { question: question.into(), context: context.into() },
        label: Label::Answers(answers.into_iter().collect()),
    }
}

#[test]
fn padding_fills_up_to_the_longest() {
    let batch = Batch::new(&[tokens(1), tokens(3), tokens(2)], &[2, 0], 7);
    assert_eq!((batch.size, batch.length), (2, 2));
    assert_eq!(batch.input_ids, [9, 9, 9, 7]);
    assert_eq!(batch.token_type_ids, [1, 1, 1, 0]);
    assert_eq!(batch.attention_mask, [true, true, true, false]);
    assert_eq!(batch.token_weights(), [0.5, 0.5, 1.0, 0.0]);
}

#[test]
fn an_epoch_visits_every_example_once_in_batches_of_like_length() {
    let examples: Vec<Tokens> = (0..1000).map(|i| tokens(1 + i * 7 % 60)).collect();
    let batches = shuffled(&examples, 8, &mut Rng::new(1, "test"));
    let mut all: Vec<usize> = batches.iter().flatten().copied().collect();
    let spread: usize = batches
        .iter()
        .map(|b| {
            let lengths = b.iter().map(|&i| examples[i].input_ids.len());
            lengths.clone().max().unwrap() - lengths.min().unwrap()
        })
        .sum();
    assert!(spread < 4 * batches.len(), "{spread} over {} batches", batches.len());
    all.sort_unstable();
    assert_eq!(all, (0..1000).collect::<Vec<_>>());
}

#[test]
fn windows_cover_the_context_and_each_knows_the_answer_it_holds() {
    // A character is a token here; é takes two bytes. Of the second, no beginning will do.
    for context in ["é ab cd ef gh ij kl mn op".to_owned(), "é ab ".repeat(40) + "gh ij"] {
        windows_cover(&context);
    }
}

fn windows_cover(context: &str) {
    let examples = [question("q", context, Some("gh"))];
    let tokenised = tokenise(&encoder(), &examples, limits(16)).unwrap();
    assert!(tokenised.sequences.len() > 1);
    assert_eq!(tokenised.truncated, 0);
    let (mut covered, mut found) = (vec![false; context.len()], 0);
    for sequence in &tokenised.sequences {
        let Target::Span(window) = &sequence.target else { panic!("no span") };
        assert!(sequence.input_ids.len() <= 16);
        assert_eq!(window.offsets.len(), window.context.len());
        for (start, end) in &window.offsets {
            covered[*start..*end].fill(true);
        }
        let (from, to) = window.gold;
        if from > 0 {
            found += 1;
            let at = |token: usize| window.offsets[token - window.context.start];
            assert_eq!(&context[at(from).0..at(to).1], "gh");
        }
    }
    assert!(found >= 1);
    let missed: String =
        context.char_indices().filter(|(i, _)| !covered[*i]).map(|(_, c)| c).collect();
    assert_eq!(missed.trim(), "", "only spaces lie in no token");
}

/// RoBERTa's way: byte-level words with the space in front of them, whose offsets the
/// post-processor shortens.
fn byte_level(words: &[&str]) -> Tokenizer {
    let mut vocabulary: Vec<String> = ["<s>", "<pad>", "</s>"].map(str::to_owned).to_vec();
    vocabulary.extend(ByteLevel::alphabet().into_iter().map(String::from));
    let mut merges = Vec::new();
    for word in words {
        let mut whole = "Ġ".to_owned();
        for letter in word.chars() {
            let longer = format!("{whole}{letter}");
            if !vocabulary.contains(&longer) {
                merges.push((whole, letter.to_string()));
                vocabulary.push(longer.clone());
            }
            whole = longer;
        }
    }
    let vocabulary: Vec<(String, u32)> = vocabulary.into_iter().zip(0..).collect();
    let bpe = BPE::builder().vocab_and_merges(vocabulary.into_iter().collect::<Vocab>(), merges);
    let bpe = bpe.build().unwrap();
    let mut tokenizer = Tokenizer::new(bpe);
    tokenizer.with_pre_tokenizer(Some(ByteLevel::new(false, true, true)));
    let ends = [("</s>".to_owned(), 2), ("<s>".to_owned(), 0)];
    let [end, start] = ends;
    let post = RobertaProcessing::new(end, start).trim_offsets(true).add_prefix_space(false);
    tokenizer.with_post_processor(Some(post));
    tokenizer
}

#[test]
fn windows_are_those_of_the_tokenizer_s_own_pairs() {
    let context = "it was Mary in Paris, and Mary it was in Paris as it was Mary, ".repeat(3);
    let context = context.as_str();
    let mut roberta =
        Encoder::load("roberta", &here().join("fixtures/tiny-roberta"), &Device::Cpu).unwrap();
    roberta.tokenizer = byte_level(&["was", "Mary", "in", "Paris"]);
    for (encoder, of_context) in [(encoder(), 1), (roberta, 0)] {
        let pair = encoder.tokenizer.encode(("was it", context), true).unwrap();
        let examples = [question("was it", context, Some("Mary"))];
        let whole = tokenise(&encoder, &examples, limits(200)).unwrap();
        let [only] = &whole.sequences[..] else { panic!("one window") };
        assert_eq!(only.input_ids, pair.get_ids());
        assert_eq!(only.token_type_ids, pair.get_type_ids());
        let Target::Span(window) = &only.target else { panic!("no span") };
        assert_eq!(window.offsets, pair.get_offsets()[window.context.clone()]);

        let several = tokenise(&encoder, &examples, limits(24)).unwrap();
        assert!(several.sequences.len() > 2);
        let mut found = 0;
        for sequence in &several.sequences {
            let Target::Span(window) = &sequence.target else { panic!("no span") };
            let types = &sequence.token_type_ids[window.context.clone()];
            assert!(types.iter().all(|kind| *kind == of_context), "{types:?}");
            // Its tokens are those of the whole, with the same bytes.
            let at = window.offsets[0];
            let place = pair.get_offsets().iter().rposition(|o| *o == at).unwrap();
            let length = window.context.len();
            assert_eq!(window.offsets, pair.get_offsets()[place..place + length]);
            let (from, to) = window.gold;
            if from > 0 {
                let [start, end] = [from, to].map(|at| window.offsets[at - window.context.start]);
                assert_eq!(&context[start.0..end.1], "Mary");
                found += 1;
            }
        }
        assert!(found > 0, "some window holds the answer");
    }
}

#[test]
fn what_is_not_seen_at_an_answer_s_ends_is_no_part_of_it() {
    let context = "é ab\u{200b} cd\u{ad} ef gh ij kl mn op";
    let span = |answer: &str, max_length| {
        let examples = [question("q", context, Some(answer))];
        let tokenised = tokenise(&encoder(), &examples, limits(max_length)).unwrap();
        let found = tokenised.sequences.iter().filter_map(|sequence| {
            let Target::Span(window) = &sequence.target else { panic!("no span") };
            let at = |token: usize| window.offsets[token - window.context.start];
            let (from, to) = window.gold;
            (from > 0).then(|| context[at(from).0..at(to).1].to_owned())
        });
        (found.collect::<Vec<_>>(), tokenised.unmarked())
    };
    for answer in [" cd\u{ad} ", "\u{200b} cd", "cd\u{ad}", " cd", "cd"] {
        assert_eq!(span(answer, 64), (vec!["cd".to_owned()], 0), "{answer:?}");
    }
    assert_eq!(span(" ", 64), (vec![], 1), "nothing of it is seen");
    assert_eq!(span(&context[3..], 16), (vec![], 1), "no window is long enough");
}

#[test]
fn a_question_without_an_answer_points_at_the_first_token() {
    let examples = [question("q", "ab cd", None)];
    let tokenised = tokenise(&encoder(), &examples, limits(32)).unwrap();
    let Target::Span(window) = &tokenised.sequences[0].target else { panic!("no span") };
    assert_eq!(window.gold, (0, 0));
}

#[test]
fn an_endless_question_leaves_room_for_the_context_and_is_counted() {
    let examples = [question(&"word ".repeat(60), "ab cd", Some("cd"))];
    let tokenised = tokenise(&encoder(), &examples, limits(100)).unwrap();
    assert_eq!((tokenised.truncated, tokenised.sequences.len()), (1, 1));
    let Target::Span(window) = &tokenised.sequences[0].target else { panic!("no span") };
    assert_ne!(window.gold, (0, 0));
}

#[test]
fn the_shortest_windows_leave_room_for_the_context_of_the_longest_question() {
    let text = "ab cd ef gh ij kl mn op qr st uv wx yz abc def ghi jkl opq rst";
    for family in ["bert", "roberta"] {
        let folder = here().join(format!("fixtures/tiny-{family}"));
        let encoder = Encoder::load(family, &folder, &Device::Cpu).unwrap();
        let examples = [question(&"word ".repeat(60), text, Some("mn"))];
        for max_length in [69, 70, 96] {
            let doc_stride = default_doc_stride(max_length);
            let limits = Limits { max_length, doc_stride };
            let tokenised = tokenise(&encoder, &examples, limits).unwrap();
            let mut covered = vec![false; text.len()];
            for sequence in &tokenised.sequences {
                let Target::Span(window) = &sequence.target else { panic!("no span") };
                assert!(sequence.input_ids.len() <= max_length);
                for (start, end) in &window.offsets {
                    covered[*start..*end].fill(true);
                }
            }
            let missed = text.bytes().zip(&covered).filter(|(c, covered)| *c != b' ' && !**covered);
            assert_eq!(missed.count(), 0, "{family}, {max_length}");
            assert!(max_length < 96 || tokenised.sequences.len() > 1, "{family}");
        }
    }
}

#[test]
fn the_first_token_of_a_word_carries_its_label() {
    let words = ["ab", "c", "def"].map(str::to_owned).to_vec();
    let examples = [Example { input: Input::Words(words), label: Label::Tags(vec![5, 6, 7]) }];
    let tokenised = tokenise(&encoder(), &examples, limits(32)).unwrap();
    let tag = |token, word, class| Tag { token, word, class };
    // [CLS] a ##b c d ##e ##f [SEP]
    let expected = vec![tag(1, 0, 5), tag(3, 1, 6), tag(4, 2, 7)];
    assert_eq!(tokenised.sequences[0].target, Target::Tags(expected));
    let cut = tokenise(&encoder(), &examples, limits(8)).unwrap();
    assert_eq!(cut.truncated, 0);
    let cut = tokenise(&encoder(), &examples, limits(5)).unwrap();
    assert_eq!(cut.truncated, 1);
    let expected = vec![tag(1, 0, 5), tag(3, 1, 6)];
    assert_eq!(cut.sequences[0].target, Target::Tags(expected));
}
