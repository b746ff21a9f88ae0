"""The start of named weights, written for the layers that have them: `for layer in [model.first, *model.hidden]`."""

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass

from gradmedic.base.name_patterns import glob
from gradmedic.treatment.code_places import CodePlace
from gradmedic.treatment.patching.script.imports import ImportedNames
from gradmedic.treatment.patching.script.module_construction import Builds
from gradmedic.treatment.patching.script.source import ParsedScript

WEIGHTED = ("Linear", "Conv1d", "Conv2d", "Conv3d", "Embedding")
LONGEST = 100
"""Characters that the line may have which names the layers; longer ones are no better than a test of names."""


def by_layer(source: ParsedScript, names: Sequence[str], code: str) -> str:
    """The lines that give weights their start by name, as lines for layers, where it is certain which these are."""
    tests = _tests(code)
    layers = ScriptLayers(source).of(names) if tests else None
    if layers is None:
        return code
    has_bias = ScriptLayers(source).have_bias(names)
    parts = ("weight", "bias") if has_bias else ("weight",)
    body = [_about(part, statement) for part, statement in zip(parts, tests, strict=False)]
    head = f"for layer in {layers}:" if layers.startswith("[") else ""
    if not head:  # a single one needs no loop
        return "\n".join([f"# {CodePlace.MODEL.value}", *(re.sub(r"\blayer\b", layers, line) for line in body)])
    return "\n".join([f"# {CodePlace.MODEL.value}", head, *(f"    {line}" for line in body)])


def _tests(code: str) -> list[ast.stmt]:
    """What is done to weights, and to biases, in the loop that `start_loop` writes; nothing if the code is another."""
    loop = ast.parse(code).body[-1] if code.strip() else None
    first = loop.body[0] if isinstance(loop, ast.For) and ast.unparse(loop.target) == "(name, weight)" else None
    if not isinstance(first, ast.If):
        return []
    second = first.orelse[0] if first.orelse else None
    return [*first.body, *(second.body if isinstance(second, ast.If) else [])]


def _about(part: str, statement: ast.stmt) -> str:
    return re.sub(r"\bweight\b", f"layer.{part}", ast.unparse(statement))


@dataclass(frozen=True)
class ScriptLayers:
    """What was seen of the layers of a script, and how it makes them."""

    source: ParsedScript

    def of(self, names: Sequence[str]) -> str | None:
        """The layers that have weights of these names, as an expression; None where that is not certain."""
        builds, found = Builds(ImportedNames(self.source)), []
        for name in names:
            way = self._way(builds, name)
            if way is None:
                return None
            found.append(way)
        text = f"[{', '.join(found)}]" if len(found) > 1 or found[0].startswith("*") else found[0]
        return text if len(text) <= LONGEST and self.have_bias(names) is not None else None

    def have_bias(self, names: Sequence[str]) -> bool | None:
        """Whether the layers have biases; None where some have and some have not, or nothing was seen of them."""
        recording = self.source.recording
        known = {p.name for p in recording.parameters.values()} if recording is not None else set()
        held = {one for one in known for name in names if glob(name).fullmatch(one)}
        beside = {f"{name.removesuffix('weight')}bias" in known for name in held}
        return beside.pop() if len(beside) == 1 else None

    def _way(self, builds: Builds, name: str) -> str | None:
        """The way to one layer, or to all of a list."""
        path, _, last = name.rpartition(".")
        stem, _, star = path.rpartition(".")
        if last != "weight":
            return None
        if star == "*" and "*" not in stem:
            made = builds.entries(stem)
            return f"*model{_reached(stem)}" if made and all(map(self._is_weighted, made)) else None
        one = builds.at(path) if "*" not in path else None
        return f"model{_reached(path)}" if one is not None and self._is_weighted(one) else None

    def _is_weighted(self, made: ast.expr) -> bool:
        return isinstance(made, ast.Call) and ImportedNames(self.source).torch(made.func).rpartition(".")[2] in WEIGHTED


def _reached(path: str) -> str:
    """A path as one writes it: `.body[1]`."""
    parts = path.split(".") if path else []
    return "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in parts)
