"""Real trackers, offline: what they hold of us, and that the script's own history is the same with and without us.

`make test-trackers` runs this with the trackers installed; elsewhere it is skipped.
"""

import json
import os
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

TRAIN = """
import torch
torch.manual_seed(0)
layers = [part for _ in range(20) for part in (torch.nn.Linear(16, 16), torch.nn.Sigmoid())]
net = torch.nn.Sequential(*layers, torch.nn.Linear(16, 1))
opt = torch.optim.SGD(net.parameters(), lr=0.1)
x, y = torch.randn(64, 16), torch.randn(64, 1)
for step in range(120):
    opt.zero_grad()
    loss = ((net(x) - y) ** 2).mean()
    loss.backward()
    opt.step()
    if step % 10 == 0:
        log(step, loss.item())
print("done")
"""

OPENS = {
    "tensorboard": """
from torch.utils.tensorboard import SummaryWriter
writer = SummaryWriter("logs")
log = lambda step, loss: writer.add_scalar("loss", loss, step)
""",
    "wandb": """
import wandb
run = wandb.init(mode="offline", project="p")
log = lambda step, loss: run.log({"loss": loss})
""",
    "mlflow": """
import mlflow
mlflow.set_tracking_uri("sqlite:///m.db")
mlflow.start_run()
log = lambda step, loss: mlflow.log_metric("loss", loss, step=step)
""",
    "trackio": """
import trackio
trackio.init(project="p")
log = lambda step, loss: trackio.log({"loss": loss})
""",
}
Rows = list[tuple[str, int, float]]
"""(name, the tracker's own step, value) of everything that a tracker holds."""


def tensorboard(folder: Path) -> Rows:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    rows = []
    for place in (folder / "logs", folder / "logs/gradmedic"):
        if place.is_dir():
            events = EventAccumulator(str(place))
            events.Reload()
            rows += [(tag, it.step, it.value) for tag in events.Tags()["scalars"] for it in events.Scalars(tag)]
    return rows


def records(path: Path) -> Iterator[Any]:
    """What a W&B file holds: LevelDB's log format around protocol buffers."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, held = path.read_bytes(), 7, b""
    while at < len(data):
        if (left := 32768 - at % 32768) < 7:
            at += left
            continue
        _, size, kind = struct.unpack("<IHB", data[at : at + 7])
        held = (b"" if kind in (1, 2) else held) + data[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):
            record = Record()
            record.ParseFromString(held)
            yield record


def wandb(folder: Path) -> Rows:
    (file,) = folder.glob("wandb/offline-run-*/*.wandb")
    history = [it.history for it in records(file) if it.WhichOneof("record_type") == "history"]
    named = [
        (item.key or ".".join(item.nested_key), row.step.num, item.value_json) for row in history for item in row.item
    ]
    return [(name, step, float(json.loads(value))) for name, step, value in named if not name.startswith("_")]


def mlflow(folder: Path) -> Rows:
    with sqlite3.connect(folder / "m.db") as database:
        return list(database.execute("select key, step, value from metrics order by key, step, value"))


def trackio(folder: Path) -> Rows:
    with sqlite3.connect(folder / "trackio/p.db") as database:
        rows = list(database.execute("select step, metrics from metrics order by id"))
    told = [(name, step, value) for step, text in rows for name, value in json.loads(text).items()]
    return [(name, step, float(value)) for name, step, value in told if isinstance(value, int | float)]


READ: dict[str, Callable[[Path], Rows]] = {
    "tensorboard": tensorboard,
    "wandb": wandb,
    "mlflow": mlflow,
    "trackio": trackio,
}


def ran(folder: Path, name: str, *words: str) -> "subprocess.CompletedProcess[str]":
    folder.mkdir()
    (folder / "train.py").write_text(OPENS[name] + TRAIN)
    silent = {"WANDB_SILENT": "true", "TRACKIO_DIR": str(folder / "trackio"), "WANDB_MODE": "offline"}
    environ = {**os.environ, **silent}
    return subprocess.run(
        [sys.executable, *words, "train.py"], cwd=folder, env=environ, capture_output=True, text=True, timeout=300
    )


@pytest.mark.parametrize("name", OPENS)
def test_the_history_of_the_script_stays_as_it_is_and_ours_is_beside_it(tmp_path: Path, name: str) -> None:
    if find_spec(name) is None:
        pytest.skip(f"{name} is not installed: make test-trackers")
    plain, watched = tmp_path / "plain", tmp_path / "watched"
    bare = ran(plain, name)
    ours = ran(watched, name, "-m", "gradmedic", "run", "--log-to", "auto", "--every", "5")
    assert (ours.returncode, bare.returncode) == (0, 0), ours.stderr
    assert ours.stdout.splitlines()[-1:] == bare.stdout.splitlines()[-1:]
    assert f"--log-to {name}" not in ours.stderr
    before, after = READ[name](plain), READ[name](watched)
    assert [row for row in after if not row[0].startswith("gradmedic/")] == before
    assert len(before) == 12
    losses = [value for key, _, value in after if key.startswith("gradmedic/gradient/0")]
    assert losses
    assert all(0 < value < 1e-6 for value in losses)
    assert kept(watched, name), "the report is not there"


def kept(folder: Path, name: str) -> bool:
    """Whether the report is with the run."""
    if name == "wandb":
        (file,) = folder.glob("wandb/offline-run-*/*.wandb")
        kinds = [it.request.WhichOneof("request_type") or it.WhichOneof("record_type") for it in records(file)]
        return "artifact" in kinds or "log_artifact" in kinds
    pages = [path for path in folder.rglob("*") if path.is_file() and path.name != "train.py"]
    return any(b'id="report">{"schema":"gradmedic.report/' in path.read_bytes() for path in pages)
