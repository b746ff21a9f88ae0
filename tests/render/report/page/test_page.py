"""The page of a report: whole, closed to the outside, safe with any name, and small."""

import json
import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser

import pytest
from support.pages import PAGES
from support.sketches import SKETCHES

from gradmedic.diagnosis.report import Report
from gradmedic.recording.records import Recording
from gradmedic.recording.sketch import parameter, site, sketch
from gradmedic.render import renderer_for

sketches = pytest.mark.parametrize("name", SKETCHES)


def page(report: Report, lang: str = "en") -> str:
    return renderer_for("report.html").render(report, lang)


class Reader(HTMLParser):
    """Collects tags with their attributes, and what stands in scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.raw: dict[str, list[str]] = {"script": [], "style": []}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] in self.raw:
            self.raw[self.tags[-1][0]].append(data)


@pytest.mark.parametrize("name", PAGES)
def test_the_policy_names_the_style_and_the_script_and_nothing_is_fetched(name: str) -> None:
    found = Reader(PAGES[name]("en"))
    policy = next(a["content"] or "" for tag, a in found.tags if a.get("http-equiv") == "Content-Security-Policy")
    hashes = {b64encode(sha256(text.encode()).digest()).decode() for texts in found.raw.values() for text in texts}
    assert "default-src 'none'" in policy
    assert set(re.findall(r"'sha256-([^']*)'", policy)) <= hashes
    for tag, attributes in found.tags:
        assert "style" not in attributes
        assert not any(key.startswith("on") for key in attributes)
        assert tag not in ("link", "iframe", "object")
        assert (attributes.get("src") or "data:").startswith("data:")


@sketches
def test_the_report_can_be_read_back_from_the_page(name: str) -> None:
    block = re.search(r'<script type="application/json" id="report">(.*?)</script>', page(SKETCHES[name]), re.DOTALL)
    assert block is not None
    expected = json.loads(SKETCHES[name].to_json("en"))
    assert json.loads(block.group(1)) == expected


@sketches
def test_both_languages_are_inside(name: str) -> None:
    text = page(SKETCHES[name], "zh")
    assert '<html lang="zh">' in text
    assert 'lang="en"' in text


def test_a_name_can_be_no_markup() -> None:
    hostile = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&"
    report = SKETCHES["vanishing"]
    sites = {key: replace(it, name=hostile) for key, it in report.recording.sites.items()}
    recording = replace(
        report.recording, sites=sites, run={**report.recording.run, "script": hostile, "argv": [hostile]}
    )
    finding = replace(report.findings[0], places=tuple(replace(p, name=hostile) for p in report.findings[0].places))
    text = page(replace(report, recording=recording, findings=(finding,)))
    assert hostile not in text
    assert len(Reader(text).raw["script"]) == len(Reader(page(report)).raw["script"])
    assert not [1 for tag, attributes in Reader(text).tags if "onerror" in attributes]


def deep(layers: int, captures: int) -> Recording:
    """A recording of a deep network that was read often."""
    numbers = {"grad_rms": [1e-3 * 0.99**i for i in range(captures)], "value_rms": [1.0] * captures}
    operations = [site(f"blocks.{i}.linear", "linear", numbers, parameter=f"blocks.{i}.weight") for i in range(layers)]
    weights = [
        parameter(f"blocks.{i}.weight", {"weight_rms": [0.1] * captures, "update_rms": [1e-4] * captures}, shape=(8, 8))
        for i in range(layers)
    ]
    return sketch(operations, weights, losses=[2.0 * 0.999**i for i in range(captures)])


@pytest.mark.parametrize(("layers", "captures", "most"), [(200, 300, 300_000), (1000, 20, 500_000)])
def test_a_page_stays_small(layers: int, captures: int, most: int) -> None:
    assert len(page(Report(deep(layers, captures))).encode()) < most
