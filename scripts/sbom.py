"""Writes what the software is made of, as CycloneDX: every package of this environment, and the bundled weights.

python scripts/sbom.py dist/sedtalker.cdx.json        # make sbom does it

Packages, their licences and what asks for what come from cyclonedx-py; each folder of weights is added as a component
of the type machine-learning-model, with its licence, its hash and what it was trained on. The result is checked against
the schema of CycloneDX 1.6 before it is written.
"""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation import make_schemabased_validator

from sedtalker.checkpoint import builtin_checkpoint, is_checkpoint, read_config, weights_sha256
from sedtalker.version import __version__

ROOT = Path(__file__).parents[1]
"""The repository."""


def packages() -> dict[str, Any]:
    """Every package of this environment, by cyclonedx-py."""
    program = Path(sysconfig.get_path("scripts")) / "cyclonedx-py"
    command = [str(program), "environment", sys.executable, "--pyproject", str(ROOT / "pyproject.toml")]
    command += ["--sv", "1.6", "--of", "JSON", "--output-reproducible", "--no-validate", "-o", "-"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    listed: dict[str, Any] = json.loads(done.stdout)
    return listed


def weights() -> list[dict[str, Any]]:
    """Every folder of bundled weights."""
    found = []
    for folder in sorted(builtin_checkpoint("decoder").parent.iterdir()):
        if not is_checkpoint(folder):
            continue
        config = read_config(folder)
        found.append(
            {
                "type": "machine-learning-model",
                "bom-ref": f"weights/{folder.name}",
                "name": folder.name,
                "description": f"{config.kind}; trained on: {'; '.join(config.trained_on)}",
                "hashes": [{"alg": "SHA-256", "content": weights_sha256(folder)}],
                "licenses": [{"license": {"id": config.licence}}],
            }
        )
    return found


def described() -> str:
    """The whole list as JSON.

    Raises:
        ValueError: it is not valid by the schema.
    """
    listed = packages()
    inside = weights()
    listed["components"] = [c for c in listed["components"] if c["name"] != "sedtalker"] + inside
    root = listed["metadata"]["component"]["bom-ref"]
    listed["metadata"]["component"]["version"] = __version__
    for row in listed["dependencies"]:
        if row["ref"] == root:
            row["dependsOn"] = sorted([*row.get("dependsOn", []), *(each["bom-ref"] for each in inside)])
    listed["dependencies"] += [{"ref": each["bom-ref"]} for each in inside]
    text = json.dumps(listed, indent=1, ensure_ascii=False) + "\n"
    problem = make_schemabased_validator(OutputFormat.JSON, SchemaVersion.V1_6).validate_str(text)
    if problem is not None:
        raise ValueError(f"not valid CycloneDX: {problem}")
    return text


def main() -> None:
    """Write it."""
    target = Path(sys.argv[1])
    text = described()
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    print(f"{target}: {len(json.loads(text)['components'])} components, valid CycloneDX 1.6")


if __name__ == "__main__":
    main()
