"""The cast of a session: each speaker's name, face, voice and document, and which of them is worked on.

A recording that is not taken apart has a cast of one without a name. Casts never change; the history is a list of them,
so that undo goes back over edits of any speaker, renaming, swapping and merging alike.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sedtalker.arrays import Floats
from sedtalker.audio import Audio
from sedtalker.errors import InputError, one_of
from sedtalker.speakers.turns import LONGEST_NAME, Turn, Turns
from sedtalker.speech.features import SpeechFeatures
from sedtalker.studio.decoding import Decoding
from sedtalker.studio.document import Document


@dataclass(eq=False)
class SpeakerVoice:
    """The sound of one speaker, and the motion that follows from it.

    Attributes:
        decoding: motion of that sound.
        channel: of the recording that the sound is cut from, from 0; None: all channels together.
        extras: further curves (T,) of its track, such as fine-grained emotions, by name; no edit changes them.
        key: of no other voice.
    """

    decoding: Decoding
    channel: int | None = None
    extras: Mapping[str, Floats] = field(default_factory=dict)
    key: str = field(default_factory=lambda: secrets.token_hex(4))

    @property
    def sound(self) -> Audio:
        """As long as the recording, silent where the speaker does not talk."""
        return self.decoding.sound

    @property
    def features(self) -> SpeechFeatures:
        """What the decoder reads."""
        return self.decoding.features


@dataclass(frozen=True)
class Role:
    """A speaker.

    Attributes:
        name: empty where the recording is not taken apart.
        seat: which of the session's faces it has; a name keeps its face.
    """

    name: str
    seat: int
    voice: SpeakerVoice
    document: Document


@dataclass(frozen=True)
class Cast:
    """See the module.

    Attributes:
        parts: at least one; their names are those of ``turns.speakers``, in the same order.
        turns: who speaks when; None where the recording is not taken apart.
        active: the part whose document is edited.
    """

    parts: tuple[Role, ...]
    turns: Turns | None = None
    active: int = 0

    @property
    def part(self) -> Role:
        """The one that is worked on."""
        return self.parts[self.active]

    @property
    def document(self) -> Document:
        return self.part.document

    @property
    def held(self) -> tuple[object, ...]:
        """What a project keeps of it."""
        return self.parts, self.turns

    def index(self, name: str) -> int:
        """Place of a speaker.

        Raises:
            InputError: there is no such speaker.
        """
        names = [part.name for part in self.parts]
        if name not in names or not name:
            raise InputError(f"there is no speaker '{name}': {one_of(name, names)}")
        return names.index(name)

    def spoken(self) -> Turns:
        """Who speaks when.

        Raises:
            InputError: the recording is not taken apart.
        """
        if self.turns is None:
            raise InputError("the recording is not taken apart: find its speakers first")
        return self.turns

    def with_document(self, document: Document, voice: SpeakerVoice | None = None) -> Cast:
        """With another document of the part that is worked on, and perhaps another voice."""
        return self._with(self.active, replace(self.part, document=document, voice=voice or self.part.voice))

    def focused(self, before: Cast) -> Cast:
        """The same with the one part active whose document differs from that before, where there is one such part."""
        pairs = zip(self.parts, before.parts, strict=False)
        edited = [k for k, (new, old) in enumerate(pairs) if new.document != old.document]
        return replace(self, active=edited[0]) if len(edited) == 1 and len(self.parts) == len(before.parts) else self

    def renamed(self, name: str, to: str) -> Cast:
        """With another name of a speaker.

        Raises:
            InputError: the name is empty, too long, or another speaker's.
        """
        k, to = self.index(name), " ".join(to.split())
        if not to or len(to) > LONGEST_NAME or not to.isprintable():
            raise InputError(f"a speaker's name has 1 to {LONGEST_NAME} letters")
        if to != name and to in (part.name for part in self.parts):
            raise InputError(f"another speaker is called {to}: merge the two, or choose another name")
        return replace(self._with(k, replace(self.parts[k], name=to)), turns=self.spoken().renamed({name: to}))

    def swapped(self, name: str, other: str) -> Cast:
        """With what two speakers say exchanged: turns, voice and document; names and faces stay."""
        a, b = self.index(name), self.index(other)
        one, two = self.parts[a], self.parts[b]
        made = self._with(a, replace(one, voice=two.voice, document=two.document))
        made = made._with(b, replace(two, voice=one.voice, document=one.document))
        exchanged = self.spoken().renamed({name: other, other: name})
        return replace(made, turns=replace(exchanged, speakers=self.spoken().speakers))

    def merged(self, name: str, into: str, voice: SpeakerVoice, document: Document) -> Cast:
        """With one speaker's turns given to another, whose voice and document are new."""
        k = self.index(into)
        parts = self._with(k, replace(self.parts[k], voice=voice, document=document)).parts
        kept = tuple(part for part in parts if part.name != name)
        return Cast(kept, merged_turns(self, name, into), [part.name for part in kept].index(into))

    def _with(self, k: int, part: Role) -> Cast:
        return replace(self, parts=(*self.parts[:k], part, *self.parts[k + 1 :]))


def merged_turns(cast: Cast, name: str, into: str) -> Turns:
    """The turns of a cast where one speaker is another.

    Raises:
        InputError: there is no such speaker, or they are the same.
    """
    if cast.index(name) == cast.index(into):
        raise InputError("a speaker is merged with another one")
    before = cast.spoken()
    own = [Turn(start, end, into) for start, end in before.renamed({name: into}).of(into)]
    others = [turn for turn in before.turns if turn.speaker not in (name, into)]
    return Turns((*others, *own), before.duration, tuple(n for n in before.speakers if n != name))
