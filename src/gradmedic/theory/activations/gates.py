"""Gates: gated linear units of every kind. torch's `glu` has v in the first half of its input, u in the second."""

from dataclasses import dataclass
from typing import ClassVar

from gradmedic.theory.activations import Activation, Gate
from gradmedic.theory.activations.gelu import Gelu
from gradmedic.theory.activations.identity import Identity
from gradmedic.theory.activations.relu import Relu
from gradmedic.theory.activations.sigmoid import Sigmoid
from gradmedic.theory.activations.silu import Silu
from gradmedic.theory.activations.tanh import Tanh


@dataclass(frozen=True)
class Glu(Gate):
    """
    ## What it is
    y = sigmoid(u) v, where u and v are the two halves of a layer's output: one half opens or closes the other.

    ## Forward and backward at initialization
    Along v it is linear in the gate's opening: of unit inputs 0.29 of the mean square and of v's squared gradient pass,
    and 0.04 of the latter reaches u. The product of two Gaussians has heavy tails.

    ## When to use
    In convolutional sequence models, and in the first layer after a normalization.

    ## References
    - Dauphin et al., [Language modeling with gated convolutional networks](https://arxiv.org/abs/1612.08083), 2017
    """

    name: ClassVar[str] = "glu"
    modules: ClassVar = ("GLU",)
    functions: ClassVar = ("glu",)
    ops: ClassVar = ("glu",)
    opens: ClassVar[Activation] = Sigmoid()


@dataclass(frozen=True)
class SwiGlu(Gate):
    """
    ## What it is
    y = silu(u) v: a gate that rectifies smoothly. The feed-forward part of most recent language models.

    ## Forward and backward at initialization
    The output grows with the square of the input's size, as that of every gate whose opening grows: normalize before.
    Of unit inputs 0.36 of the mean square passes: a next layer of gain 1.68 keeps the size.

    ## When to use
    In transformers, behind RMSNorm, with two thirds of the usual hidden width to cost the same.

    ## References
    - Shazeer, [GLU variants improve transformer](https://arxiv.org/abs/2002.05202), 2020
    """

    name: ClassVar[str] = "swiglu"
    opens: ClassVar[Activation] = Silu()


@dataclass(frozen=True)
class GeGlu(Gate):
    """
    ## What it is
    y = gelu(u) v.

    ## Forward and backward at initialization
    As SwiGLU; of unit inputs 0.43 of the mean square passes.

    ## When to use
    In transformers, as SwiGLU.

    ## References
    - Shazeer, [GLU variants improve transformer](https://arxiv.org/abs/2002.05202), 2020
    """

    name: ClassVar[str] = "geglu"
    opens: ClassVar[Activation] = Gelu()


@dataclass(frozen=True)
class ReGlu(Gate):
    """
    ## What it is
    y = relu(u) v. Where u is negative neither input gets a gradient.

    ## Forward and backward at initialization
    Of unit inputs half of the mean square passes; it grows with the square of the input's size.

    ## When to use
    Where sparse activity is wanted in a gated feed-forward part.

    ## References
    - Shazeer, [GLU variants improve transformer](https://arxiv.org/abs/2002.05202), 2020
    """

    name: ClassVar[str] = "reglu"
    opens: ClassVar[Activation] = Relu()


@dataclass(frozen=True)
class Bilinear(Gate):
    """
    ## What it is
    y = u v: a gate without an activation.

    ## Forward and backward at initialization
    Of unit inputs all of the mean square passes, with the heaviest tails of all gates (E y^4 = 9). Deviations in size
    are squared in every layer.

    ## When to use
    Behind a normalization; for interactions of two representations.

    ## References
    - Shazeer, [GLU variants improve transformer](https://arxiv.org/abs/2002.05202), 2020
    """

    name: ClassVar[str] = "bilinear"
    opens: ClassVar[Activation] = Identity()


@dataclass(frozen=True)
class TanhGate(Gate):
    """
    ## What it is
    y = tanh(u) v: a gate with a sign.

    ## Forward and backward at initialization
    Of unit inputs 0.39 of the mean square passes. As tanh is bounded, a large u does not let the output grow.

    ## When to use
    Where a branch starts closed: with u = 0 nothing passes, and the gradient still reaches u.

    ## References
    - Dauphin et al., [Language modeling with gated convolutional networks](https://arxiv.org/abs/1612.08083), 2017
    """

    name: ClassVar[str] = "tanh_gate"
    opens: ClassVar[Activation] = Tanh()
