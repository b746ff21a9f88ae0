"""The live server: who gets in, what is answered, and that every visitor hears of news."""

import http.client
import shutil
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from gradmedic.base.settings import Settings
from gradmedic.live.follower import RecordingFollower
from gradmedic.live.server import LiveServer
from gradmedic.recording.records import Stream, Vital
from gradmedic.recording.writer import RecordingWriter

RUN = {"script": "train.py", "argv": ["train.py"], "ranks": 1}


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[RecordingWriter]:
    """A recording of one pass that goes on."""
    journal = RecordingWriter(tmp_path / "run")
    journal.begin(RUN)
    journal.stream(Stream(0))
    journal.vital(Vital(0, 0, 0.0, 2.0))
    yield journal
    journal.close(ending="finished", ended=1.0)


@pytest.fixture
def server(writer: RecordingWriter) -> Iterator[LiveServer]:
    """A server that follows it."""
    found = LiveServer(RecordingFollower(writer.folder, Settings()))
    threads = [threading.Thread(target=found.serve_forever, args=(0.05,), daemon=True)]
    threads.append(threading.Thread(target=found.follower.follow, daemon=True))
    for thread in threads:
        thread.start()
    yield found
    found.follower.ended = True
    found.shutdown()
    found.server_close()


@contextmanager
def asked(server: LiveServer, path: str, **headers: str) -> Iterator[http.client.HTTPResponse]:
    """The answer while it is being read."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    connection.request("GET", path, headers={"Host": f"127.0.0.1:{server.server_port}", **headers})
    with closing(connection), connection.getresponse() as answer:
        yield answer


def get(server: LiveServer, path: str, **headers: str) -> tuple[int, Mapping[str, str], str]:
    """Status, headers and text of an answer."""
    with asked(server, path, **headers) as answer:
        return answer.status, dict(answer.getheaders()), answer.read().decode()


def cookie(server: LiveServer) -> str:
    return get(server, f"/?token={server.token}")[1]["Set-Cookie"].split(";")[0]


def test_the_token_becomes_a_cookie_that_scripts_cannot_read(server: LiveServer) -> None:
    status, headers, _ = get(server, f"/?token={server.token}")
    assert (status, headers["Location"]) == (303, "/")
    assert "HttpOnly; SameSite=Lax" in headers["Set-Cookie"]
    status, _, page = get(server, "/", Cookie=cookie(server))
    assert status == 200
    assert "train.py" in page


@pytest.mark.parametrize("path", ["/", "/events", "/?token=wrong", "/?token=", "/../run.json", "/run/run.json"])
def test_nobody_gets_in_without_the_token(server: LiveServer, path: str) -> None:
    status, _, text = get(server, path)
    assert status == 403
    assert "train.py" not in text


@pytest.mark.parametrize(
    "path", ["/run.json", "/../run.json", "/%2e%2e/run.json", "//etc/passwd", "/events/../run.json"]
)
def test_no_path_leads_to_a_file(server: LiveServer, path: str) -> None:
    assert get(server, path, Cookie=cookie(server))[0] == 404


def test_another_host_is_refused_even_with_the_cookie(server: LiveServer) -> None:
    assert get(server, "/", Host="evil.example", Cookie=cookie(server))[0] == 421


def test_every_visitor_hears_of_news_and_of_the_end(server: LiveServer, writer: RecordingWriter) -> None:
    known = cookie(server)
    get(server, "/", Cookie=known)
    with ExitStack() as stack:
        visitors = [stack.enter_context(asked(server, "/events", Cookie=known)) for _ in range(5)]
        writer.vital(Vital(1, 0, 0.1, 1.5))
        assert [visitor.readline() for visitor in visitors] == [b"event: changed\n"] * 5
        assert "The run goes on: step 1." in get(server, "/", Cookie=known)[2]
        writer.close(ending="finished", ended=1.0)
        assert all(b"event: ended\n" in visitor.read() for visitor in visitors)
    assert "The run goes on" not in get(server, "/", Cookie=known)[2]


def test_a_visitor_who_says_nothing_keeps_nobody_out(server: LiveServer) -> None:
    with socket.create_connection(("127.0.0.1", server.server_port)):
        assert get(server, "/", Cookie=cookie(server))[0] == 200


def test_a_run_whose_process_is_gone_has_ended(writer: RecordingWriter) -> None:
    follower = RecordingFollower(writer.folder, Settings(), lambda: False)
    follower.look()
    assert follower.ended


def test_a_page_in_a_browser_keeps_up_and_stays_where_its_reader_is(
    server: LiveServer, writer: RecordingWriter
) -> None:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if (chromium := shutil.which("chromium")) is None:
        pytest.skip("no chromium on this machine")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page, noise = browser.new_page(), []
        page.on("console", lambda message: noise.append(message.text))
        page.goto(server.address)
        page.get_by_text("中文").click()
        assert page.url == f"http://127.0.0.1:{server.server_port}/"
        writer.vital(Vital(7, 0, 0.1, 1.5))
        page.get_by_text("第 7 步").wait_for()
        writer.close(ending="finished", ended=1.0)
        page.locator(".news").wait_for(state="detached")
        assert noise == []
        browser.close()
