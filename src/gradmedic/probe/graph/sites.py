"""Give the vertices of a graph their lasting identity."""

from collections.abc import Callable
from typing import Any

from torch import nn
from torch.nn.modules import activation, dropout, normalization, pooling, sparse

from gradmedic.probe.graph.layout import Layout
from gradmedic.probe.graph.names import Names
from gradmedic.probe.hooks.sequence_intervals import Owners, SourceLine
from gradmedic.probe.hooks.source_lines import line_of
from gradmedic.recording.site import Kind, Site

_CONVOLUTIONS = (
    *(nn.Conv1d, nn.Conv2d, nn.Conv3d),
    *(nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
)
_NORMS = (
    *(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm, nn.LayerNorm, nn.GroupNorm),
    *(nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d),
)
_SINGLE = (nn.Linear, nn.Bilinear, *_CONVOLUTIONS, *_NORMS, nn.Identity)
_FILES = {m.__name__ for m in (activation, dropout, normalization, pooling, sparse)}
_COMPOSITE = {"softsign", "tanhshrink", "softmin", "gumbel_softmax", "hardtanh", "relu6"}

MOST_OF_A_NAME = 16
"""Sites of one name in one use of a layer; what comes after them is added to the last."""

LOOKS = 6
"""Captures at which lines are noted; what has none by then is made where no line is."""


class Sites:
    """The sites met so far. The same operation gets the same site at every capture.

    Operations are told apart by name, operation, and how many of that name came before behind the
    same use of the same weights. Using the weights again (time steps, siamese branches) repeats the
    site instead of making a new one.
    """

    def __init__(self, names: Names, announce: Callable[[Site], None]) -> None:
        self.names = names
        self._announce = announce
        self._known: dict[tuple[Any, ...], Site] = {}
        self._anchors: dict[tuple[Any, ...], tuple[Any, ...]] = {}
        self._looks = 0

    @property
    def have_lines(self) -> bool:
        """True if every site has its line, or if looking again has not helped."""
        return self._looks >= LOOKS or (bool(self._known) and all(site.line for site in self._known.values()))

    def lay_out(
        self, layout: Layout, stream: int, modules: Owners, lines: Owners, within: Site | None = None
    ) -> list[Site | None]:
        """The site of every vertex; None for leaves and reshapes. `within` is the one that stands for them all."""
        self._looks += 1
        sites: list[Site | None] = [None] * len(layout.vertices)
        seen: dict[tuple[Any, ...], int] = {}
        repeats: dict[tuple[Any, ...], int] = {}
        keys: dict[int, tuple[Any, ...]] = {}
        for order, i in enumerate(layout.execution):
            module = modules.of(layout.vertices[i].sequence)
            anchor = self._anchor(layout, i, stream, seen)
            # A step that was not listened to knows no module: its operations are those of an earlier one.
            known = self._anchors.get(anchor) if module is None else None
            key = keys[i] = self._anchors[anchor] = known or self._key(layout, i, stream, module, sites, seen)
            repeats[key] = repeats.get(key, 0) + 1
            vertex = layout.vertices[i]
            line = vertex.definition or line_of(vertex.node) or lines.of(vertex.sequence)
            site = self._known.get(key)
            if site is None or (site.line is None and line is not None):
                inputs = tuple(s.id for j in layout.signals[i] if (s := sites[j]) is not None)
                place = order if within is None else within.order
                site = self._make(key, layout, i, place, module, line, inputs, site)
            sites[i] = site
        self._tell(keys, repeats, sites)
        return sites

    def _anchor(self, layout: Layout, i: int, stream: int, seen: dict[tuple[Any, ...], int]) -> tuple[Any, ...]:
        """What a vertex is called by its place in the graph alone."""
        own = layout.own_parameters(layout.weights[i]) if layout.weights[i] >= 0 else []
        leaf = id(layout.vertices[own[0]].leaf) if own else 0
        anchor = (stream, leaf, _op(layout, i), layout.use[i])
        nth = seen[anchor] = min(seen.get(anchor, 0) + 1, MOST_OF_A_NAME)
        return (*anchor, nth)

    def _key(
        self,
        layout: Layout,
        i: int,
        stream: int,
        module: nn.Module | None,
        sites: list[Site | None],
        seen: dict[tuple[Any, ...], int],
    ) -> tuple[Any, ...]:
        name, op = self._name(layout, i, module, sites), _op(layout, i)
        group = (name, op, layout.use[i])
        nth = seen[group] = min(seen.get(group, 0) + 1, MOST_OF_A_NAME)
        return (stream, name, op, nth)

    def _tell(self, keys: dict[int, Any], repeats: dict[Any, int], sites: list[Site | None]) -> None:
        """Announce the sites that are new or that a longer pass has repeated more often."""
        told: dict[Any, Site] = {}
        for i, key in keys.items():
            site = self._known[key]
            if site.repeats != repeats[key]:
                site = self._known[key] = _changed(site, repeats=max(site.repeats, repeats[key]))
            if key not in told:
                told[key] = site
                self._announce(site)
            sites[i] = site

    def _make(
        self,
        key: tuple[Any, ...],
        layout: Layout,
        i: int,
        order: int,
        module: nn.Module | None,
        line: SourceLine | None,
        inputs: tuple[int, ...],
        before: Site | None,
    ) -> Site:
        stream, name, op, nth = key
        weights = layout.weights[i]
        own = layout.own_parameters(weights)[:1] if weights >= 0 else layout.own_parameters(i)[:1]
        site = Site(
            id=before.id if before else len(self._known),
            name=name if nth == 1 else f"{name}#{nth}",
            kind=_kind(layout, i, module, line),
            op=_display(op, module, line, layout.kinds[i]),
            stream=stream,
            module=self.names.modules.get(id(module), "") if module is not None else "",
            module_type=type(module).__name__ if module is not None else "",
            parameter=self._parameter(layout, own[0]) if own else None,
            file=line.file if line else None,
            line=line.line if line else None,
            order=order,
            inputs=inputs,
            shape=layout.vertices[i].shape,
            dtype=layout.vertices[i].dtype,
            fan_in=layout.fan_in(i),
            tail=layout.tail[i],
        )
        self._known[key] = site
        return site

    def _parameter(self, layout: Layout, leaf: int) -> str:
        owned = self.names.of(layout.vertices[leaf].leaf)
        return owned.name if owned else f"tensor{list(layout.vertices[leaf].leaf.shape)}"

    def _name(self, layout: Layout, i: int, module: nn.Module | None, sites: list[Site | None]) -> str:
        path = self.names.modules.get(id(module)) if module is not None else None
        if path is not None and (_is_single(module) or layout.kinds[i] is Kind.RECURRENT):
            return path or type(module).__name__
        own = layout.own_parameters(i)
        if own:
            stem = self._parameter(layout, own[0]).removesuffix(".weight")
            return stem if path is None or stem.startswith(path) or not path else f"{path}.{stem}"
        op = _op(layout, i)
        if path is not None and module is not None and _is_builtin(module):
            return f"{path}.{op}" if path else op
        if path is None and layout.tail[i]:
            return op
        feeder = sites[layout.feeder[i]] if layout.feeder[i] >= 0 and layout.feeder[i] != i else None
        return f"{feeder.name}.{op}" if feeder is not None else (f"{path}.{op}" if path else op)


def _changed(site: Site, **fields: Any) -> Site:
    return Site(**{**site.__dict__, **fields})


def _op(layout: Layout, i: int) -> str:
    vertex = layout.vertices[i]
    if layout.kinds[i] is Kind.ATTENTION and vertex.operation.kind is Kind.WEIGHTS:
        return "bmm" if vertex.operation.op == "bmm" else "matmul"
    return vertex.operation.op


def _display(op: str, module: nn.Module | None, line: SourceLine | None, kind: Kind) -> str:
    """What a user would call it: a composite activation by its own name, not by its last operation."""
    if line is not None and line.function in _COMPOSITE:
        return line.function
    if kind is Kind.ARITHMETIC and module is not None and type(module).__module__ == activation.__name__:
        return type(module).__name__.lower()
    return op


def _kind(layout: Layout, i: int, module: nn.Module | None, line: SourceLine | None) -> Kind:
    kind = layout.kinds[i]
    if kind is Kind.ARITHMETIC and (
        (line is not None and line.function in _COMPOSITE)
        or (module is not None and type(module).__module__ == activation.__name__)
    ):
        return Kind.ACTIVATION
    return kind


def _is_builtin(module: nn.Module) -> bool:
    return type(module).__module__.startswith("torch.nn.") and not isinstance(module, nn.Sequential)


def _is_single(module: nn.Module | None) -> bool:
    """True for a module that is one operation, so that its path names it."""
    if module is None or isinstance(module, nn.MultiheadAttention):
        return False
    return isinstance(module, _SINGLE) or type(module).__module__ in _FILES
