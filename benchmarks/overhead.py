"""Time training steps with and without gradmedic.

    python benchmarks/overhead.py [--quick] [--starts N] [--rounds N] [--seconds S] [--clock cpu] [--only NAME ...]

Each workload trains in four processes: bare, bare once more (`again`, which shows the noise),
watched with the default budget, and watched at every step (`--every 1`). All are started anew
several times, as one process is faster than its twin by chance. Only one of them runs at a time:
they take turns, a block of steps each, in changing order, so that a slow moment of the machine
hits all of them alike. While a process waits, its clock stands still; the budget is not paid out
for idling. The first blocks, with the captures of the first steps, warm up and are not counted.

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
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from statistics import median
from typing import Any

VARIANTS: dict[str, dict[str, Any] | None] = {"bare": None, "again": None, "budget": {}, "every": {"every": 1}}
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


@dataclass
class Timing:
    """What one workload costs in each variant: seconds per step, block by block."""

    name: str
    blocks: dict[str, list[float]] = field(default_factory=lambda: {variant: [] for variant in VARIANTS})
    tallies: list[dict[str, float]] = field(default_factory=list)

    def ratio(self, variant: str) -> float:
        """The median over rounds of watched to bare."""
        return median(a / b for a, b in zip(self.blocks[variant], self.blocks["bare"], strict=True))

    def whole(self, variant: str) -> float:
        """All blocks together, watched to bare."""
        return sum(self.blocks[variant]) / sum(self.blocks["bare"])

    def total(self, tally: str) -> float:
        """The sum of a counter over all starts of the process with the default budget."""
        return sum(tallies.get(tally, 0.0) for tallies in self.tallies)

    def row(self) -> str:
        """One line of the table."""
        own = self.total("spent") / self.total("seconds")
        watched = f"{self.ratio('budget'):8.3f}{self.whole('budget'):8.3f}{own:8.1%}{self.total('captures'):10.0f}"
        step = median(self.blocks["bare"]) * 1e3
        return f"{self.name:26}{step:9.2f}{self.ratio('again'):8.3f}{watched}{self.ratio('every'):9.2f}"


HEADER = f"{'workload':26}{'ms/step':>9}{'again':>8}{'ratio':>8}{'whole':>8}{'own':>8}{'captures':>10}{'every 1':>9}"


def take_turns(timing: Timing, workers: dict[str, Worker], rounds: int, seconds: float) -> None:
    """Warm up, then let every process run a block of the same length, round by round."""
    for worker in workers.values():
        worker.block(5)
    steps = max(4, int(seconds / (workers["bare"].block(5) / 5)))
    workers["budget"].block(steps)
    for _ in range(rounds):
        for variant in random.sample(list(workers), len(workers)):
            # a process that reads every step is slow; fewer of its steps tell as much
            block = max(2, steps // 4) if variant == "every" else steps
            timing.blocks[variant].append(workers[variant].block(block) / block)
    tallies = {variant: worker.finish() for variant, worker in workers.items()}
    timing.tallies.append(tallies["budget"])


def measure(number: int, name: str, starts: int, rounds: int, seconds: float, clock: str) -> Timing:
    """Start the processes several times and let them take turns."""
    timing = Timing(name)
    for _ in range(starts):
        with ExitStack() as stack:
            workers = {v: stack.enter_context(Worker(number, options, clock)) for v, options in VARIANTS.items()}
            take_turns(timing, workers, rounds, seconds)
    return timing


def main(argv: Sequence[str] | None = None) -> int:
    """Measure the workloads one after the other and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few short blocks: seconds, not minutes")
    parser.add_argument("--starts", type=int, default=5, help="how often the processes are started anew")
    parser.add_argument("--rounds", type=int, default=4, help="blocks per start")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a block")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="parts of workload names")
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    options = parser.parse_args(argv)
    from workloads import WORKLOADS

    starts, rounds, seconds = (1, 4, 0.4) if options.quick else (options.starts, options.rounds, options.seconds)
    print(HEADER)
    for number, workload in enumerate(WORKLOADS):
        if not options.only or any(part.lower() in workload.name.lower() for part in options.only):
            print(measure(number, workload.name, starts, rounds, seconds, options.clock).row(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
