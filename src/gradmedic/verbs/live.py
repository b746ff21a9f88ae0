"""Show a recording in browsers while its run goes on."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Thread

from gradmedic.base.atomic_write import write
from gradmedic.base.settings import Settings
from gradmedic.live.follower import RecordingFollower
from gradmedic.live.server import LOOPBACK, LiveServer
from gradmedic.recording.run_folders import REPORT
from gradmedic.render.report.page.report_page import report_page
from gradmedic.verbs.call_settings import settings_of

LINGER = 3.0
"""Seconds for which the last page can still be had after the run, where nobody waits for Ctrl-C."""


def open_server(
    folder: str | os.PathLike[str],
    settings: Settings | None = None,
    host: str = LOOPBACK,
    port: int = 0,
    process: int | None = None,
) -> LiveServer:
    """A server of the recording in a folder, which need not be there yet; `serve` starts it.

    `process` is the one that writes the recording: where it is gone, the run has ended.
    """
    follower = RecordingFollower(Path(folder), settings_of("gm.live", settings), _alive(process))
    return LiveServer(follower, host, port)


def serve(server: LiveServer, forever: bool = True) -> None:
    """Follow the recording and answer until Ctrl-C or, unless `forever`, a little beyond the end of the run."""
    answering = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True)
    answering.start()
    try:
        server.follower.follow()
        if forever:
            answering.join()
        leave_report(server.follower)
        time.sleep(LINGER)
    finally:
        server.shutdown()
        server.server_close()


def leave_report(follower: RecordingFollower) -> None:
    """Write the last page into the folder, as a file that needs no server."""
    if follower.final is not None:
        with suppress(OSError):
            write(follower.folder / REPORT, report_page(follower.final, follower.settings.lang).encode())


def _alive(process: int | None) -> Callable[[], bool]:
    """Whether a process is still the one that it was."""
    if process is None:
        return lambda: True
    began = _began(process)

    def alive() -> bool:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return False
        except OSError:
            return True
        return _began(process) == began

    return alive


def _began(process: int) -> str:
    """When a process began, where the system tells: numbers of processes are used again."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = text.rpartition(")")[2].split()
    return "" if fields[:1] == ["Z"] else " ".join(fields[19:20])
