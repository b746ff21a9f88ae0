"""The probe: reads the autograd graph of a script that does not know of it.

`Probe` is what the rest of the house uses. A backward pass is walked (`graph`), understood
(`layout`), named (`names`, `intervals`, `sites`), read (`capture`, `values`, `meter`) and written
down (`assemble`, `booking`, `window`); `seat` is where torch is wrapped, `schedule` decides when.
"""

from gradmedic.probe.observer import Probe

__all__ = ["Probe"]
