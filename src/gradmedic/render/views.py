"""Registers the views of values: what `print`, `to_json` and a notebook's cell show of them."""

from functools import partial

from gradmedic.base.views import View, register
from gradmedic.diagnosis.difference import Difference
from gradmedic.diagnosis.report import Report
from gradmedic.prediction.coordinate_check import CoordinateCheck
from gradmedic.prediction.prediction import Prediction
from gradmedic.render.comparison import markdown
from gradmedic.render.comparison import screen as comparison
from gradmedic.render.comparison.json import written as comparison_json
from gradmedic.render.comparison.page import comparison_story
from gradmedic.render.coordinate_check import screen as coordinate_check
from gradmedic.render.coordinate_check.json import written as coordinate_json
from gradmedic.render.coordinate_check.page import coordinate_story
from gradmedic.render.difference import screen as difference
from gradmedic.render.difference.json import written as difference_json
from gradmedic.render.difference.page import difference_story
from gradmedic.render.page.section import Build, fragment_of, page_of
from gradmedic.render.prediction import screen as prediction
from gradmedic.render.prediction.json import written as prediction_json
from gradmedic.render.prediction.page import prediction_story
from gradmedic.render.report.json import JsonFile
from gradmedic.render.report.page.report_page import report_fragment, report_page
from gradmedic.render.report.text import TextFile
from gradmedic.render.treatment import screen as treatment
from gradmedic.render.treatment.json import written as treatment_json
from gradmedic.render.treatment.page import treatment_story
from gradmedic.trials.comparison.comparison import Comparison
from gradmedic.trials.search.treatment_result import Treatment


def _register(kind: type, text: View, json: View, story: Build) -> None:
    """Register the views of values that have a screen, JSON, and a page of sections."""
    register(kind, "text", text)
    register(kind, "json", json)
    register(kind, "page", partial(page_of, story))
    register(kind, "html", partial(fragment_of, story))


register(Report, "text", TextFile().render)
register(Report, "json", JsonFile().render)
register(Report, "html", report_fragment)
register(Report, "page", report_page)
_register(Prediction, prediction.text, prediction_json, prediction_story)
_register(CoordinateCheck, coordinate_check.text, coordinate_json, coordinate_story)
_register(Treatment, treatment.text, treatment_json, treatment_story)
_register(Comparison, comparison.text, comparison_json, comparison_story)
register(Comparison, "markdown", markdown.written)
_register(Difference, difference.text, difference_json, difference_story)
