"""The tiny encoders of the tests: random, H = 32, 2 layers, 4 heads.

Their weights are committed and are inputs here: `load` reads them, and nothing
writes over them. `make_missing` makes only what is not there.
"""

import json
import pathlib

import numpy
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, DistilBertConfig, DistilBertModel
from transformers import MPNetConfig, MPNetModel, RobertaConfig, RobertaModel

FIXTURES = pathlib.Path(__file__).parent.parent / "fixtures"
HIDDEN, LAYERS, HEADS, INNER = 32, 2, 4, 64


def tokenizer():
    """A vocabulary of single characters: every character is a token."""
    characters = "abcdefghijklmnopqrstuvwxyz0123456789.,!?'-"
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary += list(characters) + ["##" + c for c in characters]
    ids = {token: i for i, token in enumerate(vocabulary)}
    made = Tokenizer(models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=100))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])],
    )
    return made


def shape(max_positions, **more):
    return dict(
        vocab_size=89,
        hidden_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=INNER,
        max_position_embeddings=max_positions,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        attn_implementation="eager",
        **more,
    )


def bert():
    return BertModel(BertConfig(**shape(160)))


def roberta():
    # Padding has RoBERTa's id 1, and positions depend on it.
    config = RobertaConfig(type_vocab_size=1, pad_token_id=1, **shape(100))
    return RobertaModel(config, add_pooling_layer=False)


def distilbert():
    config = DistilBertConfig(
        vocab_size=89,
        dim=HIDDEN,
        n_layers=LAYERS,
        n_heads=HEADS,
        hidden_dim=INNER,
        max_position_embeddings=160,
        dropout=0.0,
        attention_dropout=0.0,
        attn_implementation="eager",
    )
    return DistilBertModel(config)


def mpnet():
    return MPNetModel(MPNetConfig(pad_token_id=1, **shape(160)))


FAMILIES = {"bert": bert, "roberta": roberta, "distilbert": distilbert, "mpnet": mpnet}

# What stands in the config.json of a family, as in the folders that are
# distributed.
COMMON = ["model_type", "vocab_size", "max_position_embeddings", "pad_token_id"]
BERT_LIKE = ["hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"]
BERT_LIKE += ["layer_norm_eps", "hidden_act"]
KEPT = {
    "distilbert": COMMON
    + ["dim", "n_layers", "n_heads", "hidden_dim", "activation", "sinusoidal_pos_embds"],
    "mpnet": COMMON + BERT_LIKE + ["relative_attention_num_buckets"],
}


def make_missing():
    """Makes the encoders whose weights are not there yet."""
    for family in KEPT:
        folder = FIXTURES / f"tiny-{family}"
        if (folder / "model.safetensors").exists():
            continue
        folder.mkdir(parents=True, exist_ok=True)
        model = FAMILIES[family]()
        random = numpy.random.RandomState(20221101)
        tensors = {}
        for name, tensor in model.state_dict().items():
            if not tensor.dtype.is_floating_point:
                continue
            # Biases around zero and norms around one, but nothing at its
            # default: no test would miss it there.
            centre = 1.0 if name.endswith("LayerNorm.weight") or "layer_norm.weight" in name else 0.0
            spread = 0.2 if tensor.dim() > 1 else 0.1
            values = centre + spread * random.standard_normal(tuple(tensor.shape))
            tensors[name] = torch.tensor(values, dtype=torch.float32)
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        config = model.config.to_dict()
        written = {key: config[key] for key in KEPT[family]}
        (folder / "config.json").write_text(json.dumps(written, indent=2) + "\n")
        tokenizer().save(str(folder / "tokenizer.json"))


def load(family):
    """An encoder with its committed weights, in double precision."""
    model = FAMILIES[family]()
    weights = load_file(FIXTURES / f"tiny-{family}" / "model.safetensors")
    wanted = {k for k, v in model.state_dict().items() if v.dtype.is_floating_point}
    assert wanted == set(weights), wanted ^ set(weights)
    model.load_state_dict(weights, strict=False)
    return model.double().eval()


def pad_id(family):
    return 1 if family in ("roberta", "mpnet") else 0
