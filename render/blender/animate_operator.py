"""Animate selected mesh from audio…: the installed sedtalker in the background, its result on the mesh."""

import shutil
import tempfile
from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, StringProperty
from bpy_extras.io_utils import ImportHelper

from .animate_job import AnimateJob, find_program
from .emotion_markers import marked_segments, write_markers
from .face_animation import UnusableFile
from .landing import land
from .obj_file import write_obj
from .operators import FORMS
from .preferences import program_path
from .scene_time import AUDIO_SUFFIXES

EMOTIONS = (
    ("DIARIZED", "From the voice", "The emotion that sedtalker predicts from the voice"),
    ("MARKERS", "As marked", "The emotion of the timeline's markers"),
)


class AnimateFromAudio(bpy.types.Operator, ImportHelper):
    """Animate the selected mesh from a recording of speech, with the sedtalker on this computer."""

    bl_idname = "sedtalker.animate"
    bl_label = "Animate selected mesh from audio"
    bl_options = {"UNDO"}  # noqa: RUF012

    filename_ext = ".wav"
    filter_glob: StringProperty(default=";".join(f"*{s}" for s in AUDIO_SUFFIXES), options={"HIDDEN"})
    emotion: EnumProperty(name="Emotion", items=EMOTIONS, default="DIARIZED")
    intensity: FloatProperty(name="Intensity", default=1.0, min=0.0, max=3.0)
    head: BoolProperty(name="Head motion", default=True)
    seed: IntProperty(name="Seed", default=0, min=0, description="Of blinks, gaze and head motion")
    form: EnumProperty(name="As", items=FORMS, default="SHAPE_KEYS")
    start: IntProperty(name="First frame", default=1)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        target = context.active_object
        return bool(target and target.type == "MESH" and target.select_get())

    def execute(self, context: bpy.types.Context) -> set[str]:
        self._audio, self._target = Path(self.filepath), context.active_object.name
        self._folder = self._timer = None
        try:
            self._begin(context)
        except (UnusableFile, OSError) as problem:
            self._end(context)
            self.report({"ERROR"}, str(problem))
            return {"CANCELLED"}
        if bpy.app.background or context.window is None:
            self._job.wait()
            return self._land(context)
        manager = context.window_manager
        self._timer = manager.event_timer_add(0.25, window=context.window)
        manager.progress_begin(0.0, 1.0)
        manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if event.type == "ESC":
            self.cancel(context)
            self.report({"INFO"}, "cancelled; nothing was changed")
            return {"CANCELLED"}
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        if self._job.poll() is None:
            context.window_manager.progress_update(self._job.share)
            text = f"SEDTalker {self._job.share:.0%}: {self._job.stage} (Esc cancels)"
            context.workspace.status_text_set(text)
            return {"PASS_THROUGH"}
        return self._land(context)

    def cancel(self, context: bpy.types.Context) -> None:
        self._job.cancel()
        self._end(context)

    def _begin(self, context: bpy.types.Context) -> None:
        program = find_program(program_path(context))
        if program is None:
            raise UnusableFile("sedtalker was not found: install it, or name the program in the add-on's preferences")
        if not self._audio.is_file():
            raise UnusableFile(f"{self._audio}: no such file")
        scene = context.scene
        if self.emotion == "MARKERS" and not marked_segments(scene):
            raise UnusableFile("no emotion markers on the timeline: name one 'happy 0.8', say")
        self._folder = Path(tempfile.mkdtemp(prefix="sedtalker-"))
        mesh = self._folder / f"{bpy.path.clean_name(self._target)}.obj"
        write_obj(mesh, context.active_object)
        options = ["--fps", f"{scene.render.fps / scene.render.fps_base:g}"]
        options += ["--intensity", f"{self.intensity:g}", "--seed", str(self.seed)]
        if not self.head:
            options.append("--no-head")
        if self.emotion == "MARKERS":
            write_markers(scene, self._folder / "marked.json")
            options += ["--emotion", str(self._folder / "marked.json")]
        self._job = AnimateJob(program, self._audio, mesh, self._folder / "result", options)

    def _land(self, context: bpy.types.Context) -> set[str]:
        try:
            if self._job.wait() != 0:
                raise UnusableFile(f"sedtalker: {self._job.complaint}")
            result = self._job.result
            if self.form == "MESH_CACHE":  # the cache outlives the temporary folder: it lies beside the recording
                result = Path(shutil.copy(result, self._audio.with_suffix(".npz")))
            self._select(context)
            done = land(context, result, form=self.form, start=self.start, audio=self._audio)
        except (UnusableFile, OSError) as problem:
            self.report({"ERROR"}, str(problem))
            return {"CANCELLED"}
        finally:
            self._end(context)
        self.report({"INFO"}, done)
        return {"FINISHED"}

    def _select(self, context: bpy.types.Context) -> None:
        """The mesh of the start, which the user may have left, renamed or removed meanwhile."""
        target = context.view_layer.objects.get(self._target)
        if target is None:
            raise UnusableFile(f"{self._target} is no longer in the scene")
        for other in context.selected_objects:
            other.select_set(False)
        target.select_set(True)
        context.view_layer.objects.active = target

    def _end(self, context: bpy.types.Context) -> None:
        if self._timer is not None:
            context.window_manager.event_timer_remove(self._timer)
            context.window_manager.progress_end()
            context.workspace.status_text_set(None)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


CLASSES = (AnimateFromAudio,)
