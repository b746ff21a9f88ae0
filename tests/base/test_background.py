"""What goes on beside the script is not met by it: not by its threads, its signals, its children."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from gradmedic.base.background import Background

SCRIPTS = {
    "threads": """
import threading
train()
print(threading.active_count(), names(), len(threading._active))
""",
    "a wait for all threads": """
import threading, time
worker = threading.Thread(target=train)
worker.start()
until = time.monotonic() + 20
while threading.active_count() > 1 and time.monotonic() < until:
    time.sleep(0.01)
print(threading.active_count())
""",
    "children": """
import multiprocessing, os, signal
signal.signal(signal.SIGCHLD, lambda *_: print("a child has ended"))
train()
print(multiprocessing.active_children())
try:
    print(os.wait())
except ChildProcessError as error:
    print(error)
""",
    "a signal that is waited for": """
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
train()
for _ in range(20):
    os.kill(os.getpid(), signal.SIGUSR1)
    print(signal.sigwait({signal.SIGUSR1}))
""",
    "forks": """
import os, sys
for _ in range(5):
    train()
    child = os.fork()
    if child == 0:
        print(threads(), flush=True)
        train()
        sys.stdout.flush()
        os._exit(7)
    print(os.waitpid(child, 0)[1])
train()
""",
    "workers of a data loader": """
import torch, threading
from torch.utils.data import DataLoader, TensorDataset
def main():
    for _ in range(2):
        for (batch,) in DataLoader(TensorDataset(torch.arange(8.0)), batch_size=4, num_workers=2):
            train()
            print(batch, threading.active_count())
if __name__ == "__main__":
    main()
""",
    "the end of the process": """
import atexit, threading
atexit.register(lambda: print("last", names()))
train()
threading.Thread(target=lambda: (time.sleep(0.1), print("later"))).start()
""",
    "logged warnings": """
import logging, shutil, sys, threading
logging.captureWarnings(True)
logging.basicConfig(filename="log.txt")
for folder in ("run", "nowhere"):
    shutil.rmtree(folder, ignore_errors=True)
    train()
    time.sleep(0.7)
print(names())
""",
}

TRAIN = """
import threading, time
import torch
from torch import nn

def train():
    torch.manual_seed(0)
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(12):
        optimizer.zero_grad()
        model(torch.randn(8, 4)).pow(2).mean().backward()
        optimizer.step()
    print(model.weight.sum().item())

def names():
    return [thread.name for thread in threading.enumerate()]

def threads():
    with open("/proc/self/status") as status:
        return [line for line in status if line.startswith("Threads")]
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize("what", SCRIPTS)
def test_a_script_that_is_recorded_does_not_meet_the_writer(what: str, tmp_path: Path) -> None:
    outcomes = []
    (tmp_path / "train.py").write_text(TRAIN + SCRIPTS[what])
    for start in ([sys.executable], [sys.executable, "-m", "gradmedic", "run", "--quiet", "--record", "run"]):
        done = subprocess.run(
            [*start, "train.py"],
            cwd=tmp_path,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        outcomes.append((done.returncode, done.stdout, done.stderr))
    assert outcomes[1] == outcomes[0]


def test_work_is_done_in_time_at_once_and_at_the_end() -> None:
    done: list[float] = []

    def work() -> bool:
        done.append(time.monotonic())
        return True

    background = Background(work, 0.05)
    background.start()
    background.start()
    while len(done) < 3:
        time.sleep(0.01)
    background._every = 60.0
    while len(done) < 4:
        background.hurry()
        time.sleep(0.01)
    before = len(done)
    assert background.stop(5.0)
    assert len(done) > before
    background.start()
    assert background.stop(5.0)


def test_it_takes_no_signals_and_leaves_those_of_its_caller_as_they_were() -> None:
    masks = []
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())

    def work() -> bool:
        masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, ()))
        return False

    background = Background(work, 0.01)
    background.start()
    assert background.stop(5.0)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
    assert masks[0] >= signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
    assert threading.active_count() == len(threading.enumerate())


def test_work_that_hangs_is_not_waited_for() -> None:
    hanging = threading.Event()
    background = Background(lambda: not hanging.wait(30.0), 0.0)
    background.start()
    assert not background.stop(0.1)
    hanging.set()
    assert background.stop(5.0)
