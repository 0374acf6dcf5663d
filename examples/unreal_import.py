"""Import a recording and its ARKit weights into Unreal's editor, and put both on a level sequence.

Beforehand::

    sedtalker animate speech.wav --to arkit,fbx

In the editor, with the plugins *Python Editor Script Plugin* and *Sequencer Scripting* on, in the console of Python::

    import sys; sys.argv = ["", "/path/speech", "/Game/Speech"]; exec(open("unreal_import.py").read())

``/path/speech`` is the folder that holds ``speech.arkit.csv`` and ``speech.fbx``; the sound may lie in it or beside it.
The weights become a curve table (a row for each blend shape), the FBX a skeletal mesh with its animation, the sound a
sound wave, and the level sequence plays the sound and the mesh from its frame 0. It has not been run.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from pathlib import Path

import unreal

RATE = 60
"""Frames a second of the CSV."""


def curve_table(weights: Path) -> Path:
    """The CSV as the editor reads curve tables: seconds in the first row, then a row for each blend shape."""
    with weights.open(encoding="utf-8", newline="") as stream:
        header, *frames = csv.reader(stream)
    table = Path(tempfile.mkdtemp()) / f"{weights.name.partition('.')[0]}_weights.csv"
    with table.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["Name", *(f"{frame / RATE:.5f}" for frame in range(len(frames)))])
        for column, name in enumerate(header[2:], 2):
            writer.writerow([name, *(frame[column] for frame in frames)])
    return table


def imported(path: Path, place: str, factory: unreal.Factory | None = None) -> list[str]:
    """Paths of the assets that the editor makes of a file."""
    task = unreal.AssetImportTask()
    task.set_editor_property("filename", str(path))
    task.set_editor_property("destination_path", place)
    task.set_editor_property("automated", True)
    task.set_editor_property("replace_existing", True)
    task.set_editor_property("save", True)
    if factory is not None:
        task.set_editor_property("factory", factory)
    unreal.AssetToolsHelpers.get_asset_tools().import_asset_tasks([task])
    return list(task.get_editor_property("imported_object_paths"))


def weights_factory() -> unreal.Factory:
    """Reads a CSV as a curve table with linear curves."""
    settings = unreal.CSVImportSettings()
    settings.set_editor_property("import_type", unreal.CSVImportType.ECSV_CURVE_TABLE)
    settings.set_editor_property("import_curve_interp_mode", unreal.RichCurveInterpMode.RCIM_LINEAR)
    factory = unreal.CSVImportFactory()
    factory.set_editor_property("automated_import_settings", settings)
    return factory


def level_sequence(name: str, place: str, sound: unreal.SoundBase, assets: list[unreal.Object]) -> None:
    """A sequence as long as the sound, with a track of it and, where there is a mesh, one of its animation."""
    tools = unreal.AssetToolsHelpers.get_asset_tools()
    sequence = tools.create_asset(f"{name}_sequence", place, unreal.LevelSequence, unreal.LevelSequenceFactoryNew())
    sequence.set_display_rate(unreal.FrameRate(RATE, 1))
    frames = round(RATE * sound.get_editor_property("duration"))
    sequence.set_playback_start(0)
    sequence.set_playback_end(frames)
    section = sequence.add_track(unreal.MovieSceneAudioTrack).add_section()
    section.set_sound(sound)
    section.set_range(0, frames)
    meshes = [asset for asset in assets if isinstance(asset, unreal.SkeletalMesh)]
    motions = [asset for asset in assets if isinstance(asset, unreal.AnimSequence)]
    if meshes and motions:
        actors = unreal.get_editor_subsystem(unreal.EditorActorSubsystem)
        actor = actors.spawn_actor_from_object(meshes[0], unreal.Vector())
        track = sequence.add_possessable(actor).add_track(unreal.MovieSceneSkeletalAnimationTrack)
        section = track.add_section()
        section.set_range(0, frames)
        section.get_editor_property("params").set_editor_property("animation", motions[0])
    unreal.EditorAssetLibrary.save_loaded_asset(sequence)


def main(folder: Path, place: str) -> None:
    """Import everything of a folder that ``sedtalker animate`` wrote."""
    name = folder.name
    sound = next((path for path in (folder / f"{name}.wav", folder.parent / f"{name}.wav") if path.is_file()), None)
    if sound is None:
        raise FileNotFoundError(f"no {name}.wav in {folder} or beside it")
    paths = imported(curve_table(folder / f"{name}.arkit.csv"), place, weights_factory())
    if (folder / f"{name}.fbx").is_file():
        paths += imported(folder / f"{name}.fbx", place)
    (wave,) = imported(sound, place)
    level_sequence(name, place, unreal.load_asset(wave), [unreal.load_asset(path) for path in paths])


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "/Game/SEDTalker")
