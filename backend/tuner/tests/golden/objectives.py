"""What a head learns: inputs, gold, head and loss of every objective.

The texts are made of the tiny tokenizer's characters. Each objective gives a
batch of token tensors `[B, S]`, its gold tensors, and a function from logits to
the loss.
"""

import torch
from torch.nn.functional import cross_entropy, mse_loss

import tiny

TEXTS = [
    ("a plain line.", None),
    ("is it so?", "yes, it is so."),
    ("another one, somewhat longer than the rest!", None),
]
CLASSES = [0, 1, 2]
SCORES = [0.5, 4.2, 2.0]

# Question, context, answer; without one it is at [CLS].
QUESTIONS = [
    ("who ran?", "a fox ran home.", "a fox"),
    ("when?", "it was late, at 10.", "10"),
    ("why is it so?", "nobody knows.", None),
]

# Words with their tags.
SENTENCES = [
    (["anna", "lives", "in", "oslo"], [1, 0, 0, 2]),
    (["no", "name"], [0, 0]),
    (["max", "met", "tom", "here", "."], [1, 0, 1, 3, 0]),
]


def padded(encodings):
    length = max(len(e.ids) for e in encodings)

    def rows(of, filler):
        return torch.tensor([of(e) + [filler] * (length - len(of(e))) for e in encodings])

    return {
        "input_ids": rows(lambda e: e.ids, 0),
        "token_type_ids": rows(lambda e: e.type_ids, 0),
        "attention_mask": rows(lambda e: e.attention_mask, 0),
    }


def texts():
    made = tiny.tokenizer()
    return padded([made.encode(a, b) if b else made.encode(a) for a, b in TEXTS])


class Classification:
    """Cross-entropy of a linear head over the pooler's output."""

    name, outputs, pooled, texts = "classification", 3, True, TEXTS

    def batch(self):
        return texts(), {"classes": torch.tensor(CLASSES)}

    def loss(self, logits, gold):
        return cross_entropy(logits, gold["classes"])


class Regression:
    """Mean squared error of one output over the pooler's output."""

    name, outputs, pooled, texts = "regression", 1, True, TEXTS

    def batch(self):
        return texts(), {"scores": torch.tensor(SCORES, dtype=torch.float64)}

    def loss(self, logits, gold):
        return mse_loss(logits.squeeze(-1), gold["scores"])


class SpanExtraction:
    """Start and end logits of every token; the mean of both cross-entropies.

    Only [CLS], which stands for "no answer", and the context's tokens are
    candidates: question, [SEP] and padding are left out of the softmax.
    """

    name, outputs, pooled, texts = "span-extraction", 2, False, QUESTIONS

    def batch(self):
        made = tiny.tokenizer()
        encodings = [made.encode(question, context) for question, context, _ in QUESTIONS]
        tokens = padded(encodings)
        candidates = torch.zeros_like(tokens["input_ids"])
        starts, ends = [], []
        for row, (encoding, (_, context, answer)) in enumerate(zip(encodings, QUESTIONS)):
            candidates[row, 0] = 1
            within = [i for i, s in enumerate(encoding.sequence_ids) if s == 1]
            candidates[row, within] = 1
            if answer is None:
                starts.append(0)
                ends.append(0)
                continue
            first = context.index(answer)
            last = first + len(answer)
            starts.append(next(i for i in within if encoding.offsets[i][0] == first))
            ends.append(next(i for i in within if encoding.offsets[i][1] == last))
        gold = {
            "candidates": candidates,
            "starts": torch.tensor(starts),
            "ends": torch.tensor(ends),
        }
        return tokens, gold

    def loss(self, logits, gold):
        out = gold["candidates"] == 0
        logits = logits.masked_fill(out[:, :, None], float("-inf"))
        start = cross_entropy(logits[:, :, 0], gold["starts"])
        return (start + cross_entropy(logits[:, :, 1], gold["ends"])) / 2


class TokenClassification:
    """A tag for every word, at its first token; all other tokens are -100."""

    name, outputs, pooled, texts = "token-classification", 4, False, SENTENCES

    def batch(self):
        made = tiny.tokenizer()
        encodings = [made.encode(words, is_pretokenized=True) for words, _ in SENTENCES]
        tokens = padded(encodings)
        tags = torch.full_like(tokens["input_ids"], -100)
        for row, (encoding, (_, wanted)) in enumerate(zip(encodings, SENTENCES)):
            seen = set()
            for i, word in enumerate(encoding.word_ids):
                if word is not None and word not in seen:
                    seen.add(word)
                    tags[row, i] = wanted[word]
        return tokens, {"tags": tags}

    def loss(self, logits, gold):
        return cross_entropy(logits.flatten(0, 1), gold["tags"].flatten(), ignore_index=-100)


ALL = [Classification(), Regression(), SpanExtraction(), TokenClassification()]
