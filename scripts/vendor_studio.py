"""The libraries of the studio's page, fetched from npm into ``sedtalker/studio/static/vendor``.

    python scripts/vendor_studio.py            # fetches, checks and copies
    python scripts/vendor_studio.py --check    # are the copied files still those? Needs no network

Each package is pinned by version and by the SHA-512 that the npm registry states. Only the files that the page imports
are copied, unchanged, beside the package's licence; ``vendor/versions.json`` lists them with their SHA-256. To update:
change version and integrity below (``npm view three dist.integrity``), run, and change NOTICE.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
import tarfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path

VENDOR = Path(__file__).parents[1] / "sedtalker" / "studio" / "static" / "vendor"
"""Where the files go."""
REGISTRY = "https://registry.npmjs.org"
"""Where packages come from."""


@dataclass(frozen=True)
class Package:
    """A package of the npm registry.

    Attributes:
        name, version: of the package.
        integrity: base64 of the SHA-512 of its tarball.
        licence: SPDX identifier.
        files: place in the package → place under ``vendor/NAME``.
    """

    name: str
    version: str
    integrity: str
    licence: str
    files: dict[str, str]

    @property
    def folder(self) -> Path:
        return VENDOR / self.name.removesuffix(".js")

    @property
    def url(self) -> str:
        return f"{REGISTRY}/{self.name}/-/{self.name}-{self.version}.tgz"


PACKAGES = (
    Package(
        name="three",
        version="0.187.0",
        integrity="Qiu7R+Cmh8CstZsY1uJOSWnVlfo7ZtNLV7mF8Jltk3LB3AtDu9cRZlcnRKkAk8Y4z6KKw35z7Y7Urd7jWY8etA==",
        licence="MIT",
        files={
            "LICENSE": "LICENSE",
            "build/three.module.js": "three.module.js",
            "build/three.core.js": "three.core.js",
            "examples/jsm/controls/OrbitControls.js": "addons/controls/OrbitControls.js",
            "examples/jsm/loaders/GLTFLoader.js": "addons/loaders/GLTFLoader.js",
            "examples/jsm/utils/BufferGeometryUtils.js": "addons/utils/BufferGeometryUtils.js",
            "examples/jsm/utils/SkeletonUtils.js": "addons/utils/SkeletonUtils.js",
        },
    ),
    Package(
        name="wavesurfer.js",
        version="8.0.1",
        integrity="h0OnRWSVTqIYLSw3/IVrBtsun/xw9L5u4FA3bjfSDTFMX/xswVWS1JwK4fFu3ulmxRUSHg8zQORl6zENG983eg==",
        licence="BSD-3-Clause",
        files={
            "LICENSE": "LICENSE",
            "dist/wavesurfer.esm.js": "wavesurfer.esm.js",
            "dist/plugins/regions.esm.js": "plugins/regions.esm.js",
        },
    ),
)
"""What the page imports."""


def fetch(package: Package) -> bytes:
    """The tarball, checked against its integrity."""
    with urllib.request.urlopen(package.url, timeout=60) as reply:
        data: bytes = reply.read()
    found = base64.b64encode(hashlib.sha512(data).digest()).decode()
    if found != package.integrity:
        raise SystemExit(f"{package.url}: sha512-{found}, expected sha512-{package.integrity}")
    return data


def unpack(package: Package, data: bytes) -> dict[str, str]:
    """Write the package's files; returns their SHA-256 by place under ``vendor/``."""
    hashes: dict[str, str] = {}
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        for source, place in package.files.items():
            member = archive.extractfile(f"package/{source}")
            assert member is not None
            content = member.read()
            target = package.folder / place
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            hashes[target.relative_to(VENDOR).as_posix()] = hashlib.sha256(content).hexdigest()
    return hashes


def vendor() -> None:
    """Fetch all packages and write ``versions.json``."""
    listed = []
    for package in PACKAGES:
        hashes = unpack(package, fetch(package))
        described = {"name": package.name, "version": package.version, "licence": package.licence}
        listed.append({**described, "integrity": f"sha512-{package.integrity}", "files": hashes})
    (VENDOR / "versions.json").write_text(json.dumps(listed, indent=2) + "\n", encoding="utf-8")


def complaints() -> list[str]:
    """What is in the folder and should not be, or is not what the registry gave."""
    listed = json.loads((VENDOR / "versions.json").read_text(encoding="utf-8"))
    pinned = {(p.name, p.version, f"sha512-{p.integrity}") for p in PACKAGES}
    found = [] if pinned == {(p["name"], p["version"], p["integrity"]) for p in listed} else ["versions.json is old"]
    expected = {place: digest for package in listed for place, digest in package["files"].items()}
    present = {p.relative_to(VENDOR).as_posix() for p in VENDOR.rglob("*") if p.is_file()} - {"versions.json"}
    found += [f"{place}: not listed" for place in sorted(present - set(expected))]
    for place, digest in expected.items():
        path = VENDOR / place
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            found.append(f"{place}: missing or changed")
    return found


def main() -> None:
    """Fetch, or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only check the copied files")
    if not parser.parse_args().check:
        vendor()
    found = complaints()
    if found:
        raise SystemExit("\n".join(found))
    print(f"{VENDOR}: {', '.join(f'{p.name} {p.version}' for p in PACKAGES)}")


if __name__ == "__main__":
    main()
