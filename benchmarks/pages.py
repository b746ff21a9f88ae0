"""How large pages are, and how long they take to be drawn: reports of deep networks that were read often.

python benchmarks/pages.py
"""

import gzip
import math
import time

from gradmedic.diagnosis.judge import judge
from gradmedic.recording.records import Recording
from gradmedic.recording.sketch import parameter, site, sketch

SIZES = ((20, 100), (200, 2000), (1000, 200))
"""Layers and captures."""


def deep(layers: int, captures: int) -> Recording:
    """A chain of layers whose numbers all wander, so that nothing compresses by being equal."""
    sites, weights = [], []
    for at in range(layers):
        sizes = [1e-3 * 0.98**at * (1 + 0.5 * math.sin(0.1 * step + at)) for step in range(captures)]
        grads = {"grad_rms": sizes, "grad_norm": sizes, "value_rms": [1 + size for size in sizes]}
        shares = {**grads, "dead": [abs(math.sin(step + at)) / 4 for step in range(captures)]}
        sites.append(site(f"blocks.{at}.linear", "linear", grads, parameter=f"blocks.{at}.weight", fan_in=64))
        sites.append(site(f"blocks.{at}.act", "relu", shares))
        held = {"grad_rms": sizes, "weight_rms": [0.1] * captures, "update_rms": [size / 10 for size in sizes]}
        weights.append(parameter(f"blocks.{at}.weight", held, shape=(64, 64)))
    losses = [2.0 * 0.999**i + 0.1 * math.sin(i) for i in range(10 * captures)]
    return sketch(sites, weights, losses=losses, lr=0.01)


def main() -> None:
    """Print the table."""
    print("layers  captures   kB  compressed kB  judge s  draw s")
    for layers, captures in SIZES:
        recording = deep(layers, captures)
        began = time.process_time()
        report = judge(recording)
        judged = time.process_time()
        page = report.to_html().encode()
        drawn = time.process_time()
        size, packed = len(page) / 1000, len(gzip.compress(page)) / 1000
        print(f"{layers:6} {captures:9} {size:4.0f} {packed:14.0f} {judged - began:8.2f} {drawn - judged:7.2f}")


if __name__ == "__main__":
    main()
