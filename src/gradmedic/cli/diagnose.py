"""`gradmedic diagnose`: judge a recording again, without torch and without the script."""

import sys
from typing import Any

import click

from gradmedic.cli.options import settings_from, shared_options


@click.command()
@shared_options
@click.argument("folder", metavar="DIR")
def diagnose(folder: str, assigned: tuple[str, ...], **flags: Any) -> int:
    """Judge an old recording again, made by `gradmedic run --record DIR`."""
    from gradmedic.render import deliver
    from gradmedic.verbs.diagnose import diagnose as verb

    settings = settings_from(assigned, **flags)
    report = verb(folder, settings)
    deliver.write(report, settings)
    if settings.json:
        sys.stdout.write(report.to_json(settings.lang))
    elif not settings.quiet:
        deliver.show(report, settings, sys.stdout)
    return deliver.exit_code(report, settings)
