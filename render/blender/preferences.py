"""Preferences: where the sedtalker program is."""

import bpy
from bpy.props import StringProperty

from .animate_job import find_program


class Preferences(bpy.types.AddonPreferences):
    """Where the sedtalker program is."""

    bl_idname = __package__

    program: StringProperty(
        name="sedtalker",
        description="The sedtalker program; empty: the one on PATH",
        subtype="FILE_PATH",
    )

    def draw(self, context: bpy.types.Context) -> None:
        self.layout.prop(self, "program")
        found = find_program(self.program)
        self.layout.label(text=f"Found: {found}" if found else "Not found", icon="CHECKMARK" if found else "ERROR")


def program_path(context: bpy.types.Context) -> str:
    """The program the user named, or nothing."""
    return bpy.path.abspath(context.preferences.addons[__package__].preferences.program)


CLASSES = (Preferences,)
