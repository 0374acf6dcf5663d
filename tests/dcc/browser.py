"""three.js in a headless Chromium, fed and read through a server on localhost."""

from __future__ import annotations

import json
import subprocess
import threading
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PAGES = Path(__file__).parent / "in_browser"
WEB = Path(__file__).parents[2] / "web"
FLAGS = (
    "--headless", "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--ignore-gpu-blocklist",
    "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
)  # fmt: skip


@dataclass
class Browser:
    """A Chromium and the folder of npm packages that holds ``three`` and ``@met4citizen/talkinghead``."""

    chromium: Path
    packages: Path

    def play(self, file: Path, folder: Path, **request: Any) -> dict[str, bytes]:
        """Play a GLB or FBX to the moment ``request`` says; the ``picture`` (PNG) and the ``vertices`` (float32)."""
        return self.open("play.html", folder, file, name=file.name, **request)

    def open(
        self, page: str, folder: Path, file: Path | None = None, timeout: float = 240.0, **request: Any
    ) -> dict[str, bytes]:
        """What a page of ``in_browser`` answers to a request; ``file`` lies beside it, the browser's in ``folder``."""
        answers: dict[str, bytes] = {}
        finished = threading.Event()
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(file, self.packages, request, answers, finished))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/{page}"
        command = [
            str(self.chromium),
            *FLAGS,
            f"--user-data-dir={folder / 'profile'}",
            "--remote-debugging-port=0",
            url,
        ]
        with (folder / "chromium.log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
            try:
                in_time = finished.wait(timeout)
            finally:
                process.terminate()
                process.wait(timeout=20)
                server.shutdown()
        log_end = (folder / "chromium.log").read_text(errors="replace")[-2000:]
        assert "error" not in answers, answers["error"].decode()
        assert in_time, f"the page did not answer in {timeout} s\n{log_end}"
        return answers


def _handler(
    file: Path | None, packages: Path, request: dict[str, Any], answers: dict[str, bytes], finished: threading.Event
) -> type[SimpleHTTPRequestHandler]:
    class Handler(SimpleHTTPRequestHandler):
        def translate_path(self, path: str) -> str:
            if file is not None and path == f"/{file.name}":
                return str(file)
            for folder, root in ((packages / "node_modules", "/node_modules/"), (WEB, "/web/")):
                if path.startswith(root):
                    return str(folder / path.removeprefix(root))
            return str(PAGES / path[1:])

        def do_GET(self) -> None:
            if self.path != "/request.json":
                return super().do_GET()
            body = json.dumps(request).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            name = self.path.rpartition("/")[2]
            answers[name] = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(204)
            self.end_headers()
            if name in ("done", "error"):
                finished.set()

        def log_message(self, *_: object) -> None: ...

    return Handler
