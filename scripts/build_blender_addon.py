"""Build the Blender add-on: one zip that Blender installs from disk, the same bytes for the same sources.

python scripts/build_blender_addon.py [FOLDER]    # default: dist
"""

from __future__ import annotations

import sys
import tomllib
import zipfile
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
SOURCES = REPOSITORY / "render" / "blender"
_EPOCH = (1980, 1, 1, 0, 0, 0)


def build_addon(folder: Path) -> Path:
    """Zip the manifest, the modules and the licence; gives the file."""
    manifest = tomllib.loads((SOURCES / "blender_manifest.toml").read_text(encoding="utf-8"))
    files = {path.name: path for path in (SOURCES / "blender_manifest.toml", *SOURCES.glob("*.py"))}
    files["LICENSE"] = REPOSITORY / "LICENSE"
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{manifest['id']}_blender-{manifest['version']}.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, files[name].read_bytes())
    return target


if __name__ == "__main__":
    print(build_addon(Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY / "dist"))
