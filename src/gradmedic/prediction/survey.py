"""Run a model forward once, and read off its plan; nothing is run backward."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from weakref import ref

from torch import Tensor, nn

from gradmedic.prediction.constants import Constants
from gradmedic.prediction.graph_to_plan import Blueprint
from gradmedic.prediction.measured_gains import Sizes, gauged
from gradmedic.probe.graph.graph import starts, walk
from gradmedic.probe.graph.layout import Layout
from gradmedic.probe.graph.names import NamedParameter, Names
from gradmedic.probe.graph.sites import Sites
from gradmedic.probe.hooks.sequence_intervals import ModuleIntervals, Owners
from gradmedic.recording.site import Site
from gradmedic.theory.plan.plan import Plan


@dataclass(frozen=True)
class Survey:
    """A graph with the names of its sites, and its plan."""

    layout: Layout
    sites: Sequence[Site | None]
    names: Names
    plan: Plan
    again: Callable[[Collection[int]], "Survey"] | None = None
    """The same with some vertices measured, where there are values to measure."""

    def name_of(self, vertex: int) -> str:
        """The name of a leaf."""
        leaf = self.layout.vertices[vertex].leaf
        owned = self.names.of(leaf)
        return owned.name if owned is not None else f"tensor{list(leaf.shape)}"


def survey(
    model: nn.Module,
    run: Callable[[], Sequence[Tensor]],
    data: Sequence[Tensor],
    stand_ins: Mapping[str, Tensor] | None = None,
    gauging: Collection[int] = (),
) -> Survey:
    """Survey what `run` returns: the tensors at which gradients start. `data` is what is fed in, if it is a leaf.

    So is any other leaf that is neither a parameter nor known to the model.
    `stand_ins` are tensors that `run` uses in place of the model's own, by the parameters' names.
    `gauging` are vertices to measure.
    """

    def again(vertices: Collection[int]) -> Survey:
        return survey(model, run, data, gauging=vertices)

    failures: list[str] = []
    modules = ModuleIntervals(lambda part, error: failures.append(f"{part}: {error}"))
    modules.start()
    sizes = Sizes()
    try:
        with Constants() as constants, sizes if gauging else nullcontext():
            roots = run()
        if gauging:
            sizes.see(list(roots))
    finally:
        modules.stop()
    names, originals = _introduced(model, stand_ins or {})
    graph = walk(starts(roots, scaled=False))
    strangers = [vertex.leaf for _, vertex in graph.leaves() if names.of(vertex.leaf) is None]
    fed = frozenset(map(id, [*data, *(leaf for leaf in strangers if not isinstance(leaf, nn.Parameter))]))
    layout = Layout(graph, data=fed)
    placed = Sites(names, lambda site: None).lay_out(layout, 0, Owners(modules.spans), Owners([]))
    gauges = gauged(layout, gauging, sizes)
    blueprint = Blueprint(layout, fed, constants.noted, originals, names, modules.spans, gauges, constants.written)
    return Survey(layout, placed, names, blueprint.plan(), None if stand_ins is not None or gauging else again)


def _introduced(model: nn.Module, stand_ins: Mapping[str, Tensor]) -> tuple[Names, dict[int, Tensor]]:
    """The names of a model's parameters and of what stands in for them, and by the ids of these the parameters."""
    names, originals = Names(), dict[int, Tensor]()
    names.introduce(model)
    parameters = dict(model.named_parameters())
    for name, tensor in stand_ins.items():
        names.parameters[id(tensor)] = NamedParameter(ref(tensor), name, names.parameters[id(parameters[name])].module)
        originals[id(tensor)] = parameters[name]
    return names, originals
