"""Run a model forward once, and read off its plan; nothing is run backward."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from weakref import ref

from torch import Tensor, nn

from gradmedic.probe.blueprint import Blueprint
from gradmedic.probe.constants import Constants
from gradmedic.probe.graph import starts, walk
from gradmedic.probe.intervals import Modules, Owners
from gradmedic.probe.layout import Layout
from gradmedic.probe.names import Names, Owned
from gradmedic.probe.sites import Sites
from gradmedic.site import Site
from gradmedic.theory.plan import Plan


@dataclass(frozen=True)
class Survey:
    """A graph with the names of its sites, and its plan."""

    layout: Layout
    sites: Sequence[Site | None]
    names: Names
    plan: Plan

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
) -> Survey:
    """Survey what `run` returns: the tensors at which gradients start. `data` is what is fed in, if it is a leaf.

    So is any other leaf that is neither a parameter nor known to the model.
    `stand_ins` are tensors that `run` uses in place of the model's own, by the parameters' names.
    """
    failures: list[str] = []
    modules = Modules(lambda part, error: failures.append(f"{part}: {error}"))
    modules.start()
    try:
        with Constants() as constants:
            roots = run()
    finally:
        modules.stop()
    names, originals = Names(), dict[int, Tensor]()
    names.introduce(model)
    parameters = dict(model.named_parameters())
    for name, tensor in (stand_ins or {}).items():
        names.parameters[id(tensor)] = Owned(ref(tensor), name, names.parameters[id(parameters[name])].module)
        originals[id(tensor)] = parameters[name]
    graph = walk(starts(roots, scaled=False))
    strangers = [vertex.leaf for _, vertex in graph.leaves() if names.of(vertex.leaf) is None]
    fed = frozenset(map(id, [*data, *(leaf for leaf in strangers if not isinstance(leaf, nn.Parameter))]))
    layout = Layout(graph, data=fed)
    sites = Sites(names, lambda site: None).lay_out(layout, 0, Owners(modules.spans), Owners([]))
    blueprint = Blueprint(layout, fed, constants.noted, originals, names, modules.spans)
    return Survey(layout, sites, names, blueprint.plan())
