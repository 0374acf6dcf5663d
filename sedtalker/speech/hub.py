"""Models of the Hugging Face hub: those on this machine first, then the network; safetensors only, no foreign code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sedtalker.errors import InputError

TIMEOUT = 10.0
"""Seconds to wait for the hub's first answer."""


def load_pretrained(loader: Any, name: str, revision: str | None = None, **options: Any) -> Any:
    """``loader.from_pretrained`` of a local folder or a hub name; what was fetched once is never asked for again.

    Args:
        loader: an ``Auto…`` class of ``transformers``.
        name: folder or hub name.
        revision: branch, tag or commit; default ``main``.
        options: passed on.

    Raises:
        InputError: not found, out of reach, or not what the loader reads.
    """
    from safetensors import SafetensorError
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    where = name if revision is None else f"{name} ({revision})"

    def load(local: bool) -> Any:
        return loader.from_pretrained(
            name, revision=revision or "main", local_files_only=local, trust_remote_code=False, **options
        )

    try:
        return load(local=True)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        if Path(name).is_dir():
            raise InputError(f"{where}: the model cannot be loaded: {_reason(error)}") from None
    _check_reach(name, revision, where)
    try:
        return load(local=False)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise InputError(f"{where}: the model cannot be loaded: {_reason(error)}") from None


def _check_reach(name: str, revision: str | None, where: str) -> None:
    """One question to the hub, because ``transformers`` asks many times before it says that there is no network."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        HfApi().model_info(name, revision=revision, timeout=TIMEOUT)
    except HFValidationError:
        raise InputError(f"{where}: neither a folder nor a name on the hub") from None
    except HfHubHTTPError:
        raise InputError(f"{where}: the hub has no such model, or wants a login for it") from None
    except Exception:  # whatever the hub's HTTP library of the day raises
        raise InputError(f"{where}: not on this machine, and the Hugging Face hub cannot be reached") from None


def _reason(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].split(". ")[0]
