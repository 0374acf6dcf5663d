"""Installing the add-on as a user would, and what Blender then knows of it."""

from __future__ import annotations

import bpy

MODULE = "bl_ext.user_default.sedtalker"


def install(package: str) -> None:
    """From disk, and enabled: Edit ▸ Preferences ▸ Get Extensions ▸ Install from Disk."""
    bpy.ops.extensions.package_install_files(filepath=package, repo="user_default", enable_on_install=True)
    assert MODULE in bpy.context.preferences.addons, "the add-on was not enabled"


def what_it_made() -> set[str]:
    """Operators, panels and menu entries of ours that Blender knows."""
    names = {n for n in dir(bpy.types) if "sedtalker" in n.lower()}
    menus = (bpy.types.TOPBAR_MT_file_import, bpy.types.VIEW3D_MT_object_animation)
    drawn = {f.__module__ for menu in menus for f in getattr(menu.draw, "_draw_funcs", ())}
    return names | {n for n in drawn if n.startswith(MODULE)}
