"""Time training steps with and without gradmedic.

    python benchmarks/overhead.py [--quick] [--rounds N] [--seconds S] [--clock cpu] [--only NAME ...]

Each workload trains in three processes: bare, watched with the default budget, and watched at
every step (`--every 1`). Only one of them runs at a time: they take turns, a block of steps each,
in changing order, so that a slow moment of the machine hits all of them alike. While a process
waits, its clock stands still; the budget is not paid out for idling. The first blocks, with the
captures of the first steps, warm up and are not counted.

`ratio` is the median over rounds of watched to bare block time, `whole` the same of the sums: it
misses no capture, but is less safe from noise. `own` is the share that gradmedic itself booked.
On a machine that others use, `--clock cpu` counts only the time that a process was really given.
"""

import argparse
import multiprocessing
import random
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from statistics import median
from typing import Any

VARIANTS: dict[str, dict[str, Any] | None] = {"bare": None, "budget": {}, "every": {"every": 1}}
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


class Stopwatch:
    """A clock that stands still between `stop` and `go`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._idle = 0.0
        self._stopped: float | None = None

    def __call__(self) -> float:
        return (self._clock() if self._stopped is None else self._stopped) - self._idle

    def stop(self) -> None:
        """Stand still."""
        self._stopped = self._clock()

    def go(self) -> None:
        """Run on as if no time had passed."""
        if self._stopped is not None:
            self._idle += self._clock() - self._stopped
            self._stopped = None


def work(pipe: Connection, number: int, options: dict[str, Any] | None, clock: str) -> None:
    """Train on demand: receive a number of steps, answer with the seconds that they took."""
    watch = Stopwatch(CLOCKS[clock])
    time.perf_counter = watch  # before gradmedic is imported: its budget is to run on this clock
    import torch
    from workloads import WORKLOADS

    torch.set_num_threads(1)
    torch.manual_seed(0)
    recorder = None
    if options is not None:
        from gradmedic.probe import Probe
        from gradmedic.recorder import Recorder
        from gradmedic.settings import Settings

        recorder = Recorder({})
        probe = Probe(recorder, Settings(**options))
        probe.install()
    step = WORKLOADS[number].start()
    while (steps := pipe.recv()) is not None:
        watch.go()
        began = watch()
        for _ in range(steps):
            step()
        pipe.send(watch() - began)
        watch.stop()
    tallies = {}
    if recorder is not None:
        probe.close()
        tallies = dict(recorder.recording().tallies)
    pipe.send(tallies)


class Worker:
    """A process that trains one workload in one way, on demand."""

    def __init__(self, number: int, options: dict[str, Any] | None, clock: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=work, args=(theirs, number, options, clock), daemon=True)
        self._process.start()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join()

    def block(self, steps: int) -> float:
        """Seconds for so many steps."""
        self._pipe.send(steps)
        return float(self._pipe.recv())

    def finish(self) -> dict[str, float]:
        """End, and hand over the counters of the probe."""
        self._pipe.send(None)
        return dict(self._pipe.recv())


@dataclass(frozen=True)
class Timing:
    """What one workload costs in each variant."""

    name: str
    step: float
    blocks: dict[str, list[float]]
    tallies: dict[str, dict[str, float]]

    def ratio(self, variant: str) -> float:
        """The median over rounds of watched to bare."""
        return median(a / b for a, b in zip(self.blocks[variant], self.blocks["bare"], strict=True))

    def whole(self, variant: str) -> float:
        """All blocks together, watched to bare."""
        return sum(self.blocks[variant]) / sum(self.blocks["bare"])

    def own(self, variant: str) -> float:
        """The share of the time that gradmedic booked on itself."""
        tallies = self.tallies[variant]
        return tallies.get("spent", 0.0) / (tallies.get("seconds", 0.0) or 1.0)

    def row(self) -> str:
        """One line of the table."""
        budget = f"{self.ratio('budget'):8.3f}{self.whole('budget'):8.3f}{self.own('budget'):8.1%}"
        captures = f"{self.tallies['budget'].get('captures', 0):9.0f}"
        return f"{self.name:26}{self.step * 1e3:9.2f}{budget}{captures}{self.ratio('every'):9.2f}"


HEADER = f"{'workload':26}{'ms/step':>9}{'ratio':>8}{'whole':>8}{'own':>8}{'captures':>9}{'every 1':>9}"


def measure(number: int, name: str, rounds: int, seconds: float, clock: str) -> Timing:
    """Let the three processes take turns."""
    blocks: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    with ExitStack() as stack:
        workers = {v: stack.enter_context(Worker(number, options, clock)) for v, options in VARIANTS.items()}
        for worker in workers.values():
            worker.block(5)
        once = workers["bare"].block(5) / 5
        steps = max(4, int(seconds / once))
        workers["budget"].block(steps)
        for _ in range(rounds):
            for variant in random.sample(list(workers), len(workers)):
                # every step read whole is slow; fewer steps tell as much
                share = 4 if variant == "every" else 1
                blocks[variant].append(workers[variant].block(max(2, steps // share)) * steps / max(2, steps // share))
        tallies = {variant: worker.finish() for variant, worker in workers.items()}
    return Timing(name, median(blocks["bare"]) / steps, blocks, tallies)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure the workloads one after the other and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few short blocks: seconds, not minutes")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a block")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="parts of workload names")
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    options = parser.parse_args(argv)
    from workloads import WORKLOADS

    rounds, seconds = (4, 0.4) if options.quick else (options.rounds, options.seconds)
    print(HEADER)
    for number, workload in enumerate(WORKLOADS):
        if not options.only or any(part.lower() in workload.name.lower() for part in options.only):
            print(measure(number, workload.name, rounds, seconds, options.clock).row(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
