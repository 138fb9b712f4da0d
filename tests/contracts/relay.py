"""A node's address with faults: methods that it does not have, answers that get lost, blocks as Besu makes them."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx


class Relay(ThreadingHTTPServer):
    """Passes requests on to `node`."""

    daemon_threads = True

    def __init__(self, node: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.node = node
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.missing: set[str] = set()
        self.answers_to_lose = 0
        self.extra_data = "0x"
        self.seen: list[str] = []


class Handler(BaseHTTPRequestHandler):
    server: Relay

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        call = json.loads(body)
        self.server.seen.append(call["method"])
        if call["method"] in self.server.missing:
            error = {"code": -32601, "message": "the method does not exist"}
            answer = json.dumps({"jsonrpc": "2.0", "id": call["id"], "error": error}).encode()
        else:
            answer = self._ask(body)
        if call["method"].startswith("eth_sendRawTransaction") and self.server.answers_to_lose > 0:
            self.server.answers_to_lose -= 1
            self.connection.close()
            return
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _ask(self, body: bytes) -> bytes:
        headers = {"content-type": "application/json"}
        answer = httpx.post(self.server.node, content=body, headers=headers, trust_env=False, timeout=60).content
        return answer.replace(b'"extraData":"0x"', f'"extraData":"{self.server.extra_data}"'.encode())

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""


@contextmanager
def relay(node: str) -> Iterator[Relay]:
    server = Relay(node)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
