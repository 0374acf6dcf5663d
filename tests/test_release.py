"""What a release says of itself is true: versions, dates, licences, Pythons, workflow and templates."""

from __future__ import annotations

import json
import os
import re
import stat
import tomllib
from pathlib import Path

import pytest
import yaml

from scripts import rehearse_release
from sedtalker import __version__

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
RELEASE = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8"))
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))


def test_one_version_and_one_date() -> None:
    headings = re.findall(
        r"^## \[([\d.]+)\] - (\d{4}-\d{2}-\d{2})$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert headings[0] == (__version__, str(CITATION["date-released"]))
    assert CITATION["version"] == __version__


def test_the_citation_has_what_is_asked_for() -> None:
    """https://github.com/citation-file-format/citation-file-format: these are required."""
    assert {"cff-version", "message", "title", "authors"} <= set(CITATION)
    assert CITATION["license"] == "Apache-2.0"


def test_addresses_and_the_archive_agree() -> None:
    zenodo = json.loads((ROOT / ".zenodo.json").read_text(encoding="utf-8"))
    assert zenodo["title"] == CITATION["title"]
    assert zenodo["license"] == CITATION["license"]
    assert [creator["name"] for creator in zenodo["creators"]] == [author["name"] for author in CITATION["authors"]]
    assert sorted(zenodo["keywords"]) == sorted(CITATION["keywords"]) == sorted(PROJECT["keywords"])
    pages = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), yaml.BaseLoader)
    assert PROJECT["urls"]["Repository"] == CITATION["repository-code"] == pages["repo_url"]
    assert PROJECT["urls"]["Documentation"] == pages["site_url"]


def test_a_release_is_tried_before_it_is_published_and_no_job_may_more_than_it_must() -> None:
    assert RELEASE["permissions"] == {"contents": "read"}
    jobs = RELEASE["jobs"]
    tried = jobs["try"]["strategy"]["matrix"]
    assert {name.split("-")[0] for name in tried["system"]} == {"ubuntu", "macos", "windows"}
    named = {c.rpartition(" ")[2] for c in PROJECT["classifiers"] if "Python :: 3." in c}
    assert named <= set(tried["python"])
    for name in ("attest", "pypi", "image", "pages", "github"):
        assert jobs[name]["if"] == "github.ref_type == 'tag'", name
        needed = jobs[name]["needs"]
        assert "try" in needed or {"attest", "pypi"} <= set(needed), name
    writes = {name: {k for k, v in job.get("permissions", {}).items() if v == "write"} for name, job in jobs.items()}
    assert {name: rights for name, rights in writes.items() if rights} == {
        "attest": {"id-token", "attestations"},
        "pypi": {"id-token"},
        "image": {"packages"},
        "pages": {"id-token", "pages"},
        "github": {"contents"},
    }
    actions = [step["uses"] for job in jobs.values() for step in job["steps"] if "uses" in step]
    assert all(re.fullmatch(r"(actions|docker|pypa)/[\w-]+@v\d+", action) for action in actions)
    assert "secrets." not in (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")


def test_the_steps_of_the_workflow_are_steps_of_the_rehearsal() -> None:
    lines = [step["run"] for job in RELEASE["jobs"].values() for step in job["steps"] if "run" in step]
    named = re.findall(r"rehearse_release\.py ([a-z ]+) --dist|STEPS=\"([a-z ]+) --dist", "\n".join(lines))
    steps = {word for pair in named for words in pair for word in words.split()}
    assert {"agree", "built", "metadata", "systems", "wheel"} <= steps <= set(rehearse_release.STEPS)


def test_a_version_that_files_do_not_share_ends_the_rehearsal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert rehearse_release.agree(tmp_path, tmp_path) == f"version {__version__}"
    monkeypatch.setenv("GITHUB_REF_TYPE", "tag")
    monkeypatch.setenv("GITHUB_REF_NAME", "v99.0.0")
    with pytest.raises(SystemExit, match="the tag"):
        rehearse_release.agree(tmp_path, tmp_path)


def test_the_licences_are_those_of_code_weights_and_libraries() -> None:
    weights = {json.loads(p.read_text(encoding="utf-8"))["licence"] for p in ROOT.glob("checkpoints/*/config.json")}
    vendored = ROOT / "sedtalker" / "studio" / "static" / "vendor"
    texts = {p.parent.name: p.read_text(encoding="utf-8") for p in vendored.glob("*/LICENSE")}
    assert set(texts) == {"three", "wavesurfer"}
    assert "MIT" in texts["three"]
    assert "BSD 3-Clause" in texts["wavesurfer"]
    assert set(PROJECT["license"].split(" AND ")) == {"Apache-2.0", "MIT", "BSD-3-Clause"} | weights
    files = {str(p.relative_to(ROOT)) for pattern in PROJECT["license-files"] for p in ROOT.glob(pattern)}
    assert {"LICENSE", "NOTICE"} <= files
    assert len(files) == 2 + len(list(ROOT.glob("checkpoints/*/config.json"))) + len(texts)


def test_the_pythons_that_are_named_are_those_that_are_tested() -> None:
    named = {
        c.rpartition(" ")[2] for c in PROJECT["classifiers"] if c.startswith("Programming Language :: Python :: 3")
    }
    gate = re.search(r"python:([\d.]+)", WORKFLOW["jobs"]["gate"]["container"])
    assert gate is not None
    assert named == {gate[1], *WORKFLOW["jobs"]["pythons"]["strategy"]["matrix"]["python"]}
    assert PROJECT["requires-python"] == f">={min(named)}"


def test_the_workflow_runs_the_gate_with_pinned_actions_and_few_rights() -> None:
    steps = [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]
    assert {"run": ".ci/run"} in WORKFLOW["jobs"]["gate"]["steps"]
    assert os.stat(ROOT / ".ci" / "run").st_mode & stat.S_IXUSR
    actions = [step["uses"] for step in steps if "uses" in step]
    assert actions
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", action) for action in actions)
    assert WORKFLOW["permissions"] == {"contents": "read"}


def test_the_targets_that_the_workflow_makes_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    lines = [step["run"] for job in WORKFLOW["jobs"].values() for step in job["steps"] if "run" in step]
    named = [word for line in lines if line.startswith("make ") for word in line.split()[1:] if "=" not in word]
    assert named
    for target in named:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("name", ["bug", "feature", "question"])
def test_the_forms_for_issues_are_forms(name: str) -> None:
    """https://docs.github.com/communities/using-templates-to-encourage-useful-issues-and-pull-requests"""
    form = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / f"{name}.yml").read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= set(form)
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert all(field["type"] in {"textarea", "input", "dropdown", "checkboxes"} for field in fields)
    assert len({field["id"] for field in fields}) == len(fields)
    assert all(field["attributes"]["label"] for field in fields)
    assert any(field.get("validations", {}).get("required") for field in fields)


def test_floors_that_known_faults_raised_name_them() -> None:
    """A comment with the fault's number is at the line, or above it."""
    lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    for package in ("torch", "av", "pillow", "transformers", "starlette", "scikit-learn"):
        number = next(i for i, line in enumerate(lines) if re.search(rf'"{package}(\[\w+\])?>=', line))
        assert "CVE-" in "".join(lines[number - 2 : number + 1]), package
