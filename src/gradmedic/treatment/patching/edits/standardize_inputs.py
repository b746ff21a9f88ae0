"""Data that is standardized right where the script has made it."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from gradmedic.base.messages import Message
from gradmedic.recording.site import Kind
from gradmedic.treatment.patching import Edit, Order
from gradmedic.treatment.patching.edits.model_calls import model_calls
from gradmedic.treatment.patching.script.source import ParsedScript, TextEdit, UnsureError
from gradmedic.treatment.patching.script.training_loop import Training, argument


class Standardize(Edit):
    """Subtracts the mean and divides by the spread, behind the last line that makes what the model is fed with."""

    name: ClassVar[str] = "standardize"
    remedies: ClassVar[tuple[str, ...]] = ("standardize-inputs",)

    def changes(self, source: ParsedScript, order: Order) -> list[TextEdit]:
        feeds = Feeds(Training(source))
        first, *others = feeds.names
        places = [feeds.made(name) for name in feeds.names]
        if source.read(places[0]).startswith((f"{first} = ({first} - ", f"{first} = {first} / ")):
            raise UnsureError(Message("{code} stands there already", {"code": source.read(places[0])}))
        if any(later.lineno < places[0].lineno for later in places[1:]):
            raise UnsureError(Message("{name} is made last", {"name": first}))
        numbers, scaled = _scaling(feeds, order.text("per", "all"))
        lines = [f"{numbers}\n{scaled.format(x=first)}", *(scaled.format(x=name) for name in others)]
        return [source.below(place, line) for place, line in zip(places, lines, strict=True)]


def _scaling(feeds: "Feeds", per: str) -> tuple[str, str]:
    """The line that takes the numbers of the training data, and the one that scales `x` by them."""
    source, words = feeds.training.source, feeds.training.words
    first = feeds.names[0]
    if per == "largest":
        largest = words.fresh("largest", source.tree)
        return f"{largest} = {first}.abs().max()", f"{{x}} = {{x}} / {largest}"
    if per not in ("all", "feature") or (per == "feature" and not _is_table(source)):
        raise UnsureError(Message("it is not plain which dimension the features are"))
    mean, std = (words.fresh(name, source.tree) for name in ("mean", "std"))
    each, least = ("0", ".clamp(min=1e-6)") if per == "feature" else ("", "")
    return f"{mean}, {std} = {first}.mean({each}), {first}.std({each}){least}", f"{{x}} = ({{x}} - {mean}) / {std}"


@dataclass(frozen=True)
class Feeds:
    """The variables of the script that its model is fed from."""

    training: Training

    @property
    def names(self) -> list[str]:
        """Their names, that of the training data first; each is used for nothing else."""
        calls = model_calls(self.training)
        found = list(dict.fromkeys(self._data(call.args[0]) for call in calls if call.args))
        if not found or any(len(call.args) != 1 or call.keywords for call in calls):
            raise UnsureError(Message("line {line} gives the model several things", {"line": calls[0].lineno}))
        for name in found:
            self._refuse_other_uses(name, calls)
        return found

    def made(self, name: str) -> ast.stmt:
        """The last statement of the script, outside of loops and functions, that gives a variable its value."""
        places = [self.training.source.statement(node) for node in self._stores(name)]
        if not places or any(place not in self.training.source.tree.body for place in places):
            raise UnsureError(Message("it is not plain where {name} is made", {"name": name}))
        return places[-1]

    def _data(self, node: ast.expr) -> str:
        """The variable that holds the whole of what a model is called with."""
        name = _base(node)
        if name is None:
            raise UnsureError(Message("it is not plain what the model is fed with"))
        stores = self._stores(name)
        loop = self.training.source.parents[stores[0]] if len(stores) == 1 else None
        target = loop if isinstance(loop, ast.Tuple) else None
        loop = self.training.source.parents[target] if target is not None else loop
        if target is not None and isinstance(loop, ast.For):
            return self._loaded(loop.iter, target.elts.index(stores[0]))
        return name

    def _loaded(self, loader: ast.expr, at: int) -> str:
        """The variable behind an entry of what a DataLoader of a TensorDataset gives out."""
        dataset = self._called(loader, "torch.utils.data.DataLoader")
        tensors = self._called(dataset, "torch.utils.data.TensorDataset", at)
        name = _base(tensors) if tensors is not None else None
        if name is None:
            raise UnsureError(Message("it is not plain what the model is fed with"))
        return name

    def _called(self, node: ast.expr | None, function: str, at: int = 0) -> ast.expr | None:
        """An argument of a call of this function, which may stand in a variable."""
        if isinstance(node, ast.Name) and len(stores := self._stores(node.id)) == 1:
            statement = self.training.source.parents[stores[0]]
            node = statement.value if isinstance(statement, ast.Assign) else None
        if isinstance(node, ast.Call) and self.training.words.torch(node.func) == function:
            return argument(node, at, "dataset")
        return None

    def _stores(self, name: str) -> list[ast.expr]:
        nodes = (n for n in self.training.source.nodes() if isinstance(n, ast.Name) and n.id == name)
        return [node for node in nodes if isinstance(node.ctx, ast.Store)]

    def _refuse_other_uses(self, name: str, calls: list[ast.Call]) -> None:
        """Refuse where something else would be changed, too: targets that are made of the data, a plot."""
        source, start = self.training.source, source_end(self.training.source, self.made(name))
        for node in ast.walk(source.tree):
            if not isinstance(node, ast.Name) or node.id != name or not isinstance(node.ctx, ast.Load):
                continue
            if source.at(node.lineno, node.col_offset) > start and not self._is_feed(node, calls):
                raise UnsureError(Message("{name} is used in line {line}, too", {"name": name, "line": node.lineno}))

    def _is_feed(self, node: ast.AST, calls: list[ast.Call]) -> bool:
        """True inside of what the model is called with or a data set made of; and where only its size is asked for."""
        for outer in self.training.source.around(node):
            if outer in calls:
                return True
            if isinstance(outer, ast.Call) and self.training.words.torch(outer.func).endswith(".TensorDataset"):
                return node in _below(outer.args[:1])
            if isinstance(outer, ast.Call) and isinstance(outer.func, ast.Name) and outer.func.id == "len":
                return True
            if isinstance(outer, ast.Attribute) and outer.attr in ("shape", "size", "dim", "ndim"):
                return outer.value is node
        return False


def source_end(source: ParsedScript, statement: ast.stmt) -> int:
    """Where a statement ends."""
    return source.span(statement)[1]


def _below(nodes: list[ast.expr]) -> Iterator[ast.AST]:
    for node in nodes:
        yield from ast.walk(node)


def _base(node: ast.expr) -> str | None:
    """The variable that some rows are taken from, or that is sent to a device: `X[i:j].to(device)` is X."""
    while not isinstance(node, ast.Name):
        if isinstance(node, ast.Subscript):
            node = node.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("to", "cuda"):
            node = node.func.value
        else:
            return None
    return node.id


def _is_table(source: ParsedScript) -> bool:
    """True where the first weights were seen to work on rows of features."""
    sites = source.recording.sites.values() if source.recording is not None else ()
    weights = sorted((s for s in sites if s.kind is Kind.WEIGHTS), key=lambda site: (site.stream, site.order))
    return bool(weights) and weights[0].op == "linear" and len(weights[0].shape) == 2
