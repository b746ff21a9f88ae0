"""Write a recording to a folder while the run goes on, in the background.

The calling thread only appends to queues; encoding and writing happen in the background, twice a
second and at once for an event. What is written is in the hands of the operating system, so that
`kill -9` costs the last second at most. Nothing that goes wrong here reaches the run: the journal
stops, with one warning.
"""

import atexit
import json
import os
import time
import warnings
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from gradmedic.base.atomic_write import write
from gradmedic.base.background import Background
from gradmedic.base.errors import GradmedicWarning, RecordingError
from gradmedic.base.visible_text import visible_text
from gradmedic.recording import encoding, retention
from gradmedic.recording.records import SCHEMA, Capture, Event, Optimizer, Stream, Vital
from gradmedic.recording.site import Parameter, Site
from gradmedic.recording.tables import History, Table

EVERY = 0.5
"""Seconds from one writing to the next."""
PATIENCE = 10.0
"""Seconds that `close` waits for a disk that does not answer."""
CROWD = 8192
"""Vitals that are written without waiting for the time."""
WAITING = 2**20
"""Numbers in captures that may wait for the disk, 64 MB of them; further captures are left out."""

MARK = "gradmedic-recording"
"""The file by which a folder is known to be ours, and to hold nothing that may not be replaced."""

T = TypeVar("T")


class RecordingWriter:
    """The recording of one rank, in the folder of its run; rank 0 keeps the facts of the run.

    A recording that is already in the folder is replaced. `failure` tells why the journal stopped
    before its time, `seconds` the processor time that it has taken.
    """

    def __init__(self, folder: str | Path, rank: int = 0) -> None:
        self.folder, self.rank = Path(folder).absolute(), rank  # the script may change directory
        self.failure: str | None = None
        self.seconds = 0.0
        self._run: dict[str, Any] = {"schema": SCHEMA}
        self._pid = os.getpid()
        self._waiting = 0
        self._kinds = Counter[str]()
        self._events = 0
        self._closed = self._told = False
        self._background = Background(self._write_in_time, EVERY)
        self._start()

    def begin(self, run: dict[str, Any]) -> None:
        """Note the facts of the run."""
        self._run |= run
        self._write_run()

    def site(self, site: Site) -> None:
        """Note an operation, or what is new about it."""
        self._put(encoding.SITES, site)

    def parameter(self, parameter: Parameter) -> None:
        """Note a parameter, or what is new about it."""
        self._put(encoding.PARAMETERS, parameter)

    def stream(self, stream: Stream) -> None:
        """Note a place where backward is called."""
        self._put(encoding.STREAMS, stream)

    def optimizer(self, optimizer: Optimizer) -> None:
        """Note an optimizer, or what is new about it."""
        self._put(encoding.OPTIMIZERS, optimizer)

    def vital(self, vital: Vital) -> None:
        """Note the vital of a backward pass."""
        self.vitals((vital,))

    def vitals(self, pile: Sequence[Vital]) -> None:
        """Note the vitals of many backward passes."""
        before = len(self._vitals)
        self._vitals.extend(pile)
        self._go_on()
        if before < CROWD <= len(self._vitals):
            self._hurry()

    def capture(self, capture: Capture) -> None:
        """Note a backward pass that was read whole."""
        if os.getpid() != self._pid or self._waiting > WAITING:
            return
        self._captures.append(capture)
        self._waiting += retention.weight(capture)
        self._go_on()
        if len(self._captures) == 16:
            self._hurry()

    def event(self, event: Event) -> None:
        """Note an event; all but the tallies are written at once."""
        self._put(encoding.EVENTS, event)
        if event.kind != "tallies":
            self._hurry()

    def close(self, **facts: Any) -> None:
        """Write what is left, and facts that are known only now."""
        if self._closed or os.getpid() != self._pid:
            return
        self._closed = True
        atexit.unregister(self.close)
        if self.failure is None:
            if not self._background.stop(PATIENCE):
                self._fail(TimeoutError("the disk does not answer"))
            elif self._write():
                self.begin(facts)
        self._tell()
        self._forget()

    def reopen(self) -> None:
        """Go on after `close`; harmless where nothing was closed."""
        if self._closed and self.failure is None and os.getpid() == self._pid:
            self._closed = False
            self._listen()

    def _start(self) -> None:
        if self.rank == 0 and not _replaceable(self.folder / "run.json"):
            raise RecordingError(f"{self.folder} holds a run.json that is not gradmedic's: choose another folder.")
        folder = self.folder / f"rank-{self.rank:05}"
        if not _is_ours(folder):
            raise RecordingError(f"{folder} holds files that are not gradmedic's: choose another folder.")
        try:
            self._open(folder)
        except OSError as error:
            self._fail(error)
            self._tell()
        else:
            self._listen()
            self._write_run()

    def _open(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*.jsonl"):
            old.unlink()
        (folder / MARK).write_text("A recording of gradmedic: the next run into this folder replaces it.\n", "utf-8")
        self._tables = {name: Table(folder / f"{name}.jsonl") for name in encoding.TABLES}
        self._vital_history = History(folder, retention.VITALS, (encoding.VITALS,), encoding.vital_rows)
        self._capture_history = History(folder, retention.CAPTURES, encoding.OF_CAPTURES, encoding.capture_rows)

    def _put(self, table: str, fact: object) -> None:
        # A forked child has a copy of the queues, but no thread that would empty them.
        if os.getpid() == self._pid:
            self._facts.append((table, fact))
            self._go_on()

    def _go_on(self) -> None:
        if os.getpid() == self._pid and not self._closed:
            if self.failure is None:
                self._background.start()
            else:
                self._tell()

    def _hurry(self) -> None:
        # In a forked child the lock inside may be held by a thread that is not there.
        if os.getpid() == self._pid:
            self._background.hurry()

    def _write_in_time(self) -> bool:
        before = time.thread_time()
        going = self._write()
        self.seconds += time.thread_time() - before
        return going

    def _write(self) -> bool:
        try:
            self._drain()
        except Exception as error:
            self._fail(error)
        return self.failure is None

    def _drain(self) -> None:
        # Taken in this order, so that whatever a capture refers to has been taken with it.
        self._waiting = 0
        captures, vitals, facts = _taken(self._captures), _taken(self._vitals), _taken(self._facts)
        for table, fact in facts:
            self._file(table, fact)
        for vital in vitals:
            self._vital_history.put(vital.stream, vital)
        for capture in captures:
            self._capture_history.put(capture.stream, capture, retention.weight(capture))
        for written in self._tables.values():
            written.flush()
        self._vital_history.flush()
        self._capture_history.flush()

    def _file(self, table: str, fact: Any) -> None:
        if table != encoding.EVENTS:
            return self._tables[table].put(fact.id, encoding.line(vars(fact)))
        slot = retention.slot(fact.kind, self._kinds[fact.kind])
        row = {"index": self._events, "kind": fact.kind, "slot": slot, "step": fact.step, "data": fact.data}
        self._tables[table].put((fact.kind, slot), encoding.line(row))
        self._kinds[fact.kind] += 1
        self._events += 1
        return None

    def _write_run(self) -> None:
        if self.rank == 0 and self.failure is None:
            try:
                write(self.folder / "run.json", encoding.document(self._run).encode(), durable=False)
            except Exception as error:
                self._fail(error)

    def _fail(self, error: Exception) -> None:
        self.failure = f"{type(error).__name__}: {error}"
        atexit.unregister(self.close)
        self._forget()

    def _tell(self) -> None:
        # From the script's own thread: who logs warnings asks for the thread, and `threading` would note it.
        if self.failure is not None and not self._told:
            self._told = True
            with suppress(GradmedicWarning):  # warnings may be errors, but not in a run that we watch
                text = f"gradmedic stops recording to {self.folder}: {self.failure.partition(': ')[2]}"
                warnings.warn(visible_text(text), GradmedicWarning, stacklevel=2)

    def _listen(self) -> None:
        # Bounded: a disk that hangs may cost records, but not the machine's memory.
        self._facts: deque[tuple[str, object]] = deque(maxlen=100_000)
        self._vitals: deque[Vital] = deque(maxlen=2**18)
        self._captures: deque[Capture] = deque(maxlen=4096)
        atexit.register(self.close)

    def _forget(self) -> None:
        self._facts, self._vitals, self._captures = deque(maxlen=0), deque(maxlen=0), deque(maxlen=0)


def _replaceable(file: Path) -> bool:
    try:
        return encoding.is_run(json.loads(file.read_bytes()))
    except OSError:
        return True
    except ValueError:
        return False


def _is_ours(folder: Path) -> bool:
    try:
        return (folder / MARK).is_file() or not any(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):  # the latter is told when it cannot be written
        return True
    except OSError:
        return False


def _taken(queue: deque[T]) -> list[T]:
    return [queue.popleft() for _ in range(len(queue))]
