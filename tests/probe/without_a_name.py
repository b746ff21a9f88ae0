"""Trains once for each private name of torch, in a process from which that name was hidden; prints JSON lines."""

import json
import os
import pkgutil
import sys
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


class Net(nn.Module):
    """Something of everything that private names are needed for."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU())
        self.memory = nn.GRU(16, 8, batch_first=True)
        self.head = nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = checkpoint(self.body, x, use_reentrant=False)
        _, h = self.memory(x.unsqueeze(1).expand(-1, 3, -1))
        out: Tensor = self.head(h[-1])
        return out


def train(sick: bool) -> list[str]:
    """Train with clipping, gradients per sample and a weight that is moved by hand; all weights in the end."""
    torch.manual_seed(0)
    net, spare = Net(), torch.ones(3, requires_grad=True)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    x = torch.randn(32, 16)
    y = x[:, :1] * (1e30 if sick else 0.5)  # too large to be squared
    weight = torch.randn(16)
    for _ in range(16):
        optimizer.zero_grad()
        torch.func.vmap(torch.func.grad(lambda w, row: (w * row).sum().square()), (None, 0))(weight, x)
        nn.functional.mse_loss(net(x), y).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        (spare * spare).sum().backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            spare -= 0.01 * spare.grad  # type: ignore[operator]
            spare.grad = None
    return [number.hex() for p in (*net.parameters(), spare) for number in p.flatten().tolist()]


def hide(path: str) -> None:
    """Have gradmedic not find a name; torch needs it itself."""
    resolve = pkgutil.resolve_name

    def resolving(name: str) -> Any:
        if name == path:
            raise AttributeError(path)
        return resolve(name)

    pkgutil.resolve_name = resolving


def watched(sick: bool) -> dict[str, Any]:
    """What came of a training under the probe."""
    from gradmedic.base.settings import Settings
    from gradmedic.diagnosis.judge import judge
    from gradmedic.probe import Probe
    from gradmedic.recording.recorder import Recorder

    recorder = Recorder({})
    with Probe(recorder, Settings(every=4)):
        weights = train(sick)
    report = judge(recorder.recording(), Settings())
    return {
        "weights": weights,
        "verdict": report.verdict,
        "rules": [finding.rule for finding in report.findings],
        "notes": [event.data["text"] for event in report.recording.events_of("note")],
        "failures": [event.data for event in report.recording.events_of("failure")],
        "text": str(report),
    }


def both_without(path: str) -> None:
    """Print what comes of the healthy and of the sick training without a name, in a process of its own."""
    sys.stdout.flush()
    if os.fork() == 0:
        try:
            hide(path)
            print(json.dumps({"name": path, "healthy": watched(False), "sick": watched(True)}), flush=True)
        finally:
            os._exit(0)
    os.wait()


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps({"name": "plain", "healthy": {"weights": train(False)}, "sick": {"weights": train(True)}}))
    for name in sys.argv[1:]:
        both_without(name)
