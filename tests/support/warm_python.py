"""Runs scripts from a process that has torch loaded: loading it takes longer than most scripts of the tests.

Each run is a fork of its own, in which a script is `__main__` and ends as it would in a fresh Python. What is about the
loading itself, about tracebacks or arguments is tested in fresh processes.
"""

import json
import os
import subprocess
import sys
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any


class WarmPython:
    """A Python that has loaded torch; `close` ends it."""

    def __init__(self) -> None:
        environ = os.environ | {"OMP_NUM_THREADS": "1"}
        self._server = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ
        )

    def run(self, args: Sequence[str | Path], environ: Mapping[str, str] = os.environ, seconds: float = 240) -> str:
        """What `python *args` prints; raises `CalledProcessError` if it fails. `-m gradmedic` is the one module."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        with TemporaryDirectory() as folder:
            out, err = Path(folder, "out"), Path(folder, "err")
            job = {"args": [*map(str, args)], "environ": {**environ}, "out": str(out), "err": str(err)}
            self._server.stdin.write(json.dumps({**job, "seconds": seconds}) + "\n")
            self._server.stdin.flush()
            code = int(self._server.stdout.readline())
            if code:
                raise subprocess.CalledProcessError(code, [*args], out.read_text("utf-8"), err.read_text("utf-8"))
            return out.read_text("utf-8")

    def close(self) -> None:
        """End it."""
        self._server.communicate("", timeout=60)


def serve() -> dict[str, Any] | None:
    """Fork for each job that is asked for, one after the other; in the fork: the job."""
    import gc

    import torch._dynamo  # noqa: F401 - what the first step of an optimizer loads

    gc.freeze()  # a collection in a fork would copy every page that the two share
    for line in sys.stdin:
        job: dict[str, Any] = json.loads(line)
        if (pid := os.fork()) == 0:
            return job
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
    return None


def perform(job: dict[str, Any]) -> None:
    """Run what a command line says in this process."""
    import signal

    signal.alarm(int(job["seconds"]))
    for number, name in ((1, job["out"]), (2, job["err"])):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.clear()
    os.environ.update(job["environ"])
    for folder in reversed(job["environ"].get("PYTHONPATH", "").split(os.pathsep)):
        if folder:
            sys.path.insert(0, folder)
            start = Path(folder, "sitecustomize.py")
            if start.is_file():
                exec(compile(start.read_text("utf-8"), start, "exec"), {"__name__": "sitecustomize"})
    if job["args"][:2] == ["-m", "gradmedic"]:
        from gradmedic.cli import main

        sys.argv = ["gradmedic", *job["args"][2:]]
        sys.exit(main())
    sys.argv = job["args"]
    script = Path(job["args"][0])
    sys.path[0] = str(script.parent)
    main_module = types.ModuleType("__main__")
    main_module.__file__ = str(script)
    sys.modules["__main__"] = main_module
    exec(compile(script.read_text("utf-8"), script, "exec"), vars(main_module))


if __name__ == "__main__" and (asked := serve()) is not None:
    perform(asked)
