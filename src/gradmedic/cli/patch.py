"""`gradmedic patch`: a prescription as a patch of the user's own script."""

import sys
from typing import Any

import click

from gradmedic.base.errors import SettingsError
from gradmedic.base.surroundings import terminal
from gradmedic.cli.options import IN_PLACE, LANGUAGE, check_folders, positive, settings_from

UNSURE = 1


# Whatever stands behind the script's name belongs to the script.
@click.command(context_settings={"allow_interspersed_args": False})
@click.option("-m", "as_module", is_flag=True, help="TARGET is a module, as for python -m.")
@click.option("-o", "--output", metavar="FILE", help="Write the diff: for `patch -p0` and `git apply`.")
@click.option(
    "--apply", "applied", is_flag=True, help="Change the script; the old one is kept beside it as TARGET.orig."
)
@click.option("--check/--no-check", default=True, help="Run the patched script and the trial, and compare.  [check]")
@click.option(
    "--minutes",
    type=float,
    callback=positive,
    default=3.0,
    show_default=True,
    help="Time for the three runs of the check.",
)
@click.option("--steps", type=int, callback=positive, metavar="N", help="Steps of each run. [as time allows]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout in place of the diff.")
@IN_PLACE
@LANGUAGE
@click.argument("prescription")
@click.argument("target", required=False, default="")
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def patch(
    prescription: str,
    target: str,
    args: tuple[str, ...],
    output: str | None,
    applied: bool,
    as_json: bool,
    lang: str | None,
    **how: Any,
) -> int:
    """Print a prescription as a unified diff of the script that it was made for.

    Only what is certain is written; what is left is said, with the lines to paste. The patched script is
    run beside the trial to see whether it does the same. The diff goes to stdout, all else to stderr. Exit
    code: 0 if the patch does what the trial did.
    """
    from rich.console import Console

    from gradmedic.render.patch import as_json as written
    from gradmedic.render.patch import show_diff, tell, tell_kept
    from gradmedic.treatment.prescription import Prescription
    from gradmedic.verbs.patch import patch as verb

    settings = settings_from((), lang=lang)
    check_folders(output)
    refuse_script(prescription)
    found = verb(Prescription.load(prescription), target, args, **how)
    if output is not None:
        found.save(output)
    if as_json:
        sys.stdout.write(written(found, settings.lang))
    elif output is None:
        show_diff(found.diff, Console(_environ=terminal()))
    tell(found, settings.lang, Console(stderr=True, _environ=terminal()))
    if applied and found.holds:
        tell_kept(found.apply(), settings.lang, Console(stderr=True, _environ=terminal()))
    return 0 if found.holds else UNSURE


def refuse_script(prescription: str) -> None:
    """Say what comes first where a script stands in the place of the prescription."""
    if prescription.endswith(".py"):
        raise SettingsError(
            f"{prescription} is a script: the prescription comes first, as gradmedic patch prescription.toml "
            f"{prescription}; gradmedic treat {prescription} writes one"
        )
