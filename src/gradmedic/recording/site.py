"""An operation's lasting identity: what it is called, what it does, and where it stands."""

from dataclasses import dataclass
from enum import StrEnum

from gradmedic.base.value_types import Index


class Kind(StrEnum):
    """What an operation is to the gradient; ledgers are grouped by it."""

    ACTIVATION = "activation"
    WEIGHTS = "weights"
    NORMALIZATION = "normalization"
    ATTENTION = "attention"
    RECURRENT = "recurrent"
    EMBEDDING = "embedding"
    RESIDUAL = "residual"
    POOLING = "pooling"
    DROPOUT = "dropout"
    ARITHMETIC = "arithmetic"
    SHAPE = "shape"
    LOSS = "loss"
    OPAQUE = "opaque"


@dataclass(frozen=True)
class Place:
    """Where to look: a name, and the user's own line.

    `kind` is a `Kind`, or "parameter", "optimizer", "input" for what is no operation.
    """

    name: str
    kind: str = ""
    parameter: str | None = None
    file: str | None = None
    line: Index | None = None

    @property
    def at(self) -> str:
        """`file:line` as an editor takes it, or the empty string."""
        return f"{self.file}:{self.line}" if self.file else ""


@dataclass(frozen=True)
class Site:
    """An operation of the network, the same one at every capture.

    `op` is the operation as a user would call it ("relu", "linear", "log"). `order` is its
    position in the forward pass. `inputs` are the sites that feed it, shape operations left out.
    `repeats` counts how often one forward pass runs it: time steps of a recurrent net, or the
    branches of a siamese one. `tail` says that no weights stand between it and the loss: it is
    the output, or part of the loss. `fan_in` is that of the weights that it applies. What theory
    expects of it before training, where it was worked out: the rms of its result and of the
    gradient that arrives there, and the decades that it changes the gradient's norm by, with the
    weights as they were and with critical ones.
    """

    id: Index
    name: str
    kind: Kind
    op: str
    stream: Index = 0
    module: str = ""
    module_type: str = ""
    parameter: str | None = None
    file: str | None = None
    line: Index | None = None
    order: Index = 0
    inputs: tuple[Index, ...] = ()
    shape: tuple[Index, ...] = ()
    dtype: str = "float32"
    repeats: Index = 1
    fan_in: Index | None = None
    tail: bool = False
    expected_value: float | None = None
    expected_grad: float | None = None
    expected_gain: float | None = None
    critical_gain: float | None = None

    @property
    def place(self) -> Place:
        """The part of the identity that a finding shows."""
        return Place(self.name, str(self.kind), self.parameter, self.file, self.line)


@dataclass(frozen=True)
class Parameter:
    """A tensor that training moves, or should.

    `optimizer` is the position of the optimizer that holds it, in order of appearance, or None.
    `called` says that the module that owns it took part in a forward pass that was recorded for
    the gradient. `registered` says that a module which the optimizer knows owns it as its own:
    layers that are kept in a plain Python list are not. `declared` says that it is an
    `nn.Parameter`, made to be trained, and not some other tensor that asks for its gradient.
    `sharded` says that it is a part of a tensor that lies on several processes, or holds several
    tensors in one: its entries, its gradient and its place in the graph are not read as they are.
    """

    id: Index
    name: str
    shape: tuple[Index, ...] = ()
    dtype: str = "float32"
    requires_grad: bool = True
    optimizer: Index | None = None
    called: bool = True
    registered: bool = True
    declared: bool = False
    sharded: bool = False
    module_type: str = ""
    aliases: tuple[str, ...] = ()

    @property
    def place(self) -> Place:
        """The part of the identity that a finding shows."""
        return Place(self.name, "parameter", self.name)
