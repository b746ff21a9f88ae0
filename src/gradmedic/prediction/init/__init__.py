"""Initializations of whole models, in place: at the edge of chaos, LSUV, He, Xavier, orthogonal.

    gm.init.critical_(model, x)        # each layer by what it is used for, trimmed on the batch
    with gm.init.he_(model): ...       # put back at the end of the block

Each says what it has changed, layer by layer and why, if it is printed, and takes it back with `undo()`.
"""

from gradmedic.prediction.init.change import WeightChange, WeightStatistics
from gradmedic.prediction.init.classic import he_, orthogonal_, xavier_
from gradmedic.prediction.init.critical import critical_
from gradmedic.prediction.init.initialized import Initialized
from gradmedic.prediction.init.lsuv import lsuv_

__all__ = ["Initialized", "WeightChange", "WeightStatistics", "critical_", "he_", "lsuv_", "orthogonal_", "xavier_"]
