"""A server on this machine whose answers may fail, for tests of downloads."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server(BaseHTTPRequestHandler):
    """Answers as the first part of the path says: whole, 403, 503, page, half, other."""

    content: bytes = b""

    def do_GET(self) -> None:
        way = self.path.split("/")[1]
        if way.isdecimal():
            self.send_error(int(way))
            return
        body = {
            "page": b"<!DOCTYPE html><html>Sign in to this network</html>",
            "other": gzip.compress(b"other"),
            "half": self.content[: len(self.content) // 2],
        }.get(way, self.content)
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.content if way == "half" else body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@contextmanager
def serving() -> Iterator[str]:
    """Run a server and give its address."""
    http = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=http.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{http.server_port}"
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
