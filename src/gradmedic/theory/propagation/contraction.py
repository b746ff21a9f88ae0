"""Products of two signals: scores of attention, and what attention takes a mean of."""

from collections.abc import Sequence
from dataclasses import replace

from gradmedic.theory.propagation import Grad, Propagation, one
from gradmedic.theory.signals.contraction import framed, joined, together
from gradmedic.theory.signals.signal import Signal
from gradmedic.theory.signals.unit_instance import parted


def contracted(left: Signal, right: Signal) -> Propagation:
    """The matrix product of two signals, batched over their leading dimensions."""
    parts = left.units, right.units
    rank, inner = len(left.dims), max(len(right.dims) - 2, 0)
    leading = [(i, i) for i in range(min(rank, len(right.dims)) - 2)]
    a, b = together(left.blended(), right.blended(), [*leading, (rank - 1, inner)])
    kept = [(a, i) if a.signal.dims[i] or i >= len(leading) else (b, i) for i in range(rank - 1)]
    if len(right.dims) > 1:
        kept.append((b, len(right.dims) - 1))
    frame = framed(a, b, kept)

    def back(grad: Signal) -> Sequence[Grad]:
        g = replace(frame, signal=grad)
        return (
            parted(a.restore(joined(g, b, a)), parts[0]),
            parted(b.restore(joined(g, a, b)), parts[1]),
        )

    return one(joined(a, b, frame), back, elastic=(1.0, 1.0), bends=((0, 1, 1.0), (1, 0, 1.0)))
