"""Whether a prediction can be relied on, and if not, why."""

import math
from collections.abc import Iterator

from gradmedic.base.messages import Message
from gradmedic.theory.dependence import dependences
from gradmedic.theory.engine import Flow
from gradmedic.theory.finite_width import Spread
from gradmedic.theory.plan.plan import Step
from gradmedic.theory.signals.signal import Signal

WIDEST = 0.5
"""Standard deviation of ln of a mean square over initializations; beyond it few draws make up most of the mean."""

MOST_REPEATED = 2.0
"""The same that is owed to weights which are applied many times in a row; beyond it their eigenvalues decide."""

STEEPEST = 2.0
"""Growth of an accident on its way forward; beyond it signals collapse or explode at a layer that differs each time."""


LARGEST = 700.0
"""The largest number whose exponential can be told."""


def reasons(flow: Flow, spread: Spread) -> Iterator[Message]:
    """Each reason not to rely on a prediction; none if all is well."""
    if flow.unknown:
        steps = [flow.plan.steps[i] for i in flow.unknown]
        names = ", ".join(sorted({step.op for step in steps}))
        if all(step.gauge is not None and any(step.gauge.gains) for step in steps):
            yield Message("There is no rule for {names}; measured with one initialization instead.", {"names": names})
        else:
            yield Message("There is no rule for {names}; sizes beyond are guesses.", {"names": names})
    if spread.widest > WIDEST:
        factor = f"{math.exp(min(spread.widest / 2, LARGEST)):.3g}"
        yield Message(
            "The network is narrow for its depth: one initialization differs from another by a factor of {factor}.",
            {"factor": factor},
        )
    if spread.repeated > MOST_REPEATED:
        yield Message(
            "The same weights are applied very often in a row: what becomes of gradients over so many steps"
            " hangs on these weights' largest eigenvalues, by a factor of {factor} from one initialization to another.",
            {"factor": f"{math.exp(spread.repeated / 2):.0f}"},
        )
    if any(map(_looks_back, flow.plan.steps)):
        yield Message(
            "Attention looks back only: first tokens get more of the gradient than last ones; sizes are means of all."
        )
    yield from dependences(flow)
    if spread.steepest > STEEPEST:
        yield Message(
            "Signals are unstable: where one layer's is somewhat small, those after it get smaller still.", {}
        )
    if any(passage.growth is not None and passage.growth().unstable for passage in flow.passages):
        yield Message("The state of a ReLU recurrence explodes or dies by its matrix's largest eigenvalue.", {})
    if any(isinstance(v, Signal) and not math.isfinite(v.square) for values in flow.values for v in values):
        yield Message("Signals overflow.", {})


def _looks_back(step: Step) -> bool:
    """True for attention in which tokens see only those before them."""
    if step.op == "sdpa":
        return bool(step.attributes.get("is_causal"))
    return step.op == "softmax" and bool(step.attributes.get("hidden"))
