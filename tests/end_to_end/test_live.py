"""`gradmedic run --live` as a user meets it: an address, a page that keeps up, and a report in the end."""

import http.client
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

SCRIPT = """
import os, time, torch
torch.manual_seed(0)
layers = [part for _ in range(20) for part in (torch.nn.Linear(16, 16), torch.nn.Sigmoid())]
net = torch.nn.Sequential(*layers, torch.nn.Linear(16, 1))
opt = torch.optim.SGD(net.parameters(), lr=0.1)
x, y = torch.randn(32, 16), torch.randn(32, 1)
while not os.path.exists("enough"):
    opt.zero_grad()
    ((net(x) - y) ** 2).mean().backward()
    opt.step()
    time.sleep(0.002)
try:
    os.wait()
except ChildProcessError:
    print("no children")
"""


@pytest.fixture
def run(tmp_path: Path) -> "subprocess.Popen[str]":
    (tmp_path / "train.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "gradmedic", "run", "--live", "train.py"]
    return subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def address(run: "subprocess.Popen[str]") -> str:
    assert run.stderr is not None
    return run.stderr.readline().removeprefix("gradmedic: ").strip()


def page(where: str) -> str:
    place = urlsplit(where)
    connection = http.client.HTTPConnection(place.netloc, timeout=20)
    with closing(connection):
        connection.request("GET", f"/?{place.query}")
        answer = connection.getresponse()
        answer.read()
        connection.request("GET", "/", headers={"Cookie": (answer.getheader("Set-Cookie") or "").split(";")[0]})
        return connection.getresponse().read().decode()


def until(told: str, where: str) -> str:
    for _ in range(300):
        if told in (text := page(where)):
            return text
        time.sleep(0.1)
    pytest.fail(f"the page never says {told!r}")


def server_of(pid: int) -> Path:
    """The folder in /proc of the server beside a run."""
    asked = f"--beside\0{pid}\0".encode()
    (found,) = (one.parent for one in Path("/proc").glob("[0-9]*/cmdline") if asked in one.read_bytes())
    return found


def test_findings_appear_while_it_runs_and_a_report_is_left(run: "subprocess.Popen[str]", tmp_path: Path) -> None:
    where = address(run)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=\S+", where)
    text = until('id="vanishing-gradient"', where)
    assert "The run goes on" in text
    (tmp_path / "enough").touch()
    out, _ = run.communicate(timeout=120)
    assert out == "no children\n"
    (recording,) = (tmp_path / ".gradmedic/runs").iterdir()
    left = recording / "report.html"
    deadline = time.monotonic() + 30
    while not left.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert "The run goes on" not in left.read_text(encoding="utf-8")


def test_the_server_ends_where_the_run_was_killed(run: "subprocess.Popen[str]") -> None:
    where = address(run)
    until("The run goes on", where)
    if Path("/proc/self/autogroup").exists():
        assert server_of(run.pid).joinpath("autogroup").read_text().endswith(" nice 10\n"), "it is as heavy as training"
    os.kill(run.pid, signal.SIGKILL)
    run.communicate(timeout=60)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            page(where)
        except OSError:
            return
        time.sleep(0.2)
    pytest.fail("the server goes on")
