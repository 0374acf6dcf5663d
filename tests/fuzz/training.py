# ruff: noqa: E501
"""Readers of training: options and tables of corpora."""

from __future__ import annotations

from pathlib import Path

from tests.fuzz import hostile
from tests.fuzz.target import TEXT, Target, and_any, option_text, texts, written


def _training_options(data: bytes) -> None:
    from sedtalker.training.run import RunConfig, compose
    from sedtalker.training.task import naming_settings

    overrides = [line for line in option_text(data).split("\n") if line]
    with naming_settings():
        RunConfig.model_validate(compose(overrides))


def _corpus_table(data: bytes) -> None:
    from sedtalker.training.corpora.manifest import read_manifest

    Path("audio").mkdir(exist_ok=True)
    written("audio/manifest.csv", data)
    read_manifest(Path())


def _corpus_seed() -> list[bytes]:
    from sedtalker.training.corpora.manifest import COLUMNS

    row = {"emotion": "angry", "split": "train"}
    return [(",".join(COLUMNS) + "\n" + ",".join(row.get(name, "1") for name in COLUMNS) + "\n").encode()]


TARGETS = (
    Target("options of training", texts("experiment=decoder\ntrainer.steps=10\ndebug=fast", "experiment=decoder\n+task.x=1"), _training_options, TEXT, texts("trainer=null", "experiment=decoder\ntrainer=null", "experiment=decoder\ntrainer.steps=abc", "experiment=../x", "experiment=decoder\n~trainer", "a" * 400 + ".steps=10"), 2.0),
    Target("table of a corpus", _corpus_seed, _corpus_table, TEXT, and_any(hostile.tables), 0.5),
)  # fmt: skip
"""These readers."""
