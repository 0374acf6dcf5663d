"""Learning from corrections: what was labelled by hand stays, the rest follows, and one step back undoes it."""

from __future__ import annotations

import numpy as np
import pytest

from sedtalker.emotion.track import CATEGORIES
from sedtalker.studio.document import Base, Span, painted
from sedtalker.studio.recognition import LEARN
from tests.studio.conftest import ROOT, finished, made_track


def state(client) -> dict:
    return client.get(f"{ROOT}api/state").json()


def corrected(client, *labels: str) -> None:
    for index, label in enumerate(labels):
        client.post(f"{ROOT}api/edit", json={"op": "relabel", "index": index, "label": label})


def test_corrections_stay_and_one_step_back_undoes_the_rest(client, session):
    for t in (5.0, 10.0, 14.0):
        client.post(f"{ROOT}api/edit", json={"op": "split", "t": t})
    segments = state(client)["document"]["segments"]
    chosen = {len(segments) - 3: "happy", len(segments) - 2: "sad"}
    for index, label in chosen.items():
        client.post(f"{ROOT}api/edit", json={"op": "relabel", "index": index, "label": label})
    hand, base = state(client)["document"]["segments"], session.base
    message = finished(client, lambda: client.post(f"{ROOT}api/learn"), LEARN)
    assert message.get("result") == {"corrections": 2}, message
    assert "learning the corrections" in message["steps"]
    after = state(client)
    assert session.base is not base
    assert not np.array_equal(session.base.track.posterior, base.track.posterior)
    for segment, label in ((hand[index], label) for index, label in chosen.items()):
        inside = [s for s in after["document"]["segments"] if segment["start"] <= s["start"] < segment["end"] - 0.02]
        assert {s["label"] for s in inside} == {label}
    assert after["project"]["dirty"]
    client.post(f"{ROOT}api/undo")
    assert state(client)["document"]["segments"] == hand
    assert session.base is base
    client.post(f"{ROOT}api/redo")
    assert state(client)["document"]["segments"] == after["document"]["segments"]
    assert session.base.by_hand(session.document), "they are known the next time, too"
    track = session.snapshot().track
    assert len(track) == len(session.base.track)


def test_nothing_to_learn_is_one_line(client):
    answer = client.post(f"{ROOT}api/learn")
    assert answer.status_code == 400
    assert "nothing to learn yet" in answer.text
    label = state(client)["document"]["segments"][0]["label"]
    corrected(client, "fear" if label != "fear" else "sad")
    assert client.post(f"{ROOT}api/learn").status_code == 400


def test_segments_painted_over() -> None:
    whole = [Span(0.0, 2.0, "neutral"), Span(2.0, 4.0, "happy")]
    made = painted(whole, [Span(1.0, 2.5, "sad"), Span(3.99, 4.0, "fear")])
    assert made == (
        Span(0.0, 1.0, "neutral"),
        Span(1.0, 2.5, "sad"),
        Span(2.5, 3.99, "happy"),
        Span(3.99, 4.0, "fear"),
    )
    assert painted(whole, []) == tuple(whole)
    assert painted(whole, [Span(0.01, 4.0, "sad")]) == (Span(0.0, 4.0, "sad"),)


@pytest.mark.parametrize("label", ["sad", "angry"])
def test_what_is_by_hand(label: str) -> None:
    base = Base(made_track(), 4.0)
    document = base.document()
    assert base.by_hand(document) == ()
    first, *rest = document.segments
    named = Span(first.start, first.end, label)
    changed = document.__class__((named, *rest), settings=document.settings)
    assert base.by_hand(changed) == (named,)
    again = Base(made_track(labels=(label, "happy", "sad", "angry")), 4.0, (named,))
    assert again.by_hand(again.document()) == (named,), "corrections, and now the prediction's own"
    assert CATEGORIES[int(again.labels[0])] == label
