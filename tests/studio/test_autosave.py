"""Unsaved edits survive their studio, are offered once, and never shared."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import replace

import pytest

from sedtalker.errors import InputError
from sedtalker.speakers.turns import Turn, Turns
from sedtalker.storage import whole_file
from sedtalker.studio.autosave import AUTOSAVE, LOCK, SUMMARY, StudioFolder, project_path, recovered, save, state_folder
from tests.studio.conftest import ROOT, finished


@pytest.fixture
def root(tmp_path):
    return tmp_path / "state"


def test_a_clean_end_leaves_nothing(root, session):
    with StudioFolder(root) as home:
        home.keep(session.snapshot().project)
        assert home.unsaved
        home.keep(None)
    assert list(root.iterdir()) == []


def test_what_is_not_saved_is_offered_to_the_next(root, session):
    session.edit({"op": "relabel", "index": 0, "label": "sad"})
    with StudioFolder(root) as first:
        first.keep(session.snapshot().project)
        with StudioFolder(root) as second:
            assert second.left_by_others() is None  # the first still runs
    with StudioFolder(root) as third:
        left = third.left_by_others()
        assert left is not None
        assert left.audio == "four_moods.wav"
        assert abs(left.saved_at - time.time()) < 60
        with StudioFolder(root) as fourth:
            assert fourth.left_by_others() is None  # the third holds it
        assert recovered(left, third.path / "uploads").document == session.document
        left.drop()
        assert third.left_by_others() is None
    assert list(root.iterdir()) == []


@pytest.mark.parametrize(
    "summary", ["[" * 3000, "", "[]", '{"saved_at": NaN, "audio": "a.wav"}', '{"saved_at": 1e400, "audio": "a"}', None]
)
def test_edits_whose_summary_is_damaged_are_offered_all_the_same(root, session, summary):
    session.edit({"op": "relabel", "index": 0, "label": "sad"})
    with StudioFolder(root) as home:
        home.keep(session.snapshot().project)
        (home.path / SUMMARY).unlink()
        if summary is not None:
            (home.path / SUMMARY).write_text(summary)
    with StudioFolder(root) as home:
        left = home.left_by_others()
        assert left is not None
        assert abs(left.saved_at - time.time()) < 60
        assert recovered(left, home.path / "uploads").document == session.document
        left.drop()


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000, "x" * 5000 + "/a", "~nobody-of-this-name/a"])
def test_names_that_no_project_can_have_are_one_line(tmp_path, name):
    place = name if name.startswith("~") else str(tmp_path / name)
    with pytest.raises(InputError), whole_file(project_path(place, None, False)) as temporary:
        temporary.touch()


def test_folders_without_edits_and_old_ones_are_removed(root, session, monkeypatch):
    with StudioFolder(root) as home:
        home.keep(session.snapshot().project)
    (root / "123-empty").mkdir()
    (root / "123-empty" / LOCK).touch()
    monkeypatch.setattr("sedtalker.studio.autosave.KEPT_SECONDS", -1.0)
    with StudioFolder(root) as home:
        assert home.left_by_others() is None
        assert [path for path in root.iterdir() if path != home.path] == []


def test_a_state_folder_that_cannot_be_written_is_no_reason_to_fail(tmp_path, caplog):
    (tmp_path / "file").touch()
    with StudioFolder(tmp_path / "file" / "state") as home:
        assert home.path.is_dir()
        assert home.left_by_others() is None
    assert "cannot be written" in caplog.text
    assert not home.path.exists()


@pytest.mark.skipif(os.name == "nt", reason="XDG is not for Windows")
def test_where_it_is(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_folder() == tmp_path / "sedtalker" / "studio"


@pytest.mark.slow
def test_a_page_edits_and_the_folder_follows(client, studio):
    kept = studio.folder / AUTOSAVE
    client.post(f"{ROOT}api/edit", json={"op": "relabel", "index": 1, "label": "sad"})
    _until(kept.exists)
    client.post(f"{ROOT}api/undo")
    _until(lambda: not kept.exists())


def test_a_page_recovers_what_another_studio_left(models, subject, clip, tmp_path):
    from starlette.testclient import TestClient

    from sedtalker.studio.server import make_app
    from sedtalker.studio.session import Session
    from sedtalker.studio.studio import Studio
    from tests.studio.conftest import PORT, TOKEN

    session = Session(models, subject)
    session.open_clip(clip)
    session.edit({"op": "relabel", "index": 1, "label": "disgust"})
    with StudioFolder(tmp_path) as before:
        before.keep(session.snapshot().project)
    with StudioFolder(tmp_path) as home:
        app = make_app(Studio(Session(models, subject), home), TOKEN, PORT)
        with TestClient(app, base_url=f"http://127.0.0.1:{PORT}") as page:
            assert page.get(f"{ROOT}api/state").json()["recovery"]["audio"] == clip.path.name
            message = finished(page, lambda: page.post(f"{ROOT}api/recover"), "open")
            assert message["type"] == "done", message
            state = page.get(f"{ROOT}api/state").json()
            assert state["document"]["segments"][1]["label"] == "disgust"
            assert state["recovery"] is None
            assert state["project"]["dirty"] is True
            page.post(f"{ROOT}api/project", json={"path": str(tmp_path / "kept.sedproject")})
    assert [path.name for path in tmp_path.iterdir()] == ["kept.sedproject"]


def test_a_studio_that_ends_before_its_edit_is_kept_keeps_it_itself(studio, session, monkeypatch):
    monkeypatch.setattr("sedtalker.studio.studio.AUTOSAVE_PAUSE", 0.01)
    session.edit({"op": "relabel", "index": 1, "label": "fear"})
    complaints = list[object]()

    async def edited_and_closed() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, about: complaints.append(about))
        studio.touched()
        saving = studio._saving
        studio.close()
        await saving

    asyncio.run(edited_and_closed())
    assert not complaints
    assert (studio.folder / AUTOSAVE).exists()


def test_what_was_left_can_be_dropped(client, studio, session, home):
    with StudioFolder(home.root) as other:
        other.keep(session.snapshot().project)
    studio.left = home.left_by_others()
    assert client.get(f"{ROOT}api/state").json()["recovery"] is not None
    assert client.delete(f"{ROOT}api/recover").json() == {}
    assert client.get(f"{ROOT}api/state").json()["recovery"] is None
    assert [path for path in home.root.iterdir() if path != home.path] == []


def test_where_a_project_may_be_saved(tmp_path):
    there = tmp_path / "a.sedproject"
    assert project_path(str(tmp_path / "a"), None, False) == there
    there.touch()
    with pytest.raises(InputError, match="exists"):
        project_path(str(there), None, False)
    assert project_path(str(there), None, True) == there
    assert project_path(str(there), there, False) == there
    assert project_path("", there, False) == there
    with pytest.raises(InputError, match="name a file"):
        project_path(" ", None, False)


def test_uploads_are_copied_beside_a_saved_project(session, tmp_path, clip):
    uploads = tmp_path / "studio"
    uploads.mkdir()
    dropped = uploads / "voice.wav"
    dropped.write_bytes(clip.path.read_bytes())
    project = replace(session.snapshot().project, audio=dropped)
    (tmp_path / "voice.wav").write_bytes(b"another")
    save(tmp_path / "p.sedproject", project, uploads)
    assert (tmp_path / "voice-2.wav").read_bytes() == clip.path.read_bytes()
    assert (tmp_path / "voice.wav").read_bytes() == b"another"


def test_heads_of_two_speakers_that_have_one_name_are_both_recovered(root, session):
    with StudioFolder(root) as first:
        heads = [first.path / "uploads" / place / "head.obj" for place in "ab"]
        for head in heads:
            head.parent.mkdir(parents=True)
            head.write_text(f"v {len(head.parent.name)} 0 0 {head}")
        project, names = session.snapshot().project, ("Anna", "Ben")
        turns = Turns((Turn(0.0, 2.0, "Anna"), Turn(2.0, 4.0, "Ben")), project.track.duration, names)
        one, other = (
            replace(project, mesh=h, face=None, turns=turns, name=n) for h, n in zip(heads, names, strict=True)
        )
        first.keep(replace(one, others=(other,)))
        kept = [head.read_text() for head in heads]
    with StudioFolder(root) as second:
        left = second.left_by_others()
        assert left is not None
        held = recovered(left, second.path / "uploads")
        assert [each.mesh.read_text() for each in held.everybody] == kept
        left.drop()


def _until(done) -> None:
    for _ in range(100):
        if done():
            return
        time.sleep(0.1)
    raise AssertionError("it did not come to that")
