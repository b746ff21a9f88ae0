"""Networks of `timm` and `transformers` as these packages build them, at random initialization."""

import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

Case = tuple[Callable[[], nn.Module], Tensor, Tensor]

SMALL = {"hidden_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 256}
TIMM = ("resnet18", "resnet50", "densenet121", "vit_tiny_patch16_224", "convnext_atto", "efficientnet_b0")


def cases(only: str = "") -> Iterator[tuple[str, Case]]:
    """Each network whose name has `only` in it, with a batch of eight; a package that is missing is told of."""
    for package, networks in (("timm", _of_timm), ("transformers", _of_transformers)):
        if find_spec(package) is None:
            print(f"{package} is not installed: its networks are left out.", file=sys.stderr)
        else:
            yield from (case for case in networks(import_module(package)) if only in case[0])


def _of_timm(timm: Any) -> Iterator[tuple[str, Case]]:
    generator = torch.Generator().manual_seed(1)
    pictures, labels = torch.randn(8, 3, 64, 64, generator=generator), torch.randint(10, (8,), generator=generator)
    for name in TIMM:
        sizes = {"img_size": 64, "patch_size": 8} if "vit" in name else {}
        yield f"timm {name}", (partial(timm.create_model, name, num_classes=10, **sizes), pictures, labels)


def _of_transformers(transformers: Any) -> Iterator[tuple[str, Case]]:
    generator = torch.Generator().manual_seed(1)
    tokens, words = torch.randint(500, (8, 32), generator=generator), torch.randint(500, (256,), generator=generator)
    classes, pictures = torch.randint(10, (8,), generator=generator), torch.randn(8, 3, 64, 64, generator=generator)
    read = {"vocab_size": 500, "pad_token_id": None, "max_position_embeddings": 64, **SMALL}
    gpt = {"vocab_size": 500, "n_positions": 64, "n_embd": 128, "n_layer": 4, "n_head": 4}
    seen = {"image_size": 64, "patch_size": 8, "num_labels": 10, **SMALL}
    for name, head, sizes, x, y in (
        ("GPT2", "LMHeadModel", gpt, tokens, words),
        ("Bert", "Model", read, tokens, words % 128),
        ("Bert", "ForMaskedLM", read, tokens, words),
        ("Llama", "ForCausalLM", read, tokens, words),
        ("Qwen2", "ForCausalLM", {**read, "num_key_value_heads": 2}, tokens, words),
        ("GPTNeoX", "ForCausalLM", read, tokens, words),
        ("ViT", "ForImageClassification", seen, pictures, classes),
    ):
        config = getattr(transformers, f"{name}Config")(**sizes)
        yield f"transformers {name}{head}", (partial(_Logits, getattr(transformers, name + head), config), x, y)


class _Logits(nn.Module):
    """A model of `transformers` that gives its logits (or last hidden state), a row for each target."""

    def __init__(self, kind: Callable[..., nn.Module], config: object) -> None:
        super().__init__()
        self.model = kind(config)

    def forward(self, x: Tensor) -> Tensor:
        out = self.model(x)
        rows: Tensor = out.logits if "logits" in out else out.last_hidden_state
        return rows.flatten(0, -2)
