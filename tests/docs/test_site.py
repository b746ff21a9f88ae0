"""What the site's build asks for and adds; runs where `make site` has installed MkDocs."""

import importlib.util
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType, SimpleNamespace
from urllib.parse import unquote, urlsplit

import pytest

HOOKS = Path(__file__).parents[2] / "docs/site_hooks.py"


@pytest.fixture
def hooks() -> ModuleType:
    """The hooks as MkDocs loads them."""
    pytest.importorskip("mkdocs", reason="MkDocs is not installed")
    spec = importlib.util.spec_from_file_location("site_hooks", HOOKS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_site_whose_search_would_find_no_chinese_is_not_built(
    hooks: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = SimpleNamespace(nav=["index.md"], docs_dir=str(HOOKS.parent))
    monkeypatch.setitem(sys.modules, "jieba", None)
    with pytest.raises(hooks.PluginError, match="without jieba"):
        hooks.on_config(config)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The site, built into a folder."""
    pytest.importorskip("material", reason="MkDocs Material is not installed")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    built = subprocess.run(command, cwd=HOOKS.parents[1], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return tmp_path


def test_chinese_words_are_found_in_a_folder_however_they_are_put_in(site: Path) -> None:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if (chromium := shutil.which("chromium")) is None:
        pytest.skip("no chromium on this machine")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(20_000)
        page.goto((site / "zh/index.html").as_uri())
        page.locator("input.md-search__input").click()
        page.get_by_text("键入以开始搜索").wait_for()
        page.keyboard.insert_text("裁剪")  # as an input method does: without a key that goes up
        page.locator(".md-search-result__item a[href*='clip.html']").first.wait_for()
        browser.close()


class Links(HTMLParser):
    """Collects where a page leads, and the places in it that others can lead to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.targets: set[str] = set()
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.targets |= {value for key in ("href", "src") if (value := found.get(key))}
        self.places |= {value for key in ("id", "name") if (value := found.get(key))}


def test_every_link_leads_to_a_page_and_to_a_place_in_it(site: Path) -> None:
    pages = {path: Links(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    missed = []
    for path, links in pages.items():
        for target in links.targets:
            address = urlsplit(target)
            if address.scheme or address.netloc or "404" in path.name:
                continue
            found = (path.parent / unquote(address.path)).resolve() if address.path else path
            found = found / "index.html" if found.is_dir() else found
            place = unquote(address.fragment)
            known = pages.get(found)
            if not found.exists() or (place and known and not place.startswith("__") and place not in known.places):
                missed.append(f"{path.relative_to(site)}: {target}")
    assert not missed, "\n".join(sorted(missed))
    assert sum(len(links.targets) for links in pages.values()) > 1000
