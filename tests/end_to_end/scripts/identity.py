"""Tells all that a script can find out about itself."""

from __future__ import annotations

import atexit
import dataclasses
import inspect
import os
import pickle
import signal
import sys
import typing
import warnings

import __main__


@dataclasses.dataclass(order=True)
class Point:
    x: int
    y: list[Point]


class Late:
    def __init__(self):
        self.told = print

    def goodbye(self):
        self.told("atexit", sys.argv, __name__, Point(1, []))


atexit.register(Late().goodbye)

print("argv", sys.argv)
print("file", __file__, "name", __name__, "doc", __doc__)
print("path", sys.path)
print("folder", os.getcwd())
print("package", __package__, "spec", __spec__, "cached", __cached__)
print("loader", type(__loader__).__name__, __loader__.name, __loader__.path)
print("names", sorted(name for name in globals() if name.startswith("__")))
print("main", __main__ is sys.modules["__main__"], __main__.__dict__ is globals())
print("pickle", pickle.loads(pickle.dumps(Point(1, []))), pickle.dumps(Point))
print("source", inspect.getsource(Point))
print("hints", typing.get_type_hints(Point))
print("handlers", [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)])
print("term", signal.getsignal(signal.SIGTERM) is signal.SIG_DFL, signal.signal(signal.SIGTERM, signal.SIG_DFL))
print("hook", sys.excepthook is sys.__excepthook__, sys.stdout is sys.__stdout__, sys.flags)
print("torch", "torch" in sys.modules)
print("input", sys.stdin.read())
warnings.warn("a warning of the script", stacklevel=1)
warnings.warn("shown because this is __main__", DeprecationWarning, stacklevel=1)
