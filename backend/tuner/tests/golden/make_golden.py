"""Makes the tiny encoder of the tests and the golden values that it must give.

Needs torch, transformers, peft, tokenizers, safetensors. Run from the
repository root:

    python3 backend/tuner/tests/golden/make_golden.py

The encoder is random: 2 layers, H = 32, 4 heads, a vocabulary of single
characters. Everything below is computed by transformers and peft, which share
no code with this project.
"""

import json
import pathlib

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, RobertaConfig, RobertaModel

HERE = pathlib.Path(__file__).parent
FIXTURES = HERE.parent / "fixtures"
LEARNING_RATE = 1e-2
STEPS = 10


def tokenizer():
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


SHAPE = dict(
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=64,
    hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
    initializer_range=0.2,
)


def write_encoder(folder, model, config, made):
    folder.mkdir(parents=True, exist_ok=True)
    made.save(str(folder / "tokenizer.json"))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            # Biases start at zero and norms at one: no test would miss them.
            if parameter.dim() == 1:
                parameter.add_(0.1 * torch.randn_like(parameter))
    save_file(
        {k: v.contiguous() for k, v in model.state_dict().items()},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    kept = ["model_type", "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads"]
    kept += ["intermediate_size", "max_position_embeddings", "type_vocab_size", "layer_norm_eps"]
    kept += ["pad_token_id", "hidden_act"]
    written = {key: config.to_dict()[key] for key in kept}
    (folder / "config.json").write_text(json.dumps(written, indent=2) + "\n")


def main():
    torch.manual_seed(20221101)
    torch.set_num_threads(1)
    made = tokenizer()
    vocabulary = made.get_vocab_size()
    config = BertConfig(vocab_size=vocabulary, max_position_embeddings=160, **SHAPE)
    bert = BertModel(config)
    write_encoder(FIXTURES / "tiny-bert", bert, config, made)

    texts = [
        ("a plain line.", None),
        ("is it so?", "yes, it is so."),
        ("another one, somewhat longer than the rest!", None),
    ]
    encodings = [made.encode(a, b) if b else made.encode(a) for a, b in texts]
    length = max(len(e.ids) for e in encodings)
    pad = lambda row: row + [0] * (length - len(row))
    ids = torch.tensor([pad(e.ids) for e in encodings])
    types = torch.tensor([pad(e.type_ids) for e in encodings])
    mask = torch.tensor([pad(e.attention_mask) for e in encodings])
    gold = torch.tensor([0, 1, 2])

    golden = {"input_ids": ids, "token_type_ids": types, "attention_mask": mask, "gold": gold}
    real = mask[:, :, None].to(torch.float32)
    with torch.no_grad():
        out = bert(input_ids=ids, token_type_ids=types, attention_mask=mask)
        # Padding positions hold numbers that nobody reads.
        golden["frozen.hidden"] = out.last_hidden_state * real
        golden["frozen.pooled"] = out.pooler_output

    # Padding has RoBERTa's id 1, and positions depend on it.
    config = RobertaConfig(
        vocab_size=vocabulary, max_position_embeddings=100, type_vocab_size=1, pad_token_id=1, **SHAPE
    )
    roberta = RobertaModel(config, add_pooling_layer=False)
    write_encoder(FIXTURES / "tiny-roberta", roberta, config, made)
    with torch.no_grad():
        padded = ids * mask + (1 - mask)
        out = roberta(input_ids=padded, attention_mask=mask)
        golden["roberta.hidden"] = out.last_hidden_state * real

    lora = LoraConfig(r=8, lora_alpha=8, lora_dropout=0.0, target_modules=["query", "value"])
    model = get_peft_model(bert, lora)
    head = torch.nn.Linear(32, 3)
    with torch.no_grad():
        head.weight.normal_(0.0, 0.2)
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                # At zero, A would have no gradient to compare.
                parameter.normal_(0.0, 0.1)
    named = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            layer = name.split("encoder.layer.")[1].split(".")[0]
            target = name.split(".self.")[1].split(".")[0]
            factor = "lora_A" if "lora_A" in name else "lora_B"
            named[f"{layer}.{target}.{factor}"] = parameter
    named["head.weight"], named["head.bias"] = head.weight, head.bias
    for name, parameter in named.items():
        golden[f"start.{name}"] = parameter.detach().clone()

    optimizer = torch.optim.AdamW(list(named.values()), lr=LEARNING_RATE, weight_decay=0.01)
    losses = []
    for step in range(STEPS):
        out = model(input_ids=ids, token_type_ids=types, attention_mask=mask)
        loss = torch.nn.functional.cross_entropy(head(out.pooler_output), gold)
        optimizer.zero_grad()
        loss.backward()
        losses.append(loss.item())
        if step == 0:
            golden["lora.hidden"] = out.last_hidden_state.detach() * real
            for name, parameter in named.items():
                golden[f"gradient.{name}"] = parameter.grad.clone()
        optimizer.step()
    golden["losses"] = torch.tensor(losses)
    for name, parameter in named.items():
        golden[f"end.{name}"] = parameter.detach().clone()
    save_file({k: v.contiguous() for k, v in golden.items()}, HERE / "golden.safetensors")


if __name__ == "__main__":
    main()
