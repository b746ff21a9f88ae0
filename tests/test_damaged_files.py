"""Damaged recordings, values of other types, prescriptions of any values: judged or told, and no traceback."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.strategies import replay

from gradmedic.base.errors import GradmedicError
from gradmedic.diagnosis.rules import all_rules
from gradmedic.recording.recorder import Recorder
from gradmedic.recording.writer import RecordingWriter
from gradmedic.render.report.markdown import MarkdownFile
from gradmedic.treatment.prescription import Prescription
from gradmedic.treatment.remedies import all_remedies
from gradmedic.verbs.diagnose import diagnose

VALUES: list[Any] = [None, "x", 5, -1, 1.5, True, [], {}, [1, "a"], {"a": 1}, 10**400, 1e308, float("nan"), "\x1b", ""]
TOML = ['""', '"x"', "5", "-1", "1e400", "nan", "inf", "true", "[]", '["a\\nb"]', "[1,2]", "{a=1}", '"\\u001b[31m"']
TOML += ['"a\');import os#"', "1" + "0" * 400, "1" + "0" * 5000, "1979-05-27", "[" * 2000, "0x" + "f" * 5000]
RULES = ("vanishing-gradient", "non-finite", "vanishing-through-time", "stale-gradients", "clipping")
often = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@pytest.fixture(scope="module")
def recordings() -> Iterator[list[Path]]:
    """Recordings on disk of sick runs, so that there is something to be judged and told."""
    with TemporaryDirectory() as folder:
        made = []
        for name in RULES:
            recorder = Recorder(
                {"script": "train.py", "argv": ["train.py"], "began": 1.0}, RecordingWriter(f"{folder}/{name}")
            )
            replay(all_rules()[name].SICK[0], recorder)
            recorder.close(ending="finished", ended=2.0)
            made.append(Path(folder, name))
        yield made


def judged(recording: Path, change: Callable[[list[Path]], None]) -> None:
    """Change a copy of a recording, and have it judged and told in every way that needs no screen."""
    with TemporaryDirectory() as folder:
        copy = Path(shutil.copytree(recording, f"{folder}/r"))
        change(sorted(path for path in copy.rglob("*.json*") if path.stat().st_size))
        with suppress(GradmedicError):
            report = diagnose(copy)
            assert str(report)
            assert report.to_json()
            assert MarkdownFile().render(report, "en")


@settings(often, max_examples=100)
@given(st.data())
def test_a_damaged_recording_is_judged_or_refused(recordings: list[Path], data: st.DataObject) -> None:
    def damage(files: list[Path]) -> None:
        file = data.draw(st.sampled_from(files))
        raw = bytearray(file.read_bytes())
        if data.draw(st.booleans(), label="cut"):
            raw = raw[: data.draw(st.integers(0, len(raw)))]
        for at in data.draw(st.lists(st.integers(0, max(0, len(raw) - 1)), max_size=20)) if raw else ():
            raw[at] = data.draw(st.integers(0, 255))
        file.write_bytes(raw)

    judged(data.draw(st.sampled_from(recordings)), damage)


@settings(often, max_examples=300)
@given(st.data())
def test_a_recording_with_values_of_other_types_is_judged_or_refused(
    recordings: list[Path], data: st.DataObject
) -> None:
    def change(files: list[Path]) -> None:
        file = data.draw(st.sampled_from(files))
        text = file.read_text(encoding="utf-8")
        rows = [json.loads(text)] if file.name == "run.json" else [json.loads(line) for line in text.splitlines()]
        key, value = data.draw(st.sampled_from(sorted(rows[0]))), data.draw(st.sampled_from(VALUES))
        chosen = range(len(rows)) if data.draw(st.booleans()) else [data.draw(st.integers(0, len(rows) - 1))]
        for number in chosen:
            rows[number][key] = value
        file.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")

    judged(data.draw(st.sampled_from(recordings)), change)


@settings(often, max_examples=300)
@given(st.data())
def test_a_prescription_of_any_values_is_code_or_refused(data: st.DataObject) -> None:
    remedy: Any = data.draw(st.sampled_from(sorted(all_remedies().values(), key=lambda one: one.name)))
    values = st.sampled_from(TOML)
    keys = data.draw(st.lists(st.sampled_from([*(one.name for one in fields(remedy)), "zz"]), unique=True))
    lines = ["[[remedy]]", f"name = {data.draw(st.just(json.dumps(remedy.name)) | values)}"]
    lines += [f"{key} = {data.draw(values)}" for key in keys]
    if data.draw(st.booleans()):
        lines += ["[evidence]", "effect = 1.0", "low = 0.5", f"high = {data.draw(values)}"]
        lines += [
            f"{data.draw(st.sampled_from(['unit', 'seeds', 'versions', 'steps', 'rescued']))} = {data.draw(values)}"
        ]
    with suppress(GradmedicError):
        prescription = Prescription.from_toml("\n".join(lines))
        assert Prescription.from_toml(prescription.to_toml()) == prescription or "nan" in "\n".join(lines)
        assert prescription.code()
