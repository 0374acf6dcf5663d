"""Several speakers in a session: taken apart, renamed, swapped, merged, undone in one history, saved and exported."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from sedtalker.cli.main import app
from sedtalker.emotion.track import CATEGORIES, Burst
from sedtalker.errors import InputError
from sedtalker.progress import no_progress
from sedtalker.studio.cast import merged_turns
from sedtalker.studio.opening import take_in
from sedtalker.studio.project import project_text, read_project, write_project
from sedtalker.studio.session import Session
from sedtalker.studio.speakers import find_speakers, merge_speakers
from tests.studio.conftest import ROOT, SAMPLE, finished

RTTM = "".join(
    f"SPEAKER four_moods 1 {start} {length} <NA> <NA> {who} <NA> <NA>\n"
    for start, length, who in [(0.0, 4.0, "ann"), (4.5, 4.0, "bob"), (9.0, 3.0, "ann"), (12.0, 4.0, "Cy..d")]
)


@pytest.fixture(scope="module")
def found(models, clip, subject, tmp_path_factory):
    """What the job finds by these turns."""
    path = tmp_path_factory.mktemp("turns") / "who.rttm"
    path.write_text(RTTM)
    fresh = Session(models, subject)
    fresh.open_clip(clip)
    return find_speakers(fresh, str(path))[0](no_progress)


@pytest.fixture
def session(models, clip, subject, found):
    """A session whose recording has been taken apart, one step back."""
    made = Session(models, subject)
    made.open_clip(clip)
    made.go_on(take_in(made, clip, *found))
    return made


def state_of(client):
    return client.get(f"{ROOT}api/state").json()


def asked(client, path, /, **values):
    reply = client.post(f"{ROOT}api/{path}", json=values)
    assert reply.status_code == 200, reply.text
    return reply.json()


def names(reply) -> list[str]:
    return [speaker["name"] for speaker in reply["speakers"]]


def test_one_history_holds_the_edits_of_everybody(client, session):
    state = state_of(client)
    assert names(state) == ["ann", "bob", "Cy..d"]
    assert [speaker["active"] for speaker in state["speakers"]] == [True, False, False]
    assert [speaker["face"] for speaker in state["speakers"]] == ["builtin", "amara", "walter"]
    assert state["speakers"][1]["turns"] == [[4.5, 8.5]]
    assert (session.cast.parts[1].voice.sound.samples[: 4 * 16000] == 0).all()
    mouths = session.weight_rows(5.0, 8.0)[1][:, -1]

    asked(client, "edit", op="relabel", index=0, label="fear")
    reply = asked(client, "speaker", op="activate", name="bob")
    assert reply["voice"] != state["voice"]
    assert session.weight_rows(5.0, 8.0)[1][:, -1].std() > 2 * mouths.std()  # bob talks, ann listens
    asked(client, "edit", op="relabel", index=0, label="disgust")
    asked(client, "speaker", op="rename", name="bob", other="Bo  Li")
    reply = asked(client, "speaker", op="swap", name="ann", other="Bo Li")
    assert names(reply) == ["ann", "Bo Li", "Cy..d"]
    assert reply["speakers"][0]["turns"] == [[4.5, 8.5]]
    assert reply["speakers"][0]["segments"][0]["label"] == "disgust"
    assert reply["document"]["segments"][0]["label"] == "fear"  # Bo Li is still worked on, and has what ann had

    assert asked(client, "undo")["speakers"][0]["segments"][0]["label"] == "fear"
    assert names(asked(client, "undo")) == ["ann", "bob", "Cy..d"]
    asked(client, "speaker", op="activate", name="Cy..d")
    reply = asked(client, "undo")  # goes to the speaker whose edit it takes back
    assert [speaker["active"] for speaker in reply["speakers"]] == [False, True, False]
    reply = asked(client, "undo")
    assert [speaker["active"] for speaker in reply["speakers"]] == [True, False, False]
    reply = asked(client, "undo")
    assert reply["speakers"] == []
    assert reply["document"]["segments"] != state["document"]["segments"]
    assert not reply["can_undo"]
    while (reply := asked(client, "redo"))["can_redo"]:
        pass
    assert names(reply) == ["ann", "Bo Li", "Cy..d"]


def test_two_speakers_become_one(client, session):
    asked(client, "edit", op="relabel", index=0, label="fear")
    asked(client, "speaker", op="activate", name="bob")
    merge = {"op": "merge", "name": "ann", "other": "bob"}
    ended = finished(client, lambda: client.post(f"{ROOT}api/speaker", json=merge))
    assert ended["result"] == {"speakers": ["bob", "Cy..d"]}
    state = state_of(client)
    assert len(session.cast.spoken().turns) == 4
    assert state["speakers"][0]["turns"] == [[0.0, 4.0], [4.5, 8.5], [9.0, 12.0]]
    assert state["face"]["name"] == "amara"
    assert state["document"]["segments"][0]["label"] == "fear"
    assert np.abs(session.cast.part.voice.sound.samples[: 4 * 16000]).max() > 0.01
    assert names(asked(client, "undo")) == ["ann", "bob", "Cy..d"]


def test_what_was_decided_about_each_stays_in_their_own_turns_when_two_become_one(client, session):
    drawn = [[0.5, 0.3], [2.0, 0.9], [3.5, 0.3]]
    asked(client, "edit", op="reset")
    asked(client, "edit", op="relabel", index=0, label="fear")
    asked(client, "edit", op="set_intensity", points=drawn)
    asked(client, "speaker", op="activate", name="bob")
    for index in range(len(asked(client, "edit", op="reset")["document"]["segments"])):
        asked(client, "edit", op="relabel", index=index, label="sad")  # also while ann speaks
    merge = {"op": "merge", "name": "ann", "other": "bob"}
    finished(client, lambda: client.post(f"{ROOT}api/speaker", json=merge))
    labels = session.document.labels_at(np.array([1.0, 3.0, 5.0, 8.0]))
    assert [CATEGORIES[label] for label in labels] == ["fear", "fear", "sad", "sad"]
    assert session.base.intensity(session.document)[100] == pytest.approx(0.9, abs=0.02)
    assert session.track.intensity[250:400].mean() > 0.4  # bob is sad, and shows it
    asked(client, "undo")


def test_laughs_that_were_removed_stay_removed_when_two_become_one(session):
    found = [Burst(1.0, 1.6, "laugh", 0.9), Burst(3.0, 3.4, "sigh", 0.8), Burst(6.0, 6.5, "laugh", 0.9)]
    for name, removed in (("bob", [1, 2]), ("ann", [0])):  # bob's sigh is while ann speaks
        session.activate(name)
        session.open_track(replace(session.base.track, bursts=tuple(found)))
        for index in removed:
            session.edit({"op": "remove_burst", "index": index})
    work, then = merge_speakers(session, "ann", "bob")
    voice, track = work(no_progress)
    then((voice, replace(track, bursts=(Burst(1.1, 1.6, "laugh", 0.9), *found[1:]))))
    assert session.document.removed_bursts == (0, 2)
    assert session.track.bursts == (found[1],)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"op": "rename", "name": "ann", "other": "bob"}, "another speaker is called bob"),
        ({"op": "rename", "name": "ann", "other": " "}, "1 to 60"),
        ({"op": "rename", "name": "ann", "other": "x\0y"}, "1 to 60"),
        ({"op": "activate", "name": "eve"}, "no speaker 'eve'"),
        ({"op": "merge", "name": "ann", "other": "ann"}, "another one"),
        ({"op": "sing", "name": "ann"}, "op"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(client, change, said):
    before = state_of(client)
    reply = client.post(f"{ROOT}api/speaker", json=change)
    assert reply.status_code == 400
    assert said in reply.json()["error"]
    assert "\n" not in reply.json()["error"]
    assert state_of(client)["speakers"] == before["speakers"]


def test_turns_come_from_a_file_and_bad_ones_change_nothing(client):
    asked(client, "undo")
    ended = finished(client, lambda: client.post(f"{ROOT}api/speakers?name=who.rttm", content=b"nothing of the kind"))
    assert ended["type"] == "failed"
    assert ended["error"].startswith("who.rttm")
    for wanted in ("/etc/passwd", "17", ""):
        reply = client.post(f"{ROOT}api/speakers", json={"speakers": wanted})
        assert reply.status_code == 400, wanted
    ended = finished(client, lambda: client.post(f"{ROOT}api/speakers", json={"speakers": "channels"}))
    assert "one channel" in ended["error"]
    assert state_of(client)["speakers"] == []
    content = RTTM.encode()
    ended = finished(client, lambda: client.post(f"{ROOT}api/speakers?name=who.rttm", content=content))
    assert ended["result"] == {"speakers": ["ann", "bob", "Cy..d"]}
    assert any("encoding the speech of bob" in step for step in ended["steps"])


@pytest.mark.slow
def test_a_project_keeps_every_speaker(client, session, tmp_path):
    session.undo()
    one = project_text(session.snapshot().project, str)
    assert '"version": 1' in one
    assert "speakers" not in json.loads(one)
    session.redo()
    asked(client, "edit", op="relabel", index=0, label="fear")
    asked(client, "speaker", op="activate", name="bob")
    asked(client, "edit", op="settings", seed=9)
    before = state_of(client)
    assert before["project"]["dirty"]
    path = tmp_path / "talk.sedproject"
    asked(client, "project", path=str(path))
    assert not state_of(client)["project"]["dirty"]

    ended = finished(client, lambda: client.post(f"{ROOT}api/project?name=talk.sedproject", content=path.read_bytes()))
    assert ended["type"] == "done", ended
    after = state_of(client)
    assert after["speakers"] == before["speakers"]
    assert after["document"] == before["document"]
    assert not after["project"]["dirty"]
    again = tmp_path / "again.sedproject"
    write_project(again, session.snapshot().project)
    assert again.read_bytes() == path.read_bytes()
    assert [one.name for one in read_project(path).everybody] == ["ann", "bob", "Cy..d"]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda d: d.update(version=1), "version 1"),
        (lambda d: d["speakers"].pop(), "speaker"),
        (lambda d: d.update(speakers=["a", "a", "b"]), "a name of its own"),
        (lambda d: d["turns"].append([2.0, 1.0, 0]), "no length"),
        (lambda d: d["turns"].append([1.0, 2.0, 5]), "no speaker"),
        (lambda d: d["others"].pop(), "each needs"),
        (lambda d: d["others"][0].update(speaker=0), "each needs"),
        (lambda d: d["others"][0]["document"]["segments"].pop(), "do not cover"),
        (lambda d: d["others"][0].update(extra=1), "extra"),
    ],
)
def test_a_damaged_project_of_speakers_is_one_line(session, tmp_path, spoil, said):
    held = json.loads(project_text(session.snapshot().project, str))
    spoil(held)
    path = tmp_path / "bad.sedproject"
    path.write_text(json.dumps(held))
    with pytest.raises(InputError) as caught:
        read_project(path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_everybody_is_exported_and_the_turns(client, session, tmp_path):
    asked(client, "speaker", op="rename", name="bob", other="Cy .. D")
    wanted = {"formats": ["track.json", "arkit"], "everybody": True}
    ended = finished(client, lambda: client.post(f"{ROOT}api/export", json=wanted))
    files = {file["name"]: file["url"] for file in ended["result"]["files"]}
    stems = ["four_moods.ann", "four_moods.Cy_.._D", "four_moods.Cy..d"]
    assert [name for name in files if name.endswith(".json")] == [f"{stem}.emotion.json" for stem in stems]
    turns = client.get(ROOT + files["four_moods.rttm"]).text
    assert turns.startswith("SPEAKER four_moods 1 0.000 4.000 <NA> <NA> ann")
    own = [client.get(ROOT + url).content for name, url in files.items() if name.endswith(".csv")]
    assert len(own) == 3
    assert len({*own}) == 3
    ended = finished(client, lambda: client.post(f"{ROOT}api/export", json={"formats": ["arkit"]}))
    (only,) = ended["result"]["files"]
    assert only["name"].startswith("four_moods.ann.")
    assert client.get(ROOT + only["url"]).content == own[0]


@pytest.mark.slow
def test_channels_come_back_from_a_project(client, session, tmp_path):
    import soundfile

    samples, rate = soundfile.read(SAMPLE, dtype="float32")
    half = len(samples) // 2
    sides = np.zeros((len(samples), 2), np.float32)
    sides[:half, 0], sides[half:, 1] = samples[:half], samples[half:]
    path = tmp_path / "two.wav"
    soundfile.write(path, sides, rate)
    finished(client, lambda: client.post(f"{ROOT}api/audio?name=two.wav&discard=true", content=path.read_bytes()))
    ended = finished(client, lambda: client.post(f"{ROOT}api/speakers", json={"speakers": "channels"}))
    assert ended["result"] == {"speakers": ["speaker1", "speaker2"]}
    project = session.snapshot().project
    assert [one.channel for one in project.everybody] == [0, 1]
    for one, part in zip(project.everybody, session.cast.parts, strict=True):
        assert (one.sound().samples == part.voice.sound.samples).all()
    with pytest.raises(InputError, match="another one"):
        merged_turns(session.cast, "speaker1", "speaker1")


def test_edits_of_everybody_survive_a_crash(session, home, tmp_path):
    from sedtalker.studio.autosave import StudioFolder, recovered

    session.edit({"op": "relabel", "index": 0, "label": "fear"})
    home.keep(session.snapshot().project)
    shutil.copytree(home.path, tmp_path / "state" / "gone")
    with StudioFolder(tmp_path / "state") as other:
        left = other.left_by_others()
        assert left is not None
        held = recovered(left, tmp_path / "uploads")
        left.lock.close()
    assert [one.name for one in held.everybody] == ["ann", "bob", "Cy..d"]
    assert held.document.segments[0].label == "fear"


def test_commands_say_what_they_cannot_do(session, tmp_path):
    path = tmp_path / "talk.sedproject"
    write_project(path, session.snapshot().project)
    for command, said in [
        (["studio", SAMPLE, "--speakers", "nobody"], "or an .rttm file"),
        (["studio", SAMPLE, "--speakers", "nobody.rttm"], "nobody.rttm: no such file"),
        (["studio", path, "--speakers", "2"], "a project has its own speakers"),
        (["studio", "--speakers", "2"], "name one"),
        (["animate", "--project", path], "3 speakers"),
    ]:
        done = CliRunner().invoke(app, [str(word) for word in command])
        assert done.exit_code == 2
        assert said in done.stderr
        assert done.stderr.count("\n") == 1
