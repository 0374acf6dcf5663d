"""ONNX graphs say what torch says: a decoder in steps equals one pass, files equal the networks they came from."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from sedtalker.animation.decoder_network import Decoder
from sedtalker.checkpoint import builtin_checkpoint
from sedtalker.errors import InputError
from sedtalker.export.onnx_graphs import (
    decoder_graph,
    diarizer_graph,
    encoder_graph,
    frames_graph,
    phones_graph,
    write_graphs,
)
from sedtalker.export.onnx_models import STEPS, check_values, copy_graph, export_models
from sedtalker.nn.engine import open_model
from sedtalker.speech.encoder import STREAMED


def opened(name: str) -> Decoder:
    return open_model(name, in_torch=True)


def ran(path: Path, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    onnxruntime = pytest.importorskip("onnxruntime")
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, inputs)


def test_a_file_equals_its_network_at_any_length() -> None:
    """A short and a long recording through one graph of phones."""
    network = open_model(STREAMED, in_torch=True)
    graph = phones_graph("phones", network, network.config.hidden)
    for count in (7, 300):
        hidden = torch.randn(1, count, network.config.hidden)
        with torch.no_grad():
            wanted = graph.network(hidden)
        got_all = ran(builtin_checkpoint(STREAMED) / "talking.onnx", {"hidden": hidden.numpy()})
        for got, want in zip(got_all, wanted, strict=True):
            assert np.abs(got - want.numpy()).max() < 1e-5


def test_eight_bits_are_smaller_and_near(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    graph = encoder_graph("speech_encoder", open_model("speech_encoder", in_torch=True))
    copy_graph(builtin_checkpoint("speech_encoder") / "encoder.onnx", tmp_path / "small.onnx", int8=True)
    weights = builtin_checkpoint("speech_encoder") / "model.safetensors"
    assert (tmp_path / "small.onnx").stat().st_size < 0.56 * weights.stat().st_size  # those are of 16 bits
    mel = np.random.default_rng(2).normal(size=(1, 240, 80)).astype(np.float32)
    inputs = {name: np.zeros((1, *value.shape[1:]), np.float32) for name, value in graph.inputs.items()} | {"mel": mel}
    small = ran(tmp_path / "small.onnx", inputs)[0]
    with torch.no_grad():
        whole = graph.network(*map(torch.from_numpy, inputs.values()))[0].numpy()
    assert 0.0 < np.abs(small - whole).mean() < 0.03 * np.abs(whole).mean()


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_weights_that_an_installer_links_are_read(tmp_path: Path, link: Callable[[Path, Path], None]) -> None:
    """onnx refuses to read data through links, and uv links packages out of its cache."""
    pytest.importorskip("onnx")
    folder = builtin_checkpoint("burst_detector")
    copy_graph(folder / "bursts.onnx", tmp_path / "wanted.onnx")
    (tmp_path / "cache").mkdir()
    (tmp_path / "installed").mkdir()
    for name in ("bursts.onnx", "model.safetensors"):
        shutil.copy(folder / name, tmp_path / "cache" / name)
        link(tmp_path / "cache" / name, tmp_path / "installed" / name)
    copy_graph(tmp_path / "installed" / "bursts.onnx", tmp_path / "got.onnx")
    assert (tmp_path / "got.onnx").read_bytes() == (tmp_path / "wanted.onnx").read_bytes()


def test_without_onnx_the_extra_is_named_and_nothing_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InputError, match=r"onnx is not installed: pip install 'sedtalker\[onnx\]'"):
        export_models(tmp_path / "onnx", (4,))
    assert not (tmp_path / "onnx").exists()


def test_a_graph_that_is_missing_is_named(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    with pytest.raises(InputError, match=r"bursts\.onnx: no such file"):
        copy_graph(tmp_path / "bursts.onnx", tmp_path / "got.onnx")


def test_every_graph_equals_its_network(tmp_path: Path) -> None:
    """The files of ``models export``, at other lengths than those of the export, and what lies beside them."""
    pytest.importorskip("onnx")
    files = export_models(tmp_path / "onnx")
    about = json.loads((tmp_path / "onnx" / "model.json").read_text())
    check = json.loads((tmp_path / "onnx" / "check.json").read_text())
    assert {file.name for file in files} == {f"{name}.onnx" for name in about["models"]} | {"model.json", "check.json"}
    hidden = open_model("speech_encoder", in_torch=True).config.channels
    bursts = open_model("burst_detector", in_torch=True)
    made = [
        encoder_graph("speech_encoder", open_model("speech_encoder", in_torch=True)),
        encoder_graph("emotion_encoder", open_model("emotion_encoder", in_torch=True)),
        diarizer_graph("diarizer", open_model("diarizer", in_torch=True)),
        *(phones_graph(name, open_model(name, in_torch=True), hidden) for name in ("articulation", STREAMED)),
        frames_graph("burst_detector", bursts, bursts.inputs.in_features),
        *(decoder_graph(f"decoder_{step}", opened("decoder"), step) for step in STEPS),
    ]
    assert {graph.name for graph in made} == set(about["models"])
    for graph in made:
        shapes = check[graph.name]["inputs"]
        inputs = {name: check_values(shape, graph.inputs[name].dtype == torch.bool) for name, shape in shapes.items()}
        got = ran(tmp_path / "onnx" / f"{graph.name}.onnx", inputs)
        with torch.no_grad():
            wanted = graph.network(*(torch.from_numpy(values) for values in inputs.values()))
        wanted = [wanted] if isinstance(wanted, torch.Tensor) else wanted
        for one, want, said in zip(got, wanted, check[graph.name]["outputs"].values(), strict=True):
            assert np.abs(one - want.numpy()).max() < 1e-4 * max(1.0, float(want.abs().max()))
            assert list(one.shape) == said["shape"]
            assert np.abs(one).mean() == pytest.approx(said["mean_magnitude"], abs=1e-5)


@pytest.mark.slow
def test_graphs_of_a_detector_of_bursts_are_written_beside_its_weights(tmp_path: Path) -> None:
    """Its rows hold more than the encoder's vectors."""
    pytest.importorskip("onnxscript")
    for name in ("config.json", "model.safetensors"):
        shutil.copy(builtin_checkpoint("burst_detector") / name, tmp_path / name)
    assert [path.name for path in write_graphs(tmp_path)] == ["bursts.onnx"]
    network = open_model(tmp_path, in_torch=True)
    rows = check_values((1, 90, network.inputs.in_features))
    (logits,) = ran(tmp_path / "bursts.onnx", {"rows": rows})
    (wanted,) = network.run(rows)
    assert np.abs(logits - wanted).max() < 1e-4


def test_decoders_of_an_earlier_run_vanish_and_other_files_stay(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    for name in ("decoder_16.onnx", "decoder_64.onnx", "decoder_16.txt", "model.json"):
        (tmp_path / name).write_text("earlier")
    files = export_models(tmp_path, (4,), force=True)
    assert {path.name for path in tmp_path.iterdir()} == {file.name for file in files} | {"decoder_16.txt"}
    assert list(json.loads((tmp_path / "model.json").read_text())["models"])[-1] == "decoder_4"


def test_bad_requests_write_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="4, 16, 64"):
        export_models(tmp_path / "onnx", (5,))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "model.json").write_text("{}")
    with pytest.raises(InputError, match="exists"):
        export_models(tmp_path / "full", (4,))
    assert not (tmp_path / "onnx").exists()
