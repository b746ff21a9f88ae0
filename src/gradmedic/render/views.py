"""Registers the views of values: what `print`, `to_json` and a notebook's cell show of them."""

from gradmedic.base.views import register
from gradmedic.diagnosis.difference import Difference
from gradmedic.diagnosis.report import Report
from gradmedic.prediction.coordinate_check import CoordinateCheck
from gradmedic.prediction.prediction import Prediction
from gradmedic.render.comparison import markdown
from gradmedic.render.comparison import screen as comparison
from gradmedic.render.comparison.json import written as comparison_json
from gradmedic.render.comparison.page import comparison_fragment, comparison_page
from gradmedic.render.coordinate_check import screen as coordinate_check
from gradmedic.render.coordinate_check.json import written as coordinate_json
from gradmedic.render.coordinate_check.page import coordinate_fragment, coordinate_page
from gradmedic.render.difference import screen as difference
from gradmedic.render.difference.json import written as difference_json
from gradmedic.render.difference.page import difference_fragment, difference_page
from gradmedic.render.prediction import screen as prediction
from gradmedic.render.prediction.json import written as prediction_json
from gradmedic.render.prediction.page import prediction_fragment, prediction_page
from gradmedic.render.report.json import JsonFile
from gradmedic.render.report.page.report_page import report_fragment, report_page
from gradmedic.render.report.text import TextFile
from gradmedic.render.treatment import screen as treatment
from gradmedic.render.treatment.json import written as treatment_json
from gradmedic.render.treatment.page import treatment_fragment, treatment_page
from gradmedic.trials.comparison.comparison import Comparison
from gradmedic.trials.search.treatment_result import Treatment

register(Report, "text", TextFile().render)
register(Report, "json", JsonFile().render)
register(Report, "html", report_fragment)
register(Report, "page", report_page)
register(Prediction, "text", prediction.text)
register(Prediction, "json", prediction_json)
register(Prediction, "html", prediction_fragment)
register(Prediction, "page", prediction_page)
register(CoordinateCheck, "text", coordinate_check.text)
register(CoordinateCheck, "json", coordinate_json)
register(CoordinateCheck, "html", coordinate_fragment)
register(CoordinateCheck, "page", coordinate_page)
register(Treatment, "text", treatment.text)
register(Treatment, "json", treatment_json)
register(Treatment, "html", treatment_fragment)
register(Treatment, "page", treatment_page)
register(Comparison, "text", comparison.text)
register(Comparison, "json", comparison_json)
register(Comparison, "markdown", markdown.written)
register(Comparison, "html", comparison_fragment)
register(Comparison, "page", comparison_page)
register(Difference, "text", difference.text)
register(Difference, "json", difference_json)
register(Difference, "html", difference_fragment)
register(Difference, "page", difference_page)
