"""Menu entries: import an animation, read and write the emotion track, refresh the colours."""

from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, IntProperty, StringProperty
from bpy_extras.io_utils import ExportHelper, ImportHelper

from .emotion_markers import colour_strips, marked_segments, read_segments, set_markers, write_markers
from .face_animation import UnusableFile
from .landing import SUFFIXES, land

FORMS = (
    ("SHAPE_KEYS", "Shape keys", "Named shapes with F-curves: small, and every weight can be edited"),
    ("MESH_CACHE", "Mesh cache", "Every vertex of every frame, in a PC2 file beside the animation"),
)


class ImportAnimation(bpy.types.Operator, ImportHelper):
    """Put a SEDTalker animation on the selected mesh of the same vertices, or on a new object."""

    bl_idname = "import_anim.sedtalker"
    bl_label = "Import SEDTalker animation"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    filename_ext = ".npz"
    filter_glob: StringProperty(default=";".join(f"*{s}" for s in SUFFIXES), options={"HIDDEN"})
    form: EnumProperty(name="As", items=FORMS, default="SHAPE_KEYS")
    start: IntProperty(name="First frame", default=1, description="Where the animation and its audio begin")
    audio: StringProperty(name="Audio", subtype="FILE_PATH", description="Empty: the sound of its name beside the file")

    def execute(self, context: bpy.types.Context) -> set[str]:
        audio = Path(bpy.path.abspath(self.audio)) if self.audio else None
        try:
            if audio and not audio.is_file():
                raise UnusableFile(f"{audio}: no such file")
            done = land(context, Path(self.filepath), form=self.form, start=self.start, audio=audio)
        except (UnusableFile, OSError) as problem:
            self.report({"ERROR"}, str(problem))
            return {"CANCELLED"}
        self.report({"INFO"}, done)
        return {"FINISHED"}


class WriteTrack(bpy.types.Operator, ExportHelper):
    """Write the emotion markers to a track file for sedtalker animate --emotion."""

    bl_idname = "sedtalker.write_track"
    bl_label = "Write emotion track"

    filename_ext = ".json"
    filter_glob: StringProperty(default="*.json", options={"HIDDEN"})
    check_existing: BoolProperty(default=True, options={"HIDDEN"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return bool(marked_segments(context.scene))

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            count = write_markers(context.scene, Path(self.filepath))
        except UnusableFile as problem:
            self.report({"ERROR"}, str(problem))
            return {"CANCELLED"}
        self.report({"INFO"}, f"{count} emotions written to {self.filepath}")
        return {"FINISHED"}


class ReadTrack(bpy.types.Operator, ImportHelper):
    """Put the segments of an emotion track file on the timeline as markers."""

    bl_idname = "sedtalker.read_track"
    bl_label = "Read emotion track"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    filename_ext = ".json"
    filter_glob: StringProperty(default="*.json", options={"HIDDEN"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            set_markers(context.scene, read_segments(Path(self.filepath)))
        except UnusableFile as problem:
            self.report({"ERROR"}, str(problem))
            return {"CANCELLED"}
        return {"FINISHED"}


class ColourStrips(bpy.types.Operator):
    """Draw the coloured strips in the sequencer anew, as the markers stand now."""

    bl_idname = "sedtalker.colour_strips"
    bl_label = "Refresh colours"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    def execute(self, context: bpy.types.Context) -> set[str]:
        colour_strips(context.scene)
        return {"FINISHED"}


CLASSES = (ImportAnimation, WriteTrack, ReadTrack, ColourStrips)
