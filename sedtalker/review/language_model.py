"""A language model as a decider: any server that speaks OpenAI's chat completions, on this machine or elsewhere.

Off unless it is asked for by its URL. What leaves is the description, the candidates and their probabilities: no sound,
no words, no name of a file. The prompt gives the model rules beside the description, since models without them guess
(routing with rules written by people: arXiv 2604.01711).
"""

from __future__ import annotations

import http.client
import json
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sedtalker.errors import InputError, one_line
from sedtalker.reading import parse_json
from sedtalker.review.deciders import Answer
from sedtalker.review.description import Description

KEY = "SEDTALKER_LLM_KEY"
"""Environment variable with the server's key, where it needs one."""
MOST_BYTES = 2**20
"""Largest answer, bytes."""
LONGEST_REASON = 300
"""Letters of a reason that are kept."""
SYSTEM = (
    "You label the emotion that a voice expresses, from a description of its sound against the speaker's usual voice. "
    "Anger is loud and sharp with a wide pitch; happiness is high, bright and lively; sadness is quiet, dull, slow and "
    "narrow; fear is high and fast with a narrow pitch; disgust is low and slow; surprise is high with a wide rising "
    "pitch; neutral is near the usual in everything. "
    'Answer with JSON alone: {"label": one of the candidates, "reason": a few words}.'
)
"""What the model gets first."""


@dataclass(frozen=True)
class LanguageModel:
    """The decider.

    Attributes:
        url: of the interface, as ``http://127.0.0.1:11434/v1``.
        model: its name there.
        timeout: seconds that an answer may take.
    """

    url: str
    model: str
    timeout: float = 60.0

    def __post_init__(self) -> None:
        parts = urllib.parse.urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError(f"{self.url}: no address of a language model: give http://HOST:PORT/v1")

    @property
    def who(self) -> str:
        """See ``Decider``."""
        return f"llm:{self.model}"

    def decide(self, description: Description, candidates: Sequence[str]) -> Answer:
        """See ``Decider``."""
        content = self._ask(messages(description, candidates))
        try:
            held = parse_json(content[content.index("{") : content.rindex("}") + 1], "the answer")
        except (ValueError, InputError):
            raise InputError(f"{self.who}: no JSON in its answer: {one_line(content)[:80]}") from None
        label = held.get("label") if isinstance(held, dict) else None
        if label not in candidates:
            return Answer(None, one_line(f"answered {label!r}, which is no candidate")[:LONGEST_REASON])
        return Answer(label, " ".join(str(held.get("reason", "")).split())[:LONGEST_REASON])

    def _ask(self, said: list[dict[str, str]]) -> str:
        """The text of the model's answer.

        Raises:
            InputError: nobody answers there, or no chat completion.
        """
        body = {"model": self.model, "messages": said, "temperature": 0, "seed": 0}
        headers = {"Content-Type": "application/json"}
        if os.environ.get(KEY):
            headers["Authorization"] = f"Bearer {os.environ[KEY]}"
        request = urllib.request.Request(f"{self.url.rstrip('/')}/chat/completions", json.dumps(body).encode(), headers)
        try:
            with _opener().open(request, timeout=self.timeout) as answer:
                data: Any = parse_json(answer.read(MOST_BYTES + 1)[:MOST_BYTES], "the answer")
            content = data["choices"][0]["message"]["content"]
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or type(error).__name__
            raise InputError(one_line(f"{self.url}: no answer from a language model there ({reason})")) from None
        except (InputError, LookupError, TypeError):
            raise InputError(f"{self.url}: what answers there is no chat completion") from None
        return str(content)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """What is sent goes to the address that was given, and nowhere else."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """No other address."""
        return


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_NoRedirect())


def messages(description: Description, candidates: Sequence[str]) -> list[dict[str, str]]:
    """All that is sent besides the name of the model."""
    said = ", ".join(f"{label} {p:.2f}" for label, p in description.confidence)
    user = f"{description.text()} A classifier says: {said}. Candidates: {', '.join(candidates)}."
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": user}]
