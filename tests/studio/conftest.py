"""A recording analysed once for all tests of the studio, and studios on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sedtalker.emotion.track import CATEGORIES, EmotionTrack
from sedtalker.face import Face

SAMPLE = Path(__file__).parents[2] / "data" / "samples" / "four_moods.wav"


def made_track(duration: float = 4.0, labels: tuple[str, ...] = ("neutral", "happy", "sad", "angry")) -> EmotionTrack:
    """A track of equal stretches of certain labels, 50 frames a second, with an intensity that moves."""
    times = (np.arange(round(duration * 50)) + 0.5) / 50
    which = np.minimum((times / duration * len(labels)).astype(int), len(labels) - 1)
    posterior = np.full((len(times), len(CATEGORIES)), 0.02, np.float32)
    posterior[np.arange(len(times)), [CATEGORIES.index(labels[k]) for k in which]] = 0.88
    intensity = (0.5 + 0.3 * np.sin(times)).astype(np.float32)
    zeros = np.zeros(len(times), np.float32)
    return EmotionTrack(times, posterior, intensity, zeros, zeros, CATEGORIES, duration)


@pytest.fixture(scope="session")
def models():
    from sedtalker.animation.animator import Models

    return Models()


@pytest.fixture(scope="session")
def clip(models, tmp_path_factory):
    from sedtalker.progress import no_progress
    from sedtalker.studio.sound import analyse

    return analyse(models.animator(), SAMPLE, tmp_path_factory.mktemp("sound"), no_progress)


@pytest.fixture(scope="session")
def subject():
    from sedtalker.studio.session import Subject

    return Subject(Face.builtin(), "builtin")


@pytest.fixture
def session(models, clip, subject):
    from sedtalker.studio.session import Session

    made = Session(models, subject)
    made.open_clip(clip)
    return made


@pytest.fixture
def home(tmp_path) -> Iterator[object]:
    from sedtalker.studio.autosave import StudioFolder

    with StudioFolder(tmp_path / "state") as folder:
        yield folder


TOKEN = "the-token"
PORT = 8765
ROOT = f"/{TOKEN}/"
SOCKETS = f"ws://127.0.0.1:{PORT}"


@pytest.fixture
def studio(session, home):
    from sedtalker.studio.studio import Studio

    return Studio(session, home)


@pytest.fixture
def client(studio):
    """A page of a studio on the sample."""
    from starlette.testclient import TestClient

    from sedtalker.studio.server import make_app

    with TestClient(make_app(studio, TOKEN, PORT), base_url=f"http://127.0.0.1:{PORT}") as opened:
        yield opened


def change(history, base, edit, gesture: str = "") -> None:
    """Go on to the edited document."""
    history.change(lambda document: edit.apply(base, document), gesture)


def finished(client, start, kind: str | None = None) -> dict:
    """The last message of the job that ``start()`` begins, with the progress before it under ``steps``."""
    steps = []
    with client.websocket_connect(f"{SOCKETS}{ROOT}api/events") as events:
        job = start()
        assert job.status_code == 200, job.text
        number = job.json()["job"]
        while True:
            message = events.receive_json()
            if message.get("job") != number:
                continue
            if message["type"] == "progress":
                steps.append(message["step"])
                continue
            assert kind is None or message["kind"] == kind
            return {**message, "steps": list(dict.fromkeys(steps))}
