"""Pages in a real browser: no request, no complaint, nothing that keeps anyone from reading them."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.pages import PAGES
from support.sketches import SKETCHES

from gradmedic.render import renderer_for

AXE = Path(__file__).parents[4] / ".venv/browser/node_modules/axe-core/axe.min.js"
CHROMIUM = shutil.which("chromium")
QUIET = ("--no-sandbox", "--disable-quic", "--disable-background-networking", "--disable-component-update")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium, where there is one."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    with api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIET])
        yield opened
        opened.close()


def opened(browser: Any, file: Path, width: int = 1400, scheme: str = "light", **options: Any) -> tuple[Any, list[str]]:
    """The page of a file, and all that it asks for or complains of."""
    page, noise = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme, **options), []
    page.on("console", lambda message: noise.append(message.text))
    page.on("pageerror", lambda error: noise.append(str(error)))
    page.on(
        "request", lambda request: noise.extend([] if request.url.startswith(("data:", "file:")) else [request.url])
    )
    page.goto(file.as_uri())
    return page, noise


@pytest.fixture(params=PAGES)
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Each page in a file."""
    path = tmp_path / "page.html"
    path.write_text(PAGES[request.param]("en"), encoding="utf-8")
    return path


@pytest.mark.parametrize(("width", "scheme"), [(400, "dark"), (1400, "light")])
def test_pages_ask_for_nothing_and_hold_nothing_against_a_reader(
    browser: Any, file: Path, width: int, scheme: str
) -> None:
    page, noise = opened(browser, file, width, scheme)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    if AXE.exists():
        page.evaluate(AXE.read_text(encoding="utf-8") + ";0")
        violations = page.evaluate("axe.run().then(found => found.violations.map(v => v.id + ' ' + v.nodes[0].html))")
        assert violations == []
    assert noise == []
    page.close()


@pytest.mark.parametrize("scripts", [True, False])
@pytest.mark.parametrize(
    "file", ["vanishing", "treat-helped", "compare-sigmoids", "predict", "diff-healed"], indirect=True
)
def test_the_language_is_chosen_with_and_without_scripts(browser: Any, file: Path, scripts: bool) -> None:
    page, _ = opened(browser, file, java_script_enabled=scripts)
    assert (page.locator("h1 [lang=en]").first.is_visible(), page.locator("h1 [lang=zh]").first.is_visible()) == (
        True,
        False,
    )
    page.get_by_text("中文").click()
    assert (page.locator("h1 [lang=en]").first.is_visible(), page.locator("h1 [lang=zh]").first.is_visible()) == (
        False,
        True,
    )
    page.close()


def test_the_pointer_tells_numbers(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(renderer_for(path).render(SKETCHES["vanishing"], "en"), encoding="utf-8")
    page, noise = opened(browser, path)
    page.locator("[data-chart=loss] .canvas").hover()
    assert "0.7 @ " in page.locator("[data-chart=loss] output").inner_text()
    assert noise == []
    page.close()


def test_a_name_that_is_a_script_does_not_run(browser: Any, tmp_path: Path) -> None:
    hostile = "<img src=x onerror=\"document.title='owned'\"></script><script>document.title='owned'</script>"
    report = SKETCHES["vanishing"]
    sites = {key: replace(it, name=hostile) for key, it in report.recording.sites.items()}
    path = tmp_path / "report.html"
    hostile_report = replace(report, recording=replace(report.recording, sites=sites))
    path.write_text(renderer_for(path).render(hostile_report, "en"), encoding="utf-8")
    page, noise = opened(browser, path)
    assert "owned" not in page.title()
    assert noise == []
    page.close()
