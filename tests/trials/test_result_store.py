"""Outcomes that were kept are known again; rows that make no sense are not."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.arms import falling, outcome

from gradmedic.trials.result_store import Results
from gradmedic.trials.trial import Outcome, Script, Trial


def kept(tmp_path: Path) -> tuple[Path, Script, Outcome, Outcome]:
    """A file with one outcome, and what it is about."""
    (tmp_path / "train.py").write_text("pass\n", encoding="utf-8")
    script, control, held = Script(str(tmp_path / "train.py")), outcome(falling(2, 1)), outcome(falling(2, 0.1))
    file = tmp_path / "kept.jsonl"
    Results(file, script, control).add(held)
    return file, script, control, held


def test_an_outcome_that_was_kept_is_known(tmp_path: Path) -> None:
    file, script, control, held = kept(tmp_path)
    known = Results(file, script, control).known(held.trial)
    assert known is not None
    assert known.series == held.series


@pytest.mark.parametrize(
    "change", [{"series": 5}, {"ended": "nowhere"}, {"printed": [1]}, {"series": {"a": None}}, {"more": 1}]
)
def test_a_row_that_makes_no_sense_is_run_again(change: dict[str, Any], tmp_path: Path) -> None:
    file, script, control, held = kept(tmp_path)
    head, row = file.read_text(encoding="utf-8").splitlines()
    file.write_text(f"{head}\n{json.dumps(json.loads(row) | change)}\n5\n[]\n", encoding="utf-8")
    assert Results(file, script, control).known(held.trial) is None
    assert Results(file, script, control).known(Trial(seed_shift=7)) is None
