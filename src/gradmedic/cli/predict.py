"""`gradmedic predict`: how large signals and gradients will be, of a model before any training, or of a script."""

import sys
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

import click

from gradmedic.base.atomic_write import write_all
from gradmedic.base.errors import SettingsError
from gradmedic.base.surroundings import terminal
from gradmedic.cli.options import JSON, LANGUAGE, check_folders, settings_from
from gradmedic.prediction.prediction import MUCH

LOSSES = click.Choice(["cross_entropy", "mse", "bce", "sum"])
SUFFIXES = (".html", ".json", ".txt")


class _Either(click.Command):
    """Options stand anywhere around MODULE:MODEL, but behind a script's name everything is the script's."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.allow_interspersed_args = False
        found, _, _ = self.make_parser(ctx).parse_args(args=list(args))
        target = found.get("target")
        ctx.allow_interspersed_args = not (isinstance(target, str) and is_script(target, bool(found.get("as_module"))))
        return super().parse_args(ctx, args)


def is_script(target: str, as_module: bool) -> bool:
    """True for what is to be run; `train.py:net` is a model in a file."""
    return as_module or target.endswith(".py")


@click.command(cls=_Either)
@click.option("-m", "as_module", is_flag=True, help="TARGET is a module to be run, as for python -m.")
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="[NAME=][TYPE:]SHAPE",
    help="As 64x3x32x32, int:8x128 for tokens, or mask=bool:8x128 for a keyword; once for each argument of a model.",
)
@click.option("--init", metavar="NAME", help="default, he, xavier, lecun, orthogonal or critical. [as it is]")
@click.option("--loss", type=LOSSES, help="Where gradients of a model start. [norm one, spread evenly over the output]")
@click.option(
    "--targets",
    metavar="FILE",
    help="Targets of a model's loss: .pt or .npy, a text with a row of numbers for each sample, or MODULE:NAME.",
)
@click.option(
    "--decades", type=float, default=MUCH, show_default=True, help="Change from which a gradient vanishes or explodes."
)
@click.option(
    "--widths",
    metavar="0.25,0.5,1,2,4",
    help="A coordinate check of MODULE:FACTORY, which is called with each of these multiples of the width.",
)
@click.option("--optimizer", type=click.Choice(["sgd", "adam"]), help="Whose steps a coordinate check is of. [adam]")
@click.option("--alone", is_flag=True, help="Leave the recommended initialization out.")
@click.option("-o", "--output", "outputs", multiple=True, metavar="FILE", help="Write the prediction: .html .json .txt")
@JSON
@click.option("--quiet", is_flag=True, help="Print nothing.")
@LANGUAGE
@click.argument("target")
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def predict(target: str, as_module: bool, **given: Any) -> int | Callable[[], NoReturn]:
    """Predict how large every signal and every gradient will be, before any training.

    TARGET is a model, or a training script. MODULE:MODEL names a model, its class, or a function that makes it:
    package.models:Net, train.py:net. No data is needed, and no gradient is computed: where the model can run on
    shapes alone, nothing is computed at all.

    With --widths it is MODULE:FACTORY, a function of a multiple of the width that returns a model, or a model and its
    optimizer: told is how signals, gradients and the optimizer's first step grow with width, and so whether a learning
    rate that suits a narrow network suits a wide one.

    A script (train.py, or -m package.module) is run unchanged until its first training step has been made, and
    what was measured in it stands beside the prediction, which goes to stderr. What stands behind its name is the
    script's.
    """
    check_folders(*given["outputs"])
    for output in given["outputs"]:
        if not output.endswith(SUFFIXES):
            raise SettingsError(f"cannot write {output!r}: a prediction ends in {', '.join(SUFFIXES)}")
    given["lang"] = settings_from((), lang=given["lang"]).lang
    if is_script(target, as_module):
        return _of_script(target, as_module, **given)
    return _of_model(target, **given)


def _of_script(target: str, as_module: bool, args: tuple[str, ...], **given: Any) -> Callable[[], NoReturn]:
    for option, name in (("inputs", "input"), ("loss", "loss"), ("targets", "targets")):
        if given[option]:
            raise SettingsError(f"a script has its own {name}: leave --{name} out")
    if given["widths"] or given["optimizer"]:
        raise SettingsError("a coordinate check is of a function that makes models: --widths needs MODULE:FACTORY")
    from gradmedic.launch import script
    from gradmedic.launch.predict_session import PredictionRequest

    asked = PredictionRequest(
        given["init"],
        not given["alone"],
        given["outputs"],
        given["quiet"],
        given["lang"],
        given["decades"],
        given["as_json"],
    )
    return partial(script.foresee, target, args, as_module=as_module, asked=asked)


def _of_model(target: str, args: tuple[str, ...], **given: Any) -> int:
    if args:
        raise SettingsError(f"{target} is a model: nobody knows what {args[0]!r} is to mean")
    if not given["inputs"]:
        raise SettingsError(f"{target} is a model: say what goes into it, as --input 64x3x32x32")
    if given["widths"]:
        return _over_widths(target, **given)
    if given["optimizer"]:
        raise SettingsError("only a coordinate check has an optimizer: --widths 0.25,0.5,1,2,4")
    from gradmedic.launch.script import found_in
    from gradmedic.prediction.model_input import feed_from, model_of
    from gradmedic.render.prediction.screen import show
    from gradmedic.verbs.predict import predict as verb

    model, feed = model_of(target, found_in(target)), feed_from(given["inputs"])
    targets = _targets(given["targets"], given["loss"])
    how = {"init": given["init"], "recommend": not given["alone"], "decades": given["decades"]}
    _tell(verb(model, feed, given["loss"], targets=targets, **how), show, **given)
    return 0


def _over_widths(target: str, **given: Any) -> int:
    if given["init"]:
        raise SettingsError("a coordinate check is of weights as the factory draws them: leave --init out")
    from gradmedic.launch.script import found_in
    from gradmedic.prediction.model_input import feed_from
    from gradmedic.render.coordinate_check.screen import show
    from gradmedic.verbs.coordinate_check import coordinate_check

    factory, loss = found_in(target), given["loss"] or "cross_entropy"
    if not callable(factory):
        raise SettingsError(f"{target} cannot be called with a multiple of the width")
    how = {"widths": _multiples(given["widths"]), "targets": _targets(given["targets"], loss)}
    optimizer = given["optimizer"] or "adam"
    _tell(coordinate_check(factory, feed_from(given["inputs"]), loss, optimizer=optimizer, **how), show, **given)
    return 0


def _tell(found: Any, show: Callable[[Any, str, Any], None], **given: Any) -> None:
    """Print JSON, or what `show` draws, and write the files."""
    from rich.console import Console

    from gradmedic.launch.predict_session import text

    if given["as_json"]:
        sys.stdout.write(found.to_json(given["lang"]))
    elif not given["quiet"]:
        show(found, given["lang"], Console(file=sys.stdout, _environ=terminal()))
    write_all((output, text(found, output, given["lang"])) for output in given["outputs"])


def _multiples(given: str) -> list[float]:
    try:
        return [float(width) for width in given.split(",")]
    except ValueError:
        raise SettingsError(f"{given!r} are no widths, as 0.25,0.5,1,2,4 are") from None


def _targets(given: str | None, loss: str | None) -> Any:
    """The targets that a file holds, or that `module:name` names."""
    if given is None:
        return None
    if loss in (None, "sum"):
        raise SettingsError("targets need a loss: --loss cross_entropy, mse or bce")
    from gradmedic.launch.script import found_in
    from gradmedic.probe.targets import as_tensor, read

    return as_tensor(given, found_in(given)) if ":" in given else read(given)
