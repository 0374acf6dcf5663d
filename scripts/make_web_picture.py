"""The page of docs/engines.md in a real Chromium, as a picture.

    python scripts/make_web_picture.py demo/four_moods.glb --packages build/dcc --seconds 6.6

``packages`` is a folder with ``node_modules/three`` (``make test-dcc`` makes one). Writes docs/images/web.jpg.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import tempfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from PIL import Image

DOCS = Path(__file__).parents[1] / "docs"
SIZE = 512
FLAGS = (
    "--headless", "--no-sandbox", "--disable-dev-shm-usage", "--ignore-gpu-blocklist", "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader", "--disable-background-networking", "--hide-scrollbars",
    f"--window-size={SIZE},{SIZE + 88}", "--virtual-time-budget=30000",
)  # fmt: skip


def build_page(folder: Path, glb: Path, packages: Path, seconds: float) -> None:
    """The page as documented, stopped at ``seconds`` on a light ground, with all that it loads."""
    three = packages / "node_modules" / "three"
    for file in (three / "build").glob("three.*.js"):
        shutil.copy(file, folder)
    shutil.copytree(three / "examples" / "jsm", folder / "jsm")
    shutil.copy(glb, folder / "speech.glb")
    found = re.search(r"```html\n(.*?)```", (DOCS / "engines.md").read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    page = found[1].replace("sound.currentTime", str(seconds)).replace('"speech.wav"', "")
    page = page.replace("new THREE.Scene();", "new THREE.Scene();\nscene.background = new THREE.Color(0xdfe3e6);")
    (folder / "index.html").write_text(f'<body style="margin:0">{page}', encoding="utf-8")


def main() -> None:
    """Serve the page on localhost and take its picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("glb", type=Path)
    parser.add_argument("--packages", type=Path, default=Path("build/dcc"))
    parser.add_argument("--seconds", type=float, default=1.2, help="moment of the animation")
    parser.add_argument("--chromium", default="chromium")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "page").mkdir()
        build_page(folder / "page", arguments.glb, arguments.packages, arguments.seconds)
        server = ThreadingHTTPServer(
            ("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(folder / "page"))
        )
        threading.Thread(target=server.serve_forever, daemon=True).start()
        picture = folder / "page.png"
        command = [arguments.chromium, *FLAGS, f"--user-data-dir={folder / 'profile'}", f"--screenshot={picture}"]
        subprocess.run([*command, f"http://127.0.0.1:{server.server_port}/"], check=True, capture_output=True)
        server.shutdown()
        with Image.open(picture) as shot:
            shot.convert("RGB").crop((0, 0, SIZE, SIZE)).save(DOCS / "images" / "web.jpg", quality=88)
    print(DOCS / "images" / "web.jpg")


if __name__ == "__main__":
    main()
