"""How far a live page lags behind its run, and what five browsers cost the training.

A script of some thousand steps a second is recorded three times: without a page, with one that nobody looks
at, and with five visitors who fetch the page at every event.

    python benchmarks/live.py --seconds 20
"""

import argparse
import re
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

SCRIPT = """
import sys, time, torch
torch.set_num_threads(1)
torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Linear(16, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1))
opt = torch.optim.SGD(net.parameters(), lr=0.01)
x = torch.randn(32, 16)
end, step = time.time() + float(sys.argv[1]), 0
with open("times", "w", buffering=1) as file:
    while time.time() < end:
        opt.zero_grad()
        ((net(x) - x[:, :1]) ** 2).mean().backward()
        opt.step()
        if step % 50 == 0:
            file.write(f"{step} {time.time()}\\n")
        step += 1
print(step)
"""


def steps(folder: Path, seconds: float, visitors: int | None) -> tuple[int, list[float]]:
    """Steps of one run, and the lags that its visitors saw; `visitors` is None without a live page."""
    live = ["--record", "auto"] if visitors is None else ["--live"]
    (folder / "times").write_text("")
    command = [sys.executable, "-m", "gradmedic", "run", *live, "train.py", str(seconds)]
    run = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert run.stdout is not None
    assert run.stderr is not None
    lags: list[float] = []
    if visitors is not None:
        where = run.stderr.readline().removeprefix("gradmedic: ").strip()
        for _ in range(visitors):
            threading.Thread(target=visit, args=(where, folder, lags), daemon=True).start()
    out, _ = run.communicate()
    return int(out), lags


def visit(where: str, folder: Path, lags: list[float]) -> None:
    """Fetch the page at every event, and note how old its last step is."""
    place = urlsplit(where)
    with closing(HTTPConnection(place.netloc, timeout=60)) as pages, closing(HTTPConnection(place.netloc)) as events:
        pages.request("GET", f"/?{place.query}")
        answer = pages.getresponse()
        answer.read()
        known = {"Cookie": (answer.getheader("Set-Cookie") or "").split(";")[0]}
        events.request("GET", "/events", headers=known)
        stream = events.getresponse()
        for line in iter(stream.readline, b""):
            if line != b"event: changed\n":
                continue
            pages.request("GET", "/", headers=known)
            text = pages.getresponse().read().decode()
            if (found := re.search(r"goes on: step (\d+)", text)) and (age := lag(folder, int(found[1]))) is not None:
                lags.append(age)


def lag(folder: Path, step: int) -> float | None:
    """Seconds since a step was made."""
    now = time.time()
    known = [line.split() for line in (folder / "times").read_text().splitlines() if line.count(" ") == 1]
    return next((now - float(when) for at, when in known if int(at) >= step), None)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "train.py").write_text(SCRIPT)
        for _ in range(asked.rounds):
            plain, _ = steps(folder, asked.seconds, None)
            alone, _ = steps(folder, asked.seconds, 0)
            busy, lags = steps(folder, asked.seconds, 5)
            lags = sorted(lags) or [float("nan")]
            print(
                f"steps a second {plain / asked.seconds:.0f}; live, nobody looks: {alone / plain:.3f} of it; "
                f"five visitors: {busy / plain:.3f}; lag median {median(lags):.2f} s, "
                f"95 %: {lags[int(0.95 * (len(lags) - 1))]:.2f} s, {len(lags)} pages",
                flush=True,
            )


if __name__ == "__main__":
    main()
