"""Every kind of page, drawn by hand: reports, treatments, comparisons, predictions, and two runs side by side."""

from collections.abc import Callable

from support import contests, treatments
from support.sketches import SKETCHES

from gradmedic.diagnosis.difference import difference
from gradmedic.diagnosis.run_view import view_of_report
from gradmedic.prediction.prediction import PredictedOperation, Prediction, Range
from gradmedic.recording.site import Kind, Site

Page = Callable[[str], str]


def predicted(measured: bool = True) -> Prediction:
    """A chain of sixty layers that halves the gradient at each; the last of them has no rule."""
    operations = []
    for at in range(60):
        site = Site(at, op="linear", kind=Kind.WEIGHTS, name=f"net.{at}", order=at)
        grad = Range(2.0 ** (at - 60), 2.0 ** (at - 61), 2.0 ** (at - 59))
        told = grad.middle * 1.1 if measured else None
        operations.append(
            PredictedOperation(site, Range(1.0, 0.5, 2.0), grad, 0.3, "", 1.2 if measured else None, told)
        )
    return Prediction(tuple(operations), model="train.py:9", loss="mse_loss")


def side_by_side(first: str, second: str) -> str:
    """The page of two sketches of reports."""
    runs = [view_of_report(f"runs/{name}", SKETCHES[name]) for name in (first, second)]
    return difference(*runs).to_html()


PAGES: dict[str, Page] = {name: report.to_html for name, report in SKETCHES.items()}
PAGES |= {f"treat-{name}": lambda _, made=made: made().to_html() for name, made in treatments.DRAWN.items()}  # type: ignore[misc]
PAGES |= {f"compare-{name}": lambda lang, made=made: made(lang).to_html() for name, made in contests.DRAWN.items()}  # type: ignore[misc]
PAGES |= {"predict": predicted().to_html, "predict-model": predicted(measured=False).to_html}
PAGES |= {
    "diff-healed": lambda _: side_by_side("vanishing", "healthy"),
    "diff-same": lambda _: side_by_side("stuck", "stuck"),
}
