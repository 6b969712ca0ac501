//! Every way in which sentences, scores and named columns can be bad, by its
//! exact message.

use super::*;

#[test]
fn sentences() {
    for (task, name, content, expected) in [
        (
            "ner",
            "f.conll",
            "\n \n",
            "f.conll: the file is empty; a header and examples were expected",
        ),
        (
            "ner",
            "f.conll",
            "a O\nb O\nc\n",
            "f.conll:3: the word \"c\" has no label; expected 2 columns, found 1: a word and its label \
             on each line, and a blank line after each sentence",
        ),
        (
            "ner",
            "f.conll",
            "a\tO\nb\t\n",
            "f.conll:2: the word \"b\" has no label; expected 2 columns, found 2: a word and its label \
             on each line, and a blank line after each sentence",
        ),
        (
            "ner",
            "f.conll",
            "a\tO\n\tO\n",
            "f.conll:2: a label without a word; expected 2 columns, found 2: a word and its label on \
             each line, and a blank line after each sentence",
        ),
        (
            "ner",
            "f.conll",
            "a NN O\nb NN O x\n",
            "f.conll:2: expected 3 columns as on the lines before, found 4; columns are separated by \
             one tab each, or all by spaces, and a blank line ends a sentence",
        ),
        (
            "parent",
            "f.tsv",
            "a\tDT\n",
            "f.tsv:1: the word \"a\" has no label; expected 3 columns, found 2: a word and its label on \
             each line, and a blank line after each sentence",
        ),
        (
            "ner",
            "f.conll",
            "a B-PER\nb O\n\nc NOUN\n",
            "f.conll:4: label \"NOUN\" is none of spans; they are O, or B-TYPE and I-TYPE",
        ),
        (
            "ged",
            "f.tsv",
            "a\tc\nb\ti\n\nc\tx\n",
            "f.tsv:4: unknown label \"x\"; the labels of ged are c, i",
        ),
        (
            "pos_ptb",
            "f.tsv",
            "a\tDT\nb\tDT\n",
            "f.tsv: every example has the label \"DT\"; there is nothing to learn from one class",
        ),
        (
            "pos_ptb",
            "f.tsv",
            "a\tDT\nb\tNN\n",
            "f.tsv: too few examples to hold one in ten of them out for development; add some, or name \
             a development file with --dev FILE",
        ),
        (
            "pos_ewt",
            "f.conllu",
            "1\ta\tb\n",
            "f.conllu:1: CoNLL-U has 10 columns, separated by one tab each; found 3",
        ),
        (
            "pos_ewt",
            "f.conllu",
            "x\ta\t_\tDET\t_\t_\t_\t_\t_\t_\n",
            "f.conllu:1: \"x\" is no CoNLL-U word id such as 1, 1-2 or 1.1",
        ),
        (
            "pos_ewt",
            "f.conllu",
            "1\ta\t_\t_\t_\t_\t_\t_\t_\t_\n",
            "f.conllu:1: the word \"a\" has no label; expected 10 columns, found 10: a word and its \
             label on each line, and a blank line after each sentence",
        ),
        (
            "parent",
            "f.conllu",
            "1\ta\t_\tDET\t_\t_\t_\t_\t_\t_\n",
            "f.conllu: CoNLL-U has no column \"parent\"; say --columns tag=upos, tag=xpos, tag=deprel, or a \
             place from 1 to 10",
        ),
        (
            "parent",
            "f.ptb",
            "(S (NN a)\n (VB b)",
            "f.ptb:2: the file ends inside a tree; expected trees such as (S (NP (PRP It)) (VP (VBZ \
             rains)))",
        ),
        (
            "parent",
            "f.ptb",
            "(S (NN a)))\n",
            "f.ptb:1: a bracket is closed that was not opened; expected trees such as (S (NP (PRP It)) \
             (VP (VBZ rains)))",
        ),
        (
            "parent",
            "f.mrg",
            "(S (NN a))\n( b)",
            "f.mrg:2: the word \"b\" has no part of speech; expected trees such as (S (NP (PRP It)) (VP \
             (VBZ rains)))",
        ),
        (
            "ccg",
            "f.auto",
            "(<T S 0 1> (<L NP PRP>) )\n",
            "f.auto:1: the leaf \"NP PRP>) )\" has no word; expected (<L category tag tag word category>)",
        ),
        (
            "own",
            "f.jsonl",
            "{\"words\": [\"a\", \"b\"], \"tags\": [\"x\"]}\n",
            "f.jsonl:1: 2 words but 1 labels; each word needs one",
        ),
        (
            "own",
            "f.jsonl",
            "{\"words\": [\"a\", \"\"], \"tags\": [\"x\", \"y\"]}\n",
            "f.jsonl:1: the word is empty; fill it in or remove the example",
        ),
        (
            "own",
            "f.jsonl",
            "{\"words\": [\"a\"], \"tags\": [1.5]}\n",
            "f.jsonl:1: field \"tags\" is a list; expected a list of strings or integers",
        ),
    ] {
        assert_eq!(message(task, name, content.as_bytes(), ""), expected);
    }
    let many: String = (0..40).map(|i| format!("w{i} t{i}\n")).collect();
    assert_eq!(
        message("own", "f.conll", many.as_bytes(), ""),
        "f.conll: 40 different labels in 40 words; that looks like text, but the labels of words are \
         classes; say which column holds them with --columns tag=PLACE"
    );
}

#[test]
fn scores() {
    let row = |score: &str| format!("g\tf\ty\t1\t{score}\ta\tb\n");
    for (content, expected) in [
        (
            format!("{}{}", row("1"), row("NaN")),
            "f.tsv:2: the score in column 5 is \"NaN\"; a finite number is expected",
        ),
        (
            format!("{}{}", row("1"), row("inf")),
            "f.tsv:2: the score in column 5 is \"inf\"; a finite number is expected",
        ),
        (row("high"), "f.tsv:1: the score in column 5 is \"high\"; a finite number is expected"),
        (row(" "), "f.tsv:1: the label in column 5 is empty; fill it in or remove the line"),
        (
            format!("{}{}", row("2.5"), row("2.50")),
            "f.tsv: every example has the score 2.5; there is nothing to learn from one score",
        ),
        (
            "a\tb\t1\n".to_owned(),
            "f.tsv:1: expected 7 columns, found 3; columns are separated by one tab each, and quotes \
             have no meaning",
        ),
        (
            row("1"),
            "f.tsv: every example has the score 1; there is nothing to learn from one score",
        ),
    ] {
        assert_eq!(message("stsb", "f.tsv", content.as_bytes(), ""), expected);
    }
    let json = b"{\"text\": \"a\", \"n\": true}\n";
    assert_eq!(
        message("own", "f.jsonl", json, "score=n"),
        "f.jsonl:1: field \"n\" is true or false; expected a number"
    );
}

#[test]
fn columns_that_do_not_fit() {
    for (task, name, content, columns, expected) in [
        (
            "own",
            "f.csv",
            "a,b\nc,d\n",
            "text=x",
            "f.csv:1: no column \"x\"; the columns are \"a\", \"b\"",
        ),
        (
            "own",
            "f.csv",
            "a,b\nc,d\n",
            "text=x,label=b",
            "f.csv:1: no column \"x\"; the columns are \"a\", \"b\"",
        ),
        (
            "own",
            "f.csv",
            "body,queue\na,x\nb,y\nc,x\n",
            "text=1,label=2",
            "f.csv:1: this looks like a header: \"body\", \"queue\"; give the columns by their names \
             instead of their places",
        ),
        (
            "own",
            "f.tsv",
            "remark\tscore\na\t1\nb\t2.5\n",
            "text=1,score=2",
            "f.tsv:1: this looks like a header: \"remark\", \"score\"; give the columns by their names \
             instead of their places",
        ),
        ("own", "f.csv", "a,x\nc,y\n", "text=1,label=3", "f.csv:1: no column 3; there are 2"),
        (
            "own",
            "f.csv",
            "a,x\nc,y,z\n",
            "text=1,label=2",
            "f.csv:2: expected 2 columns, found 3; columns are separated by commas, and a field with a \
             comma or a line break in it needs double quotes around it",
        ),
        (
            "own",
            "f.csv",
            "a,x\nc,y\n",
            "text=1,label=b",
            "f.csv:1: the columns have places, but \"b\" is given by name; give all by place, from 1, or \
             all by name",
        ),
        (
            "own",
            "f.csv",
            "q,a\n1,2\n",
            "question=q,answer=a",
            "f.csv:1: cannot tell which column is the context; the columns are \"q\", \"a\"; name it \
             with --columns context=NAME",
        ),
        (
            "own",
            "f.conll",
            "a O\n",
            "text=1,label=2",
            "f.conll: --columns text=1,label=2 does not fit a file of a word and its label a line; give \
             their places, from 1, such as --columns word=1,tag=4",
        ),
        (
            "own",
            "f.conllu",
            "1\ta\t_\tDET\t_\t_\t_\t_\t_\t_\n",
            "tag=head",
            "f.conllu: CoNLL-U has no column \"head\"; say --columns tag=upos, tag=xpos, tag=deprel, or \
             a place from 1 to 10",
        ),
        (
            "sst2",
            "f.csv",
            "q,c,a\nq,a b,a\n",
            "question=q,context=c,answer=a",
            "f.csv: holds questions with answers, but sst2 is classification; name its own files with \
             --train and --dev",
        ),
    ] {
        assert_eq!(message(task, name, content.as_bytes(), columns), expected);
    }
}
