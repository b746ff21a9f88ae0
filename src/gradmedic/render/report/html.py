"""The report as one page for a browser, in every language, with charts; it asks for nothing from anywhere."""

from typing import ClassVar

from gradmedic.diagnosis.report import Report
from gradmedic.render import Renderer


class HtmlFile(Renderer):
    """Verdict and findings first, then the network, the ledger, the run over time, maps, and the facts."""

    name: ClassVar[str] = "html"
    suffix: ClassVar[str] = ".html"

    def render(self, report: Report, lang: str) -> str:
        from gradmedic.render.report.page.report_page import report_page

        return report_page(report, lang)
