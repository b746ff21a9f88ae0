"""Are predictions right? Predicted beside measured signal and gradient sizes, family by family.

    python benchmarks/predict.py                  # the reference networks of data/profiles.json.gz, then others
    python benchmarks/predict.py --only mlp/w256  # those whose name begins so
    python benchmarks/predict.py --beyond         # only ResNet, ViT, GPT-2, DenseNet, U-Net: measured here
    python benchmarks/predict.py --real           # only those of timm and transformers, where these are installed
    python benchmarks/predict.py --profiles FILE  # measurements of your own in the same form

Errors are of the mean square over initializations, |predicted / measured - 1|, of z (layer outputs), g
(gradients at these) and w (weight gradients): median, 90 %, and largest over the layers of all networks
of a family; the measurement's own error is in them. `inside` is the share of single initializations,
by their measured mean and spread of the logarithm, within the interval that is predicted for 95 %, where
the prediction calls itself reliable.
"""

import argparse
import gzip
import json
import math
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import real
import torch
from beyond import beyond, cases
from reference_nets import build
from torch import Tensor

from gradmedic.prediction.expected_sizes import ranged
from gradmedic.prediction.survey import Survey, survey
from gradmedic.theory.engine import Flow, propagate
from gradmedic.theory.finite_width import Spread, spread
from gradmedic.theory.plan.initializations import initialized
from gradmedic.theory.reliability import reasons
from gradmedic.theory.signals.signal import Signal

PROFILES = Path(__file__).parent / "data" / "profiles.json.gz"
NAMED = ("he", "xavier", "lecun", "default")
GRADIENT = {"z_ms": "gz_ms", "stream_ms": "gstream_ms"}


@dataclass
class Compared:
    """What one network's prediction is beside its measurement."""

    errors: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    inside: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    reliable: bool = True
    seconds: float = 0.0
    unknown: set[str] = field(default_factory=set)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profiles", type=Path, default=PROFILES)
    parser.add_argument("--only", default="", metavar="PREFIX")
    parser.add_argument("--beyond", action="store_true")
    parser.add_argument("--real", action="store_true")
    parser.add_argument("--inits", type=int, default=10, help="initializations of each network beyond the profiles")
    parser.add_argument("--each", action="store_true", help="a line for each network too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.real:
        beyond(real.cases(options.only), options.inits)
        return
    if not options.beyond:
        families(options.profiles, options.only, options.each)
    if options.beyond or not options.only:
        beyond(cases(), options.inits)


def families(path: Path, only: str, each: bool) -> None:
    """Compare all networks of a file, and print a line for each family."""
    torch.set_default_dtype(torch.float64)
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        profiles: dict[str, Any] = json.load(file)["profiles"]
    found: dict[str, list[Compared]] = defaultdict(list)
    print(f"{'family':44} {'z':>18} {'g':>18} {'w':>18}  inside z/g  reliable")
    for name, profile in profiles.items():
        if name.startswith(only):
            compared = compare(profile)
            found[family(name, profile["spec"])].append(compared)
            if each:
                print(line(f"  {name}", [compared]), flush=True)
    for title in sorted(found):
        print(line(title, found[title]))
    torch.set_default_dtype(torch.float32)


def family(name: str, spec: dict[str, Any]) -> str:
    """What a network is counted as."""
    if spec["family"] == "rnn":
        return f"recurrent {spec['kind']} {spec['var']} T{spec['T']}"
    if spec["family"] != "mlp":
        title, kind = name.partition("/")[0], spec.get("kind") or spec.get("init", "")
        return f"{title} {kind}" if spec["family"] != "transformer" else name.rpartition("_")[0]
    if spec["norm"]:
        return f"mlp + {spec['norm']}"
    phi, init, widths = spec["act"], spec["init"], spec["widths"]
    bounded = (
        phi in ("sigmoid", "tanh") or init in ("default", "lecun") or (init == "xavier" and phi not in ("elu", "selu"))
    )
    kind = "shrinking or bounded" if bounded else "critical or growing"
    kind = "inputs alike" if spec["input_corr"] else kind
    return f"mlp width {min(widths[:-1])} depth {len(widths) - 2} {kind}"


def compare(profile: dict[str, Any]) -> Compared:
    """Predict one network, and set the numbers beside the measured ones."""
    spec, measured, found = profile["spec"], profile["measured"], Compared()
    torch.manual_seed(1000)
    model, forward = build(spec)
    kept: list[Any] = []

    def roots() -> list[Tensor]:
        kept.append(forward())
        return [kept[-1].loss]

    began = time.perf_counter()
    seen = survey(model, roots, [])
    plan = initialized(seen.plan, spec["init"]) if spec.get("init") in NAMED and spec["family"] != "rnn" else seen.plan
    flow = propagate(plan)
    varies = spread(flow)
    found.seconds = time.perf_counter() - began
    found.reliable = not list(reasons(flow, varies))
    found.unknown = {flow.plan.steps[i].op for i in flow.unknown}
    for what, log, spread_, n in _predicted(seen, flow, varies, kept[-1]):
        if what in measured and n < len(measured[what]["mean"]):
            _count(found, what, log, spread_, {stat: measured[what][stat][n] for stat in ("mean", "lmean", "lstd")})
    return found


def _predicted(seen: Survey, flow: Flow, varies: Spread, run: Any) -> Iterator[tuple[str, float, float, int]]:
    """Each statistic with the logarithm that is predicted for it, its spread, and which layer it is of."""
    at, vertex_of = flow.plan.positions(), {vertex.node: i for i, vertex in enumerate(seen.layout.vertices)}
    leaf_of = {id(vertex.leaf): i for i, vertex in seen.layout.graph.leaves()}
    for what, tensors in run.tensors.items():
        for n, tensor in enumerate(tensors):
            edge = at.get(vertex_of.get(tensor.grad_fn, -1), (-1, 0))
            value = flow.values[edge[0]][edge[1]] if edge[0] >= 0 else None
            if isinstance(value, Signal) and value.square > 0:
                yield what, math.log(value.square), varies.values.get(edge, 0.0), n
            if edge in flow.arrivals:
                yield GRADIENT[what], flow.arrivals[edge].log_mean_square, varies.grads.get(edge, 0.0), n
    for what, weights in run.weights.items():
        for n, weight in enumerate(weights):
            edge = at[leaf_of[id(weight)]]
            yield what, flow.arrivals[edge].log_square, varies.grads.get(edge, 0.0), n


def _count(found: Compared, what: str, log: float, spread_: float, measured: dict[str, float]) -> None:
    kind = {"z_ms": "z", "stream_ms": "z", "gz_ms": "g", "gstream_ms": "g"}.get(what, "w")
    found.errors[kind].append(abs(math.exp(log) / max(measured["mean"], 1e-300) - 1))
    interval, middle, wide = ranged(log, spread_), measured["lmean"], max(measured["lstd"], 1e-9)
    low, high = (math.log(max(end, 1e-300)) * 2 for end in (interval.low, interval.high))
    normal = statistics.NormalDist(middle, wide)
    found.inside[kind].append(normal.cdf(high) - normal.cdf(low))


def line(title: str, found: list[Compared]) -> str:
    """Median, 90 % and largest error of each kind, and what lies in the intervals."""
    cells = []
    for kind in "zgw":
        errors = sorted(error for one in found for error in one.errors[kind])
        if not errors:
            cells.append("-")
            continue
        at_90 = errors[min(int(0.9 * len(errors)), len(errors) - 1)]
        cells.append(" / ".join(_percent(x) for x in (statistics.median(errors), at_90, errors[-1])))
    reliable = [one for one in found if one.reliable]
    inside = [[share for one in reliable for share in one.inside[kind]] for kind in "zg"]
    shares = "/".join(f"{statistics.mean(share):.2f}" if share else "-" for share in inside)
    unknown = sorted(set().union(*(one.unknown for one in found)))
    rest = f"  no rule: {', '.join(unknown)}" if unknown else ""
    return f"{title:44} {cells[0]:>18} {cells[1]:>18} {cells[2]:>18}  {shares:>10}  {len(reliable)}/{len(found)}{rest}"


def _percent(error: float) -> str:
    return f"{100 * error:.1f}" if error < 0.1 else f"{100 * error:.0f}"


if __name__ == "__main__":
    main()
