"""Parameters that the optimizer lacks: layers in a plain list, or a second model."""

import ast
import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

from gradmedic.base.messages import Message
from gradmedic.base.name_patterns import glob
from gradmedic.treatment.patching import Edit, Order
from gradmedic.treatment.patching.script.module_construction import Builds
from gradmedic.treatment.patching.script.source import ParsedScript, TextEdit, UnsureError
from gradmedic.treatment.patching.script.training_loop import Training

LISTS: Mapping[type[ast.expr], str] = {
    ast.List: "torch.nn.ModuleList",
    ast.ListComp: "torch.nn.ModuleList",
    ast.Dict: "torch.nn.ModuleDict",
    ast.DictComp: "torch.nn.ModuleDict",
}


class Hold(Edit):
    """Makes a ModuleList of a plain list; gives the optimizer the parameters of a model that it does not have."""

    name: ClassVar[str] = "hold"
    remedies: ClassVar[tuple[str, ...]] = ("hold-parameters",)

    def changes(self, source: ParsedScript, order: Order) -> list[TextEdit]:
        training, names = Training(source), order.words("parameters")
        stems = {re.split(r"[.\[]", name)[0] for name in names}
        if all("[" in name for name in names):
            return [change for stem in sorted(stems) for change in _registered(training, stem)]
        if not all(stem.isidentifier() for stem in stems):
            raise UnsureError(Message("it is not plain where {name} is made", {"name": ", ".join(sorted(stems))}))
        later = _made_later(training, stems)
        if later is not None:
            return _moved(training, later)
        if len(stems) != 1:
            raise UnsureError(Message("the parameters belong to several parts"))
        return _given(training, stems.pop(), names)


def _made_later(training: Training, stems: set[str]) -> ast.stmt | None:
    """The last statement behind the optimizer that makes its model anew, or the parts whose parameters it lacks."""
    source, made = training.source, training.the_made()[0]
    model, block = training.whole_of(made), source.block(made.statement)
    parts = {f"{model}.{stem}" for stem in stems}
    found = [
        one
        for one in block[block.index(made.statement) + 1 :]
        if isinstance(one, ast.Assign) and source.read(one.targets[0]) in (model, *parts)
    ]
    is_whole = any(source.read(one.targets[0]) == model for one in found if isinstance(one, ast.Assign))
    return found[-1] if found and (is_whole or len(found) >= len(parts)) else None


def _moved(training: Training, later: ast.stmt) -> list[TextEdit]:
    """The optimizer made when the model is complete; nothing in between has used it."""
    source, made = training.source, training.the_made()
    block = source.block(made[0].statement)
    between = block[block.index(made[0].statement) + 1 : block.index(later) + 1]
    names = {node.id for one in between for node in ast.walk(one) if isinstance(node, ast.Name)}
    if len(made) != 1 or made[0].name.partition(".")[0] in names:
        raise UnsureError(Message("{name} is used before the model is complete", {"name": made[0].name}))
    return source.moved(made[0].statement, later)


def _registered(training: Training, name: str) -> list[TextEdit]:
    """`nn.ModuleList` around the list that is set as an attribute."""
    source = training.source
    values = [
        node.value
        for node in source.nodes()
        if isinstance(node, ast.Assign) and any(source.read(one) == f"self.{name}" for one in node.targets)
    ]
    if len(values) != 1 or type(values[0]) not in LISTS:
        raise UnsureError(Message("it is not plain where {name} is made", {"name": name}))
    word, (start, end) = training.words.spelled(LISTS[type(values[0])]), source.span(values[0])
    return [TextEdit(start, start, f"{word}("), TextEdit(end, end, ")"), *training.words.needed(word)]


def _given(training: Training, stem: str, names: Sequence[str]) -> list[TextEdit]:
    """The parameters of a second model, or of a part of the model, beside those that the optimizer is given."""
    source, made = training.source, training.the_made()
    held = made[0].parameters
    if len(made) != 1 or held is None or not _is_flat(training, held):
        raise UnsureError(Message("it is not plain what the optimizer is given"))
    owner = _owner(training, stem, training.model_of(made[0]))
    _refuse_part(source, stem, names)
    if f"{owner}.parameters()" in source.read(held):
        raise UnsureError(Message("{code} stands there already", {"code": f"{owner}.parameters()"}))
    if not training.same(owner.partition(".")[0], made[0].statement, made[0].statement):
        raise UnsureError(Message("{name} is made anew behind the optimizer", {"name": owner}))
    return [source.replace(held, f"[*{owner}.parameters(), *{source.read(held)}]")]


def _is_flat(training: Training, held: ast.expr) -> bool:
    """True for parameters without groups, be they in a variable that is set once."""
    if isinstance(held, ast.Name):
        value = Builds(training.words).value(held)
        return value is not None and _is_flat(training, value)
    return not any(isinstance(node, ast.Dict) for node in ast.walk(held))


def _owner(training: Training, stem: str, model: str) -> str:
    """How the script calls the part: by a variable, or as an attribute of what the optimizer's model is a part of."""
    end = training.source.span(training.made[0].statement)[0]
    stores = [n for n in training.source.nodes() if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    if any(node.id == stem and training.source.span(node)[0] < end for node in stores):
        return stem
    whole = model.rpartition(".")[0]
    if whole:
        return f"{whole}.{stem}"
    raise UnsureError(Message("it is not plain where {name} is made", {"name": stem}))


def _refuse_part(source: ParsedScript, stem: str, names: Sequence[str]) -> None:
    """Refuse where only some of the part's parameters are missing."""
    recording = source.recording
    if recording is None:
        return
    patterns = [glob(name) for name in names]
    for parameter in recording.parameters.values():
        known = (parameter.name, *parameter.aliases)
        is_part = any(name.startswith(f"{stem}.") for name in known)
        if is_part and parameter.requires_grad and not any(p.fullmatch(name) for p in patterns for name in known):
            raise UnsureError(Message("the optimizer holds {name} already", {"name": parameter.name}))
