"""Recordings by HTTP give what the library and the command line give."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import socket
import tempfile
import threading
import time
import zipfile
from pathlib import Path

import httpx
import pytest

from sedtalker.animation.animation import Animation
from sedtalker.emotion.formats.json import track_from_json, track_to_json
from sedtalker.errors import InputError
from sedtalker.face.face import Face
from sedtalker.progress import no_progress
from sedtalker.server.options import AnimateOptions, document
from sedtalker.server.routes import Routes
from sedtalker.server.service import Limits, Service
from sedtalker.server.work import Cancelled, SentRecording, animated
from tests.server.conftest import TOKEN, running


def left_behind() -> list[Path]:
    return list(Path(tempfile.gettempdir()).glob("sedtalker-serve-*"))


def test_diarize_gives_the_very_track_of_the_library(server, models, wav, tmp_path):
    (tmp_path / "speech.wav").write_bytes(wav)
    answer = server.post("/v1/diarize", wav)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.text == track_to_json(models.animator().diarizer(tmp_path / "speech.wav"))
    assert left_behind() == []


def test_animate_gives_one_file_or_a_zip_and_the_same_bytes_twice(server, wav):
    options = json.dumps({"to": ["npz", "arkit", "track"], "emotion": "happy:0.8", "fps": 10, "seed": 3})
    one, two = (server.post("/v1/animate", wav, options, "../my clip.wav") for _ in range(2))
    assert one.status_code == 200, one.text
    assert one.headers["content-type"] == "application/zip"
    assert "my%20clip.zip" in one.headers["content-disposition"]
    assert one.content == two.content
    with zipfile.ZipFile(io.BytesIO(one.content)) as archive:
        assert archive.namelist() == ["my clip.npz", "my clip.arkit.csv", "my clip.emotion.json"]
        track = track_from_json(archive.read("my clip.emotion.json").decode())
        assert {s.label for s in track.segments()} == {"happy"}
        held = archive.read("my clip.npz")
    single = server.post("/v1/animate", wav, json.dumps({**json.loads(options), "to": ["npz"]}), "my clip.wav")
    assert single.content == held
    assert left_behind() == []


@pytest.mark.parametrize("name", ["blob", ".wav", "x.", "blob.results", "😀" * 80], ids=ascii)
def test_names_without_a_suffix_as_pages_send_them(server, wav, name):
    answer = server.post("/v1/animate", wav, json.dumps({"to": ["track"], "emotion": "happy"}), name=name)
    assert answer.status_code == 200
    assert answer.headers["content-disposition"].endswith(".emotion.json")


def test_an_unknown_face_is_answered_with_those_that_the_server_has(models, wav):
    with pytest.raises(InputError, match=r"'nobody': use one of builtin, .*, or 'head'$"):
        sent = SentRecording(io.BytesIO(wav), "a.wav", 60.0)
        animated(models, {"head": Face.builtin()}, sent, AnimateOptions(face="nobody"), no_progress)


def test_whoever_waits_for_a_recording_learns_that_the_server_ends(models):
    service = Service(models=models)
    service.closing.set()

    def work(hook) -> None:
        hook("working", 0, 1)

    with pytest.raises(Cancelled, match="the server is closing"):
        asyncio.run(service.worked(work, lambda: False))
    service.close()


def test_an_animation_opens_again(server, wav, tmp_path):
    path = tmp_path / "speech.npz"
    path.write_bytes(server.post("/v1/animate", wav, '{"to": ["npz"], "fps": 10, "emotion": "Sad"}').content)
    animation = Animation.load(path)
    assert len(animation) == 20
    assert animation.provenance["emotion"] == "given"


def test_a_list_of_segments_is_an_emotion(server, wav):
    spans = [{"start": 0.0, "end": 1.0, "label": "angry"}, {"start": 1.0, "end": 2.0, "label": "sad"}]
    answer = server.post("/v1/animate", wav, json.dumps({"to": ["track"], "emotion": spans, "fps": 10}))
    labels = [s.label for s in track_from_json(answer.text).segments()]
    assert labels == ["angry", "sad"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("no json", "not valid JSON"),
        ("[]", "give a JSON object"),
        ('{"colour": "red"}', "colour"),
        ('{"fps": "many"}', "fps"),
        ('{"fps": 1e9}', "fps"),
        ('{"intensity": NaN}', "intensity"),
        ('{"to": ["avi"]}', "there is no format 'avi'"),
        ('{"to": ["glb", "\\u2028"]}', "there is no format '\\u2028'"),
        ('{"to": ["glb,usd"]}', "there is no format 'glb,usd'"),
        ('{"to": []}', "to"),
        ('{"face": "nobody"}', "nobody"),
        ('{"emotion": "happy.json"}', "emotion"),
        ('{"emotion": "joyful"}', "emotion"),
        ('{"emotion": "/etc/passwd"}', "emotion"),
        ('{"style": "/etc/passwd"}', "there is no style '/etc/passwd'"),
        ('{"style": "dynamics=3"}', "style: dynamics is 3"),
        ('{"style": "mine.json"}', "reads no files"),
        ('{"light": "/tmp/light.json"}', "light"),
        ('{"gain": {"hair": 1.5}}', "hair"),
        ('{"gain": {"jawOpen": 9}}', "gain"),
        ('{"emotion": [{"start": 0, "end": 1, "label": "bored"}]}', "bored"),
        ("[" * 100_000, "nested more than 100 levels deep"),
    ],
)
def test_options_that_cannot_be_used_are_one_line(server, wav, options, said):
    answer = server.post("/v1/animate", wav, options)
    assert answer.status_code == 400
    assert said in answer.json()["error"]
    assert "\n" not in answer.json()["error"]


def test_options_are_checked_beside_the_loop_that_serves_others(server, wav, monkeypatch):
    """A long transcript takes seconds to pronounce."""
    said = []

    def check(options: AnimateOptions) -> None:
        said.append(httpx.get(f"{server.url}/v1/health", timeout=10).status_code)
        raise InputError("enough")

    monkeypatch.setattr(AnimateOptions, "check", check)
    assert server.post("/v1/animate", wav).json() == {"error": "enough"}
    assert said == [200]


@pytest.mark.parametrize(
    "sound", [b"", b"no sound", b"RIFF" + bytes(100), b"#EXTM3U\nfile:///etc/passwd\n", b"ffconcat"]
)
def test_what_is_no_sound_is_refused_by_the_name_the_client_knows(server, sound):
    answer = server.post("/v1/diarize", sound, name="clip.wav")
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("clip.wav: ")
    assert "/tmp" not in answer.json()["error"]
    assert left_behind() == []


def test_forms_of_another_kind_are_refused(server, wav):
    def post(**what) -> httpx.Response:
        return httpx.post(f"{server.url}/v1/diarize", headers={**server.headers, **what.pop("headers", {})}, **what)

    assert "'audio'" in post(content=wav).json()["error"]
    assert "'audio'" in post(files={"sound": ("a.wav", wav)}).json()["error"]
    assert "no part 'more'" in post(files={"audio": ("a.wav", wav)}, data={"more": "1"}).json()["error"]
    broken = {"headers": {"content-type": "multipart/form-data; boundary=x"}, "content": b"--y\r\n\r\n"}
    assert post(**broken).status_code == 400
    assert httpx.get(f"{server.url}/v1/diarize", headers=server.headers).status_code == 405
    assert httpx.get(f"{server.url}/v2", headers=server.headers).status_code == 404


def test_too_large_too_long_and_too_many(models, wav):
    with running(models, Limits(bytes=20_000)) as small:
        assert small.post("/v1/diarize", wav).status_code == 413
    with running(models, Limits(seconds=1.0)) as short:
        answer = short.post("/v1/diarize", wav)
        assert (answer.status_code, answer.json()["error"]) == (
            400,
            "speech.wav: longer than 1 s; this server takes no longer ones",
        )
    with running(models, Limits(requests=1)) as busy:
        busy.service.requests = 1
        answer = busy.post("/v1/diarize", wav)
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "5"
        busy.service.requests = 0
        assert busy.post("/v1/diarize", wav).status_code == 200
    with running(models, Limits(work=0.0)) as slow:
        answer = slow.post("/v1/diarize", wav)
        assert answer.status_code == 503
        assert "took more than 0 s" in answer.json()["error"]


def test_an_unexpected_error_says_nothing_of_the_inside(server, wav, monkeypatch):
    monkeypatch.setattr("sedtalker.server.routes.diarized", lambda *a: 1 / 0)
    answer = server.post("/v1/diarize", wav)
    assert answer.status_code == 500
    assert answer.json()["error"] == "something went wrong (ZeroDivisionError); the server's log says more"


def test_health_page_and_counters(server):
    assert httpx.get(f"{server.url}/v1/health").json() == {"live": True, "ready": True}
    page = httpx.get(server.url)
    assert "POST /v1/animate" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert server.counted("process_resident_memory_bytes") > 1e7
    assert server.counted("sedtalker_streams") == 0
    assert httpx.get(f"{server.url}/metrics").status_code == 401


@pytest.mark.slow
def test_the_description_is_valid():
    from openapi_spec_validator import OpenAPIV31SpecValidator, validate

    validate(document(), cls=OpenAPIV31SpecValidator)


def test_the_description_names_every_route(server):
    described = httpx.get(f"{server.url}/openapi.json").json()
    assert described == json.loads(json.dumps(document()))
    service = Service(models=server.service.models)
    try:
        routes = Routes(service).table()
    finally:
        service.close()
    found = {(route.path, method) for route in routes for method in getattr(route, "methods", None) or {"GET"}}
    named = {(path, method.upper()) for path, methods in described["paths"].items() for method in methods}
    assert named == found - {(path, "HEAD") for path, _ in found}
    for path, method in named - {("/v1/stream", "GET")}:
        answer = httpx.request(method, server.url + path, headers={"Authorization": f"Bearer {TOKEN}"})
        kind = answer.headers["content-type"].split(";")[0]
        reply = described["paths"][path][method.lower()]["responses"][str(answer.status_code)]
        reply = described["components"]["responses"][reply["$ref"].split("/")[-1]] if "$ref" in reply else reply
        assert kind in reply["content"], (path, answer.status_code)


def test_work_ends_when_its_client_goes(server, wav, monkeypatch):
    ended = threading.Event()

    def endless(models, recording, options, hook) -> None:
        try:
            while True:
                hook("working", 0, 1)
                time.sleep(0.01)
        finally:
            ended.set()

    monkeypatch.setattr("sedtalker.server.routes.diarized", endless)
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{server.url}/v1/diarize", files={"audio": ("a.wav", wav)}, headers=server.headers, timeout=1.0)
    assert ended.wait(60)
    until = time.monotonic() + 60
    while server.service.requests and time.monotonic() < until:
        time.sleep(0.02)
    assert server.service.requests == 0


def begun(server, length: int, host: str = "127.0.0.1") -> bytes:
    """The beginning of an upload of so many bytes."""
    return (
        f"POST /v1/diarize HTTP/1.1\r\nHost: {host}:{server.port}\r\nAuthorization: Bearer {TOKEN}\r\n"
        f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {length}\r\n\r\n"
        '--x\r\nContent-Disposition: form-data; name="audio"; filename="a"\r\n\r\n'
    ).encode()


def test_a_body_that_stops_coming_is_not_waited_for(models):
    with running(models, Limits(idle=0.3)) as server, socket.create_connection(("127.0.0.1", server.port)) as raw:
        raw.sendall(begun(server, 1000))
        raw.settimeout(60)
        assert raw.recv(100).startswith(b"HTTP/1.1 408")


def test_a_body_that_drips_is_not_waited_for(models, monkeypatch):
    """Pieces that keep coming do not hold a place for ever."""
    monkeypatch.setattr("sedtalker.server.routes.SLOWEST", 1e6)
    with running(models, Limits(idle=0.5)) as server, socket.create_connection(("127.0.0.1", server.port)) as raw:
        raw.sendall(begun(server, 1000))
        raw.settimeout(0.05)
        answer = b""
        for _ in range(400):
            raw.sendall(b"-")
            with contextlib.suppress(TimeoutError):
                answer = raw.recv(1000)
                break
        raw.settimeout(60)
        while b"comes too slowly" not in answer and (more := raw.recv(1000)):  # the body may come after the head
            answer += more
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"comes too slowly" in answer


def test_a_claim_of_too_much_is_refused_before_the_body(models):
    with running(models, Limits(bytes=1000)) as server, socket.create_connection(("127.0.0.1", server.port)) as raw:
        raw.sendall(begun(server, 10**11, "LOCALHOST"))
        raw.settimeout(60)
        assert raw.recv(100).startswith(b"HTTP/1.1 413")


def test_uploads_count_among_the_requests(models, wav):
    with running(models, Limits(requests=1)) as server, socket.create_connection(("127.0.0.1", server.port)) as raw:
        raw.sendall(begun(server, 1000))
        until = time.monotonic() + 60
        while not server.service.requests and time.monotonic() < until:
            time.sleep(0.01)
        assert server.post("/v1/diarize", wav).status_code == 503
        raw.close()
        while server.service.requests and time.monotonic() < until:
            time.sleep(0.01)
        assert server.post("/v1/diarize", wav).status_code == 200


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HTTP/1.1\r\nHost: x", b"GET /v1/health HTTP/1.1\r\nHost: {host}\r\n\r\nGET /"]
)
def test_a_request_that_never_comes_is_not_waited_for(models, monkeypatch, sent):
    monkeypatch.setattr("sedtalker.server.access.HEADERS", 0.3)
    with running(models) as server, socket.create_connection(("127.0.0.1", server.port)) as raw:
        raw.settimeout(60)
        raw.sendall(sent.replace(b"{host}", f"127.0.0.1:{server.port}".encode()))
        with contextlib.suppress(ConnectionError):
            while raw.recv(1000):
                pass
