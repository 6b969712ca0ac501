//! Tasks: the paper's 22, eleven of sequence labelling, and the project's own
//! samples.

use crate::named::named;
use serde::{Deserialize, Serialize};

/// The class of a task; the paper's *in-class* setting ranks only sources of
/// the target's own class (paper, section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TaskClass {
    /// Text classification or regression.
    ClassificationRegression,
    /// Question answering.
    QuestionAnswering,
    /// Sequence labelling.
    SequenceLabelling,
}

named!(TaskClass { ClassificationRegression = "CR", QuestionAnswering = "QA", SequenceLabelling = "SL" });

/// What one example of a task looks like to the encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InputShape {
    /// One text.
    Single,
    /// Two texts, in a fixed order.
    Pair,
    /// A question and a context that holds the answer span.
    Span,
    /// The words of a sentence, one label each.
    Words,
}

/// The score a task is judged by on its validation split. Greater is better;
/// every metric is at most 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Share of correct predictions.
    Accuracy,
    /// Mean of accuracy and the F1 of the positive class (MRPC, QQP).
    AccuracyF1,
    /// Matthews correlation coefficient (CoLA).
    Mcc,
    /// Mean of Pearson's and Spearman's correlation (STS-B).
    PearsonSpearman,
    /// Token F1 of the predicted answer (question answering).
    TokenF1,
    /// F1 over whole labelled spans of words (named entities, chunks).
    SpanF1,
    /// F0.5 of the positive class over words: precision counts twice
    /// (grammatical error detection).
    F05,
}

named!(Metric { Accuracy = "accuracy", AccuracyF1 = "accuracy_f1", Mcc = "mcc", PearsonSpearman = "pearson_spearman", TokenF1 = "token_f1", SpanF1 = "span_f1", F05 = "f05" });

/// One row of the task table: what is known of a task before any of its data
/// has been read.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TaskInfo {
    /// The name on the command line and in zoos.
    pub id: &'static str,
    /// The name shown to people.
    pub name: &'static str,
    /// Classification/regression, question answering or sequence labelling.
    pub class: TaskClass,
    /// The kind of decision, for people who look for neighbours of their task.
    pub family: &'static str,
    /// What one example looks like.
    pub input: InputShape,
    /// The score the task is judged by.
    pub metric: Metric,
    /// Full training size in the paper (Appendix A), rounded as printed there.
    /// `None` for tasks that the paper does not have.
    pub paper_train_size: Option<u32>,
}

const fn cr(
    id: &'static str,
    name: &'static str,
    family: &'static str,
    input: InputShape,
    metric: Metric,
    paper_train_size: Option<u32>,
) -> TaskInfo {
    TaskInfo {
        id,
        name,
        class: TaskClass::ClassificationRegression,
        family,
        input,
        metric,
        paper_train_size,
    }
}

const fn qa(id: &'static str, name: &'static str, family: &'static str, size: u32) -> TaskInfo {
    TaskInfo {
        id,
        name,
        class: TaskClass::QuestionAnswering,
        family,
        input: InputShape::Span,
        metric: Metric::TokenF1,
        paper_train_size: Some(size),
    }
}

const fn sl(
    id: &'static str,
    name: &'static str,
    family: &'static str,
    metric: Metric,
) -> TaskInfo {
    TaskInfo {
        id,
        name,
        class: TaskClass::SequenceLabelling,
        family,
        input: InputShape::Words,
        metric,
        paper_train_size: None,
    }
}

use InputShape::{Pair, Single};
use Metric::{Accuracy, AccuracyF1, F05, Mcc, PearsonSpearman, SpanF1};

/// Every task that has a name of its own: the paper's 22 in its order
/// (Appendix A), the eleven of sequence labelling of Vu et al. (2020), then
/// the samples that this project generates.
pub const TASKS: &[TaskInfo] = &[
    cr("snli", "SNLI", "entailment", Pair, Accuracy, Some(570_000)),
    cr("mnli", "MNLI", "entailment", Pair, Accuracy, Some(393_000)),
    cr("qqp", "QQP", "paraphrase", Pair, AccuracyF1, Some(364_000)),
    cr("qnli", "QNLI", "entailment", Pair, Accuracy, Some(105_000)),
    cr("sst2", "SST-2", "sentiment", Single, Accuracy, Some(67_000)),
    cr("scitail", "SciTail", "entailment", Pair, Accuracy, Some(27_000)),
    cr("cola", "CoLA", "acceptability", Single, Mcc, Some(8_500)),
    cr("stsb", "STS-B", "similarity", Pair, PearsonSpearman, Some(7_000)),
    cr("mrpc", "MRPC", "paraphrase", Pair, AccuracyF1, Some(3_700)),
    cr("rte", "RTE", "entailment", Pair, Accuracy, Some(2_500)),
    cr("wnli", "WNLI", "coreference", Pair, Accuracy, Some(634)),
    qa("squad_v2", "SQuAD 2.0", "reading", 162_000),
    qa("newsqa", "NewsQA", "reading", 120_000),
    qa("hotpotqa", "HotpotQA", "multi-hop", 113_000),
    qa("squad_v1", "SQuAD 1.1", "reading", 108_000),
    qa("duorc_p", "DuoRC paraphrase", "reading", 100_000),
    qa("duorc_s", "DuoRC self", "reading", 86_000),
    qa("drop", "DROP", "discrete reasoning", 77_000),
    qa("wikihop", "WikiHop", "multi-hop", 51_000),
    // A yes/no question about a passage: class QA in the paper, but a
    // sequence-pair classification by shape.
    TaskInfo {
        id: "boolq",
        name: "BoolQ",
        class: TaskClass::QuestionAnswering,
        family: "yes/no question",
        input: Pair,
        metric: Accuracy,
        paper_train_size: Some(16_000),
    },
    qa("comqa", "ComQA", "web questions", 11_000),
    qa("cq", "ComplexQuestions", "web questions", 2_000),
    sl("pos_ptb", "POS (PTB)", "part of speech", Accuracy),
    sl("pos_ewt", "POS (EWT)", "part of speech", Accuracy),
    sl("chunk", "Chunking", "chunking", SpanF1),
    sl("ner", "NER", "named entities", SpanF1),
    sl("parent", "Constituent parent", "constituency", Accuracy),
    sl("gparent", "Constituent grandparent", "constituency", Accuracy),
    sl("ggparent", "Constituent great-grandparent", "constituency", Accuracy),
    sl("ged", "Grammatical error detection", "acceptability", F05),
    sl("conj", "Conjunct identification", "coordination", SpanF1),
    sl("ccg", "CCG supertagging", "supertagging", Accuracy),
    sl("st", "Semantic tagging", "semantic tags", Accuracy),
    cr("sample_sentiment", "Sentiment (sample)", "sentiment", Single, Accuracy, None),
    cr("sample_topic", "Topic (sample)", "topic", Single, Accuracy, None),
    cr("sample_entailment", "Entailment (sample)", "entailment", Pair, Accuracy, None),
    cr("sample_paraphrase", "Paraphrase (sample)", "paraphrase", Pair, Accuracy, None),
    cr("sample_acceptability", "Acceptability (sample)", "acceptability", Single, Accuracy, None),
    cr("sample_similarity", "Similarity (sample)", "similarity", Pair, Accuracy, None),
];

/// The row of [`TASKS`] with this id.
pub fn task(id: &str) -> Option<&'static TaskInfo> {
    TASKS.iter().find(|task| task.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique() {
        for (i, task) in TASKS.iter().enumerate() {
            assert!(TASKS[..i].iter().all(|other| other.id != task.id), "{} twice", task.id);
        }
    }

    #[test]
    fn the_paper_has_eleven_tasks_of_each_class() {
        let of = |class| {
            TASKS.iter().filter(|t| t.class == class && t.paper_train_size.is_some()).count()
        };
        assert_eq!(of(TaskClass::ClassificationRegression), 11);
        assert_eq!(of(TaskClass::QuestionAnswering), 11);
    }
}
