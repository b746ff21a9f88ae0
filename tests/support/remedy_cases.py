"""Recordings for remedies that need to see more than the cases which rules are tested with."""

from math import nan
from typing import Any

from gradmedic.recording.records import Event, Recording
from gradmedic.recording.site import Kind
from gradmedic.recording.sketch import Columns, parameter, site, sketch

STUCK = [2.3] * 60


def _non_finite(op: str, reason: str, phase: str = "forward", **facts: object) -> Recording:
    data = {"phase": phase, "site": 1, "op": op, "reason": reason, "dtype": "float32", **facts}
    drawn = [
        site("fc", "linear", module="fc", module_type="Linear", parameter="fc.weight"),
        site("born", op, file="train.py", line=7, kind=Kind.ARITHMETIC),
    ]
    return sketch(drawn, losses=[2.3, 2.1, 1.8, nan, nan], events=[Event("non-finite", 3, data)])


def _forgetful() -> Recording:
    wave = tuple(0.5 ** (24 - t) for t in range(25))
    drawn = [
        site("lstm", "lstm", module="lstm", module_type="LSTM", repeats=25, parameter="lstm.weight_hh_l0"),
        site("fc", "linear", tail=True),
    ]
    held = {"grad_rms": 0.01, "weight_rms": 0.2, "update_rms": 0.001}
    names = ("lstm.weight_ih_l0", "lstm.weight_hh_l0", "lstm.bias_ih_l0", "lstm.bias_hh_l0")
    owned = [parameter(name, held, shape=(32, 8), module_type="LSTM") for name in names]
    return sketch(drawn, owned, losses=[1.386] * 80, profiles={"lstm": [0.1**5 * w for w in wave]})


def _crossed() -> Recording:
    return sketch(
        [
            site("fc", "linear", shape=(32, 1), tail=True),
            site("mse_loss", "mse_loss", {"input_count": 1024.0}, tail=True),
        ],
        losses=[1.0] * 40,
    )


def _blocks(op: str = "tanh") -> Recording:
    """Eight blocks, each of which takes four fifths of the gradient."""
    sites, owned = [], []
    for at in range(8):
        size = 0.01 * 0.2 ** (7 - at)
        name = f"blocks.{at}.fc"
        numbers: Columns = {"grad_norm": [size] * 2, "value_rms": 1.0}
        facts: dict[str, Any] = {"parameter": f"{name}.weight", "fan_in": 64, "module": name, "module_type": "Linear"}
        sites.append(site(name, "linear", numbers, **facts))
        sites.append(site(f"{name}.{op}", op, module=f"blocks.{at}", module_type="Block", shape=(32, 64)))
        held: Columns = {"grad_rms": [size] * 2, "weight_rms": 0.1, "update_rms": 1e-3 * size}
        owned.append(parameter(f"{name}.weight", held, shape=(64, 64), module_type="Linear"))
    return sketch([*sites, site("head", "linear", tail=True)], owned, losses=STUCK)


def _sharp_attention() -> Recording:
    return sketch(
        [
            site("q", "linear", {"input_rms": 1.0}, module="q", module_type="Linear", shape=(64, 8, 48)),
            site("q.bmm", "bmm", module="", module_type="Net", file="train.py", line=31, shape=(64, 8, 8)),
            site("q.softmax", "softmax", {"saturated": [1.0] * 4}, file="train.py", line=31, kind=Kind.ATTENTION),
            site("out", "linear", tail=True),
        ],
        losses=STUCK,
    )


def _raw_targets() -> Recording:
    numbers = {"target_min": [0.0] * 2, "target_max": [3e5] * 2}
    held = {"grad_rms": 900.0, "weight_rms": 0.1, "update_rms": 9.0}
    return sketch(
        [
            site("out", "linear", {"grad_norm": 9e4}, parameter="out.weight", fan_in=64, tail=True),
            site("mse_loss", "mse_loss", numbers, tail=True),
        ],
        [parameter("out.weight", held, shape=(64, 64))],
        losses=[2e10, 5e12, 9e15, nan, nan, nan, nan, nan, nan],
        lr=0.01,
    )


CASES = [
    _non_finite("linear", "input", "input"),
    _non_finite("softmax", "fully-masked"),
    _non_finite("log", "log-of-negative", operand_min=-0.4, operand_max=2.0),
    _forgetful(),
    _crossed(),
    _blocks(),
    _blocks("round"),
    _sharp_attention(),
    _raw_targets(),
]
