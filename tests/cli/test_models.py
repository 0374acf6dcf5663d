"""``sedtalker models``: what there is, and encoders of the hub fetched or copied, with no network."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
from typer.testing import CliRunner

from sedtalker.checkpoint import builtin_checkpoint
from sedtalker.cli.main import app
from sedtalker.errors import InputError
from sedtalker.models import HUB
from sedtalker.speech.backbone import BackboneConfig
from sedtalker.speech.encoder import HUB_ENCODERS, open_encoder
from tests.support.tiny_backbones import save_diarizer, save_tiny, save_whisper

RUN = CliRunner()
SAMPLE = Path(__file__).parents[2] / "data" / "samples" / "four_moods.wav"


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the hub with nothing in it, and no way to the hub."""
    from huggingface_hub import HfApi, constants

    def unreachable(*args: object, **options: object) -> None:
        raise ConnectionError

    cache = tmp_path / "hub"
    monkeypatch.setattr("sedtalker.models.user_cache", lambda: cache)
    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setenv("HF_HUB_CACHE", str(cache))
    for module in ("huggingface_hub.file_download", "transformers.utils.hub"):
        monkeypatch.setattr(f"{module}.constants.HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(HfApi, "model_info", unreachable)
    return cache


def test_every_hub_encoder_has_its_facts() -> None:
    assert {config.name for config in HUB_ENCODERS.values()} == {model.repository for model in HUB.values()}


def test_the_list_says_what_each_licence_asks(empty_cache: Path) -> None:
    listed = json.loads(RUN.invoke(app, ["models", "list", "--json"]).stdout)
    licences = {row["licence"] for row in listed["built_in"]}
    assert licences == set(listed["terms"])
    shown = RUN.invoke(app, ["models", "list"]).stdout
    for name, asked in listed["terms"].items():
        assert f"{name:<10} {asked}" in shown


def test_list(empty_cache: Path) -> None:
    listed = json.loads(RUN.invoke(app, ["models", "list", "--json"]).stdout)
    named = {b["name"]: b for b in listed["built_in"]}
    assert {"diarizer", "decoder", "speech_encoder"} <= set(named)
    assert named["diarizer"]["kind"] == "diarizer"
    assert named["diarizer"]["megabytes"] > 0.1
    assert named["diarizer"]["licence"]
    assert [(e["name"], e["licence"], e["here"]) for e in listed["hub_encoders"]] == [("whisper-base", "MIT", None)]
    text = RUN.invoke(app, ["models", "list"]).stdout
    assert "not on this machine" in text
    assert "held out" in text


def test_no_hub_is_one_line(empty_cache: Path) -> None:
    result = RUN.invoke(app, ["models", "pull", "whisper-base"])
    assert result.exit_code == 2
    assert "whisper-base/resolve/main/model.safetensors: cannot be had" in result.stderr
    assert "see --from" in result.stderr
    with pytest.raises(InputError, match="fetch it with: sedtalker models pull whisper-base"):
        open_encoder("whisper-base")


@pytest.mark.parametrize(
    ("name", "message"), [("diarizer", "built in, there is nothing to fetch"), ("whisper-huge", "no such encoder")]
)
def test_other_names(name: str, message: str) -> None:
    result = RUN.invoke(app, ["models", "pull", name])
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_folder_is_copied_into_the_cache(empty_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = save_whisper(tmp_path / "tiny", 4)
    refused = RUN.invoke(app, ["models", "pull", "whisper-base", "--from", str(source)])
    assert refused.exit_code == 2
    assert "not the weights of openai/whisper-base that decoder_whisper_base was trained on" in refused.stderr
    assert not list(empty_cache.rglob("*.safetensors")), "what is refused is not kept"
    monkeypatch.setattr("sedtalker.cli.checkpoint.built_in_weights", list)  # tiny weights are nobody's
    result = RUN.invoke(app, ["models", "pull", "whisper-base", "--from", str(source), "--json"])
    assert result.exit_code == 0, result.stderr
    (file,) = json.loads(result.stdout)["files"]
    assert Path(file).is_relative_to(empty_cache)
    assert open_encoder("whisper-base").channels == 32, "opened by its name, from the cache"
    assert RUN.invoke(app, ["models", "pull", "whisper-base"]).exit_code == 0, "nothing is left to fetch"


def test_a_folder_without_a_model(empty_cache: Path, tmp_path: Path) -> None:
    for folder in (tmp_path / "nowhere", tmp_path):
        result = RUN.invoke(app, ["models", "pull", "whisper-base", "--from", str(folder)])
        assert result.exit_code == 2
        assert str(folder) in result.stderr
    assert not list(empty_cache.rglob("*.safetensors"))


# --- A checkpoint from elsewhere that names a model of the hub.


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    samples, rate = soundfile.read(SAMPLE, dtype="float32")
    soundfile.write(tmp_path / "clip.wav", samples[3 * rate : 5 * rate], rate)
    return tmp_path / "clip.wav"


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    """A diarizer's checkpoint on ``somebody/wavlm``, and that model's folder beside it."""
    source = BackboneConfig(name=str(save_tiny("WavLM", tmp_path / "source")), layer_weights=(0.2, 0.3, 0.5))
    named = source.model_copy(update={"name": "somebody/wavlm"})
    return save_diarizer(tmp_path / "stranger", named, source)


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Hosts that were looked up and addresses that were connected to."""
    asked: list[object] = []

    def refuse(*address: object, **options: object) -> None:
        asked.append(address)
        raise OSError("no network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    return asked


def test_it_makes_no_connection(empty_cache: Path, stranger: Path, clip: Path, connections: list[object]) -> None:
    done = RUN.invoke(app, ["diarize", str(clip), "--model", str(stranger)])
    assert done.exit_code == 2
    assert done.stderr.strip().splitlines()[-1] == (
        f"error: {stranger}: it reads somebody/wavlm of the Hugging Face hub, which is not on this machine; "
        f"if you want it from there: sedtalker models pull {stranger}"
    )
    assert connections == []


def test_it_is_fetched_when_asked(empty_cache: Path, stranger: Path, clip: Path, connections: list[object]) -> None:
    done = RUN.invoke(app, ["models", "pull", str(stranger)])
    assert done.exit_code == 2
    assert "hub cannot be reached" in done.stderr
    source = str(stranger.parent / "source")
    assert RUN.invoke(app, ["models", "pull", str(stranger), "--from", source]).exit_code == 0
    done = RUN.invoke(app, ["diarize", str(clip), "--model", str(stranger), "--json"])
    assert done.exit_code == 0, done.stderr
    assert connections == []


def test_a_checkpoint_that_names_none_has_nothing_to_fetch() -> None:
    done = RUN.invoke(app, ["models", "pull", str(builtin_checkpoint("diarizer"))])
    assert done.exit_code == 2
    assert "nothing to fetch" in done.stderr


def test_the_hub_is_sent_no_usage_statistics() -> None:
    code = "import sedtalker.speech.backbone, huggingface_hub.constants as c; print(c.HF_HUB_DISABLE_TELEMETRY)"
    environment = {k: v for k, v in os.environ.items() if "TELEMETRY" not in k}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "True", done.stderr
