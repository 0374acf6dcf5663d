"""Models of the Hugging Face hub: from this machine if they are on it, else the network; safetensors, no foreign code."""

from __future__ import annotations

import logging
from typing import Any

from sedtalker.errors import InputError


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
    from transformers.utils import logging as messages

    messages.set_verbosity_error()
    messages.disable_progress_bar()
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    reason = ""
    for local in (True, False):
        try:
            return loader.from_pretrained(
                name, revision=revision or "main", local_files_only=local, trust_remote_code=False, **options
            )
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    where = name if revision is None else f"{name} ({revision})"
    raise InputError(f"{where}: the model cannot be loaded: {reason}")
