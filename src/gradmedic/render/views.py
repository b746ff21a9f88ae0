"""Registers the views of values: what `print`, `to_json` and a notebook's cell show of them."""

from gradmedic.base.views import register
from gradmedic.diagnosis.report import Report
from gradmedic.prediction.prediction import Prediction
from gradmedic.render import prediction, treatment
from gradmedic.render.comparison import json, markdown, screen
from gradmedic.render.report import notebook
from gradmedic.render.report.json import JsonFile
from gradmedic.render.report.text import TextFile
from gradmedic.trials.comparison.comparison import Comparison
from gradmedic.trials.search.treatment_result import Treatment

register(Report, "text", TextFile().render)
register(Report, "json", JsonFile().render)
register(Report, "html", notebook.fragment)
register(Prediction, "text", prediction.text)
register(Prediction, "json", prediction.json)
register(Treatment, "text", treatment.text)
register(Comparison, "text", screen.text)
register(Comparison, "json", json.written)
register(Comparison, "markdown", markdown.written)
register(Comparison, "html", screen.fragment)
