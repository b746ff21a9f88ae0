"""Dropout: what is left is larger, and two instances lose different units."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from gradmedic.theory.plan.plan import Step
from gradmedic.theory.propagation import Grad, Propagation, Value, one, rule, signal
from gradmedic.theory.signals.signal import Signal, own


@rule("dropout")
def dropout(step: Step, inputs: Sequence[Value]) -> Propagation:
    """q / (1 - p) for an instance with itself, unchanged for two (Schoenholz+ 2017, section 5); gradients likewise."""
    x = signal(inputs[0])
    keep = 1.0 - float(step.attributes.get("p", 0.0))
    if keep <= 0:
        return one(x.scaled(0.0), lambda grad: [grad.scaled(0.0)])
    grown = torch.where(own(x) > 0, 1.0 / keep, 1.0)
    tails = torch.tensor([1.0 / keep, 1.0], dtype=torch.float64)
    out = replace(x, k=x.k * grown, kurtosis=x.kurtosis * tails, exact=0.0)

    def back(grad: Signal) -> Sequence[Grad]:
        return [replace(grad, k=grad.k * grown, kurtosis=grad.kurtosis * tails)]

    return one(out, back)
