"""The decoder of vertices on the miniature corpus, through the commands a user types."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.animation.vertex_decoder import principal_components
from sedtalker.errors import InputError
from sedtalker.nn.blocks import LocalAttention
from sedtalker.training.corpora.meshes import HeadFiles, SequenceCorpus, SequenceLayout, open_sequences
from sedtalker.training.corpora.meshes.layouts import EMOVOCA_LAYOUT, VOCASET_LAYOUT
from sedtalker.training.evaluation.vertex_decoder_measures import evaluate_vertex_decoder
from sedtalker.training.loop import TrainerConfig, fit, read_log
from sedtalker.training.run import train
from sedtalker.training.tasks.vertex_decoder import VertexDecoderTask, attention_maps, blended, licence_of
from tests.support.tiny_backbones import save_tiny

SMALL = {"coefficients": 8, "blocks": {"width": 32, "condition": 8, "heads": 2, "layout": "MA"}, "valid": 2}
OVERRIDES = [
    *("task.coefficients=8", "task.blocks={width: 32, condition: 8, heads: 2, layout: MA, dropout: 0.1}"),
    *("task.valid=2", "task.crops=2", "task.seconds=0.6", "trainer.warmup=10", "trainer.pictures=false"),
]


def train_command(data: Path, run: Path, cache: Path, *more: str) -> list[str]:
    folders = [f"data={data}", f"cache={cache}", f"trainer.run_dir={run}"]
    return ["-m", "sedtalker", "train", "experiment=vertex_decoder", *folders, *OVERRIDES, *more]


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[3])}


@given(st.integers(0, 10_000), st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=30)
def test_a_passage_conditions_as_it_moves(seed: int, first: float, second: float) -> None:
    rng = np.random.default_rng(seed)
    share = rng.random(7).astype(np.float32)
    a, b = (np.eye(4, dtype=np.float32)[rng.integers(4)][None].repeat(7, 0) for _ in range(2))
    posterior, intensity = blended(a, first, b, second, share)
    expected = (1 - share)[:, None] * first * a + share[:, None] * second * b
    assert posterior * intensity[:, None] == pytest.approx(expected, abs=2e-6)
    assert posterior.sum(1) == pytest.approx(np.ones(7), abs=1e-5)


def test_principal_components_rebuild_what_they_came_from() -> None:
    rng = np.random.default_rng(0)
    offsets = (rng.normal(size=(40, 3)) @ rng.normal(size=(3, 30))).reshape(40, 10, 3) + 1.0
    mean, components, kept = principal_components(offsets, 3)
    assert kept == pytest.approx(1.0, abs=1e-6)
    flat = components.reshape(3, -1).astype(np.float64)
    coefficients = np.linalg.lstsq(flat.T, (offsets - mean).reshape(40, -1).T, rcond=None)[0]
    assert (flat.T @ coefficients).T.reshape(40, 10, 3) + mean == pytest.approx(offsets, abs=1e-4)
    assert coefficients.var(1) == pytest.approx(np.ones(3), abs=1e-3)


def test_attention_maps_are_what_the_layer_does() -> None:
    torch.manual_seed(0)
    layer, x = LocalAttention(8, 1, 4), torch.randn(1, 20, 8)
    weights = torch.from_numpy(attention_maps(torch.nn.Sequential(layer), (x,))["0"])
    values = layer.qkv(x).reshape(1, 20, 3, 8)[:, :, 2]
    torch.testing.assert_close(layer.out(weights @ values), layer(x), atol=1e-5, rtol=1e-4)
    assert not weights[0, 5:].any()


@pytest.mark.slow
def test_the_untrained_decoder_is_a_still_face(miniature_emovoca: Path, tmp_path: Path) -> None:
    task = VertexDecoderTask(SMALL, miniature_emovoca, tmp_path)
    task.prepare()
    model = task.build().eval()
    batch = task.batch(np.random.default_rng(0))
    assert batch["offsets"].shape == (8, 100, 5023, 3)
    assert batch["posterior"].shape == (8, 100, 11)
    losses = task.losses(model, batch)
    assert 0.3 < losses["vertices"].item() < 3.0
    assert float(batch["intensity"].max()) <= 1.0
    assert "(Sad1, Smile2)" in task._card({})


@pytest.mark.training
def test_it_trains_and_its_checkpoint_is_scored(miniature_emovoca: Path, tmp_path: Path) -> None:
    task = VertexDecoderTask({**SMALL, "crops": 2, "seconds": 0.8}, miniature_emovoca, tmp_path / "cache")
    task.prepare()
    config = TrainerConfig(
        steps=120, threads=1, run_dir=str(tmp_path / "run"), warmup=5, validate_every=20, accelerator="cpu"
    )
    metrics = fit(task, config)
    figures = evaluate_vertex_decoder(miniature_emovoca, tmp_path / "run" / "export", "test", tmp_path / "cache")
    for name in ("mve_mm", "lve_mm2", "eve_mm2", "fdd_mm"):
        assert {name, f"static_{name}", f"shuffled_{name}"} <= set(figures)
    assert figures["mve_mm"] < figures["static_mve_mm"]
    assert metrics["mve_mm"] < metrics["static_mve_mm"]
    card = (tmp_path / "run" / "export" / "README.md").read_text()
    assert f"| {metrics['mve_mm']:.3f} | {metrics['static_mve_mm']:.3f}" in card
    tags = (tmp_path / "run").glob("events*")
    written = b"".join(path.read_bytes() for path in tags)
    assert all(tag in written for tag in (b"predicted_over_recorded", b"attention/blocks.1", b"audio"))


@pytest.mark.training
def test_a_backbone_of_the_hub_takes_the_encoders_place(miniature_emovoca: Path, tmp_path: Path) -> None:
    folder = save_tiny("Hubert", tmp_path / "backbone")
    task = VertexDecoderTask({**SMALL, "encoder": {"name": str(folder)}}, miniature_emovoca, tmp_path / "cache")
    task.prepare()
    assert task.batch(np.random.default_rng(0))["speech"].shape == (8, 100, 16 + 4)
    task.export(task.build(), tmp_path / "export", {"score": 0.0})
    shutil.rmtree(folder)
    figures = evaluate_vertex_decoder(miniature_emovoca, tmp_path / "export", "test", tmp_path / "cache")
    assert figures["mve_mm"] > 0


def test_blocks_that_are_none(miniature_emovoca: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"task\.blocks\.layout=MZ: 'MZ' has the wrong form"):
        train(
            {
                "data": str(miniature_emovoca),
                "cache": str(tmp_path),
                "task": {"name": "vertex_decoder", "blocks": {"layout": "MZ"}},
                "trainer": {"steps": 1, "run_dir": str(tmp_path / "run")},
            }
        )


@pytest.mark.slow
def test_another_topology_is_refused(miniature_emovoca: Path, tmp_path: Path) -> None:
    task = VertexDecoderTask(SMALL, miniature_emovoca, tmp_path)
    task.prepare()
    model = task.build()
    task.export(model, tmp_path / "export", {"score": 0.0})
    for folder in ("sequences", "wav"):
        (tmp_path / "other" / folder).mkdir(parents=True)
    first = open_sequences(miniature_emovoca).sequences[0]
    np.save(tmp_path / "other/sequences/a.npy", np.zeros((96, 10, 3), np.float32))
    assert first.audio is not None
    (tmp_path / "other/wav/a.wav").write_bytes(first.audio.read_bytes())
    (tmp_path / "other/sequences.csv").write_text("name,split\na,test\n")
    with pytest.raises(InputError, match="made for 5023 vertices, a has 10"):
        evaluate_vertex_decoder(tmp_path / "other", tmp_path / "export", "test", tmp_path)


@pytest.mark.training
def test_killed_at_a_random_step_it_ends_with_the_same_weights(miniature_emovoca: Path, tmp_path: Path) -> None:
    more = ["trainer.steps=200", "trainer.validate_every=100", "trainer.ema=0.99", "trainer.log_every=1"]
    commands = {
        name: [sys.executable, *train_command(miniature_emovoca, tmp_path / name, tmp_path / "cache", *more)]
        for name in ("whole", "killed")
    }
    subprocess.run(commands["whole"], check=True, env=environment(), capture_output=True)
    moment = int(np.random.default_rng().integers(20, 180))
    often = [*commands["killed"], "trainer.minutes_between_checkpoints=0.002"]
    process = subprocess.Popen(often, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        rows = read_log(tmp_path / "killed") if (tmp_path / "killed").is_dir() else []
        if rows and rows[-1]["step"] >= moment and (tmp_path / "killed" / "last.ckpt").is_file():
            process.send_signal(signal.SIGKILL)
            process.wait()
        time.sleep(0.01)
    assert process.returncode == -signal.SIGKILL
    resumed = subprocess.run(often, check=True, env=environment(), capture_output=True, text=True)
    found = re.search(r"resumed at step (\d+)", resumed.stderr)
    assert found is not None
    assert 0 < int(found[1]) < 200, moment
    states = [torch.load(tmp_path / name / "last.ckpt", weights_only=True) for name in ("whole", "killed")]
    for part in ("model", "average"):
        first, second = (state[part] for state in states)
        assert first.keys() == second.keys()
        assert all(torch.equal(first[key], second[key]) for key in first), f"killed at {moment}"


@pytest.mark.training
def test_two_processes_train_as_one_with_twice_the_batch(miniature_emovoca: Path, tmp_path: Path) -> None:
    more = ["trainer.steps=15", "trainer.validate_every=15", "trainer.log_every=1", "trainer.accelerator=cpu"]
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    one = train_command(miniature_emovoca, tmp_path / "one", tmp_path / "cache", *more, "trainer.accumulate=2")
    two = train_command(miniature_emovoca, tmp_path / "two", tmp_path / "cache", *more)
    subprocess.run([sys.executable, *one], check=True, env=environment(), capture_output=True)
    done = subprocess.run(
        [sys.executable, *torchrun, *two, "--json"], env=environment(), capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-2000:]
    curves = [[r["total"] for r in read_log(tmp_path / name) if r["kind"] == "loss"] for name in ("one", "two")]
    assert len(curves[1]) == 15
    assert np.abs(np.array(curves[0]) - np.array(curves[1])).max() < 1e-5
    assert json.loads(done.stdout)["mve_mm"] > 0
    lines = [line for line in done.stderr.splitlines() if line.strip("- ")]
    assert sorted(set(lines)) == sorted(lines)  # each said once


@pytest.mark.parametrize(
    ("name", "layout", "licence"),
    [
        ("vocaset", VOCASET_LAYOUT, "LicenseRef-VOCASET-non-commercial"),
        ("vocaset", None, "LicenseRef-own-recordings"),  # a folder of that name, of one's own
        ("example", EMOVOCA_LAYOUT, "LicenseRef-own-recordings"),
        ("heads", replace(VOCASET_LAYOUT, name="heads", use="evaluation"), "LicenseRef-evaluation"),
    ],
)
def test_weights_have_the_licence_of_their_corpus(name: str, layout: SequenceLayout | None, licence: str) -> None:
    corpus = SequenceCorpus(name, Path(), 60.0, (), (), HeadFiles(), "", layout=layout)
    assert licence_of(corpus) == licence
