"""What weights are to be like at the edge of chaos, by what they are used for."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

from gradmedic.base.errors import TheoryError
from gradmedic.base.messages import Message
from gradmedic.theory.activations import Activation
from gradmedic.theory.kernels.critical import NOTHING, Critical, critical, enduring, homogeneous, on_edge
from gradmedic.theory.kernels.moments import moments
from gradmedic.theory.plan.parameter_uses import GainUse, WeightUse
from gradmedic.theory.plan.paths import Origin


@dataclass(frozen=True)
class Aim:
    """Variances of a weight's entries and of its biases'; `made` is the mean square that the weights alone make."""

    variance: float
    made: float
    why: Message
    balanced: bool = False
    bias: float = 0.0


@dataclass(frozen=True)
class Affine:
    """What a normalization's gain is to be, and the variance of its biases."""

    gain: float
    why: Message
    bias: float = 0.0


@dataclass(frozen=True)
class Edge:
    """The edge of chaos for signals of mean square `q`; rows are balanced where they have to be, or as told."""

    q: float = 1.0
    balance: bool | None = None

    def point(self, phi: Activation) -> Critical:
        """The critical point for what has been through an activation."""
        if self.balance is None:
            return enduring(phi, self.q)
        return on_edge(phi, self.q, balanced=True) if self.balance else critical(phi, self.q)

    def size(self, phi: Activation | None) -> float:
        """The mean square that is wanted before an activation."""
        try:
            return self.point(phi).q_star or self.q if phi is not None else self.q
        except TheoryError:
            return self.q

    def aims(self, uses: Mapping[str, WeightUse]) -> dict[str, Aim]:
        """What weights are to be like, each by the size that those before it give; `uses` are in the pass's order."""
        found: dict[str, Aim] = {}
        for name, use in uses.items():
            below = found.get(use.fed_by)
            found[name] = self.aim(use, below.made + below.bias if below is not None else None)
        return found

    def aim(self, use: WeightUse, q: float | None = None) -> Aim:
        """What a weight is to be like; `q` is the mean square of what the activation before it has bent.

        By default that of its critical point. Inputs that no activation has made are taken to have mean square one.
        """
        if use.table:
            return _of_table(use)
        wanted = 1.0 if use.normed else self.size(use.after)
        if use.state is not None:
            return self._recurrent(use, wanted)
        if use.before is None:
            why = _WHY[use.origin] if use.share == 1 else Message(_ENDS, {"share": share_of(use)})
            made = wanted * use.share * use.stream
            return Aim(made / use.fan_in, made, why)
        if use.head and use.share == 1:
            return self._of_head(use, use.before, q)
        return self._behind(use, use.before, wanted, q)

    def gain(self, use: GainUse) -> Affine | None:
        """What a gain is to be; none where it may stay as it is.

        Where an activation follows at once, the norm's own biases take the place of a layer's.
        """
        try:
            point = self.point(use.after) if use.after is not None and use.by_instance and use.bias else None
        except TheoryError:
            point = None
        if point is not None and point.sigma_b2 > 0:
            why = Message("its activation wants the rest from biases")
            return Affine(sqrt(point.q_star - point.sigma_b2), why, point.sigma_b2)
        if use.share < 1:
            return Affine(sqrt(use.share * use.stream), Message(_ENDS, {"share": share_of(use)}))
        return None

    def _behind(self, use: WeightUse, phi: Activation, wanted: float, q: float | None) -> Aim:
        """Weights that keep the gradient, and biases that give the signal what it lacks.

        Without biases it fades slowly, and each layer has weights that keep the gradient at its own size.
        """
        try:
            point = self.point(phi)
        except TheoryError:
            return _forward(use, phi, wanted)
        at = moments(phi, q or point.q_star or self.q)
        square = 1 / at.d2
        made = square * (at.var if point.balanced else at.m2)
        bias = max(wanted - made, 0.0) if use.biases and use.share == 1 and not use.normed else 0.0
        told = _BRANCH if use.share < 1 else _BALANCED if point.balanced else _CRITICAL
        why = Message(told, {"phi": phi.title, "share": share_of(use)} if use.share < 1 else {"phi": phi.title})
        bias = bias if bias > NOTHING * wanted else 0.0
        share = use.share * use.stream
        return Aim(square * share / use.fan_in, made * share, why, point.balanced, bias)

    def _recurrent(self, use: WeightUse, wanted: float) -> Aim:
        """A state that keeps its gradient through time; what is added to it takes the place of the biases."""
        phi = use.after
        try:
            point = self.point(phi) if phi is not None else None
        except TheoryError:
            point = None
        if phi is None or point is None or homogeneous(phi):
            made = IDENTITY * wanted  # no size is kept: weights that are the same at each step are no random factors
            square = 1.0
        else:
            square = point.sigma_w**2
            made = min(square * moments(phi, point.q_star or self.q).m2, IDENTITY * wanted)
        if use.state:
            return Aim(square / use.fan_in, made, Message("a state: keeps the gradient from step to step"))
        rest = wanted - made
        return Aim(rest / use.fan_in, rest, Message("inputs of a state: {share:.0%} of it", {"share": rest / wanted}))

    def _of_head(self, use: WeightUse, phi: Activation, q: float | None) -> Aim:
        """Outputs of size one, whatever the gradient makes of them: no layer comes before it to hold for."""
        at = moments(phi, q or self.size(phi))
        try:
            balanced = self.point(phi).balanced
        except TheoryError:
            balanced = False
        variance = 1 / ((at.var if balanced else at.m2) * use.fan_in)
        return Aim(variance, 1.0, Message("the output layer: outputs of size one"), balanced)


IDENTITY = 0.9
"""The most that a state keeps of itself at a time step, in squares, so that there is room for inputs."""

_CRITICAL = "keeps signal and gradient behind {phi}"
_BALANCED = "keeps both behind {phi}: each unit's weights sum to zero"
_BRANCH = "ends a branch behind {phi}: adds {share} of the stream"
_ENDS = "ends a branch: adds {share} of the stream"
_FORWARD = "{phi} has no critical point: keeps the signal, not the gradient; take another activation"

_WHY = {
    Origin.DATA: Message("mixes the data"),
    Origin.NORM: Message("mixes what was normalized"),
    Origin.STREAM: Message("mixes a stream"),
    Origin.WEIGHTS: Message("mixes what weights have made"),
    Origin.TABLE: Message("mixes rows of a table"),
    Origin.ATTENTION: Message("mixes a mean or a product"),
    Origin.STATE: Message("mixes states"),
    Origin.OTHER: Message("mixes what theory has no size for"),
    Origin.ACTIVATION: Message("mixes what an activation has made"),
}


def share_of(use: WeightUse | GainUse) -> str:
    """The share of a stream as people write it."""
    return f"1/{1 / use.share:.3g}"


def _forward(use: WeightUse, phi: Activation, wanted: float) -> Aim:
    """Where no point keeps both: the signal at least."""
    made = wanted * use.share * use.stream
    return Aim(made / (moments(phi, wanted).m2 * use.fan_in), made, Message(_FORWARD, {"phi": phi.title}))


def _of_table(use: WeightUse) -> Aim:
    if use.fan_in > 1:
        return Aim(1 / use.fan_in, 1 / use.fan_in, Message("tables: as the output wants them, which shares one"))
    return Aim(1.0, 1.0, Message("a table: rows of size one"))
