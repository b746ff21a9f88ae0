"""Shrinkage: small values become zero. Hard, soft, and by what tanh leaves of the input."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from gradmedic.theory.activations import Activation, kernel


@dataclass(frozen=True)
class Hardshrink(Activation):
    """
    ## What it is
    y = x where |x| > lambd, else 0. It jumps at +-lambd; autograd does not see that.

    ## Forward and backward at initialization
    Small inputs vanish with their gradient, large ones pass untouched: sizes below the threshold die out, those above
    grow. No critical initialization exists.

    ## When to use
    To make codes sparse. In hidden layers Softshrink has at least a gradient that belongs to the function.

    ## References
    - Donoho and Johnstone, Ideal spatial adaptation by wavelet shrinkage, 1994
    """

    name: ClassVar[str] = "hardshrink"
    modules: ClassVar = ("Hardshrink",)
    functions: ClassVar = ("hardshrink",)
    ops: ClassVar = ("hardshrink",)

    lambd: float = 0.5

    @property
    def kinks(self) -> tuple[float, ...]:
        return (-self.lambd, self.lambd)

    def f(self, x: Tensor) -> Tensor:
        return kernel("hardshrink", x, self.lambd)


@dataclass(frozen=True)
class Softshrink(Activation):
    """
    ## What it is
    y = x moved towards zero by lambd, and zero if it does not get there: the proximal step of an L1 penalty.

    ## Forward and backward at initialization
    Inputs below lambd lose signal and gradient: a dead zone around zero. At mean square 1 gain 1.27 with biases of
    standard deviation 0.57 is critical, and just neutral: the biases lift units out of the zone.

    ## When to use
    In unrolled sparse coding (LISTA) and denoising, with weights that are made for it.

    ## References
    - Donoho, De-noising by soft-thresholding, 1995
    - Gregor and LeCun, Learning fast approximations of sparse coding, 2010
    """

    name: ClassVar[str] = "softshrink"
    modules: ClassVar = ("Softshrink",)
    functions: ClassVar = ("softshrink",)
    ops: ClassVar = ("softshrink",)

    lambd: float = 0.5

    @property
    def kinks(self) -> tuple[float, ...]:
        return (-self.lambd, self.lambd)

    def f(self, x: Tensor) -> Tensor:
        return kernel("softshrink", x, self.lambd)


@dataclass(frozen=True)
class Tanhshrink(Activation):
    """
    ## What it is
    y = x - tanh(x): what tanh leaves over. Flat at zero (like x^3 / 3), a line far out.

    ## Forward and backward at initialization
    Small signals die out with the cube of their size, and the slope with its square; large ones grow. At its
    critical points a deviation in size grows by a third a layer.

    ## When to use
    Hardly ever: where small inputs have to be ignored Softshrink is simpler.

    ## References
    - The documentation of torch.nn.Tanhshrink; derived here
    """

    name: ClassVar[str] = "tanhshrink"
    modules: ClassVar = ("Tanhshrink",)
    functions: ClassVar = ("tanhshrink",)

    def f(self, x: Tensor) -> Tensor:
        return x - x.tanh()
