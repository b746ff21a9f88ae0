"""The autograd graph of one backward pass, walked from the loss."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from gradmedic.base.interruption import let_through
from gradmedic.base.storage import is_readable
from gradmedic.probe.graph.node_table import Operation, operation
from gradmedic.probe.hooks.sequence_intervals import OURS, SourceLine
from gradmedic.probe.torch_internals import SEQUENCE_NUMBERS, custom_function, is_packed, outputs_of, saved, sequence_of

Node = Any
"""torch.autograd.graph.Node, whose C++ attributes no type knows."""


@dataclass
class Vertex:
    """One node of the graph. Inputs and consumers are positions in `Graph.vertices`.

    `inputs` has one (position, output number) per input of the forward operation, or None where
    no gradient flows; `consumers` has one (position, input number) per use of the output.
    """

    node: Node
    name: str
    operation: Operation
    sequence: int
    inputs: list[tuple[int, int] | None] = field(default_factory=list)
    consumers: list[tuple[int, int]] = field(default_factory=list)
    leaf: Any = None
    """The tensor that a leaf accumulates into; None for operations."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the first output of the forward operation."""
        metadata = outputs_of(self.node)
        return tuple(metadata[0].shape) if metadata else ()

    @property
    def dtype(self) -> str:
        """The type of the first output, without the `torch.` in front."""
        metadata = outputs_of(self.node)
        return str(metadata[0].dtype).removeprefix("torch.") if metadata else ""

    @property
    def definition(self) -> SourceLine | None:
        """Where a function of the user's own is defined, which is where its code can be changed."""
        code = getattr(getattr(custom_function(self.node), "forward", None), "__code__", None)
        if code is None or code.co_filename.startswith(OURS):
            return None
        return SourceLine(self.operation.op, code.co_filename, code.co_firstlineno)

    def tensor(self, attribute: str) -> Any:
        """A saved tensor, or None where it is not saved, packed by somebody else, overwritten, or not to be read."""
        if is_packed(self.node, attribute):
            return None  # unpacking runs checkpointing's recomputation a second time, which raises
        try:
            value = saved(self.node, attribute)
        except RuntimeError as error:  # modified in place, or freed
            let_through(error)
            return None
        return value if not isinstance(value, Tensor) or value.is_meta or is_readable(value) else None


@dataclass
class Graph:
    """All vertices, inputs before consumers; `roots` are the positions that backward starts from."""

    vertices: list[Vertex]
    roots: list[int]

    def leaves(self) -> Iterable[tuple[int, Vertex]]:
        """The vertices that accumulate into a tensor."""
        return ((i, v) for i, v in enumerate(self.vertices) if v.leaf is not None)


LEAF = "torch::autograd::AccumulateGrad"


def starts(roots: Iterable[Tensor], scaled: bool) -> Iterable[Node]:
    """The nodes that the losses come from; a scaler's own product, if they are `scaled`, is none of the script's."""
    nodes = (root.grad_fn for root in roots)
    return (node.next_functions[0][0] if scaled and node is not None else node for node in nodes)


def walk(starts: Iterable[Node]) -> Graph:
    """Walk the graph behind `starts` and put inputs before consumers."""
    starts = [node for node in starts if node is not None]
    ordered = _inputs_first(starts)
    position = {node: i for i, node in enumerate(ordered)}
    vertices = []
    for i, node in enumerate(ordered):
        name = node.name()
        leaf = node.variable if name == LEAF else None
        vertices.append(
            Vertex(node, name, operation(name), sequence_of(node) if SEQUENCE_NUMBERS.there else i, leaf=leaf)
        )
    for i, vertex in enumerate(vertices):
        for slot, (source, output) in enumerate(vertex.node.next_functions):
            vertex.inputs.append(None if source is None else (position[source], output))
            if source is not None:
                vertices[position[source]].consumers.append((i, slot))
    return Graph(vertices, [position[node] for node in dict.fromkeys(starts)])


def _inputs_first(starts: list[Node]) -> list[Node]:
    """A depth-first walk without recursion, which a net of a thousand layers would exhaust."""
    done: dict[Node, None] = {}
    seen: set[Node] = set()
    for start in starts:
        stack = [] if start in seen else [(start, iter(start.next_functions))]
        seen.add(start)
        while stack:
            node, sources = stack[-1]
            for source, _ in sources:
                if source is not None and source not in seen:
                    seen.add(source)
                    stack.append((source, iter(source.next_functions)))
                    break
            else:
                stack.pop()
                done[node] = None
    return list(done)


def leaves_of(tensors: Any) -> Iterable[Any]:
    """The tensors that a pass from one or several losses would reach."""
    graph = walk(starts([tensors] if isinstance(tensors, Tensor) else tensors, scaled=False))
    return (vertex.leaf for _, vertex in graph.leaves())
