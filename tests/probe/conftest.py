"""What the tests of the probe share: run a loop under the probe and get the recording."""

from collections.abc import Callable

import pytest
import torch

from gradmedic.base.settings import Settings
from gradmedic.probe import Probe
from gradmedic.probe.torch_internals import PACKERS
from gradmedic.recording.recorder import Recorder
from gradmedic.recording.records import Recording


@pytest.fixture
def watch() -> Callable[..., Recording]:
    """Run a training loop with every step read whole; nothing of ours may fail in it."""
    torch.set_num_threads(1)
    torch.manual_seed(0)

    def watched(loop: Callable[[], object], every: int | None = 1) -> Recording:
        recorder = Recorder({})
        with Probe(recorder, Settings(every=every)):
            loop()
        recording = recorder.recording()
        assert recording.events_of("failure") == []
        return recording

    return watched


@pytest.fixture(autouse=True)
def nobody_packs() -> None:
    """Where torch does not tell packed tensors from others, what other tests have packed is no matter of this one."""
    PACKERS.clear()
