"""Hand a report over: to the files that were asked for, to the screen, and into the exit code."""

import os
import sys
from typing import TextIO

from gradmedic.base.errors import LaunchError
from gradmedic.base.settings import Settings
from gradmedic.base.surroundings import terminal
from gradmedic.diagnosis.finding import Finding, Severity
from gradmedic.diagnosis.report import Report

FOUND = 3
"""The exit code for "something as severe as --fail-on or --stop-on was found"."""


def write(report: Report, settings: Settings) -> None:
    """Write every output that was asked for."""
    if not settings.outputs:  # what writes them takes a while to load
        return
    from gradmedic.render import github, render_to

    failed = []
    for output in settings.outputs:
        try:
            if os.path.basename(output) == github.OUTPUT:
                github.announce(report, settings.lang, sys.stderr)
            else:
                render_to(output, report, settings.lang)
        except OSError as error:  # the others are written all the same
            failed.append(f"{output} ({error.strerror or error})")
    if failed:
        raise LaunchError(f"cannot write {', '.join(failed)}")


def show(report: Report, settings: Settings, stream: TextIO) -> None:
    """Print the screen."""
    from rich.console import Console

    from gradmedic.render.report.terminal import show as show_screen

    show_screen(report, settings.lang, Console(file=stream, _environ=terminal()))


def exit_code(report: Report, settings: Settings) -> int:
    """3 if something as severe as `fail_on` was found, be it a cause or a consequence, else 0."""
    if settings.fail_on is None:
        return 0
    return FOUND if severe(report, Severity[settings.fail_on.upper()]) else 0


def severe(report: Report, severity: Severity) -> list[Finding]:
    """All findings of a severity or a worse one, consequences included."""
    found = (one for cause in report.findings for one in (cause, *cause.consequences))
    return [finding for finding in found if finding.severity >= severity]
