"""Models on the Hugging Face hub: folders as it shows them, and names that open what is there."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")
from huggingface_hub import ModelCard

from scripts import publish_models
from sedtalker.errors import InputError
from sedtalker.models import BUILT_IN, model_folder

SAMPLE = Path(__file__).parents[1] / "data" / "samples" / "four_moods.wav"
COMMIT = "5" * 40


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = tmp_path_factory.mktemp("repositories")
    return {model.folder: publish_models.make_folder(model, made) for model in BUILT_IN}


def test_every_folder_is_a_checkpoint_with_a_card_that_the_library_reads(folders: dict[str, Path]) -> None:
    for model in BUILT_IN:
        folder = folders[model.folder]
        for path in model.path.iterdir():
            if path.name != "README.md":
                assert (folder / path.name).read_bytes() == path.read_bytes(), path
        card = ModelCard.load(folder / "README.md")
        assert card.data.license in {"odbl", "cc-by-4.0", "mit"}
        assert model.config.licence.lower().startswith(card.data.license)
        assert card.data.library_name == "sedtalker"
        assert (model.path / "README.md").read_text(encoding="utf-8").rstrip() in card.text
        shown = {result.metric_type: result.metric_value for result in card.data.eval_results or []}
        assert all(model.config.held_out[key] == pytest.approx(value, abs=1e-4) for key, value in shown.items())
        assert shown or model.folder not in ("diarizer", "decoder", "diarizer_whisper_base")


@pytest.fixture
def hub(folders: dict[str, Path]) -> Iterator[str]:
    """The address of a server that answers as the hub does, with the diarizer's repository and one of somebody else."""
    served = {"owner/sedtalker-diarizer": folders["diarizer"], "owner/other": folders["diarizer"].parent / "other"}
    served["owner/other"].mkdir(exist_ok=True)
    (served["owner/other"] / "config.json").write_text("{}")

    class Hub(BaseHTTPRequestHandler):
        def answer(self, status: int, body: bytes, **headers: str) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def do_GET(self) -> None:
            words = self.path.split("?")[0].strip("/").split("/")
            api = words[:2] == ["api", "models"]
            name = "/".join(words[2:4] if api else words[:2])
            revision = words[5 if api else 3] if len(words) > (5 if api else 3) else "main"
            if name not in served or revision not in ("main", "v0.2.0", COMMIT):
                missing = "RepoNotFound" if name not in served else "RevisionNotFound"
                self.answer(404, b"{}", X_Error_Code=missing, X_Error_Message="not found")
            elif api and "tree" in words:
                files = [(path.name, path.stat().st_size) for path in sorted(served[name].iterdir())]
                rows = [{"type": "file", "path": file, "size": size, "oid": "0" * 40} for file, size in files]
                self.answer(200, json.dumps(rows).encode(), Content_Type="application/json")
            elif api:
                siblings = [{"rfilename": path.name} for path in sorted(served[name].iterdir())]
                about = {"id": name, "modelId": name, "sha": COMMIT, "siblings": siblings, "private": False, "tags": []}
                self.answer(200, json.dumps(about).encode(), Content_Type="application/json")
            else:
                body = (served[name] / words[4]).read_bytes()
                self.answer(200, body, ETag=f'"{hashlib.sha256(body).hexdigest()}"', X_Repo_Commit=COMMIT)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *words: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def run(cache: Path, model: str, **environment: str) -> subprocess.CompletedProcess[str]:
    own = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    command = [sys.executable, "-m", "sedtalker", "diarize", str(SAMPLE), "--model", model, "--json", "--quiet"]
    return subprocess.run(
        command,
        env={**own, "HF_HOME": str(cache), "XDG_CACHE_HOME": str(cache), **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.slow
def test_a_name_of_the_hub_is_fetched_once_and_opens_without_it_afterwards(hub: str, tmp_path: Path) -> None:
    built_in = run(tmp_path, "diarizer", HF_HUB_OFFLINE="1")
    fetched = run(tmp_path, "owner/sedtalker-diarizer@v0.2.0", HF_ENDPOINT=hub)
    assert fetched.returncode == 0, fetched.stderr
    again = run(tmp_path, "owner/sedtalker-diarizer@v0.2.0", HF_HUB_OFFLINE="1")
    tracks = [json.loads(done.stdout) for done in (built_in, fetched, again)]
    assert tracks[0]["posterior"] == tracks[1]["posterior"] == tracks[2]["posterior"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("owner/nobody", "the hub has no such model, or wants a login for it"),
        ("owner/sedtalker-diarizer@v9", "owner/sedtalker-diarizer@v9: cannot be had from the hub"),
        ("owner/other", "its repository holds no weights of this program"),
    ],
)
def test_what_is_not_there_is_one_line(hub: str, tmp_path: Path, name: str, said: str) -> None:
    done = run(tmp_path, name, HF_ENDPOINT=hub)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.slow
def test_offline_what_was_never_fetched_is_one_line(tmp_path: Path) -> None:
    done = run(tmp_path, "owner/sedtalker-diarizer", HF_HUB_OFFLINE="1")
    assert done.returncode == 2
    assert "not on this machine, and the Hugging Face hub cannot be reached" in done.stderr


def test_a_folder_of_that_name_is_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "owner" / "name").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert model_folder("diarizer", "owner/name") == Path("owner/name")


def test_without_the_library_the_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InputError, match="owner/name: models of the hub need pip install huggingface_hub"):
        model_folder("diarizer", "owner/name")
