"""Gates: gated linear units of every kind. torch's `glu` has v in the first half of its input, u in the second."""

from dataclasses import dataclass
from typing import ClassVar

from gradmedic.activations import Activation, Gate
from gradmedic.activations.gelu import Gelu
from gradmedic.activations.identity import Identity
from gradmedic.activations.relu import Relu
from gradmedic.activations.sigmoid import Sigmoid
from gradmedic.activations.silu import Silu
from gradmedic.activations.tanh import Tanh


@dataclass(frozen=True)
class Glu(Gate):
    """PAGE"""

    name: ClassVar[str] = "glu"
    modules: ClassVar = ("GLU",)
    functions: ClassVar = ("glu",)
    ops: ClassVar = ("glu",)
    opens: ClassVar[Activation] = Sigmoid()


@dataclass(frozen=True)
class SwiGlu(Gate):
    """PAGE"""

    name: ClassVar[str] = "swiglu"
    opens: ClassVar[Activation] = Silu()


@dataclass(frozen=True)
class GeGlu(Gate):
    """PAGE"""

    name: ClassVar[str] = "geglu"
    opens: ClassVar[Activation] = Gelu()


@dataclass(frozen=True)
class ReGlu(Gate):
    """PAGE"""

    name: ClassVar[str] = "reglu"
    opens: ClassVar[Activation] = Relu()


@dataclass(frozen=True)
class Bilinear(Gate):
    """PAGE"""

    name: ClassVar[str] = "bilinear"
    opens: ClassVar[Activation] = Identity()


@dataclass(frozen=True)
class TanhGate(Gate):
    """PAGE"""

    name: ClassVar[str] = "tanh_gate"
    opens: ClassVar[Activation] = Tanh()
