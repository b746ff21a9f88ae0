"""Serve the page of a recording to this machine's browsers, and to nobody without the token."""

import hmac
import secrets
from collections.abc import Callable
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

from gradmedic.live.follower import RecordingFollower

LOOPBACK = "127.0.0.1"
BEAT = 10.0
"""Seconds after which a silent stream of events says that it is there."""
MOST = 32
"""Streams of events that are served at a time."""
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class LiveServer(ThreadingHTTPServer):
    """Serves one recording. The first visit brings the token in its address, and gets it as a cookie."""

    daemon_threads = True

    def __init__(self, follower: RecordingFollower, host: str = LOOPBACK, port: int = 0) -> None:
        super().__init__((host, port), LiveHandler)
        self.follower = follower
        self.token = secrets.token_urlsafe(24)
        self.streams = 0
        names = {host, "localhost", LOOPBACK} if host == LOOPBACK else {host}
        self.hosts = {f"{name}:{self.server_port}" for name in names}

    @property
    def address(self) -> str:
        """What to open in a browser."""
        return f"http://{self.server_address[0]!s}:{self.server_port}/?token={self.token}"

    @property
    def cookie(self) -> str:
        """The name of the cookie: browsers keep one jar for all ports of a host."""
        return f"gradmedic-{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that has gone is no reason to speak."""


class LiveHandler(BaseHTTPRequestHandler):
    """Answers one request. No path that is asked for is ever joined to a folder: there are three answers."""

    protocol_version = "HTTP/1.1"
    timeout = 30
    server_version, sys_version = "gradmedic", ""

    def do_GET(self) -> None:
        """The page, the events, or the cookie for a token."""
        found = urlsplit(self.path)
        if self.headers.get("Host") not in self._live.hosts:
            return self._refuse(HTTPStatus.MISDIRECTED_REQUEST)
        if found.path == "/" and "token" in (query := parse_qs(found.query)):
            return self._admit(query["token"][0])
        if not self._is_known():
            return self._refuse(HTTPStatus.FORBIDDEN)
        answer = self.ANSWERS.get(found.path)
        return answer(self) if answer else self._refuse(HTTPStatus.NOT_FOUND)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: stderr belongs to the run."""

    @property
    def _live(self) -> LiveServer:
        assert isinstance(self.server, LiveServer)
        return self.server

    def _is_known(self) -> bool:
        try:
            morsel = SimpleCookie(self.headers.get("Cookie", "")).get(self._live.cookie)
        except CookieError:
            return False
        return morsel is not None and self._is_token(morsel.value)

    def _is_token(self, text: str) -> bool:
        return hmac.compare_digest(text.encode(), self._live.token.encode())

    def _admit(self, token: str) -> None:
        """Turn the token of the address into a cookie, so that it stays in no history."""
        if not self._is_token(token):
            return self._refuse(HTTPStatus.FORBIDDEN)
        self.send_response(HTTPStatus.SEE_OTHER)
        self.send_header("Location", "/")
        self.send_header("Set-Cookie", f"{self._live.cookie}={token}; HttpOnly; SameSite=Lax; Path=/")
        self.send_header("Content-Length", "0")
        return self.end_headers()

    def _page(self) -> None:
        page = self._live.follower.ask()
        self._send(HTTPStatus.OK, page or "nothing has been recorded yet: try again in a moment", "text/html")

    def _events(self) -> None:
        """Tell of every new version until the run has ended, or the browser has gone."""
        if self._live.streams >= MOST:
            return self._refuse(HTTPStatus.SERVICE_UNAVAILABLE)
        self._live.streams += 1
        try:
            self._stream()
        except OSError:  # the browser has gone
            self.close_connection = True
        finally:
            self._live.streams -= 1
        return None

    def _stream(self) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        follower = self._live.follower
        version = follower.version
        while not follower.ended:
            follower.ask()
            before, version = version, follower.wait(version, BEAT)
            self.wfile.write(f"event: changed\ndata: {version}\n\n".encode() if version != before else b":\n\n")
            self.wfile.flush()
        self.wfile.write(f"event: ended\ndata: {follower.version}\n\n".encode())

    def _refuse(self, status: HTTPStatus) -> None:
        self._send(status, f"{status.value} {status.phrase}\n", "text/plain")

    def _send(self, status: HTTPStatus, text: str, kind: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def end_headers(self) -> None:
        """Every answer says what a browser may not do with it."""
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    ANSWERS: ClassVar[dict[str, Callable[["LiveHandler"], None]]] = {"/": _page, "/events": _events}
