"""Reports of adaptations: every recording is judged without itself."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch

from sedtalker.batch import adaptation
from sedtalker.batch.adaptation import (
    Report,
    check_labels,
    check_report,
    labelled_items,
    read_recordings,
    report_adaptation,
)
from sedtalker.batch.inputs import Item, find_items
from sedtalker.batch.settings import BatchSettings
from sedtalker.emotion.adaptation import SpokenRecording
from sedtalker.emotion.diarizer import Diarizer
from sedtalker.emotion.diarizer_model import DiarizerConfig
from sedtalker.emotion.few_shot import adapted_without
from sedtalker.emotion.network import DiarizerNetwork, functional_count
from sedtalker.errors import InputError
from tests.support.clips import cut_sample


def test_a_report_judges_each_recording_without_it() -> None:
    """With two recordings of which one lies far off, each is judged by a network that knows only the other."""
    torch.manual_seed(0)
    network = DiarizerNetwork(DiarizerConfig(hidden_channels=4, windows=(0.5, 2.0), width=16, members=2)).eval()
    network.mean += torch.randn(network.mean.shape)
    near, far = (network.mean + torch.randn(20, functional_count(network.config)) + away for away in (0.0, 5.0))
    read = [SpokenRecording((rows,)) for rows in (near, far)]
    first, second = adapted_without(network, read, 1.0)
    assert torch.allclose(first.mean, read[1].speech[0].mean(0), atol=1e-5)
    assert torch.allclose(second.mean, read[0].speech[0].mean(0), atol=1e-5)
    labels = network.config.labels
    marked = [replace(one, label=labels[k % 2]) for k, one in enumerate(read)]
    report = report_adaptation(network, [*marked, SpokenRecording(())], 1.0)
    assert report.recordings == (3, 2)
    assert report.labelled == 2
    assert report.recall_before in (0.0, 0.5, 1.0)
    assert sum(report.before.values()) == pytest.approx(1.0)
    assert report_adaptation(network, read, 1.0).recall_after is None


def test_what_labels_show_to_be_worse_is_refused_and_what_few_show_is_noted(caplog: pytest.LogCaptureFixture) -> None:
    report = Report((30, 30), {}, {}, 30, 0.52, 0.47)
    with pytest.raises(InputError, match=r"30 labelled recordings falls from 0\.52 to 0\.47"):
        check_report(report)
    check_report(replace(report, recall_after=0.51))
    check_report(replace(report, labelled=0, recall_before=None, recall_after=None))
    assert not caplog.messages
    for lost, won in ((0, 0), (2, 0), (4, 0), (6, 1)):
        caplog.clear()
        check_report(replace(report, labelled=19, lost=lost, won=won))
        (line,) = caplog.messages
        assert line.startswith("the recall of 19 labelled recordings falls from 0.52 to 0.47")
    for lost, won in ((5, 0), (7, 1)):  # one of 32 coins, and nine of 256
        with pytest.raises(InputError, match="19 labelled recordings falls"):
            check_report(replace(report, labelled=19, lost=lost, won=won))


@pytest.mark.parametrize("speakers", [(None,) * 5, ("a", "a", "b", "b", "b")])
def test_a_recording_counts_as_lost_where_others_with_its_label_were_learned(
    monkeypatch: pytest.MonkeyPatch, speakers: tuple[str | None, ...]
) -> None:
    network = DiarizerNetwork(DiarizerConfig(hidden_channels=4, windows=(0.5, 2.0), width=16, members=2)).eval()
    labels = (
        ("happy", "happy", "sad", "sad", "angry") if speakers[0] is None else ("happy", "sad", "happy", "sad", "sad")
    )
    rows = (torch.zeros(1, functional_count(network.config)),)
    read = [SpokenRecording(rows, label, speaker) for label, speaker in zip(labels, speakers, strict=True)]
    right = np.array([network.config.labels.index(label) for label in labels])
    wrong = np.zeros(5, np.int64)
    given = iter((np.where([1, 1, 0, 0, 1], right, wrong), np.where([0, 0, 1, 0, 0], right, wrong)))
    monkeypatch.setattr(adaptation, "answers", lambda networks, recordings: next(given))
    report = report_adaptation(network, read, 0.0)
    assert (report.lost, report.won) == ((2, 1) if speakers[0] is None else (3, 1))


def test_a_table_of_recordings_may_name_them_as_a_table_of_labels_does(tmp_path: Path) -> None:
    cut_sample(tmp_path / "a.wav", 0.0, 1.0)
    for column in ("file", "audio"):
        (tmp_path / "t.csv").write_text(f"{column},label\na.wav,sad\n")
        (item,) = find_items([tmp_path / "t.csv"], tmp_path / "out", BatchSettings(), labelled=True)
        assert (item.audio, item.label) == (tmp_path / "a.wav", "sad")
        labelled = labelled_items([Item(tmp_path / "a.wav", "a", BatchSettings())], tmp_path / "t.csv")
        assert labelled[0].label == "sad"


@pytest.mark.parametrize("name", ["\0", "a" * 5000, "../x.wav", "", "/", "a.wav/..", "['a.wav']"])
def test_a_table_of_labels_names_recordings_and_nothing_else(tmp_path: Path, name: str) -> None:
    items = [Item(tmp_path / "a.wav", "a", BatchSettings())]
    table = tmp_path / "labels.jsonl"
    table.write_text(json.dumps({"file": name, "label": "sad"}))
    with pytest.raises(InputError, match=r"labels\.jsonl:1: "):
        labelled_items(items, table)
    table.write_text(json.dumps({"file": "b/../a.wav", "label": "sad", "speaker": 3}))
    (found,) = labelled_items(items, table)
    assert (found.label, found.speaker) == ("sad", "3")
    table.write_text(json.dumps({"file": "a.wav", "label": "sad", "speaker": 0}))
    assert labelled_items(items, table)[0].speaker == "0"
    (tmp_path / "other").mkdir()
    elsewhere = tmp_path / "other/labels.csv"
    elsewhere.write_text("file,label\na.wav,sad\n")
    (found,) = labelled_items(items, elsewhere, [tmp_path])
    assert (found.label, found.speaker) == ("sad", None)
    with pytest.raises(InputError, match="fewer than two categories"):
        check_labels(labelled_items(items, elsewhere, [tmp_path]))


def test_recordings_that_cannot_be_read_are_named_and_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cut_sample(tmp_path / "good.wav", 0.0, 1.0)
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    items = [Item(tmp_path / f"{name}.wav", name, BatchSettings(), label=name) for name in ("bad", "good")]
    diarizer = cast("Diarizer", SimpleNamespace(speech=lambda sound: [torch.zeros(1)]))
    assert [one.label for one in read_recordings(diarizer, items, 60.0)] == ["good"]
    assert [line.startswith(f"{tmp_path / 'bad.wav'}: not a readable") for line in caplog.messages] == [True]
