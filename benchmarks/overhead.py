"""Time training steps with and without gradmedic.

    python benchmarks/overhead.py [--quick] [--starts N] [--time S] [--block S] [--clock cpu] [--only NAME ...]

Two processes that do the same thing differ by several percent, by chance and for as long as they
live. So the steps that are compared are made by one process, which trains on and on: a block of
steps while gradmedic is up, a block while it sits in torch, in changing order. While it is up, or
waits, its clock stands still; the budget is not paid out for idling. The first blocks, with the
captures of the first steps, warm up and are not counted. All is started anew several times.

`again` is the ratio of two blocks without gradmedic, and shows the noise. `ratio` is the median over
rounds of the block with the default budget to the one without, `whole` the same of the sums: it
misses no capture, but is less safe from noise. `own` is the share that gradmedic itself booked.
`every 1` is the ratio in a process that reads every step. `apart` compares processes: steps without
gradmedic where it is loaded, to steps where it never was; it is as good as processes are alike.
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
from functools import partial
from multiprocessing.connection import Connection
from operator import getitem, sub
from statistics import median
from typing import Any

PROCESSES: dict[str, dict[str, Any] | None] = {"alone": None, "budget": {}, "every": {"every": 1}}
"""What gradmedic is told in each process; it is not loaded in the first."""

BLOCKS = (
    ("alone", "bare"),
    ("budget", "bare"),
    ("budget", "again"),
    ("budget", "watched"),
    ("every", "bare"),
    ("every", "watched"),
)
"""What is timed in each round: a process, and how it trains."""

SETTLING = 2
"""Steps before each block that are not timed: in them gradmedic sits down, which a script has it do once."""

WARM = 2.0
"""Seconds of training under the default budget before anything is timed."""

LEAST = 4
"""Rounds that are made, however long they take."""

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


class Stopwatch:
    """A `clock`, and what it `reads` if it stands still between `stop` and `go`.

    Reading it runs no line of Python: gradmedic does so at every step, and must not pay for it.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._idle = [0.0]
        self._stopped = clock()
        self.reads = map(sub, iter(clock, None), iter(partial(getitem, self._idle, 0), None)).__next__

    def stop(self) -> None:
        """Stand still."""
        self._stopped = self.clock()

    def go(self) -> None:
        """Run on as if no time had passed."""
        self._idle[0] += self.clock() - self._stopped


def work(pipe: Connection, number: int, options: dict[str, Any] | None, clock: str) -> None:
    """Train on demand: receive whether to watch and how many steps, answer with the seconds that they took."""
    watch = Stopwatch(CLOCKS[clock])
    time.perf_counter = watch.reads  # before gradmedic is imported: its budget is to run on this clock
    import torch
    from workloads import WORKLOADS

    torch.set_num_threads(1)
    torch.manual_seed(0)
    watch.go()
    probe, recorder = watching(options) if options is not None else (None, None)
    watch.stop()
    step = WORKLOADS[number].start()
    while (order := pipe.recv()) is not None:
        watched, steps = order
        pipe.send(block(step, steps, watch, probe if watched else None))
    pipe.send(dict(recorder.recording().tallies) if recorder else {})


def watching(options: dict[str, Any]) -> tuple[Any, Any]:
    """A probe that has not sat down yet, and what it writes to."""
    from gradmedic.base.settings import Settings
    from gradmedic.prediction.run_expectations import RunExpectations
    from gradmedic.probe import Probe
    from gradmedic.recording.recorder import Recorder

    recorder = Recorder({})
    return Probe(recorder, Settings(**options), RunExpectations()), recorder


def block(step: Callable[[], None], steps: int, watch: Stopwatch, probe: Any) -> float:
    """Seconds of so many steps; the clock that gradmedic sees runs only while it watches."""
    if probe is not None:
        watch.go()
        probe.install()
    for _ in range(SETTLING):
        step()
    began = watch.clock()
    for _ in range(steps):
        step()
    if probe is not None:
        probe.close()
        watch.stop()
    return watch.clock() - began


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

    def block(self, steps: int, watched: bool = False) -> float:
        """Seconds for so many steps."""
        self._pipe.send((watched, steps))
        return float(self._pipe.recv())

    def finish(self) -> dict[str, float]:
        """End, and hand over the counters of the probe."""
        self._pipe.send(None)
        return dict(self._pipe.recv())


@dataclass
class Timing:
    """What one workload costs in each way: seconds per step, block by block."""

    name: str
    blocks: dict[tuple[str, str], list[float]] = field(default_factory=lambda: {block: [] for block in BLOCKS})
    tallies: list[dict[str, float]] = field(default_factory=list)

    def ratio(self, process: str, way: str, to: str | None = None) -> float:
        """The median over rounds of one way to train to a bare one, of the same process or another."""
        bare = self.blocks[to or process, "bare"]
        return median(a / b for a, b in zip(self.blocks[process, way], bare, strict=True))

    def whole(self, process: str) -> float:
        """All blocks together, watched to bare."""
        return sum(self.blocks[process, "watched"]) / sum(self.blocks[process, "bare"])

    def total(self, tally: str) -> float:
        """The sum of a counter over all starts of the process with the default budget."""
        return sum(tallies.get(tally, 0.0) for tallies in self.tallies)

    def row(self) -> str:
        """One line of the table."""
        own = self.total("spent") / self.total("seconds")
        step = median(self.blocks["budget", "bare"]) * 1e3
        controls = f"{self.ratio('budget', 'bare', to='alone'):8.3f}{self.ratio('budget', 'again'):8.3f}"
        watched = f"{self.ratio('budget', 'watched'):8.3f}{self.whole('budget'):8.3f}"
        costs = f"{own:8.1%}{self.total('captures'):10.0f}{self.ratio('every', 'watched'):9.2f}"
        return f"{self.name:26}{step:9.2f}{controls}{watched}{costs}"


COLUMNS = ("apart", "again", "ratio", "whole", "own")
HEADER = f"{'workload':26}{'ms/step':>9}{''.join(f'{name:>8}' for name in COLUMNS)}{'captures':>10}{'every 1':>9}"


def take_turns(timing: Timing, workers: dict[str, Worker], seconds: float, length: float) -> None:
    """Warm up, then time every block, round by round, for so many seconds."""
    for worker in workers.values():
        worker.block(5)
    steps = max(2, int(length / (workers["alone"].block(5) / 5)))
    for _ in range(int(WARM / length)):
        workers["budget"].block(steps, watched=True)
    until = time.monotonic() + seconds
    rounds = 0
    while rounds < LEAST or time.monotonic() < until:
        rounds += 1
        for process, way in random.sample(BLOCKS, len(BLOCKS)):
            # a process that reads every step is slow; fewer of its steps tell as much
            count = max(2, steps // 8) if process == "every" else steps
            timing.blocks[process, way].append(workers[process].block(count, way == "watched") / count)
    tallies = {name: worker.finish() for name, worker in workers.items()}
    timing.tallies.append(tallies["budget"])


def measure(number: int, name: str, starts: int, seconds: float, length: float, clock: str) -> Timing:
    """Start the processes several times and let them take turns."""
    timing = Timing(name)
    for _ in range(starts):
        with ExitStack() as stack:
            workers = {p: stack.enter_context(Worker(number, options, clock)) for p, options in PROCESSES.items()}
            take_turns(timing, workers, seconds, length)
    return timing


def main(argv: Sequence[str] | None = None) -> int:
    """Measure the workloads one after the other and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="seconds, not minutes")
    parser.add_argument("--starts", type=int, default=3, help="how often the processes are started anew")
    parser.add_argument("--time", type=float, default=45.0, help="seconds per workload and start")
    parser.add_argument("--block", type=float, default=0.25, help="seconds of a block, of two steps at least")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="parts of workload names")
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    options = parser.parse_args(argv)
    from workloads import WORKLOADS

    starts, seconds = (1, 5.0) if options.quick else (options.starts, options.time)
    print(HEADER)
    for number, workload in enumerate(WORKLOADS):
        if not options.only or any(part.lower() in workload.name.lower() for part in options.only):
            print(measure(number, workload.name, starts, seconds, options.block, options.clock).row(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
