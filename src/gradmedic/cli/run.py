"""`gradmedic run`: watch a script that knows nothing of it."""

from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

import click

from gradmedic.cli.options import SEVERITY, settings_from, shared_options


# Whatever stands behind the script's name belongs to the script, its own --help and -- included.
@click.command(context_settings={"allow_interspersed_args": False})
@click.option("-m", "as_module", is_flag=True, help="TARGET is a module, as for python -m.")
@click.option("--budget", type=float, metavar="SHARE", help="Share of the run's time that may be taken. [0.02]")
@click.option("--every", type=int, metavar="N", help="Read every n-th step whole, whatever it costs.")
@click.option(
    "--record", metavar="DIR", help="Keep the recording, for `gradmedic diagnose DIR`; auto: a new .gradmedic/runs/...."
)
@click.option(
    "--log-to",
    "log_to",
    multiple=True,
    metavar="NAME",
    help="Send numbers to tensorboard, wandb, mlflow or trackio; auto: to those that the script has opened.",
)
@click.option("--live", is_flag=True, default=None, help="Show the run in a browser while it goes on.")
@click.option("--with", "prescription", metavar="FILE", help="Train under a prescription.")
@click.option("--stop-on", type=SEVERITY, help="End the run as soon as something that severe is sure.")
@shared_options
@click.argument("target")
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def run(
    target: str, args: tuple[str, ...], as_module: bool, assigned: tuple[str, ...], **flags: Any
) -> Callable[[], NoReturn]:
    """Run a PyTorch script unchanged and say what is wrong with its gradients.

    The report goes to stderr: stdout and the exit code belong to the script.
    """
    from gradmedic.launch import script

    settings = settings_from(assigned, **flags)
    return partial(script.run, target, args, as_module=as_module, settings=settings)
