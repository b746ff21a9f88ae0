"""Networks of `timm` and `transformers` as these packages build them, at random initialization.

Of timm the smallest model of each family (a file of its models) that has at most 40 million parameters
(`data/timm_families.txt`); of transformers the architectures below, four layers of width 128.
"""

import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

Case = tuple[Callable[[], nn.Module], Tensor, Tensor]

FAMILIES = Path(__file__).parent / "data" / "timm_families.txt"
ENDS = {"vocab_size": 500, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
WIDE = {
    **ENDS,
    "hidden_size": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 256,
    "max_position_embeddings": 64,
}
SHARED = {**WIDE, "num_key_value_heads": 2, "head_dim": 32}
GPT = {**ENDS, "n_positions": 64, "n_embd": 128, "n_layer": 4, "n_head": 4}
OF_SHARED = (
    "Llama Mistral Qwen2 Qwen3 Gemma Gemma2 Phi3 Cohere Olmo Olmo2 StableLm Starcoder2 Nemotron Granite Glm SmolLM3"
)
SIZES: dict[str, dict[str, Any]] = {
    **dict.fromkeys((f"{name}ForCausalLM" for name in OF_SHARED.split()), SHARED),
    **dict.fromkeys(("PhiForCausalLM", "GPTNeoXForCausalLM", "PersimmonForCausalLM", "FalconForCausalLM"), WIDE),
    "MixtralForCausalLM": {**SHARED, "num_local_experts": 4},
    "Qwen2MoeForCausalLM": {
        **SHARED,
        "num_experts": 4,
        "moe_intermediate_size": 64,
        "shared_expert_intermediate_size": 64,
    },
    "GPT2LMHeadModel": GPT,
    "GPTBigCodeForCausalLM": GPT,
    "CodeGenForCausalLM": {**GPT, "n_ctx": 64, "rotary_dim": 16},
    "GPTJForCausalLM": {**GPT, "rotary_dim": 16},
    "OPTForCausalLM": {**WIDE, "ffn_dim": 256, "word_embed_proj_dim": 128},
    "BloomForCausalLM": {**ENDS, "hidden_size": 128, "n_layer": 4, "n_head": 4},
    "MambaForCausalLM": {**ENDS, "hidden_size": 64, "num_hidden_layers": 2, "state_size": 8},
    **dict.fromkeys(("BertForMaskedLM", "FNetForMaskedLM", "ModernBertForMaskedLM", "DebertaV2ForMaskedLM"), WIDE),
    **dict.fromkeys(("MPNetForMaskedLM", "ConvBertForMaskedLM"), WIDE),
    "RobertaForMaskedLM": {**WIDE, "max_position_embeddings": 70},
    "AlbertForMaskedLM": {**WIDE, "embedding_size": 64},
    "ElectraForMaskedLM": {**WIDE, "embedding_size": 64},
    "DistilBertForMaskedLM": {
        **ENDS,
        "dim": 128,
        "n_layers": 4,
        "n_heads": 4,
        "hidden_dim": 256,
        "max_position_embeddings": 64,
    },
}


def cases(only: str = "") -> Iterator[tuple[str, Case]]:
    """Each network whose name has `only` in it, with a batch of eight; a package that is missing is told of."""
    _stand_in_for_torchvision()
    for package, networks in (("timm", _of_timm), ("transformers", _of_transformers)):
        if find_spec(package) is None:
            print(f"{package} is not installed: its networks are left out.", file=sys.stderr)
        elif only.startswith(package) or not only.startswith(("timm", "transformers")):
            yield from networks(only.removeprefix(package).strip())


def _of_timm(only: str) -> Iterator[tuple[str, Case]]:
    create = import_module("timm").create_model
    generator = torch.Generator().manual_seed(1)
    pictures, labels = torch.randn(8, 3, 64, 64, generator=generator), torch.randint(10, (8,), generator=generator)
    for name in (row.split()[1] for row in FAMILIES.read_text().splitlines()):
        make = _takes(pictures, partial(create, name, num_classes=10)) if only in name else None
        if make is not None:
            yield f"timm {name}", (make, pictures, labels)


def _takes(pictures: Tensor, make: Callable[..., nn.Module]) -> Callable[[], nn.Module] | None:
    """The way to make a model that takes such pictures; none if there is none."""
    for sizes in ({"img_size": pictures.shape[-1]}, {}):
        try:
            with torch.no_grad():
                found = make(**sizes).train()(pictures)
        except Exception:  # whatever a model raises, it does not take them
            continue
        if isinstance(found, Tensor) and found.shape == (len(pictures), 10):
            return partial(make, **sizes)
    return None


def _stand_in_for_torchvision() -> None:
    """Names of torchvision's operations, which are imported and never called; its own are for another torch."""
    if find_spec("torchvision") is not None:
        library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
        for operation in ("nms", "qnms"):
            try:
                library.define(f"{operation}(Tensor dets, Tensor scores, float t) -> Tensor")  # type: ignore[no-untyped-call]
            except RuntimeError:  # they are there
                return
        KEPT.append(library)


KEPT: list[object] = []
"""Libraries of operations, which vanish with their last reference."""


def _of_transformers(only: str) -> Iterator[tuple[str, Case]]:
    transformers = import_module("transformers")
    generator = torch.Generator().manual_seed(1)
    tokens, words = torch.randint(3, 500, (8, 32), generator=generator), torch.randint(500, (256,), generator=generator)
    for name, sizes in SIZES.items():
        if only in name:
            config = getattr(transformers, name.replace("LMHeadModel", "For").partition("For")[0] + "Config")
            yield f"transformers {name}", (partial(_Logits, getattr(transformers, name), config, sizes), tokens, words)


class _Logits(nn.Module):
    """A model of `transformers` that gives its logits, a row for each target."""

    def __init__(self, kind: Callable[..., nn.Module], config: Callable[..., object], sizes: dict[str, Any]) -> None:
        super().__init__()
        self.model = kind(config(**sizes))

    def forward(self, x: Tensor) -> Tensor:
        rows: Tensor = self.model(x).logits
        return rows.flatten(0, -2)
