"""The report as JUnit's XML, which CI systems show as tests: one for each rule, failed where it found something."""

import re
from collections.abc import Mapping
from typing import ClassVar
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from gradmedic.base.locale import say
from gradmedic.diagnosis.finding import Finding, Severity
from gradmedic.diagnosis.report import Report
from gradmedic.diagnosis.rules import all_rules
from gradmedic.render import Renderer
from gradmedic.render.report import phrases

FORBIDDEN = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold."""


class JunitFile(Renderer):
    """A test for each rule; notes do not fail."""

    name: ClassVar[str] = "junit"
    suffix: ClassVar[str] = ".xml"

    def render(self, report: Report, lang: str) -> str:
        found = {finding.rule: finding for cause in report.findings for finding in (*cause.consequences, cause)}
        suite = Element("testsuite", name=f"gradmedic {phrases.script(report)}".strip())
        names = dict.fromkeys((*all_rules(), *found))
        failures = sum(_case(suite, name, found, report, lang) for name in names)
        suite.attrib |= {"tests": str(len(names)), "failures": str(failures), "errors": "0"}
        root = Element("testsuites")
        root.append(suite)
        _clean(root)
        indent(root)
        return '<?xml version="1.0" encoding="utf-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _case(suite: Element, name: str, found: Mapping[str, Finding], report: Report, lang: str) -> bool:
    """Add the test of a rule; true if it failed."""
    case = SubElement(suite, "testcase", name=name, classname="gradmedic")
    finding = found.get(name)
    if finding is None or finding.severity < Severity.WARNING:
        return False
    failure = SubElement(case, "failure", type=finding.severity.word, message=say(finding.message, lang))
    places = [f"{place.name} {phrases.spot(place)}".strip() for place in finding.places]
    cures = [f"{at}. {say(cure.act, lang)}\n{cure.code}".rstrip() for at, cure in enumerate(finding.next, 1)]
    failure.text = "\n".join([say(finding.why, lang), *places, *phrases.evidence(finding, lang), *cures])
    return True


def _clean(root: Element) -> None:
    """Take out what XML cannot hold: names come from the user's program."""
    for element in root.iter():
        element.text = FORBIDDEN.sub("\ufffd", element.text) if element.text else element.text
        element.attrib |= {key: FORBIDDEN.sub("\ufffd", value) for key, value in element.attrib.items()}
