"""A language model as a decider: what is sent, and what is made of the answers of a server on this machine."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.review.language_model import KEY, LanguageModel
from tests.review.test_rules import described


class Server(HTTPServer):
    """Answers what it is made to."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer, self.status = b"", 200
        self.requests: list[tuple[str, dict[str, str], Any]] = []


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, dict(self.headers), json.loads(body)))
        self.send_response(self.server.status)
        if self.server.status == 302:
            self.send_header("Location", "http://127.0.0.1:9/elsewhere")
        self.end_headers()
        self.wfile.write(self.server.answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def model(server: Server) -> LanguageModel:
    return LanguageModel(f"http://127.0.0.1:{server.server_port}/v1", "small", 5.0)


def said(content: str) -> bytes:
    return json.dumps({"choices": [{"message": {"content": content}}]}).encode()


def test_only_the_description_leaves(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answer = said('Sure:\n{"label": "angry", "reason": "loud and\\nsharp"}')
    monkeypatch.delenv(KEY, raising=False)
    description = described(level=6.0)
    assert model(server).decide(description, CATEGORIES) == ("angry", "loud and sharp")
    ((path, headers, body),) = server.requests
    assert path == "/v1/chat/completions"
    assert "Authorization" not in headers
    assert set(body) == {"model", "messages", "temperature", "seed"}
    user = body["messages"][1]["content"]
    assert user == (
        f"{description.text()} A classifier says: happy 0.40, neutral 0.30. Candidates: {', '.join(CATEGORIES)}."
    )
    monkeypatch.setenv(KEY, "secret")
    model(server).decide(description, CATEGORIES)
    assert server.requests[1][1]["Authorization"] == "Bearer secret"


def test_a_label_that_is_no_candidate_decides_nothing(server: Server) -> None:
    server.answer = said('{"label": "bored", "reason": ""}')
    answer = model(server).decide(described(), CATEGORIES)
    assert answer == (None, "answered 'bored', which is no candidate")


@pytest.mark.parametrize(
    ("answer", "status", "message"),
    [
        (said("I cannot say"), 200, "no JSON in its answer: I cannot say"),
        (b"<html>", 200, "what answers there is no chat completion"),
        (b'{"choices": []}', 200, "what answers there is no chat completion"),
        (b"", 500, "no answer from a language model there"),
        (b"", 302, "no answer from a language model there"),
    ],
)
def test_what_is_no_answer(server: Server, answer: bytes, status: int, message: str) -> None:
    server.answer, server.status = answer, status
    with pytest.raises(InputError, match=message) as error:
        model(server).decide(described(), CATEGORIES)
    assert "\n" not in str(error.value)
    assert len(server.requests) == 1


def test_addresses() -> None:
    with pytest.raises(InputError, match="no address"):
        LanguageModel("file:///etc/passwd", "m")
    with pytest.raises(InputError, match="no answer from a language model there"):
        LanguageModel("http://127.0.0.1:9/v1", "m", 1.0).decide(described(), CATEGORIES)
