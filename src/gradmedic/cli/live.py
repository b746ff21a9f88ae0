"""`gradmedic live`: a recording in the browser while its run goes on."""

import os
import socket
import sys
from contextlib import suppress

import click

from gradmedic.cli.options import LANGUAGE, settings_from

LIGHT = 10
"""How nice the server is: where all share one core, a tenth of it, so that the page still comes."""


@click.command()
@click.argument("folder", metavar="DIR")
@click.option("--port", type=click.IntRange(0, 65535), default=0, metavar="N", help="Where to listen. [any free port]")
@click.option(
    "--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Another one lets other machines in."
)
@click.option("--beside", type=int, hidden=True, help="Be in the background while this process runs.")
@LANGUAGE
def live(folder: str, port: int, host: str, beside: int | None, lang: str | None) -> int:
    """Show a recording in the browser, also one that is still written, by another process or machine.

    The page keeps itself up to date. The address holds a token: who does not have it sees nothing. End it with Ctrl-C.
    """
    from gradmedic.base.errors import LaunchError
    from gradmedic.verbs.live import open_server, serve

    settings = settings_from((), lang=lang)
    if beside is None and not os.path.isdir(folder):
        raise LaunchError(f"there is no recording in {folder}: make one with gradmedic run --record {folder} train.py")
    try:
        server = open_server(folder, settings, host, port, beside)
    except OSError as error:
        raise LaunchError(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
    sys.stdout.write("".join(f"{line}\n" for line in (server.address, through_ssh(server.server_port)) if line))
    sys.stdout.flush()
    if beside is not None and not into_background():
        return 0
    serve(server, forever=beside is None)
    return 0


def through_ssh(port: int) -> str:
    """On a machine that one is logged in to from elsewhere, the command that brings the page there."""
    if not any(name in os.environ for name in ("SSH_CONNECTION", "SLURM_JOB_ID")):
        return ""
    user = os.environ.get("USER") or "you"
    return f"from your own machine: ssh -N -L {port}:127.0.0.1:{port} {user}@{socket.gethostname()}"


def into_background() -> bool:
    """Leave the terminal and the one who started this, whose child it is no more; True in what goes on."""
    if not hasattr(os, "fork"):
        return True
    if os.fork():
        return False
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    let_training_go_first()
    return True


def let_training_go_first() -> None:
    """Take what is left over. Linux weighs sessions first, so that our own one is made light as well."""
    os.nice(LIGHT)
    with suppress(OSError), open("/proc/self/autogroup", "w") as group:
        group.write(str(LIGHT))
