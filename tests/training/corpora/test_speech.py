"""Corpora of emotional speech, small ones made here in their published layouts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from sedtalker.cli.main import app
from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.training.corpora import manifest
from sedtalker.training.corpora.joined_speech import clip_labels
from sedtalker.training.corpora.manifest import COLUMNS, Clip, read_manifest, read_table
from sedtalker.training.corpora.speech import (
    clips_of,
    corpora,
    index_corpora,
    known_corpus,
    named_clips,
    split_by_speaker,
    strictest_use,
    with_licence,
)
from tests.support.distributions import AddDistribution

runner = CliRunner()

FILES: dict[str, dict[str, tuple[str, str, str, str]]] = {
    "crema_d": {
        "AudioWAV/1001_DFA_ANG_XX.wav": ("1001", "", "angry", ""),
        "AudioWAV/1091_IEO_HAP_HI.wav": ("1091", "", "happy", "strong"),
    },
    "ravdess": {
        "Actor_12/03-01-06-02-02-01-12.wav": ("12", "f", "fearful", "strong"),
        "Actor_01/03-01-02-01-02-01-01.wav": ("01", "m", "calm", "normal"),
    },
    "emodb": {"wav/03a01Fa.wav": ("03", "m", "happiness", ""), "wav/08b10Lb.wav": ("08", "f", "other:boredom", "")},
    "esd": {
        "0011/Angry/0011_000351.wav": ("0011", "", "angry", ""),
        "0001/Surprise/evaluation/0001_001401.wav": ("0001", "", "surprise", ""),
    },
    "jl": {
        "JL/female1_angry_10a_1.wav": ("female1", "f", "angry", ""),
        "JL/male2_anxious_3b_2.wav": ("male2", "m", "other:anxiety", ""),
    },
    "emovo": {"f1/gio-f1-b1.wav": ("f1", "f", "joy", ""), "m3/rab-m3-d2.wav": ("m3", "m", "anger", "")},
    "subesco": {"F_01_OISHI_S_10_ANGRY_1.wav": ("01_OISHI", "f", "angry", "")},
    "savee": {"DC/sa01.wav": ("DC", "m", "sadness", ""), "JE_su11.wav": ("JE", "m", "surprise", "")},
    "tess": {"OAF_ps/OAF_back_ps.wav": ("OAF", "f", "pleasant surprise", "")},
    "aesdd": {"anger/a01 (1).wav": ("1", "", "anger", "")},
    "nemo": {
        "samples/EB0_anger_1.wav": ("EB0", "", "anger", ""),
        "samples/SO0_happiness_9.wav": ("SO0", "", "happiness", ""),
    },
    "emotiontts_ko": {
        "Emotional/ema/wav/ema00005.wav": ("ema", "", "neutral", ""),
        "Emotional/neb/wav/neb00205.wav": ("neb", "", "sad", ""),
        "Emotional/neb/wav/neb00301.wav": ("neb", "", "angry", ""),
    },
    "baved": {
        "0/0-m-21-0-1-105.wav": ("0", "m", "neutral", "medium"),
        "6/7-f-22-6-0-1849.wav": ("7", "f", "other:low-emotion", "low"),
    },
    "emogator": {
        "data/mp3/000001-01-1.mp3": ("000001", "", "other:adoration", ""),
        "data/mp3/000226-28-1.mp3": ("000226", "", "pleasant surprise", ""),
    },
    "emov_db": {"bea_Amused/amused_1-15_0001.wav": ("bea", "f", "amusement", "")},
}


def sound(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(1600), 16_000)


@pytest.mark.parametrize("name", FILES)
def test_names_say_speaker_emotion_and_strength(tmp_path: Path, name: str) -> None:
    for file in FILES[name]:
        sound(tmp_path / file)
    sound(tmp_path / "else" / "what.wav")
    clips, unknown = corpora()[name].clips(tmp_path)
    found = {
        clip.path.relative_to(tmp_path).as_posix(): (clip.speaker, clip.gender, clip.emotion, clip.intensity)
        for clip in clips
    }
    assert found == FILES[name]
    assert unknown == ["else/what.wav"]
    assert {clip.corpus for clip in clips} == {name}


def test_esd_knows_its_languages(tmp_path: Path) -> None:
    for file in FILES["esd"]:
        sound(tmp_path / file)
    assert {c.speaker: c.language for c in corpora()["esd"].clips(tmp_path)[0]} == {"0001": "zh", "0011": "en"}


def test_songs_of_ravdess_are_left_out(tmp_path: Path) -> None:
    sound(tmp_path / "Actor_01/03-01-03-01-01-01-01.wav")
    sound(tmp_path / "Actor_01/03-02-03-01-01-01-01.wav")
    clips, unknown = corpora()["ravdess"].clips(tmp_path)
    assert len(clips) == len(unknown) == 1


def test_meld_keeps_its_own_splits(tmp_path: Path) -> None:
    for part, folder in (("train", "train_splits"), ("dev", "dev_splits_complete"), ("test", "test")):
        (tmp_path / f"{part}_sent_emo.csv").write_text(
            "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID\n"
            '1,"Oh, no",Ross,joy,positive,0,3\n2,Hm,Joey,anger,negative,0,4\n3,Cut sho'
        )
        sound(tmp_path / folder / "dia0_utt3.wav")
    clips, unknown = corpora()["meld"].clips(tmp_path)
    assert {(c.split, c.speaker, c.emotion, c.transcript) for c in clips} == {
        (split, "Ross", "joy", "Oh, no") for split in ("train", "valid", "test")
    }
    assert len(unknown) == 6


def test_iemocap_splits_by_session(tmp_path: Path) -> None:
    for session in (1, 4, 5):
        dialogue = f"Ses0{session}F_impro01"
        table = tmp_path / f"Session{session}/dialog/EmoEvaluation/{dialogue}.txt"
        table.parent.mkdir(parents=True)
        table.write_text(
            "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
            f"[6.2901 - 8.2357]\t{dialogue}_F000\tneu\t[2.5000, 2.5000, 2.5000]\nC-E2:\tNeutral;\t()\n"
            f"[10.0100 - 11.3925]\t{dialogue}_M001\tfru\t[2.0, 2.5, 2.5]\n"
        )
        for turn in ("F000", "M001"):
            sound(tmp_path / f"Session{session}/sentences/wav/{dialogue}/{dialogue}_{turn}.wav")
    clips, _ = corpora()["iemocap"].clips(tmp_path)
    assert [(c.speaker, c.emotion, c.split) for c in clips] == [
        (f"Ses0{session}{gender}", word, split)
        for session, split in ((1, "train"), (4, "valid"), (5, "test"))
        for gender, word in (("F", "neutral"), ("M", "other:frustration"))
    ]


def test_msp_podcast_reads_its_table(tmp_path: Path) -> None:
    (tmp_path / "Labels").mkdir()
    (tmp_path / "Labels" / "labels_consensus.csv").write_text(
        "FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set\n"
        "MSP-PODCAST_0001_0008.wav,H,5,5,5,127,Female,Development\nMSP-PODCAST_0001_0019.wav,C,3,3,3,7,Male,Test2\n"
    )
    for number in ("0008", "0019"):
        sound(tmp_path / "Audios" / f"MSP-PODCAST_0001_{number}.wav")
    clips, _ = corpora()["msp_podcast"].clips(tmp_path)
    assert [(c.speaker, c.gender, c.emotion, c.split) for c in clips] == [
        ("127", "f", "happy", "valid"),
        ("7", "m", "other:contempt", "test"),
    ]


def test_speakers_are_divided_once_and_for_all() -> None:
    split = split_by_speaker({f"s{i}" for i in range(40)})
    assert split == split_by_speaker({f"s{i}" for i in reversed(range(40))})
    counts = [list(split.values()).count(name) for name in ("train", "valid", "test")]
    assert counts == [30, 4, 6]
    assert set(split_by_speaker({"a", "b", "c"}).values()) == {"train", "valid", "test"}
    assert set(split_by_speaker({"a", "b"}).values()) == {"train"}


def test_read_speech_has_words_and_no_labels(tmp_path: Path) -> None:
    libri, ocean, lj = tmp_path / "librispeech", tmp_path / "speechocean762", tmp_path / "ljspeech"
    sound(libri / "dev-clean/1272/128104/1272-128104-0000.flac")
    (libri / "dev-clean/1272/128104/1272-128104.trans.txt").write_text("1272-128104-0000 MISTER QUILTER\n")
    sound(ocean / "WAVE/SPEAKER0001/000010011.WAV")
    (ocean / "train").mkdir()
    (ocean / "train/text").write_text("000010011\tWE CALL IT BEAR\n")
    sound(lj / "wavs/LJ001-0001.wav")
    (lj / "metadata.csv").write_text("LJ001-0001|in 1455|in fourteen fifty-five\nLJ001-0002|gone|gone\n")
    found = {name: corpora()[name].clips(tmp_path / name) for name in ("librispeech", "speechocean762", "ljspeech")}
    said = {name: (clips[0].speaker, clips[0].transcript) for name, (clips, _) in found.items()}
    assert said == {
        "librispeech": ("1272", "MISTER QUILTER"),
        "speechocean762": ("0001", "WE CALL IT BEAR"),
        "ljspeech": ("lj", "in fourteen fifty-five"),
    }
    assert all(clip_labels(clips[0]) is None for clips, _ in found.values())
    assert found["ljspeech"][1] == ["LJ001-0002 (in the table, no such file)"]


def test_every_corpus_is_described() -> None:
    for corpus in corpora().values():
        assert corpus.licence
        assert corpus.paper
        assert corpus.obtain.startswith("http")
        assert corpus.layout
        assert set(corpus.categories) <= set(CATEGORIES)
        assert corpus.read is not None or "manifest" in corpus.layout
    assert known_corpus("nothing") is None
    assert known_corpus("cremad") is corpora()["crema_d"]
    with pytest.raises(InputError, match="is not read"):
        corpora()["uem_es"].clips(Path())


def test_what_weights_may_be_used_for() -> None:
    assert strictest_use(["crema_d", "emogator"]) == "free"
    assert strictest_use(["ravdess", "emogator"]) == "non-commercial"
    assert strictest_use(["ravdess", "tess"]) == strictest_use(["mine"]) == "evaluation"
    assert with_licence("ravdess") == "ravdess (CC BY-NC-SA 4.0)"
    assert with_licence("mine") == "mine (see the data)"


def test_a_corpus_is_added_by_an_entry_point(tmp_path: Path, add_distribution: AddDistribution) -> None:
    code = (
        "from sedtalker.training.corpora.speech import NamedFiles, SpeechCorpus, Training\n"
        "MINE = SpeechCorpus('my_voices', 'My voices', 'nowhere', 'cy', 'CC0 1.0', 'free', 'https://example.org',\n"
        "    'ann_happy.wav', read=NamedFiles(r'(?P<speaker>[a-z]+)_(?P<emotion>happy)', {'happy': 'happy'}, 'cy'),\n"
        "    training=Training('Welsh', 'one sentence', 2, 0.1))\n"
    )
    add_distribution("my_voices", code, "sedtalker.corpora", "my_voices", "my_voices:MINE")
    assert corpora()["my_voices"].language == "cy"
    assert strictest_use(["my_voices"]) == "free"
    assert "one sentence; 2 speakers" in runner.invoke(app, ["data", "list", "my_voices"]).stdout
    sound(tmp_path / "data/audio/my_voices/ann_happy.wav")
    assert runner.invoke(app, ["data", "index", str(tmp_path / "data")]).exit_code == 0
    assert [clip.emotion for clip in read_manifest(tmp_path / "data")] == ["happy"]
    assert with_licence("my_voices") == "my_voices (CC0 1.0)"


def test_list_and_index(tmp_path: Path) -> None:
    listed = json.loads(runner.invoke(app, ["data", "list", "--json"]).stdout)
    assert {row["name"] for row in listed} == {*corpora(), "vocaset", "emovoca"}
    assert "evaluation" in runner.invoke(app, ["data", "list"]).stdout
    assert "5023" in runner.invoke(app, ["data", "list", "emovoca"]).stdout
    assert "CC0" in runner.invoke(app, ["data", "list", "jl"]).stdout
    assert "vocaset" in runner.invoke(app, ["data", "list", "nobody"]).stderr
    for actor in range(1, 9):
        sound(tmp_path / f"audio/ravdess/Actor_{actor:02d}/03-01-03-01-01-01-{actor:02d}.wav")
    (tmp_path / "audio" / "manifest.csv").write_text(
        "corpus,file,language,speaker,gender,emotion,intensity,transcript,duration_s,split,room\n"
        "mine,a.wav,en,x,f,sad,,,1.0,test,bathroom\n"
    )
    (tmp_path / "audio/jl").mkdir()  # not unpacked yet
    refused = runner.invoke(app, ["data", "index", str(tmp_path)])
    assert refused.exit_code == 2
    kept = (tmp_path / "audio" / "manifest.csv").read_bytes()
    for damaged, said in ((b"\x8d\xff", "not text"), (b"a,b\n1,2\n", "column 'corpus' is missing")):
        (tmp_path / "audio" / "manifest.csv").write_bytes(damaged)
        result = runner.invoke(app, ["data", "index", str(tmp_path), "--force"])
        assert (result.exit_code, said in result.stderr) == (2, True)
    nowhere = runner.invoke(app, ["data", "index", str(tmp_path / "nowhere")]).stderr
    assert "no such folder" in nowhere
    assert "--data" not in nowhere  # the command has no such option
    (tmp_path / "audio" / "manifest.csv").write_bytes(kept)
    result = runner.invoke(app, ["data", "index", str(tmp_path), "--force", "--json"])
    assert json.loads(result.stdout)["ravdess"]["clips"] == 8
    clips = read_manifest(tmp_path)
    assert len(clips) == 9
    assert clips[0].corpus == "mine"
    assert [row["room"] for row in read_table(tmp_path / "audio" / "manifest.csv", ())] == ["bathroom", *[""] * 8]
    assert clips[1].path.is_file()
    assert clips[1].duration == pytest.approx(0.1)
    assert {clip.split for clip in clips if clip.corpus == "ravdess"} == {"train", "valid", "test"}


def test_a_corpus_is_found_by_either_name() -> None:
    clips = [Clip(name, Path("a.wav"), "en", "1001", "", "sad", "", "", 1.0, "valid") for name in ("crema_d", "tess")]
    for name in ("crema_d", "cremad"):
        assert [clip.corpus for clip in named_clips(clips, name, "valid")] == [name]
    assert named_clips(clips, "cremad", "train") == []
    with pytest.raises(InputError, match="the manifest has no clips of cremad, train"):
        clips_of(clips, "cremad", "train")


def test_clips_that_cannot_be_read_are_named_and_left_out(tmp_path: Path) -> None:
    names = [f"Actor_{actor:02d}/03-01-03-01-01-01-{actor:02d}.wav" for actor in range(1, 6)]
    folder = tmp_path / "audio/ravdess"
    for name in names[:2]:
        sound(folder / name)
    for name, content in zip(names[2:], (b"no sound", b"", (folder / names[0]).read_bytes()[:46]), strict=True):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_bytes(content)
    result = runner.invoke(app, ["data", "index", str(tmp_path), "--json"])
    found = json.loads(result.stdout)["ravdess"]
    assert (found["clips"], list(found["unreadable"])) == (2, names[2:])
    assert f"note: ravdess: {names[3]}: the file is empty, left out" in result.stderr
    assert len(read_manifest(tmp_path)) == 2
    for name in names[:2]:
        (folder / name).write_bytes(b"no sound")
    with pytest.raises(InputError, match="none of its 5 clips can be read"):
        index_corpora(tmp_path)


def test_a_folder_of_other_files_is_named_and_the_rest_indexed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sound(tmp_path / "audio/ravdess/Actor_01/03-01-03-01-01-01-01.wav")
    sound(tmp_path / "audio/jl/holiday.wav")
    row = "jl,female1_angry_1.wav,en,female1,f,angry,,,1.0,test"
    (tmp_path / "audio/manifest.csv").write_text(",".join(COLUMNS) + f"\n{row}\n")
    read, kept = list[Path](), manifest.read_bytes
    monkeypatch.setattr(manifest, "read_bytes", lambda path, *rest: read.append(path) or kept(path, *rest))
    result = runner.invoke(app, ["data", "index", str(tmp_path), "--force"])
    assert (result.exit_code, result.stdout.splitlines()[0].split()[:2]) == (0, ["ravdess", "1"])
    assert f"note: {tmp_path}/audio/jl: nothing of JL" in result.stderr
    assert len(read) == 1  # the manifest, once
    assert [clip.corpus for clip in read_manifest(tmp_path)] == ["jl", "ravdess"]
    (tmp_path / "audio/ravdess/Actor_01/03-01-03-01-01-01-01.wav").unlink()
    alone = runner.invoke(app, ["data", "index", str(tmp_path), "--force"])
    assert (alone.exit_code, alone.stderr.count("\n")) == (2, 1)


def test_the_number_of_a_sentence_of_emotiontts_decides_not_the_manifest(tmp_path: Path) -> None:
    (tmp_path / "audio").mkdir()
    rows = [
        "emotiontts_ko,ema_ema00201.opus,ko,ema,m,angry,,,1.0,test",
        "emotiontts_ko,neb_neb00305.opus,ko,neb,f,sad,,,1.0,test",
    ]
    rows += [
        "emotiontts_ko,ema_ema00101.opus,ko,ema,m,happy,,,1.0,test",
        "tess,OAF_neb00201.opus,en,o,f,angry,,,1.0,test",
    ]
    header = "corpus,file,language,speaker,gender,emotion,intensity,transcript,duration_s,split"
    (tmp_path / "audio/manifest.csv").write_text("\n".join([header, *rows]) + "\n")
    assert [clip.emotion for clip in read_manifest(tmp_path)] == ["sad", "angry", "happy", "angry"]
