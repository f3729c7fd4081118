"""What the model hub and the dataset hub on this machine have in common: HTTP replies, and a server on a free port."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class HubHandler(BaseHTTPRequestHandler):
    """Answers one connection; `do_GET` of a subclass says what."""

    protocol_version = "HTTP/1.1"

    @property
    def hub(self) -> Any:
        """What is served."""
        return self.server.hub  # type: ignore[attr-defined]

    def log_message(self, *_: Any) -> None:
        """Nothing on the terminal."""

    def start(self, status: int, length: int, **headers: str) -> None:
        """The status line and the headers, `_` in a name standing for `-`."""
        self.send_response(status)
        for name, value in {"Content-Length": str(length), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.start(status, len(body), **headers)
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status: int, code: str) -> None:
        self.reply(status, b"{}", X_Error_Code=code, X_Error_Message=code)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        raise NotImplementedError


@contextmanager
def serving(hub: Any, handler: type[HubHandler]) -> Iterator[Any]:
    """Serve a hub while the block runs; its `url` is the endpoint."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.hub = hub  # type: ignore[attr-defined]
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
