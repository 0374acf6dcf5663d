"""Files of models: fetched once from a server or a folder, and compared with what they should be."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.static_server import served
from sedtalker.errors import InputError
from sedtalker.models import ModelFile, PulledModel, pull
from sedtalker.phonetics import synthesis
from sedtalker.phonetics.synthesis import voice_files


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server of a folder on this machine."""

    folder = tmp_path / "release"
    folder.mkdir()
    with served(folder) as url:
        yield url.rstrip("/"), folder


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> PulledModel:
    """A model of two small files, the hash of the first known, and an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    held = (ModelFile("model.onnx", 1, hashlib.sha256(b"model").hexdigest()), ModelFile("voices.bin", 1))
    model = PulledModel("tts", "tiny", held, "http://127.0.0.1:9/nobody", "MIT")
    monkeypatch.setattr(synthesis, "VOICE", model)
    return model


def test_files_are_pulled_once(server: tuple[str, Path], model: PulledModel, caplog: pytest.LogCaptureFixture) -> None:
    address, folder = server
    (folder / "model.onnx").write_bytes(b"model")
    (folder / "voices.bin").write_bytes(b"voices")
    paths = pull(model, address)
    assert [path.read_bytes() for path in paths] == [b"model", b"voices"]
    assert "voices.bin: no hash of it is known" in caplog.text
    assert hashlib.sha256(b"voices").hexdigest() in caplog.text
    assert "model.onnx" not in caplog.text
    assert pull(model) == paths
    assert voice_files() == tuple(paths)


def test_another_file_is_refused(server: tuple[str, Path], model: PulledModel) -> None:
    address, folder = server
    (folder / "model.onnx").write_bytes(b"another")
    with pytest.raises(InputError, match=r"model\.onnx: damaged, or another file"):
        pull(model, address)
    (folder / "model.onnx").write_bytes(bytes(3_000_000))
    with pytest.raises(InputError, match="larger than the 1 MB"):
        pull(model, address)
    with pytest.raises(InputError, match="sedtalker models pull tts"):
        voice_files()


@pytest.mark.parametrize("framing", [b"Content-Length: 9\r\n\r\nvoic", b"Transfer-Encoding: chunked\r\n\r\n9\r\nvoic"])
def test_a_connection_that_breaks_off_leaves_no_half_of_a_file(framing: bytes, model: PulledModel) -> None:
    def answer() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\n" + framing)

    without_hashes = replace(model, files=model.files[1:])
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor() as pool:
        done = pool.submit(answer)
        with pytest.raises(InputError, match=r"voices\.bin: cannot be had \("):
            pull(without_hashes, f"http://127.0.0.1:{listener.getsockname()[1]}")
        done.result()
    assert not without_hashes.paths[0].exists()


@pytest.mark.parametrize("source", ["http://127.0.0.1:9/nobody", "ftp://host/folder", "nowhere"])
def test_a_place_without_files_is_an_error(source: str, model: PulledModel) -> None:
    with pytest.raises(InputError, match=f"{source}.*(cannot be had|are fetched)"):
        pull(model, source)


def test_files_come_from_a_folder_too(tmp_path: Path, model: PulledModel) -> None:
    (tmp_path / "model.onnx").write_bytes(b"model")
    (tmp_path / "voices.bin").write_bytes(b"voices")
    assert len(pull(model, str(tmp_path))) == 2
