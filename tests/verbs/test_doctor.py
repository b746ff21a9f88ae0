"""What gradmedic can do on a machine is what it does there."""

from pathlib import Path

import pytest
import torch

from gradmedic.base.settings import Settings
from gradmedic.probe import torch_internals
from gradmedic.probe.torch_internals import Capability
from gradmedic.trials.isolation import Isolation
from gradmedic.verbs import doctor as module
from gradmedic.verbs.doctor import SENTENCES, doctor


def test_versions_and_devices_are_those_of_this_process() -> None:
    machine = doctor()
    assert machine.packages["torch"] == torch.__version__
    assert machine.devices[0].startswith("cpu")
    assert "gradmedic" in machine.packages
    assert "no-such-package" not in machine.packages


def test_what_this_torch_lacks_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = Capability(torch_internals.PACKING.lost, hook="torch:_C.no_such_name")
    monkeypatch.setattr(torch_internals, "CAPABILITIES", [torch_internals.SHAPES, lacking])
    assert doctor().lost == [torch_internals.PACKING.lost]


def test_only_settings_that_differ_are_listed() -> None:
    assert doctor(Settings(budget=0.5)).settings == {"budget": 0.5}
    assert doctor().settings == {}


def test_every_way_to_isolate_trials_has_a_sentence() -> None:
    assert set(SENTENCES) == set(Isolation)


def test_looking_at_the_machine_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert doctor().trials in SENTENCES.values()
    assert list(tmp_path.iterdir()) == []
    assert module._version("no-such-package") is None
