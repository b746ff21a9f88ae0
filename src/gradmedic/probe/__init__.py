"""The probe: reads the autograd graph of a script that does not know of it.

`Probe` is what the rest of the house uses. A backward pass is walked, understood
and named (`graph`), read and written down (`reading`, `step_window`); `hooks` is where torch is
wrapped, `schedule` decides when.
"""

from gradmedic.probe.probe import Probe

__all__ = ["Probe"]
