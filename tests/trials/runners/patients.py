"""Scripts in one file, chosen by their first argument: what a runner has to cope with."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def train(steps: int = 30, end: float = 0.0) -> None:
    import torch

    model = torch.nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    inputs = torch.randn(64, 4)
    for step in range(steps):
        loss = (model(inputs) - inputs.sum(1, keepdim=True)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        print(f"step {step} accuracy {step / 100}", flush=True)
        time.sleep(end)


def leave_pid() -> None:
    with open(sys.argv[2], "a", encoding="ascii") as file:
        file.write(f"{os.getpid()}\n")


def hold(megabytes: int) -> None:
    held = bytearray(megabytes << 20)
    held[::4096] = b"x" * len(held[::4096])
    time.sleep(60)


def spawn() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    with open(sys.argv[2], "a", encoding="ascii") as file:
        file.write(f"{child.pid}\n")
    train()


def detach() -> None:
    """Start a process in a session of its own, and one whose parent is gone at once."""
    leave = "import os, sys, time; open(sys.argv[1], 'a').write(f'{os.getpid()}\\n'); time.sleep(60)"
    command = [sys.executable, "-c", leave, sys.argv[2]]
    subprocess.Popen(command, start_new_session=True)
    twice = f"import subprocess; subprocess.Popen({command!r}, start_new_session=True)"
    subprocess.run([sys.executable, "-c", twice], check=True)
    known = Path(sys.argv[2])
    while not known.exists() or len(known.read_text().split()) < 2:
        time.sleep(0.05)


def flood() -> None:
    print("accuracy 0.25")
    for _ in range(200):
        sys.stdout.write("y" * 2**20)
    print("\naccuracy 0.75")
    for _ in range(200):
        sys.stdout.write("y" * 2**20)


def once() -> None:
    """Kill the process that has asked for this run, but only the first time."""
    leave_pid()
    with open(sys.argv[2], encoding="ascii") as file:
        first = len(file.read().split()) == 1
    train()
    if first:
        server = parent_of(os.getppid())
        os.kill(parent_of(server), signal.SIGKILL)
        time.sleep(60)


def parent_of(pid: int) -> int:
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return int(file.read().rsplit(")", 1)[1].split()[1])


def main() -> None:
    match sys.argv[1]:
        case "train":
            train()
        case "slow":
            leave_pid()
            train(10_000, 0.05)
        case "hang":
            leave_pid()
            train()
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(60)
        case "hold":
            hold(700)
        case "crash":
            train()
            raise ValueError("out of data")
        case "vanish":
            train()
            time.sleep(1)  # the recording is written twice a second
            os._exit(7)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "detach":
            detach()
            train()
        case "detach-and-hang":
            detach()
            train()
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(60)
        case "flood":
            train()
            flood()
        case "once":
            once()
        case "spawn":
            spawn()


if __name__ == "__main__":
    main()
