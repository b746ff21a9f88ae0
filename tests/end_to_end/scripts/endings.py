"""Ends in the way that its argument names."""

import atexit
import os
import signal
import sys
import threading
import time


def crash():
    raise ValueError("crashed")


def chained():
    try:
        crash()
    except ValueError as error:
        raise RuntimeError("from it") from error


def during():
    try:
        crash()
    except ValueError:
        {}["missing"]


def grouped():
    try:
        crash()
    except ValueError as error:
        raise ExceptionGroup("both", [error, KeyError("other")]) from None


def own_hook():
    sys.excepthook = lambda kind, error, traceback: print("hook", kind, error, traceback.tb_lineno, file=sys.stderr)
    crash()


def broken_hook():
    def hook(kind, error, traceback):
        raise KeyError("in the hook")

    sys.excepthook = hook
    crash()


def in_a_thread():
    thread = threading.Thread(target=crash, name="worker")
    thread.start()
    thread.join()
    print("went on")


def thread_left_behind():
    def late():
        time.sleep(0.2)
        print("late")

    threading.Thread(target=late).start()


def raise_in_atexit():
    atexit.register(crash)


def handled_sigterm():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(5)


def sigterm():
    print("not flushed, and so never seen")
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(5)


def forked():
    child = os.fork()
    if not child:
        print("child", flush=True)
        crash()
    print("child ended with", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def forked_and_terminated():
    child = os.fork()
    if not child:
        time.sleep(30)
        os._exit(1)
    os.kill(child, signal.SIGTERM)
    print("child ended with", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def deep():
    sys.setrecursionlimit(60)
    deep()


def bare():
    class Odd(BaseException):
        pass

    raise Odd("neither Exception nor SystemExit")


def crash_in_a_late_backward_pass():
    import torch

    weight = torch.ones(2, requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=0.01)
    for step in range(300):
        optimizer.zero_grad()
        loss = weight.square().sum()
        if step == 250:
            loss.register_hook(lambda grad: crash())
        loss.backward()
        optimizer.step()


ENDINGS = {
    "falls-off": lambda: None,
    "exit-0": lambda: sys.exit(0),
    "exit-3": lambda: sys.exit(3),
    "exit-none": lambda: sys.exit(None),
    "exit-true": lambda: sys.exit(True),
    "exit-text": lambda: sys.exit("a last word"),
    "exit-tuple": lambda: sys.exit((1, 2)),
    "exit-hard": lambda: os._exit(7),
    "abort": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "interrupt": lambda: signal.raise_signal(signal.SIGINT),
    "raise-interrupt": lambda: exec("raise KeyboardInterrupt"),
    "crash": crash,
    "crash-in-a-late-backward-pass": crash_in_a_late_backward_pass,
    "chained": chained,
    "during": during,
    "grouped": grouped,
    "own-hook": own_hook,
    "broken-hook": broken_hook,
    "in-a-thread": in_a_thread,
    "thread-left-behind": thread_left_behind,
    "raise-in-atexit": raise_in_atexit,
    "handled-sigterm": handled_sigterm,
    "sigterm": sigterm,
    "forked": forked,
    "forked-and-terminated": forked_and_terminated,
    "bare": bare,
}

if __name__ == "__main__":
    atexit.register(print, "atexit", flush=True)
    print("begin")
    if sys.argv[1] != "sigterm":
        sys.stdout.flush()
    ENDINGS[sys.argv[1]]()
    print("end")
