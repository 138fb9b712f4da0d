"""The hub client against a server that fails in every way a hub can."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from contracts import hub_client
from contracts.hub_client import HubClient, HubError, HubRejected
from tests.contracts.chain_process import free_port

Answer = tuple[int, bytes]


class Scripted(HTTPServer):
    """Gives one answer after the other; None closes the connection without one."""

    def __init__(self, answers: list[Answer | None]) -> None:
        self.answers = answers
        self.seen: list[str] = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Scripted

    def do_GET(self) -> None:
        self.server.seen.append(self.path)
        answer = self.server.answers.pop(0)
        if answer is None:
            self.close_connection = True
            return
        self.send_response(answer[0])
        self.send_header("Content-Length", str(len(answer[1])))
        self.end_headers()
        self.wfile.write(answer[1])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def client(scripted: Scripted) -> Iterator[HubClient]:
    opened = HubClient(scripted.url)
    yield opened
    opened.close()


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    server = Scripted([])
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_broken_connection_is_tried_again(scripted: Scripted, client: HubClient) -> None:
    scripted.answers += [None, None, (200, b'{"ok": true}')]
    assert client.get("/x", n=3) == {"ok": True}
    assert scripted.seen == ["/x?n=3"] * 3


def test_a_refusal_is_final_and_has_the_hubs_words(scripted: Scripted, client: HubClient) -> None:
    scripted.answers.append((409, json.dumps({"detail": "the gate of slot 7 is closed"}).encode()))
    with pytest.raises(HubRejected, match=r"GET http://.*/x: 409 the gate of slot 7 is closed") as refusal:
        client.get("/x")
    assert refusal.value.status == 409
    assert len(scripted.seen) == 1


def test_a_failure_inside_the_hub_may_be_repeated_by_the_caller(scripted: Scripted, client: HubClient) -> None:
    scripted.answers.append((500, b"<h1>oops</h1>"))
    with pytest.raises(HubError, match="500 <h1>oops") as failure:
        client.get("/x")
    assert not isinstance(failure.value, HubRejected)


def test_a_hub_that_is_not_there_is_named_with_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_client, "PAUSE_S", 0.01)
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(HubError, match=rf"no hub answers at {url} .*\./microgrid hub, or correct hub\.url"):
        HubClient(url).wait_until_up(0.1)
