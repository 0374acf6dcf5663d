"""The table of models says of each what its checkpoint says."""

from __future__ import annotations

import hashlib
from pathlib import Path

import httpx
import pytest
from huggingface_hub import errors as hub_errors

from sedtalker.animation.decoder import ShapeDecoder
from sedtalker.checkpoint import weights_sha256
from sedtalker.errors import InputError
from sedtalker.models import (
    BUILT_IN,
    HUB,
    WHISPER,
    decoder_choice,
    diarizer_choice,
    encoder_choice,
    hub_folder,
    model_folder,
    model_names,
)
from sedtalker.nn.engine import open_model
from sedtalker.speech.backbone import BackboneConfig, whisper_file

CHECKPOINTS = Path(__file__).parents[1] / "checkpoints"
BY_FOLDER = {model.folder: model for model in BUILT_IN}


def test_everything_that_ships_is_listed_once() -> None:
    assert sorted(BY_FOLDER) == sorted(path.parent.name for path in CHECKPOINTS.glob("*/config.json"))
    assert len(BY_FOLDER) == len(BUILT_IN)
    assert len({(model.role, model.name) for model in BUILT_IN}) == len(BUILT_IN)


@pytest.mark.parametrize("model", BUILT_IN, ids=lambda model: model.folder)
def test_its_encoders_are_those_of_the_checkpoint(model) -> None:  # type: ignore[no-untyped-def]
    backbone = (model.config.model.get("backbone") or {}).get("name")
    assert backbone is None or backbone in [HUB[name].repository for name in model.encoders if name in HUB]
    hashes = [weights_sha256(BY_FOLDER[name].path) for name in model.encoders if name in BY_FOLDER]
    if model.config.encoder_sha256 is not None and not set(model.encoders) & set(HUB):
        both = hashes if len(hashes) == 1 else [hashlib.sha256("".join(hashes).encode()).hexdigest()]
        assert both == [model.config.encoder_sha256]
    assert model.megabytes > 0.002


def test_a_decoder_streams_as_the_table_says() -> None:
    for model in model_names("decoder").values():
        assert isinstance(open_model(model.path), ShapeDecoder) is model.streams


def test_a_folder_of_a_models_name_does_not_hide_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (*BY_FOLDER, *HUB, *(model.name for model in BUILT_IN)):
        (tmp_path / name).mkdir(exist_ok=True)
    for model in BUILT_IN:
        assert model_folder(model.role, model.name) == model_folder(model.role, model.folder) == model.path
    (tmp_path / "mine").mkdir()
    assert model_folder("decoder", WHISPER) == CHECKPOINTS / "decoder_whisper_base"
    assert model_folder("diarizer", "diarizer") == CHECKPOINTS / "diarizer"
    assert model_folder("decoder", f"./{WHISPER}") == Path(WHISPER)
    assert model_folder("decoder", "mine") == Path("mine")
    assert encoder_choice(WHISPER) == (WHISPER, None)
    assert encoder_choice(f"./{WHISPER}") == (WHISPER, f"./{WHISPER}")
    assert encoder_choice("builtin") == encoder_choice("emotion_encoder") == encoder_choice(None) == (None, None)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (hub_errors.LocalEntryNotFoundError("away"), "not on this machine, and the Hugging Face hub cannot be reached"),
        (httpx.ConnectTimeout("slow"), "not on this machine, and the Hugging Face hub cannot be reached"),
        (hub_errors.HFValidationError("a/b/c"), "neither a folder nor a name on the hub"),
        (OSError("disk full"), "cannot be had from the hub: disk full"),
    ],
)
def test_whoever_asks_the_hub_says_the_same_of_what_goes_wrong(
    error: Exception, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("huggingface_hub.snapshot_download", fails)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", fails)
    for ask in (hub_folder, lambda name: whisper_file(BackboneConfig(name=name))):
        with pytest.raises(InputError, match=f"^nobody/nothing: {said}$"):
            ask("nobody/nothing")


def test_options_choose_together(tmp_path: Path) -> None:
    folder = str(tmp_path)
    assert diarizer_choice(None, None) == ("diarizer", None)
    assert diarizer_choice("hf:a/b", "builtin") == ("hf:a/b", None)
    assert diarizer_choice(None, WHISPER) == (WHISPER, None)
    assert diarizer_choice(folder, WHISPER) == (folder, None)
    assert decoder_choice(None, folder) == (WHISPER, folder)
    assert decoder_choice(tmp_path, WHISPER) == (tmp_path, None)
    with pytest.raises(InputError, match="leave --model out"):
        diarizer_choice("hf:a/b", WHISPER)
    with pytest.raises(InputError, match="one of builtin, whisper-base or a folder"):
        encoder_choice("whisper-huge")
    with pytest.raises(InputError, match="built-in decoder: use one of decoder, whisper-base"):
        model_folder("decoder", "nobody")


def test_a_folder_of_the_same_name_hides_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such a folder is meant where it is written with its path."""
    monkeypatch.chdir(tmp_path)
    for name in (WHISPER, "builtin", "diarizer"):
        Path(name).mkdir()
    assert encoder_choice(WHISPER) == (WHISPER, None)
    assert encoder_choice("builtin") == (None, None)
    assert encoder_choice(f"./{WHISPER}") == (WHISPER, f"./{WHISPER}")
    assert model_folder("diarizer", "diarizer") == CHECKPOINTS / "diarizer"
    assert model_folder("decoder", WHISPER) == CHECKPOINTS / "decoder_whisper_base"
    assert model_folder("diarizer", "./diarizer") == Path("diarizer")
