"""Fixtures shared by all tests."""

from __future__ import annotations

import functools
import gc
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is imported, as in the command: the same bytes
if beside := os.environ.get("SEDTALKER_AGENTS"):
    sys.path.append(beside)  # other people's clients, see the Makefile; what is installed comes first
import typer.testing
from hypothesis import settings

from sedtalker.cli import COLLECT
from tests.support.distributions import AddDistribution, distributions

# The same examples in every run, and no limit of time for one: a busy machine is no fault of what is tested.
settings.register_profile("sedtalker", deadline=None, derandomize=True)
settings.load_profile("sedtalker")

# The commands are read off their functions once, and not at every call of a runner: a quarter of what a refusal takes.
typer.testing._get_command = functools.cache(typer.testing._get_command)

gc.set_threshold(
    *COLLECT
)  # as the command does: thousands of tests are searched for garbage otherwise, again and again

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in a job in the background; programs that tests start need it
    signal.signal(signal.SIGINT, signal.default_int_handler)

CACHE = pytest.StashKey[Path]()
"""The folder of this run in the place of the user's cache."""


def pytest_configure(config: pytest.Config) -> None:
    """A cache of this run, which its processes share: a head is fitted once, and by the code that is tested.

    The caches of other programs, such as that of the Hugging Face hub, stay where they are, by links.
    """
    if "PYTEST_XDIST_WORKER" in os.environ:  # it has that of the process that started it
        return
    usual = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    config.stash[CACHE] = folder = Path(tempfile.mkdtemp(prefix="sedtalker-tests-"))
    for other in usual.iterdir() if usual.is_dir() else ():
        if other.name != "sedtalker":
            (folder / other.name).symlink_to(other.absolute())
    os.environ["XDG_CACHE_HOME"] = str(folder)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove it."""
    if (folder := config.stash.get(CACHE, None)) is not None:
        shutil.rmtree(folder, ignore_errors=True)


def pytest_collection_finish() -> None:
    """What was collected stays to the end, and is no longer searched for garbage."""
    gc.freeze()


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of the training and reference data; tests that need it skip where it is absent."""
    root = Path(os.environ.get("SEDTALKER_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not (root / "README.md").exists():
        pytest.skip("training data not found: set SEDTALKER_DATA")
    return root


@pytest.fixture
def add_distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AddDistribution]:
    """Installs other distributions for the time of a test."""
    yield from distributions(tmp_path, monkeypatch)


@pytest.fixture(scope="session")
def miniature_emovoca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small corpus in EmoVOCA's published layout, made by us; to be read only."""
    from sedtalker.training.corpora.meshes.check import ExampleSize, write_example

    root = tmp_path_factory.mktemp("emovoca")
    sample = Path(__file__).parents[1] / "data" / "samples" / "four_moods.wav"
    write_example(root, sample, ExampleSize(takes=2, emotions=("Smile2", "Sad1"), steps=(3,), seconds=1.6))
    return root
