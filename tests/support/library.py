"""The C library that reads tensors, compiled for the tests, and torch in its place."""

import runpy
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

from gradmedic.probe.reading import one_pass

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src/gradmedic/probe/reading/one_pass.c"


def build_script() -> dict[str, Any]:
    """What the build's own script defines."""
    return runpy.run_path(str(ROOT / "hatch_build.py"))


@cache
def library() -> one_pass.Library | None:
    """The library as it is built from these sources; None where no compiler is at hand."""
    compiled: Callable[[Path, Path], bool] = build_script()["compiled"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "one_pass.shared")
        return one_pass.load(path, SOURCE) if compiled(SOURCE, path) else None


def read_by(chosen: one_pass.Library | None) -> AbstractContextManager[Any]:
    """A block in which the library reads, or torch alone."""
    return mock.patch.object(one_pass, "LIBRARY", chosen)
