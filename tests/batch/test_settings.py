"""Options of one recording: those of ``sedtalker animate``, their fingerprint, and the weights they use."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sedtalker.batch.settings import BatchSettings, parse_settings, path_sha256
from sedtalker.checkpoint import builtin_checkpoint, weights_sha256
from sedtalker.errors import InputError
from sedtalker.reading import file_sha256


def test_names_and_values_come_as_text_too() -> None:
    settings = parse_settings({"min-confidence": "0.5", "video": "no", "gain": "brows=1.3; smile=0.7", "to": "usd"})
    assert (settings.min_confidence, settings.video) == (0.5, False)
    assert settings.gain == {"brows": 1.3, "smile": 0.7}
    assert settings.to == ("usd",)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"intensty": 1}, "clips.csv:3: --intensty: there is no such option: did you mean intensity"),
        ({"intensity": "much"}, r"clips.csv:3: --intensity: .*given: much"),
        ({"targets": "some"}, "clips.csv:3: --targets: "),
    ],
)
def test_what_is_wrong_is_one_line(values: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        parse_settings(values, "clips.csv:3")
    assert "\n" not in str(caught.value)


def test_formats() -> None:
    assert BatchSettings().suffixes() == [".mp4", ".emotion.json", ".glb", ".npz"]
    assert BatchSettings(video=False, to=("usd,npz",)).suffixes() == [".emotion.json", ".glb", ".npz", ".usdc"]
    assert BatchSettings(video=False, only=("npz",)).suffixes() == [".emotion.json", ".npz"]
    assert BatchSettings(video=False, only=("emotion",)).suffixes() == [".emotion.json"]
    assert BatchSettings(video=False, only=("emotion,keys",)).suffixes() == [".emotion.json", ".keys.json"]
    with pytest.raises(InputError, match="there is no format 'xyz'"):
        BatchSettings(only=("xyz",)).formats()


def test_the_fingerprint_is_of_contents_not_of_places(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "track.json").write_text('[{"start": 0, "end": 1, "label": "sad"}]')
    here, there = (BatchSettings(emotion="track.json").placed(tmp_path / folder) for folder in ("a", "b"))
    assert here.emotion == str(tmp_path / "a" / "track.json")
    assert here.fingerprint() == there.fingerprint() != BatchSettings(emotion="sad").fingerprint()
    (tmp_path / "b" / "track.json").write_text('[{"start": 0, "end": 1, "label": "happy"}]')
    assert here.fingerprint() != there.fingerprint()


def test_a_background_that_is_no_file_is_a_colour(tmp_path: Path) -> None:
    assert BatchSettings(background="#88aacc", size="640x360").placed(tmp_path).background == "#88aacc"
    assert parse_settings({"size": 256}).size == "256"
    (tmp_path / "sky.png").write_bytes(b"")
    assert BatchSettings(background="sky.png").placed(tmp_path).background == str(tmp_path / "sky.png")


def test_enrolment_counts_in_the_fingerprint(tmp_path: Path) -> None:
    for name, text in (("a.wav", "a"), ("b.wav", "b"), ("c.wav", "a")):
        (tmp_path / name).write_text(text)
    one, two, three = (BatchSettings(enroll=(tmp_path / name,)).fingerprint() for name in ("a.wav", "b.wav", "c.wav"))
    assert one == three != two


def test_words_stay_words(tmp_path: Path) -> None:
    placed = BatchSettings(emotion="happy:0.8", style="clear", light="soft", coordinates="russell1977").placed(tmp_path)
    assert (placed.emotion, placed.style, placed.light, placed.coordinates) == (
        *("happy:0.8", "clear", "soft", "russell1977"),
    )


def test_a_folder_is_hashed_with_its_names(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"1")
    before = path_sha256(tmp_path)
    (tmp_path / "weights").rename(tmp_path / "others")
    assert path_sha256(tmp_path) != before


def test_weights_are_those_that_are_opened() -> None:
    plain, given = BatchSettings().weights(), BatchSettings(emotion="sad").weights()
    assert plain["decoder"] == weights_sha256(builtin_checkpoint("decoder"))
    assert plain["diarizer"] == weights_sha256(builtin_checkpoint("diarizer"))
    assert plain["diarizer_encoder"] == weights_sha256(builtin_checkpoint("emotion_encoder"))
    assert set(given) == {"decoder", "decoder_encoder"}
    whisper = BatchSettings(encoder="whisper-base").weights()
    assert whisper["decoder"] == weights_sha256(builtin_checkpoint("decoder_whisper_base"))
    assert whisper["diarizer"] == weights_sha256(builtin_checkpoint("diarizer_whisper_base"))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"mesh": "no.obj"}, "no.obj: no such file"),
        ({"face": "amara", "mesh": "no.obj"}, "choose one of --mesh and --face"),
        ({"mesh_head": 2}, "--mesh-head and --landmarks need --mesh"),
        ({"strength": 1.5}, "--mouth, --eyes and --strength need a --mesh file that is not registered yet"),
        (
            {"mesh": "a.sedface", "mouth": "keep"},
            "--mouth, --eyes and --strength need a --mesh file that is not registered yet",
        ),
        ({"mesh": "a.obj", "mouth": "big"}, "--mouth big: use one of auto, keep, none"),
        ({"emotion": "grumpy"}, "grumpy: no such track"),
        ({"gain": ["brow=2"]}, "brow"),
        ({"style": "loud"}, "there is no style 'loud'"),
        ({"light": "dark"}, "there is no light 'dark'"),
        ({"camera": "above"}, "there is no camera 'above'"),
        ({"camera": "above.json"}, "above.json: no such camera file"),
        ({"background": "sky"}, "background 'sky'"),
        ({"background": "transparent"}, "has no transparency"),
        ({"size": "5"}, "out of range"),
        ({"coordinates": "plane"}, "plane: no such file"),
        ({"decoder": "nowhere"}, "nowhere: no such file"),
        ({"encoder": "nowhere"}, "--encoder nowhere"),
        ({"model": "nowhere"}, "nowhere"),
    ],
)
def test_options_are_checked_before_any_work(values: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse_settings(values).check()


def test_a_transcript_is_a_text_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "said").write_text("hello")
    assert BatchSettings(transcript="It ends here.").placed(tmp_path).transcript == "It ends here."
    for name in ("said", "missing.txt", "missing.TextGrid"):
        assert BatchSettings(transcript=name).placed(tmp_path).transcript == str(tmp_path / name)
    placed = BatchSettings(words=Path("speech.vtt")).placed(tmp_path)
    assert placed.said() == placed.words == tmp_path / "speech.vtt"
    with pytest.raises(InputError, match=r"missing\.txt: no such file"):
        BatchSettings(transcript="missing.txt").placed(tmp_path).check()
    (tmp_path / "Hello").mkdir()
    with pytest.raises(InputError, match="Hello is a folder: --transcript takes a file"):
        BatchSettings(transcript=str(tmp_path / "Hello")).check()
    with pytest.raises(InputError, match="give one of --transcript and --words"):
        BatchSettings(transcript="Hello", words=tmp_path / "said").check()
    with pytest.raises(InputError):
        BatchSettings(transcript="Hello", language="xx-nobody").check()


def test_words_count_in_the_fingerprint(tmp_path: Path) -> None:
    for name, text in (("a.txt", "one"), ("b.txt", "two"), ("c.txt", "one")):
        (tmp_path / name).write_text(text)
    one, two, three = (
        BatchSettings(transcript=str(tmp_path / name)).fingerprint() for name in ("a.txt", "b.txt", "c.txt")
    )
    assert one == three != two
    assert BatchSettings(transcript="one").fingerprint() != BatchSettings().fingerprint()


def test_results_of_speakers_have_names_that_files_may_have() -> None:
    settings = BatchSettings(speakers="2", video=False, only=("npz,usd",))
    assert settings.suffixes() == [".usdc", ".rttm"]
    assert replace(settings, only=("usda",)).suffixes() == [".usda", ".rttm"]
    found = settings.speaker_suffixes(["Ann B", "Bob"])
    assert [ends[1] for ends in found.values()] == [".Ann_B.npz", ".Bob.npz"]
    with pytest.raises(InputError, match="one name in RTTM and files"):
        settings.speaker_suffixes(["Ann B", "ann_b"])


def test_faces_of_further_speakers_are_files_of_the_settings(tmp_path: Path) -> None:
    head = tmp_path / "a.obj"
    head.write_text("v 0 0 0")
    settings = parse_settings({"speakers": 2, "others": "amara; a.obj"}).placed(tmp_path)
    assert (settings.speakers, settings.others) == ("2", ("amara", str(head)))
    assert settings.named_files() == [head]
    before = settings.fingerprint()
    head.write_text("v 0 0 1 ")
    assert settings.fingerprint() != before


@pytest.mark.parametrize("changed", ["head.mtl", "skin of a face.png", "head.bin"])
def test_what_is_read_with_a_mesh_counts_in_the_fingerprint(tmp_path: Path, changed: str) -> None:
    head = tmp_path / ("head.gltf" if changed == "head.bin" else "head.obj")
    (tmp_path / "head.obj").write_bytes(b"mtllib head.mtl\r\nv 0 0 0\r\n")
    (tmp_path / "head.gltf").write_text('{"buffers": [{"uri": "head.bin"}], "images": [{"uri": "data:,x"}]}')
    (tmp_path / "head.mtl").write_text("newmtl a\nmap_Kd -s 1 1 1 sk.png\n map_d skin of a face.png\n")
    (tmp_path / "head.bin").write_text("b")
    (tmp_path / "skin of a face.png").write_text("red")
    settings = BatchSettings(mesh=head)
    before = settings.fingerprint()
    assert BatchSettings(mesh=head).fingerprint() == before
    (tmp_path / changed).write_text("other words")
    assert settings.fingerprint() != before


@pytest.mark.parametrize("changed", ["skin.usda", "above/nose.usda"])
def test_layers_of_a_usd_mesh_count_in_the_fingerprint(tmp_path: Path, changed: str) -> None:
    pytest.importorskip("pxr")
    head = tmp_path / "head" / "head.usda"
    for folder in ("head", "above"):
        (tmp_path / folder).mkdir()
    head.write_text("#usda 1.0\n(subLayers = [@../skin.usda@, @missing.usda@])\n")
    (tmp_path / "skin.usda").write_text('#usda 1.0\ndef "nose" (references = @./above/nose.usda@</nose>) {\n}\n')
    (tmp_path / "above" / "nose.usda").write_text('#usda 1.0\ndef "nose" {\n}\n')
    before = BatchSettings(mesh=head).fingerprint()
    assert BatchSettings(mesh=head).fingerprint() == before
    with (tmp_path / changed).open("a") as file:
        file.write('def "more" {\n}\n')
    assert BatchSettings(mesh=head).fingerprint() != before


def test_a_usd_mesh_of_one_layer_counts_as_its_file(tmp_path: Path) -> None:
    head = tmp_path / "head.usda"
    for text in ('#usda 1.0\ndef "nose" {\n}\n', "broken"):
        head.write_text(text)
        assert path_sha256(head) == file_sha256(head)
