"""What learns: every method puts its parameters into an encoder.

`apply` gives the model to call and its parameters by the names that the golden
files use, each a differentiable tensor in the file's layout.
"""

import numpy
import torch
from peft import LoraConfig, PrefixTuningConfig, get_peft_model

import tiny

# A place in BERT's layer, by the short name of its bias.
BIASES = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "attention_output": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "intermediate": "intermediate.dense",
    "output": "output.dense",
    "output_norm": "output.LayerNorm",
}


def draw(random, parameter, spread):
    """Fills a parameter from a stream that is the same in every version."""
    values = spread * random.standard_normal(tuple(parameter.shape))
    with torch.no_grad():
        parameter.copy_(torch.tensor(values.astype(numpy.float32)))


class Lora:
    """peft's LoRA, r = 8, α = 8, on query and value. B starts away from zero:
    at zero, A would have no gradient to compare."""

    name = "lora"
    epsilon = 1e-8

    def apply(self, bert, random, pooled):
        config = LoraConfig(
            task_type="FEATURE_EXTRACTION",
            r=8,
            lora_alpha=8,
            lora_dropout=0.0,
            target_modules=["query", "value"],
        )
        model = get_peft_model(bert, config)
        named = {}
        for name, parameter in model.named_parameters():
            if not parameter.requires_grad:
                continue
            draw(random, parameter, 0.1)
            layer = name.split("encoder.layer.")[1].split(".")[0]
            target = name.split(".self.")[1].split(".")[0]
            factor = "lora_A" if "lora_A" in name else "lora_B"
            named[f"{layer}.{target}.{factor}"] = parameter
        return model, named


class BitFit:
    """Every bias of every layer. The gradient of a key's bias is zero, since
    softmax does not see what all keys share: what stands in its place is
    rounding noise, which Adam would blow up in single precision."""

    name = "bitfit"
    epsilon = 1e-8

    def apply(self, bert, random, pooled):
        named = {}
        for parameter in bert.parameters():
            parameter.requires_grad = False
        for layer in range(tiny.LAYERS):
            for short, place in BIASES.items():
                bias = bert.get_parameter(f"encoder.layer.{layer}.{place}.bias")
                bias.requires_grad = True
                named[f"{layer}.{short}.bias"] = bias
        # Nothing else in a layer is called bias.
        biases = [n for n, _ in bert.named_parameters() if ".layer." in n and n.endswith("bias")]
        assert len(biases) == len(named)
        return bert, named


class PTuningV2:
    """peft's prefix tuning, P = 4, no projection.

    The prefix goes to transformers as past keys and values, as in P-Tuning v2's
    own code, and transformers counts positions on from the past: the first real
    token stands at position P. peft's own forward drops the token types of a
    model without a task, so its prefix is handed over here.
    """

    name, prefix, epsilon = "ptuning-v2", 4, 1e-8

    def apply(self, bert, random, pooled):
        config = PrefixTuningConfig(
            task_type="FEATURE_EXTRACTION", num_virtual_tokens=self.prefix, prefix_projection=False
        )
        model = get_peft_model(bert, config)
        # [P, L·2·H] = [layer 0 K | layer 0 V | layer 1 K | …]
        weight = model.prompt_encoder["default"].embedding.weight
        assert weight.shape == (self.prefix, tiny.LAYERS * 2 * tiny.HIDDEN)
        trained = [n for n, p in model.named_parameters() if p.requires_grad]
        assert trained == ["prompt_encoder.default.embedding.weight"], trained
        draw(random, weight, 0.5)

        def forward(input_ids, token_type_ids, attention_mask, **more):
            ones = torch.ones(len(input_ids), self.prefix, dtype=attention_mask.dtype)
            return bert(
                input_ids=input_ids,
                token_type_ids=token_type_ids,
                attention_mask=torch.cat([ones, attention_mask], dim=1),
                past_key_values=model.get_prompt(len(input_ids)),
                **more,
            )

        return forward, {"prefix": weight}

    @staticmethod
    def split(tensor):
        """The embedding's values or gradient by layer and kind."""
        parts = tensor.split(tiny.HIDDEN, dim=1)
        kinds = ["key", "value"]
        return {f"{i // 2}.prefix.{kinds[i % 2]}": part for i, part in enumerate(parts)}


class Full:
    """Every parameter that takes part: the pooler only where it is read."""

    name = "full"
    # A step of AdamW is as long for a gradient near zero as for any other, and among so
    # many weights some gradient is hardly more than rounding. Far above the rounding of
    # single precision, this makes steps of such gradients as small as they are.
    epsilon = 1e-4

    def apply(self, bert, random, pooled):
        for parameter in bert.parameters():
            parameter.requires_grad = True
        if not pooled:
            for parameter in bert.pooler.parameters():
                parameter.requires_grad = False
        named = {n: p for n, p in bert.named_parameters() if p.requires_grad}
        return bert, named

    # The file of classification holds all tensors; the others one of each kind.
    KEPT = [
        "embeddings.token_type_embeddings.weight",
        "embeddings.LayerNorm.weight",
        "embeddings.LayerNorm.bias",
        "encoder.layer.0.attention.self.query.weight",
        "encoder.layer.0.attention.self.query.bias",
        "encoder.layer.0.attention.output.LayerNorm.weight",
        "encoder.layer.1.attention.output.dense.bias",
        "encoder.layer.1.intermediate.dense.weight",
        "encoder.layer.1.output.LayerNorm.bias",
        "pooler.dense.weight",
        "pooler.dense.bias",
    ]


ALL = [Lora(), BitFit(), PTuningV2(), Full()]
