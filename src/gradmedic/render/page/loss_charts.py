"""Loss curves of several arms, a chart for each stream."""

from collections.abc import Iterator, Sequence

from markupsafe import Markup, escape

from gradmedic.render.page.bilingual import text
from gradmedic.render.page.curves import Chart, ChartLine
from gradmedic.trials.loss_curves import LossCurve

STYLES = ("one", "two", "three", "four")
"""The style classes of lines: as many arms can be told apart."""


def loss_charts(arms: Sequence[tuple[Markup | str, dict[str, LossCurve]]]) -> Iterator[Chart]:
    """The mean loss over seeds, of at most `len(STYLES)` arms that have a name each."""
    shown = list(zip(STYLES, arms, strict=False))
    for at, stream in enumerate(dict.fromkeys(name for _, (_, curves) in shown for name in curves)):
        lines = [_line(name, style, curves[stream]) for style, (name, curves) in shown if stream in curves]
        title = text(lambda _, stream=stream: _(stream))  # type: ignore[misc]
        yield Chart(f"loss-{at}", title, lines)


def _line(name: Markup | str, style: str, curve: LossCurve) -> ChartLine:
    points = [(round(step), value) for step, value in zip(curve.steps, curve.mean, strict=True)]
    return ChartLine(escape(name), style, points)
