"""What runs write is in the tables of columns and events, and what is in the tables of readings is written."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gradmedic.base.settings import Settings
from gradmedic.probe import Probe
from gradmedic.recording.columns import COLUMNS, EVENTS, OF_CAPTURE, PARAMETER_READINGS, SITE_READINGS
from gradmedic.recording.recorder import Recorder
from gradmedic.recording.writer import RecordingWriter

Loop = Callable[[], object]


def trained(model: nn.Module, loss_of: Callable[[Any], Tensor], *, steps: int = 4, zero: bool = True) -> None:
    """A training loop in a script's own words."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(steps):
        if zero:
            optimizer.zero_grad()
        loss_of(model).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()


def classifier() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 8), nn.Sigmoid(), nn.Linear(8, 3))
    model[1].eval()
    trained(model, lambda m: F.cross_entropy(m(torch.randn(16, 4)), torch.randint(3, (16,))), zero=False)


def regression() -> None:
    trained(nn.Linear(4, 1), lambda m: F.mse_loss(m(torch.randn(16, 4)), torch.randn(16, 1)))


def attention() -> None:
    model = nn.MultiheadAttention(8, 2, batch_first=True)

    def loss(m: Any) -> Tensor:
        q = m.out_proj(torch.randn(2, 5, 8)).reshape(2, 5, 2, 4).transpose(1, 2)
        return F.scaled_dot_product_attention(q, q, q).square().mean()

    trained(model, loss)


def recurrent(kind: Callable[[int, int], nn.RNNBase]) -> Loop:
    return lambda: trained(kind(3, 5), lambda m: m(torch.randn(6, 2, 3))[0].square().mean())


def not_finite() -> None:
    trained(nn.Linear(4, 1), lambda m: (m(torch.randn(16, 4)).abs() * 0).log().mean(), steps=2)


def gradient_not_finite() -> None:
    trained(nn.Linear(4, 4, bias=False), lambda m: (m(torch.zeros(2, 4)) * torch.inf).sin().sum(), steps=2)
    trained(nn.Linear(4, 4), lambda m: (m(torch.randn(2, 4)) * 0).sqrt().sum(), steps=2)


def values_not_finite() -> None:
    first = nn.Linear(4, 4)
    with torch.no_grad():
        first.weight[0, 0] = torch.nan
    model = nn.Sequential(first, nn.Sigmoid(), nn.Linear(4, 1))
    trained(model, lambda m: m(torch.randn(2, 4)).nan_to_num().mean(), steps=2)


def without_graph() -> None:
    model = nn.Linear(4, 1)
    trained(model, lambda m: m(torch.randn(2, 4)).mean())
    trained(model, lambda m: m(torch.randn(2, 4)).detach().requires_grad_().mean(), steps=5)


LOOPS: list[Loop] = [
    *(classifier, regression, attention, not_finite, gradient_not_finite, values_not_finite, without_graph),
    *(recurrent(kind) for kind in (nn.RNN, nn.LSTM, nn.GRU)),
]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """All rows that the loops leave on disk, by table."""
    found = defaultdict(list)
    for loop in LOOPS:
        torch.manual_seed(0)
        folder = tmp_path_factory.mktemp("recording")
        recorder = Recorder({}, RecordingWriter(folder))
        with Probe(recorder, Settings(every=1)):
            loop()
        recorder.close()
        for table, row in _on_disk(folder):
            found[table].append(row)
    return found


def _on_disk(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for file in sorted(folder.glob("rank-*/*.jsonl")):
        table = max((name for name in COLUMNS if file.name.startswith(name)), key=len)
        for line in file.read_text(encoding="utf-8").splitlines():
            yield table, json.loads(line)


@pytest.mark.parametrize("table", COLUMNS)
def test_every_column_that_is_written_is_in_the_table(table: str, rows: dict[str, list[dict[str, Any]]]) -> None:
    assert rows[table]
    assert {column for row in rows[table] for column in row} - COLUMNS[table].keys() <= {"nonfinite"}


@pytest.mark.parametrize(("table", "readings"), [("sites", SITE_READINGS), ("parameters", PARAMETER_READINGS)])
def test_every_reading_in_the_table_is_written(
    table: str, readings: dict[str, str], rows: dict[str, list[dict[str, Any]]]
) -> None:
    written = {column for row in rows[f"readings-{table}"] for column in row}
    assert readings.keys() - written == set()
    assert written - readings.keys() - OF_CAPTURE.keys() <= {"site", "parameter", "nonfinite"}


def test_the_facts_of_an_event_are_in_the_table(rows: dict[str, list[dict[str, Any]]]) -> None:
    for event in rows["events"]:
        assert event["data"].keys() <= EVENTS[event["kind"]].data.keys(), event["kind"]
    written = {event["kind"]: event["data"].keys() for event in rows["events"]}
    for kind in ("tallies", "stale-gradients", "no-graph"):
        assert written[kind] == EVENTS[kind].data.keys()
    told = {fact for event in rows["events"] if event["kind"] == "non-finite" for fact in event["data"]}
    assert told == EVENTS["non-finite"].data.keys()
