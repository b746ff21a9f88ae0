"""Start the server of a live page beside a run, as a process that is no child of it."""

import os
import subprocess
import sys

from gradmedic.base.errors import LaunchError
from gradmedic.base.settings import HANDED_ON, PREFIX

PATIENCE = 20.0
"""Seconds that the server may take to say where it is."""


def start_live_server(folder: str, lang: str) -> str:
    """Start it; the lines that it has to say: its address, and how to get there from elsewhere.

    What is started here forks and ends at once: a script that waits for its children does not meet it.
    Raises `LaunchError` where it does not start.
    """
    command = [sys.executable, "-P", "-m", "gradmedic", "live", folder, "--beside", str(os.getpid()), "--lang", lang]
    environ = {key: value for key, value in os.environ.items() if key != HANDED_ON and not key.startswith(PREFIX)}
    try:
        done = subprocess.run(
            command, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE, check=True
        )
    except subprocess.CalledProcessError as error:
        raise LaunchError(f"the live page does not start: {error.stderr.strip().rpartition(chr(10))[2]}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LaunchError(f"the live page does not start: {error}") from None
    return done.stdout.strip()
