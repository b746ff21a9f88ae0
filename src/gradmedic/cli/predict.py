"""`gradmedic predict`: how large signals and gradients of a model will be, before any training."""

import sys
from pathlib import Path
from typing import Any

import click

from gradmedic.cli.options import LANGUAGE, settings_from
from gradmedic.errors import SettingsError

LOSSES = click.Choice(["cross_entropy", "mse", "bce", "sum"])
SUFFIXES = (".json", ".txt")


@click.command()
@click.option(
    "--input",
    "inputs",
    multiple=True,
    required=True,
    metavar="[NAME=][TYPE:]SHAPE",
    help="As 64x3x32x32, int:8x128 for tokens, or mask=bool:8x128 for a keyword; once for each argument.",
)
@click.option("--init", metavar="NAME", help="default, he, xavier, lecun, orthogonal or critical. [as it is]")
@click.option("--loss", type=LOSSES, help="Where gradients start. [norm one, spread evenly over the output]")
@click.option("--alone", is_flag=True, help="Leave the recommended initialization out.")
@click.option("-o", "--output", "outputs", multiple=True, metavar="FILE", help="Write the prediction: .json .txt")
@click.option("--quiet", is_flag=True, help="Print nothing.")
@LANGUAGE
@click.argument("target", metavar="MODULE:MODEL")
def predict(target: str, inputs: tuple[str, ...], outputs: tuple[str, ...], quiet: bool, **how: Any) -> int:
    """Predict how large every signal and every gradient of a model will be, before any training.

    MODULE:MODEL names a model, its class, or a function that makes it: package.models:Net, train.py:net. No data is
    needed, and no gradient is computed: where the model can run on shapes alone, nothing is computed at all.
    """
    _check_outputs(outputs)
    settings = settings_from((), lang=how.pop("lang"))
    from rich.console import Console

    from gradmedic.launch import found_in
    from gradmedic.probe.feed import feed_from, model_of
    from gradmedic.renderers.forecast import show
    from gradmedic.verbs.predict import predict as verb

    feed = feed_from(inputs)
    prediction = verb(
        model_of(target, found_in(target)), feed, init=how["init"], loss=how["loss"], recommend=not how["alone"]
    )
    for output in outputs:
        text = prediction.to_json(settings.lang) if output.endswith(".json") else prediction.to_text(settings.lang)
        Path(output).write_text(text, encoding="utf-8")
    if not quiet:
        show(prediction, settings.lang, Console(file=sys.stdout))
    return 0


def _check_outputs(outputs: tuple[str, ...]) -> None:
    for output in outputs:
        if not output.endswith(SUFFIXES):
            raise SettingsError(f"cannot write {output!r}: a prediction ends in {' or '.join(SUFFIXES)}")
