"""Time captures of ever larger graphs: what one costs has to grow with the operations and no faster.

    python benchmarks/scale.py [--sizes N ...] [--shapes NAME ...] [--run STEPS]

For each shape of net and each size three processes train for a few steps, one bare, one with every step read, one under
the default budget. Times are processor seconds of the training loop, imports left out, so that a busy machine does not
count. `per operation` is what a capture costs beyond a bare step, by operation; `growth` is its factor from one size to
the next one. `default` is the whole loop of `--run` steps under the default budget to the bare one.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

Net = tuple[nn.Module, Callable[[], Tensor]]
STEPS = 3
"""Steps of the processes that read each."""


def layers(n: int) -> Net:
    """A chain of layers."""
    model = nn.Sequential(*[layer for _ in range(n) for layer in (nn.Linear(8, 8), nn.Tanh())])
    x = torch.randn(16, 8)
    return model, lambda: model(x).pow(2).mean()


def residual(n: int) -> Net:
    """A chain of layers with shortcuts, whose sums are no module's."""
    model = nn.ModuleList([nn.Linear(8, 8) for _ in range(n)])

    def loss() -> Tensor:
        x = torch.ones(16, 8)
        for layer in model:
            x = x + layer(x).tanh() / n
        return x.pow(2).mean()

    return model, loss


def parameters(n: int) -> Net:
    """Many small parameters side by side."""
    model = nn.ParameterList([nn.Parameter(torch.randn(8)) for _ in range(n)])
    return model, lambda: torch.stack([(p * p).sum() for p in model]).mean()


def cells(n: int) -> Net:
    """One cell, called over and over."""
    model = nn.RNNCell(8, 8)

    def loss() -> Tensor:
        h = torch.zeros(16, 8)
        for _ in range(n):
            h = model(h, h)
        return h.pow(2).mean()

    return model, loss


SHAPES = {shape.__name__: shape for shape in (layers, residual, parameters, cells)}


def train(shape: str, size: int, steps: int) -> dict[str, float]:
    """Seconds of so many steps, and the operations of one."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model, loss_of = SHAPES[shape](size)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    began = time.process_time()
    for _ in range(steps):
        optimizer.zero_grad()
        loss_of().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    seconds = time.process_time() - began
    return {"seconds": seconds, "operations": sum(1 for _ in nodes(loss_of()))}


def nodes(loss: Tensor) -> Iterator[object]:
    """All nodes of a graph."""
    seen, open_ = set(), [loss.grad_fn]
    while open_:
        node = open_.pop()
        if node is not None and node not in seen:
            seen.add(node)
            yield node
            open_ += [inner for inner, _ in node.next_functions]


def timed(shape: str, size: int, steps: int, *options: str) -> dict[str, float]:
    """What a process of its own says; watched where there are options."""
    watch = ["-m", "gradmedic", "run", "--quiet", *options] if options else []
    words = ["--one", shape, str(size), str(steps)]
    environ = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *watch, __file__, *words], capture_output=True, text=True, check=True, env=environ
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def table(shapes: list[str], sizes: list[int], run: int) -> None:
    """Print a row for each shape and size."""
    print(
        f"{'shape':12}{'size':>7}{'operations':>12}{'bare, ms':>10}{'capture, s':>12}{'per operation, us':>19}", end=""
    )
    print(f"{'growth':>8}{'default':>9}")
    for shape in shapes:
        before = None
        for size in sizes:
            bare = timed(shape, size, run)
            step = bare["seconds"] / run
            cost = timed(shape, size, STEPS, "--every", "1")["seconds"] / STEPS - step
            default = timed(shape, size, run, "--budget", "0.02")["seconds"] / bare["seconds"]
            row = f"{shape:12}{size:7}{bare['operations']:12.0f}{step * 1e3:10.0f}{cost:12.2f}"
            growth = f"{cost / before:8.1f}" if before else f"{'':8}"
            print(f"{row}{cost / bare['operations'] * 1e6:19.0f}{growth}{default:9.2f}", flush=True)
            before = cost


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[500, 1000, 2000, 4000, 8000])
    parser.add_argument("--shapes", choices=SHAPES, nargs="+", default=list(SHAPES))
    parser.add_argument("--run", type=int, default=12, metavar="STEPS")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(train(options.one[0], int(options.one[1]), int(options.one[2]))))
    else:
        table(options.shapes, options.sizes, options.run)


if __name__ == "__main__":
    main()
