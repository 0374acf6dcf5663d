"""SEDTalker in Blender: talking faces from speech on your own mesh, and their emotion on the timeline."""

import bpy

from . import animate_operator, operators, panel, preferences

CLASSES = (*preferences.CLASSES, *operators.CLASSES, *animate_operator.CLASSES, *panel.CLASSES)


def _import_entry(menu: bpy.types.Menu, context: bpy.types.Context) -> None:
    menu.layout.operator("import_anim.sedtalker", text="SEDTalker animation (.npz, .glb, .pc2, .mdd)")


def _animate_entry(menu: bpy.types.Menu, context: bpy.types.Context) -> None:
    menu.layout.separator()
    menu.layout.operator("sedtalker.animate", text="Animate selected mesh from audio…", icon="SPEAKER")


def register() -> None:
    """Called by Blender when the add-on is enabled."""
    for each in CLASSES:
        bpy.utils.register_class(each)
    panel.make_icons()
    bpy.types.TOPBAR_MT_file_import.append(_import_entry)
    bpy.types.VIEW3D_MT_object_animation.append(_animate_entry)


def unregister() -> None:
    """Called by Blender when the add-on is disabled."""
    bpy.types.VIEW3D_MT_object_animation.remove(_animate_entry)
    bpy.types.TOPBAR_MT_file_import.remove(_import_entry)
    panel.remove_icons()
    for each in reversed(CLASSES):
        bpy.utils.unregister_class(each)
