//! The table of data sets: one row each.

use super::Objective;
use super::known::{Hub, Known, Layout, Tree};
use super::questions::Form;
use super::words::TagColumn;

const PLAIN: Known = Known {
    id: "",
    train: &[&["train.tsv"]],
    dev: &[&["dev.tsv"]],
    objective: Objective::Classification,
    layouts: &[Layout::Header { first: &["sentence"], second: &[], label: &["label"] }],
    labels: &[],
    unlabelled: None,
    broken_lines: false,
    licence: "",
    hub: Err("the hub has no repository of it"),
};

/// A pair of texts; the last names of each are those of the hub.
const fn pair(
    first: &'static [&'static str],
    second: &'static [&'static str],
    label: &'static [&'static str],
) -> Layout {
    Layout::Header { first, second, label }
}

const fn hub(
    owner: &'static str,
    name: &'static str,
    config: &'static str,
) -> Result<Hub, &'static str> {
    Ok(Hub { repository: (owner, name), config, train: "train", dev: "validation" })
}

const fn glue(config: &'static str) -> Result<Hub, &'static str> {
    hub("nyu-mll", "glue", config)
}

const fn questions(
    id: &'static str,
    train: &'static [&'static [&'static str]],
    dev: &'static [&'static [&'static str]],
    layouts: &'static [Layout],
    licence: &'static str,
    hub: Result<Hub, &'static str>,
) -> Known {
    Known { id, train, dev, objective: Objective::SpanExtraction, layouts, licence, hub, ..PLAIN }
}

const GENERAL: &[Layout] = &[Layout::Questions { own: None }];

const fn words(
    id: &'static str,
    train: &'static [&'static [&'static str]],
    dev: &'static [&'static [&'static str]],
    layouts: &'static [Layout],
    licence: &'static str,
) -> Known {
    Known { id, train, dev, objective: Objective::TokenClassification, layouts, licence, ..PLAIN }
}

const WORD_AND_TAG: &[Layout] =
    &[Layout::Words { word: 0, tag: TagColumn::Last, conllu: "", tree: None }];
const PTB: &str = "LDC user agreement (Penn Treebank)";

const NLI: &[Layout] =
    &[pair(&["sentence1", "premise"], &["sentence2", "hypothesis"], &["gold_label", "label"])];
const ENTAILMENT: &[(&str, &str)] =
    &[("entailment", "entailment"), ("not_entailment", "not_entailment")];
const THREE_WAY: &[(&str, &str)] =
    &[("entailment", "entailment"), ("neutral", "neutral"), ("contradiction", "contradiction")];

/// Every data set that can be read from its distributed files.
pub static DATASETS: &[Known] = &[
    Known {
        id: "snli",
        train: &[&["train.tsv"], &["snli_1.0_train.jsonl"], &["snli_1.0_train.txt"]],
        dev: &[&["dev.tsv"], &["snli_1.0_dev.jsonl"], &["snli_1.0_dev.txt"]],
        layouts: NLI,
        labels: THREE_WAY,
        unlabelled: Some("-"),
        licence: "CC BY-SA 4.0",
        hub: hub("stanfordnlp", "snli", "plain_text"),
        ..PLAIN
    },
    Known {
        id: "mnli",
        train: &[&["train.tsv"], &["multinli_1.0_train.jsonl"], &["multinli_1.0_train.txt"]],
        dev: &[
            &["dev_matched.tsv"],
            &["multinli_1.0_dev_matched.jsonl"],
            &["multinli_1.0_dev_matched.txt"],
        ],
        layouts: NLI,
        labels: THREE_WAY,
        unlabelled: Some("-"),
        licence: "OANC licence; parts of the fiction genre CC BY 3.0 or CC BY-SA 3.0",
        hub: Ok(Hub {
            repository: ("nyu-mll", "glue"),
            config: "mnli",
            train: "train",
            dev: "validation_matched",
        }),
        ..PLAIN
    },
    Known {
        id: "qqp",
        layouts: &[pair(&["question1"], &["question2"], &["is_duplicate", "label"])],
        labels: &[("0", "not_duplicate"), ("1", "duplicate")],
        // Questions with a line break or a tab in them, and a few empty ones.
        broken_lines: true,
        licence: "Quora's terms of service; non-commercial use",
        hub: glue("qqp"),
        ..PLAIN
    },
    Known {
        id: "qnli",
        layouts: &[pair(&["question"], &["sentence"], &["label"])],
        labels: ENTAILMENT,
        licence: "CC BY-SA 4.0 (derived from SQuAD)",
        hub: glue("qnli"),
        ..PLAIN
    },
    Known {
        id: "sst2",
        labels: &[("0", "negative"), ("1", "positive")],
        licence: "none stated by the distributors (Stanford NLP)",
        hub: glue("sst2"),
        ..PLAIN
    },
    Known {
        id: "scitail",
        train: &[&["train.tsv"], &["scitail_1.0_train.tsv"]],
        dev: &[&["dev.tsv"], &["scitail_1.0_dev.tsv"]],
        layouts: &[
            Layout::Places { width: 3, more: false, first: 0, second: Some(1), label: 2 },
            NLI[0],
        ],
        labels: &[("neutral", "neutral"), ("entails", "entailment")],
        licence: "none stated on the data (AI2)",
        hub: hub("allenai", "scitail", "tsv_format"),
        ..PLAIN
    },
    Known {
        id: "cola",
        train: &[&["train.tsv"], &["in_domain_train.tsv"]],
        // GLUE's development set is both of the corpus's.
        dev: &[
            &["dev.tsv"],
            &["in_domain_dev.tsv", "out_of_domain_dev.tsv"],
            &["in_domain_dev.tsv"],
            &["out_of_domain_dev.tsv"],
        ],
        layouts: &[
            Layout::Places { width: 4, more: false, first: 3, second: None, label: 1 },
            PLAIN.layouts[0],
        ],
        labels: &[("0", "unacceptable"), ("1", "acceptable")],
        licence: "none stated; sentences belong to their authors, research use",
        hub: glue("cola"),
        ..PLAIN
    },
    Known {
        id: "stsb",
        train: &[&["train.tsv"], &["sts-train.csv"]],
        dev: &[&["dev.tsv"], &["sts-dev.csv"]],
        objective: Objective::Regression,
        // GLUE's files have a header; the original ones do not, and end some
        // lines with the licences of their sources.
        layouts: &[
            pair(&["sentence1"], &["sentence2"], &["score", "label"]),
            Layout::Places { width: 7, more: true, first: 5, second: Some(6), label: 4 },
        ],
        licence: "CC BY-SA 4.0; some sources have terms of their own",
        hub: glue("stsb"),
        ..PLAIN
    },
    Known {
        id: "mrpc",
        layouts: &[pair(
            &["#1 String", "sentence1"],
            &["#2 String", "sentence2"],
            &["Quality", "label"],
        )],
        labels: &[("0", "not_equivalent"), ("1", "equivalent")],
        licence: "Microsoft Research Data Licence; non-commercial research",
        hub: glue("mrpc"),
        ..PLAIN
    },
    Known {
        id: "rte",
        layouts: &[pair(&["sentence1"], &["sentence2"], &["label"])],
        labels: ENTAILMENT,
        licence: "none stated in GLUE (PASCAL RTE 1, 2, 3 and 5)",
        hub: glue("rte"),
        ..PLAIN
    },
    Known {
        id: "wnli",
        layouts: &[pair(&["sentence1"], &["sentence2"], &["label"])],
        labels: &[("0", "not_entailment"), ("1", "entailment")],
        licence: "CC BY 4.0 (Winograd Schema Challenge)",
        hub: glue("wnli"),
        ..PLAIN
    },
    Known {
        id: "boolq",
        train: &[&["train.jsonl"]],
        dev: &[&["dev.jsonl"], &["val.jsonl"]],
        layouts: &[pair(&["question"], &["passage"], &["answer", "label"])],
        labels: &[("false", "no"), ("true", "yes")],
        licence: "CC BY-SA 3.0",
        hub: hub("google", "boolq", "default"),
        ..PLAIN
    },
    questions(
        "squad_v2",
        &[&["train-v2.0.json"]],
        &[&["dev-v2.0.json"]],
        GENERAL,
        "CC BY-SA 4.0",
        hub("rajpurkar", "squad_v2", "squad_v2"),
    ),
    questions(
        "newsqa",
        &[&["combined-newsqa-data-v1.json"], &["NewsQA.jsonl"]],
        &[&["combined-newsqa-data-v1.json"]],
        &[Layout::Questions { own: Some(Form::NewsQa) }],
        "NewsQA terms of use; stories belong to CNN, research use",
        Err(
            "its licence lets nobody pass the stories on: build combined-newsqa-data-v1.json with \
             the tools of its authors (Maluuba/newsqa)",
        ),
    ),
    questions(
        "hotpotqa",
        &[&["hotpot_train_v1.1.json"]],
        &[&["hotpot_dev_distractor_v1.json"]],
        &[Layout::Questions { own: Some(Form::HotpotQa) }],
        "CC BY-SA 4.0",
        hub("hotpotqa", "hotpot_qa", "distractor"),
    ),
    questions(
        "squad_v1",
        &[&["train-v1.1.json"]],
        &[&["dev-v1.1.json"]],
        GENERAL,
        "CC BY-SA 4.0",
        hub("rajpurkar", "squad", "plain_text"),
    ),
    questions(
        "duorc_p",
        &[&["ParaphraseRC_train.json"]],
        &[&["ParaphraseRC_dev.json"]],
        &[Layout::Questions { own: Some(Form::DuoRc) }],
        "MIT",
        hub("ibm-research", "duorc", "ParaphraseRC"),
    ),
    questions(
        "duorc_s",
        &[&["SelfRC_train.json"]],
        &[&["SelfRC_dev.json"]],
        &[Layout::Questions { own: Some(Form::DuoRc) }],
        "MIT",
        hub("ibm-research", "duorc", "SelfRC"),
    ),
    questions(
        "drop",
        &[&["drop_dataset_train.json"]],
        &[&["drop_dataset_dev.json"]],
        &[Layout::Questions { own: Some(Form::Drop) }],
        "CC BY-SA 4.0",
        hub("ucinlp", "drop", "default"),
    ),
    questions(
        "wikihop",
        &[&["train.json"]],
        &[&["dev.json"]],
        &[Layout::Questions { own: Some(Form::WikiHop) }],
        "CC BY-SA 3.0",
        hub("community-datasets", "qangaroo", "wikihop"),
    ),
    questions(
        "comqa",
        &[&["ComQA_train.jsonl"], &["comqa_train.json"]],
        &[&["ComQA_dev.jsonl"], &["comqa_dev.json"]],
        GENERAL,
        "CC BY 4.0 for the questions; the web snippets belong to their authors",
        Err(
            "the hub has its questions without the texts that answer them; use its MultiQA edition",
        ),
    ),
    questions(
        "cq",
        &[&["ComplexQuestions_train.jsonl"], &["compQ.train.release"]],
        &[&["ComplexQuestions_dev.jsonl"], &["compQ.test.release"]],
        GENERAL,
        "none stated",
        Err(
            "the hub has its questions without the texts that answer them; use its MultiQA edition",
        ),
    ),
    words(
        "pos_ptb",
        &[&["train.tsv"]],
        &[&["dev.tsv"]],
        &[Layout::Words {
            word: 0,
            tag: TagColumn::At(1),
            conllu: "xpos",
            tree: Some(Tree::Penn(0)),
        }],
        PTB,
    ),
    words(
        "pos_ewt",
        &[&["en_ewt-ud-train.conllu"]],
        &[&["en_ewt-ud-dev.conllu"]],
        &[Layout::Words { word: 0, tag: TagColumn::Last, conllu: "upos", tree: None }],
        "CC BY-SA 4.0",
    ),
    words(
        "chunk",
        &[&["train.txt"]],
        &[&["dev.txt"]],
        WORD_AND_TAG,
        "none stated (CoNLL-2000); text of the Penn Treebank, research use",
    ),
    Known {
        hub: hub("eriktks", "conll2003", "conll2003"),
        ..words(
            "ner",
            &[&["eng.train"], &["train.txt"], &["train.conll"]],
            &[&["eng.testa"], &["valid.txt"], &["dev.conll"]],
            WORD_AND_TAG,
            "CoNLL-2003: text of the Reuters Corpus, research use",
        )
    },
    words(
        "parent",
        &[&["train.tsv"]],
        &[&["dev.tsv"]],
        &[Layout::Words { word: 0, tag: TagColumn::At(2), conllu: "", tree: Some(Tree::Penn(1)) }],
        PTB,
    ),
    words(
        "gparent",
        &[&["train.tsv"]],
        &[&["dev.tsv"]],
        &[Layout::Words { word: 0, tag: TagColumn::At(3), conllu: "", tree: Some(Tree::Penn(2)) }],
        PTB,
    ),
    words(
        "ggparent",
        &[&["train.tsv"]],
        &[&["dev.tsv"]],
        &[Layout::Words { word: 0, tag: TagColumn::At(4), conllu: "", tree: Some(Tree::Penn(3)) }],
        PTB,
    ),
    Known {
        labels: &[("c", "correct"), ("i", "incorrect")],
        ..words(
            "ged",
            &[&["fce-public.train.original.tsv"]],
            &[&["fce-public.dev.original.tsv"]],
            WORD_AND_TAG,
            "CLC FCE: non-commercial research and education",
        )
    },
    words("conj", &[&["train.txt"]], &[&["dev.txt"]], WORD_AND_TAG, PTB),
    words(
        "ccg",
        &[&["train.txt"]],
        &[&["dev.txt"]],
        &[Layout::Words { word: 0, tag: TagColumn::Last, conllu: "", tree: Some(Tree::Ccgbank) }],
        "LDC user agreement (CCGbank)",
    ),
    words(
        "st",
        &[&["train.txt"]],
        &[&["dev.txt"]],
        WORD_AND_TAG,
        "Parallel Meaning Bank: terms of each source",
    ),
];
