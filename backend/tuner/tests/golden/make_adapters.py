"""Makes adapter folders as PEFT and AdapterHub write them, and with numpy the
embeddings that they must give.

    NAME/…                     a folder, tuned for two steps
    embeddings.safetensors     NAME.TREATMENT, a vector each

The encoders are the tiny ones; every folder is a few kilobytes.
"""

import json
import pathlib
import sys
import zlib

import adapters
import numpy
import torch
from peft import LoraConfig, PrefixTuningConfig, get_peft_model
from safetensors.numpy import load_file, save_file
from transformers import BertConfig, BertForSequenceClassification, RobertaConfig
from transformers import RobertaForSequenceClassification

import methods
import objectives
import tiny

H, L, P = tiny.HIDDEN, tiny.LAYERS, 4


def task_model(family):
    """A model with a head, the encoder's weights loaded."""
    if family == "bert":
        model = BertForSequenceClassification(BertConfig(num_labels=3, **tiny.shape(160)))
        model.bert.load_state_dict(tiny.load("bert").state_dict())
    else:
        config = RobertaConfig(num_labels=3, type_vocab_size=1, pad_token_id=1, **tiny.shape(100))
        model = RobertaForSequenceClassification(config)
        model.roberta.load_state_dict(tiny.load("roberta").state_dict())
    return model.double().eval()


def tune(model, name, family):
    """Two steps down the slope, from values that every version draws alike."""
    random = numpy.random.RandomState(zlib.crc32(name.encode()))
    model.eval()
    trained = [p for _, p in sorted(model.named_parameters()) if p.requires_grad]
    for parameter in trained:
        methods.draw(random, parameter, 0.1)
    tokens = objectives.texts()
    del tokens["token_type_ids"]
    mask = tokens["attention_mask"]
    tokens["input_ids"] = tokens["input_ids"] * mask + tiny.pad_id(family) * (1 - mask)
    optimizer = torch.optim.SGD(trained, lr=0.05)
    for _ in range(2):
        out = model(**tokens)
        states = out.logits if "logits" in out else out.last_hidden_state
        optimizer.zero_grad()
        states.pow(2).mean().backward()
        optimizer.step()
    return model.float()


def peft_folder(out, name, model, family, config):
    model.name_or_path = f"tiny-{family}"
    tuned = tune(get_peft_model(model, config), name, family)
    tuned.save_pretrained(out / name, save_embedding_layers=False)
    (out / name / "README.md").unlink()
    # A set's order differs from process to process.
    path = out / name / "adapter_config.json"
    config = json.loads(path.read_text())
    if isinstance(config.get("target_modules"), list):
        config["target_modules"].sort()
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def hub_folder(out, name, family, config):
    model = tiny.load(family)
    adapters.init(model)
    model.add_adapter("tiny", config=config)
    model.train_adapter("tiny")
    model.set_active_adapters("tiny")
    tune(model.double(), name, family)
    if isinstance(config, adapters.PrefixTuningConfig) and not config.flat:
        model.eject_prefix_tuning("tiny")
    # The package cannot write a prefix as safetensors, since its tensors share
    # memory; users turn the pickle into it, as the program tells them.
    shared = isinstance(config, adapters.PrefixTuningConfig)
    model.save_adapter(str(out / name), "tiny", use_safetensors=not shared)
    if shared:
        pickle = out / name / "pytorch_adapter.bin"
        state = torch.load(pickle, map_location="cpu", weights_only=True)
        from safetensors.torch import save_file as save

        save({k: v.clone().contiguous() for k, v in state.items()}, out / name / "adapter.safetensors")
        pickle.unlink()


def mean_of_layers(layers):
    return numpy.mean(numpy.stack(layers).astype(numpy.float64), axis=0).astype(numpy.float32)


def lora_embeddings(folder, weights, keys):
    """Layer by layer: A, then B of each map, row by row."""
    tensors = load_file(folder / weights)
    layers = [
        numpy.concatenate([tensors[key.format(layer, factor)].ravel() for key in keys for factor in "AB"])
        for layer in range(L)
    ]
    return {"layer-mean": mean_of_layers(layers), "flatten": numpy.concatenate(layers)}


def prefix_embeddings(prefix):
    """[P, L·2·H] to [L, 2, P, H]."""
    blocks = prefix.reshape(P, L, 2, H).transpose(1, 2, 0, 3)
    keys = blocks[:, 0].reshape(L, P * H)
    return {
        "layer-mean": mean_of_layers(list(blocks.reshape(L, 2 * P * H))),
        "layer-mean.keys-only": mean_of_layers(list(keys)),
        "flatten": blocks.ravel(),
        # The released code: `prefix_encoder.embedding.weight.mean(0)`.
        "position-mean": prefix.astype(numpy.float64).mean(0).astype(numpy.float32),
    }


BERT = "base_model.model.{}encoder.layer.{{}}.{}.lora_{{}}.weight"


def main(out):
    torch.set_num_threads(1)

    def lora(**more):
        return LoraConfig(r=4, lora_alpha=8, lora_dropout=0.1, **more)

    base = dict(task_type="FEATURE_EXTRACTION")
    embeddings = {}

    def made(name, of):
        embeddings.update({f"{name}.{treatment}": vector for treatment, vector in of.items()})

    def peft_lora(name, model, family, keys, **more):
        peft_folder(out, name, model, family, lora(**more))
        made(name, lora_embeddings(out / name, "adapter_model.safetensors", keys))

    keys = [BERT.format("", f"attention.self.{m}") for m in ("query", "value")]
    peft_lora(
        "peft-lora-bert", tiny.load("bert"), "bert", keys, target_modules=["query", "value"], **base
    )
    # `dense` names three maps of every layer, and the pooler.
    maps = ["attention.output.dense", "intermediate.dense", "output.dense"]
    keys = [BERT.format("", m) for m in maps]
    peft_lora("peft-lora-dense", tiny.load("bert"), "bert", keys, target_modules=["dense"], **base)
    keys = [BERT.format("roberta.", f"attention.self.{m}") for m in ("query", "key")]
    peft_lora(
        "peft-lora-roberta-task",
        task_model("roberta"),
        "roberta",
        keys,
        target_modules=["query", "key"],
        task_type="SEQ_CLS",
    )
    front = "base_model.model.transformer.layer.{}."
    keys = [front + f"{m}.lora_{{}}.weight" for m in ("attention.q_lin", "attention.v_lin", "ffn.lin1")]
    peft_lora(
        "peft-lora-distilbert",
        tiny.load("distilbert"),
        "distilbert",
        keys,
        target_modules=["q_lin", "v_lin", "lin1"],
        use_rslora=True,
        **base,
    )
    keys = [BERT.format("", f"attention.attn.{m}") for m in ("q", "o")]
    peft_lora("peft-lora-mpnet", tiny.load("mpnet"), "mpnet", keys, target_modules=["q", "o"], **base)

    for name, model, task in [
        ("peft-prefix-bert", tiny.load("bert"), "FEATURE_EXTRACTION"),
        ("peft-prefix-bert-task", task_model("bert"), "SEQ_CLS"),
    ]:
        peft_folder(out, name, model, "bert", PrefixTuningConfig(num_virtual_tokens=P, task_type=task))
        prefix = load_file(out / name / "adapter_model.safetensors")["prompt_embeddings"]
        made(name, prefix_embeddings(prefix))

    name = "adapterhub-lora-bert"
    config = adapters.LoRAConfig(r=4, alpha=8, intermediate_lora=True)
    hub_folder(out, name, "bert", config)
    maps = ["attention.self.query", "attention.self.value", "intermediate.dense"]
    keys = [f"encoder.layer.{{}}.{m}.loras.tiny.lora_{{}}" for m in maps]
    made(name, lora_embeddings(out / name, "adapter.safetensors", keys))
    for name, family, flat in [
        ("adapterhub-prefix-bert", "bert", True),
        ("adapterhub-prefix-distilbert", "distilbert", False),
    ]:
        config = adapters.PrefixTuningConfig(prefix_length=P, flat=flat, bottleneck_size=8)
        hub_folder(out, name, family, config)
        tensors = load_file(out / name / "adapter.safetensors")
        (key,) = [key for key in tensors if key.startswith("prefix_tuning.")]
        made(name, prefix_embeddings(tensors[key].reshape(P, -1)))
    hub_folder(out, "adapterhub-bottleneck", "bert", "seq_bn")

    save_file(embeddings, out / "embeddings.safetensors")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
