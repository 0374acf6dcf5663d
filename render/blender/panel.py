"""The sidebar: what can be done, and the emotions on the timeline with their colours."""

import bpy
import bpy.utils.previews

from .emotion_markers import PALETTE, marked_segments
from .scene_time import clock

_SIZE = 16
_icons = None


class _Panel:
    bl_label = "SEDTalker"
    bl_category = "SEDTalker"
    bl_region_type = "UI"

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        column = layout.column(align=True)
        column.operator("import_anim.sedtalker", text="Import animation…", icon="IMPORT")
        column.operator("sedtalker.animate", text="Animate selected mesh from audio…", icon="SPEAKER")
        scene = context.scene
        segments = marked_segments(scene)
        box = layout.box()
        start, _, fps = clock(scene)
        for segment in segments:
            row = box.row()
            frame = start + round(segment.start * fps)
            row.label(text=segment.label, icon_value=_icons[segment.label].icon_id)
            row.label(text=f"frame {frame}")
            row.label(text=f"{segment.intensity:.2f}")
        if not segments:
            box.label(text="No emotion markers: name one 'happy 0.8'")
        column = layout.column(align=True)
        column.operator("sedtalker.read_track", text="Read track…", icon="FILE_FOLDER")
        column.operator("sedtalker.write_track", text="Write track…", icon="FILE_TICK")
        column.operator("sedtalker.colour_strips", icon="FILE_REFRESH")


class SEDTALKER_PT_view(_Panel, bpy.types.Panel):  # noqa: N801
    """In the 3D view."""

    bl_space_type = "VIEW_3D"


class SEDTALKER_PT_timeline(_Panel, bpy.types.Panel):  # noqa: N801
    """In the dope sheet and the timeline, beside the markers."""

    bl_space_type = "DOPESHEET_EDITOR"


CLASSES = (SEDTALKER_PT_view, SEDTALKER_PT_timeline)


def make_icons() -> None:
    """A plain icon in the colour of each emotion."""
    global _icons
    _icons = bpy.utils.previews.new()
    for label, colour in PALETTE.items():
        icon = _icons.new(label)
        icon.icon_size = (_SIZE, _SIZE)
        icon.icon_pixels_float = [*(value / 255 for value in colour), 1.0] * _SIZE**2


def remove_icons() -> None:
    """Free the icons."""
    global _icons
    if _icons is not None:
        bpy.utils.previews.remove(_icons)
        _icons = None
