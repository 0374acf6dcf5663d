"""Registered faces as self-contained files: ``.sedface``, what the registration cache keeps, with the quality."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from sedtalker.errors import InputError
from sedtalker.face.face import Face, face_arrays, face_from_arrays
from sedtalker.face.quality import Quality
from sedtalker.face.registration.register import RegistrationReport, report_from_json
from sedtalker.mesh.files import MAX_BYTES, check_mesh

SUFFIX = ".sedface"


def write_sedface(path: Path, face: Face, report: RegistrationReport, quality: Quality) -> None:
    """Write a registered face: NumPy arrays in a zip, nothing pickled."""
    arrays = {**face_arrays(face), "report": np.array(report.to_json()), "quality": np.array(quality.to_json())}
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def read_sedface(path: Path) -> tuple[Face, RegistrationReport]:
    """A registered face as ``write_sedface`` wrote it.

    Raises:
        InputError: the file is missing, too large, or no such file.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; `sedtalker mesh register` writes it")
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > 4 * MAX_BYTES:
            raise InputError(f"{path}: {unpacked / 2**20:.0f} MiB unpacked is too much for a face")
        with np.load(path, allow_pickle=False) as kept:
            arrays = {key: kept[key] for key in kept.files}
        face, report = face_from_arrays(arrays), report_from_json(str(arrays["report"]))
    except InputError:
        raise
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: not a face that `sedtalker mesh register` wrote ({type(error).__name__})") from None
    check_mesh(face.mesh, path)
    return face, report
