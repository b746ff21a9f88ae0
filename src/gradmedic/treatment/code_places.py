"""Where lines of code belong in a training script: the comment above them says it, and patches go by it."""

import json
import re
from collections.abc import Iterator, Sequence
from enum import Enum

from gradmedic.base.name_patterns import written

ALL_LAYERS = """\
# behind the line that makes the model
for module in model.modules():
    if isinstance(module, (torch.nn.Linear, torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d)):"""


class CodePlace(Enum):
    """A place in a training script, in the order in which they come; the value is how its comment begins."""

    MODEL = "behind the line that makes the model"
    OPTIMIZER = "behind the line that makes the optimizer"
    BACKWARD = "in the loop, right before loss.backward()"
    CLIP = "after loss.backward(), before optimizer.step()"
    STEP = "right before optimizer.step()"
    INSTEAD = "in the place of optimizer.step()"
    MOVED = "after optimizer.step()"


def sections(code: str) -> Iterator[tuple[CodePlace | None, str]]:
    """The parts of some code, each with the place where it belongs; None where no place that is known is told."""
    where: CodePlace | None = None
    held: list[str] = []
    for line in code.splitlines():
        found = place(line)
        if found is not None:
            if any(one.strip() for one in held):
                yield where, "\n".join(held).strip("\n")
            where, held = found, []
        else:
            held.append(line)
    if any(one.strip() for one in held):
        yield where, "\n".join(held).strip("\n")


def place(line: str) -> CodePlace | None:
    """The place that a comment names."""
    text = line.removeprefix("#").strip()
    return next((one for one in CodePlace if line.startswith("#") and text.startswith(one.value)), None)


def rank(code: str) -> int:
    """Where the first lines of some code come in a script: what is about the model itself comes first."""
    first, _ = next(sections(code), (None, ""))
    return list(CodePlace).index(first) + 1 if first is not None else 0


def start_loop(names: Sequence[str], weight: str, bias: str = "") -> str:
    """The lines that give the weights of these names (none: all matrices) their start, and the bias beside each.

    `weight` and `bias` are statements about `weight`. The names are as `named_parameters` has them;
    `*` stands for anything without a dot, `**` for anything.
    """
    if not names:
        lines = [ALL_LAYERS, f"        {_of_module(weight, 'weight')}"]
        lines += ["        if module.bias is not None:", f"            {_of_module(bias, 'bias')}"] if bias else []
        return "\n".join(lines)
    beside = [f"{name.removesuffix('weight')}bias" for name in names if name.endswith("weight")]
    # What starts with its bias is a matrix: a pattern may stand for the scales of norms too.
    branches = [(is_named(names) + (" and weight.dim() > 1" if bias else ""), weight)]
    branches += [(is_named(beside), bias)] if bias and beside else []
    words = zip(("if", "elif"), branches, strict=False)
    body = "\n".join(f"    {word} {condition}:\n        {line}" for word, (condition, line) in words)
    imports = "import re\n\n" if any("*" in name for name in names) else ""
    return f"# {CodePlace.MODEL.value}\n{imports}for name, weight in model.named_parameters():\n{body}"


def _of_module(statement: str, held: str) -> str:
    """A statement about `weight` as one about what a module holds."""
    return re.sub(r"\bweight\b", f"module.{held}", statement)


def is_named(names: Sequence[str]) -> str:
    """The condition, in code, that `name` is one of these."""
    if len(names) == 1:
        return f"re.fullmatch({written(names[0])}, name)" if "*" in names[0] else f"name == {quoted(names[0])}"
    if any("*" in name for name in names):
        return f"any(re.fullmatch(one, name) for one in ({', '.join(map(written, names))}))"
    return f"name in ({', '.join(map(quoted, names))})"


def quoted(name: str) -> str:
    """A name as a string of Python code, whatever is in it."""
    return json.dumps(name)
