"""Untrusted pickles read as data, by an interpreter with an allow-list of opcodes and callables.

A pickle is a program for a stack machine. Python's ``pickle`` trusts its input: it allocates memory for claimed memo
indices, hashes nested keys without a limit, and passes what it has read to compiled code that may crash. This
interpreter accepts plain data (text, bytes, numbers, lists, tuples, dictionaries with plain keys) and calls only what a
table names. Apart from a few objects per instruction, it never allocates more memory than the size of the file.
"""

from __future__ import annotations

import codecs
import io
import math
import pickletools
import re
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from sedtalker.errors import InputError
from sedtalker.reading import read_bytes

MOST_INSTRUCTIONS = 1_000_000
"""Instructions of a pickle; arrays of any size are one, and a list of numbers has one for each."""
LATEST = 5
"""Protocol of pickles, the highest that there is."""
_INSTRUCTIONS = {instruction.code: instruction for instruction in pickletools.opcodes}
"""All that there are, by their sign."""
_VALUES = frozenset(
    {
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING"),
        *("SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8", "UNICODE", "BINUNICODE"),
        *("SHORT_BINUNICODE", "BINUNICODE8"),
    }
)
"""Instructions that put their argument on the stack."""
_MADE: Mapping[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_TUPLE": tuple,
}
"""Instructions that put something new on the stack."""
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
"""Instructions that make a tuple of so many values."""
_PUTS, _GETS = ("PUT", "BINPUT", "LONG_BINPUT"), ("GET", "BINGET", "LONG_BINGET")
"""Instructions that remember the last value by a number, and that ask for it again."""
_IGNORED = ("FRAME",)
"""Instructions that only help to read."""


@runtime_checkable
class Built(Protocol):
    """What is made first and gets its contents later."""

    def build(self, state: Any) -> None:
        """Take the contents."""


def read_pickle(
    stream: BinaryIO, names: Mapping[tuple[str, str], Any], persistent: Callable[[Any], Any] | None = None
) -> Any:
    """What a pickle says.

    Args:
        stream: at the beginning of the pickle; afterwards at its end.
        names: what stands for a name (module, name); that which can be called may be called. They get arguments of
            the file.
        persistent: what stands for a value that is kept outside the pickle, by its mark.

    Raises:
        InputError: it is damaged, or asks for something else.
    """
    try:
        return _Machine(stream, names, persistent).run()
    except InputError:
        raise
    except MemoryError:
        raise InputError("there is not enough memory for it") from None
    except Exception as error:  # of the parsers of arguments, of an empty stack, of what is called
        raise InputError(f"it is damaged ({type(error).__name__}: {error})") from None


class _Machine:
    """The stack, the places where lists begin on it (marks), and the memo."""

    def __init__(self, stream: BinaryIO, names: Mapping[tuple[str, str], Any], persistent: Callable[[Any], Any] | None):
        self.stream, self.names, self.persistent = stream, names, persistent
        self.called = {id(value) for value in names.values() if callable(value)}
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        """Obey until the end; what is on the stack then."""
        for _ in range(MOST_INSTRUCTIONS):
            code = self.stream.read(1)
            known = _INSTRUCTIONS.get(code.decode("latin-1"))
            if known is None:
                raise InputError("it ends too soon" if not code else f"it has no pickle's instruction {code!r}")
            if known.name == "STOP":
                return self.stack.pop()
            self._obey(known.name, self._argument(known))
        raise InputError(f"it has over {MOST_INSTRUCTIONS} instructions")

    def _argument(self, known: pickletools.OpcodeInfo) -> Any:
        """What follows an instruction."""
        if known.arg is None:
            return None
        if known.name == "STRING":  # of Python 2, where text and bytes were one
            raw = pickletools.read_stringnl(self.stream, decode=False)
            return codecs.escape_decode(raw)[0].decode("latin-1")
        return known.arg.reader(self.stream)

    def _obey(self, name: str, argument: Any) -> None:
        if name in _VALUES:
            self.stack.append(argument)
        elif name in _MADE:
            self.stack.append(_MADE[name]())
        elif name in _TUPLES:
            self._tuple(_TUPLES[name])
        elif name in _PUTS:
            self.memo[argument] = self.stack[-1]
        elif name in _GETS:
            self.stack.append(self.memo[argument])
        elif name not in _IGNORED:
            method = _METHODS.get(name)
            if method is None:
                raise InputError(f"it asks for more than data ({name})")
            method(self, argument)

    # --- The stack.

    def _since_mark(self) -> list[Any]:
        """Take the values since the last mark."""
        start = self.marks.pop()
        held = self.stack[start:]
        del self.stack[start:]
        return held

    def _tuple(self, count: int) -> None:
        if len(self.stack) < count:
            raise InputError("it is damaged (an empty stack)")
        self.stack[-count:] = [tuple(self.stack[-count:])]

    def _protocol(self, argument: Any) -> None:
        if argument > LATEST:
            raise InputError(f"it is of protocol {argument}")

    def _pop(self, _: Any) -> None:
        if self.marks and self.marks[-1] == len(self.stack):
            self.marks.pop()
        else:
            self.stack.pop()

    def _memoize(self, _: Any) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    # --- Containers.

    def _extend(self, values: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise InputError(f"it appends to {type(self.stack[-1]).__name__}")
        self.stack[-1].extend(values)

    def _dict(self, _: Any) -> None:
        pairs = self._since_mark()
        self.stack.append({})
        self._set(pairs)

    def _item(self, _: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set([key, value])

    def _set(self, pairs: list[Any]) -> None:
        held = self.stack[-1]
        if not isinstance(held, dict) or len(pairs) % 2:
            raise InputError(f"it sets items of {type(held).__name__}")
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            if not isinstance(key, str | bytes | int | float | None):  # the hash of a deep tuple never comes back
                raise InputError(f"a key of a dictionary is {type(key).__name__}")
            held[key] = value

    # --- Names and calls.

    def _stack_global(self, _: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self._name(module, name)

    def _name(self, module: Hashable, name: Hashable) -> None:
        if not isinstance(module, str) or not isinstance(name, str) or (module, name) not in self.names:
            raise InputError(f"it asks for {str(module)[:100]}.{str(name)[:100]}")
        self.stack.append(self.names[module, name])

    def _reduce(self, _: Any) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if id(function) not in self.called or not isinstance(arguments, tuple):
            raise InputError(f"it calls {type(function).__name__}")
        self.stack.append(function(*arguments))

    def _build(self, _: Any) -> None:
        state, held = self.stack.pop(), self.stack[-1]
        if isinstance(held, Built):
            held.build(state)
        elif not isinstance(held, dict):  # attributes of a dictionary, such as ``_metadata`` of torch, are left out
            raise InputError(f"it gives attributes to {type(held).__name__}")

    def _outside(self, argument: Any) -> None:
        mark = self.stack.pop() if argument is None else argument
        if self.persistent is None:
            raise InputError("it refers to something outside")
        self.stack.append(self.persistent(mark))


_METHODS: Mapping[str, Callable[[_Machine, Any], object]] = {
    "PROTO": _Machine._protocol,
    "MARK": lambda machine, _: machine.marks.append(len(machine.stack)),
    "POP": _Machine._pop,
    "POP_MARK": lambda machine, _: machine._since_mark(),
    "DUP": lambda machine, _: machine.stack.append(machine.stack[-1]),
    "MEMOIZE": _Machine._memoize,
    "LIST": lambda machine, _: machine.stack.append(machine._since_mark()),
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine._since_mark())),
    "APPEND": lambda machine, _: machine._extend([machine.stack.pop()]),
    "APPENDS": lambda machine, _: machine._extend(machine._since_mark()),
    "DICT": _Machine._dict,
    "SETITEM": _Machine._item,
    "SETITEMS": lambda machine, _: machine._set(machine._since_mark()),
    "GLOBAL": lambda machine, argument: machine._name(*argument.split(" ", 1)),
    "STACK_GLOBAL": _Machine._stack_global,
    "REDUCE": _Machine._reduce,
    "BUILD": _Machine._build,
    "PERSID": _Machine._outside,
    "BINPERSID": _Machine._outside,
}
"""What the other instructions do; one that is not here is refused."""


# --- Pickled dictionaries of arrays, as FLAME and VOCASET publish them; everything is checked before use.

MOST_PICKLED = 2**30
"""Bytes of a pickle that is read."""
MOST_SHOWN = 8
"""How many times the size of the file its arrays may have together: a number of two bytes in a list becomes eight."""
_NUMBERS = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248])")
"""Types of numbers that arrays may hold."""
_DEEPEST = 32
"""Axes of an array."""


def read_array_pickle(path: Path) -> dict[str, NDArray[Any]]:
    """A pickled dictionary of arrays of numbers; lists of numbers are arrays, too."""
    data = read_bytes(path, "a pickle of arrays", MOST_PICKLED)
    try:
        held = read_pickle(io.BytesIO(data), _names(len(data)))
        if not isinstance(held, dict):
            raise InputError(f"it holds {type(held).__name__}")
        arrays = {str(name): _array(value) for name, value in held.items()}
        if sum(array.nbytes for array in arrays.values()) > MOST_SHOWN * len(data):
            raise InputError("its arrays are larger than the file")
        return arrays
    except InputError as error:
        raise InputError(f"{path}: not a pickled dictionary of arrays ({error})") from None


def _array(value: Any) -> NDArray[Any]:
    """A value as an array of numbers."""
    if isinstance(value, _Array):
        return value.array
    numbers = value if isinstance(value, list | tuple) else [value]
    if not all(isinstance(number, int | float | np.number | np.bool_) for number in numbers):
        raise InputError(f"one of its values is {type(value).__name__}")
    try:
        array = np.asarray(value)
    except (OverflowError, ValueError):
        raise InputError("one of its numbers is too large") from None
    if array.dtype.kind not in "biuf":
        raise InputError("one of its numbers is too large")
    return array


class _Type:
    """Stands for ``numpy.dtype``: a type of numbers, whose order of bytes comes later."""

    def __init__(self, text: Any, *_: Any):
        if not isinstance(text, str) or not _NUMBERS.fullmatch(text):
            raise InputError("an array does not hold numbers")
        self.dtype = np.dtype(text)

    def build(self, state: Any) -> None:
        """See ``dtype.__setstate__``: the second is the order."""
        order = state[1] if isinstance(state, tuple) and len(state) > 1 else None
        if order not in ("<", ">", "=", "|"):
            raise InputError("the order of an array's bytes is not said")
        self.dtype = self.dtype.newbyteorder(order)


class _Array:
    """Stands for an array: what it begins as, then what it holds."""

    def __init__(self) -> None:
        self.array: NDArray[Any] = np.empty(0, np.uint8)

    def build(self, state: Any) -> None:
        """See ``ndarray.__setstate__``: (version,) shape, type, whether it is in Fortran's order, bytes."""
        if not isinstance(state, tuple) or len(state) not in (4, 5):
            raise InputError("an array's contents are not said")
        shape, kind, fortran, raw = state[-4:]
        self.fill(shape, kind, "F" if fortran else "C", raw)

    def fill(self, shape: Any, kind: Any, order: str, raw: Any) -> None:
        """Take contents that are as many bytes as shape and type say."""
        if isinstance(raw, str):  # of Python 2
            raw = raw.encode("latin-1")
        if not isinstance(kind, _Type) or not isinstance(raw, bytes | bytearray) or not isinstance(shape, tuple):
            raise InputError("an array's contents are not bytes")
        if len(shape) > _DEEPEST or not all(type(size) is int and 0 <= size < 2**48 for size in shape):
            raise InputError("an array's shape is none")
        if math.prod(shape) * kind.dtype.itemsize != len(raw):
            raise InputError("an array does not hold as many numbers as it says")
        self.array = np.ndarray(shape, kind.dtype, raw, order="F" if order == "F" else "C")


def _names(size: int) -> Mapping[tuple[str, str], Any]:
    """What pickles of arrays call.

    Args:
        size: of the file; texts that become bytes are together no longer, however often one of them is named.
    """
    left = size

    def encoded(text: Any, code: Any) -> bytes:
        nonlocal left
        if not isinstance(text, str) or code not in ("latin1", "latin-1"):
            raise InputError("it asks for codecs.encode")
        left -= len(text)
        if left < 0:
            raise InputError("it holds more bytes than the file")
        return text.encode("latin-1")

    def empty(kind: Any, shape: Any, code: Any) -> _Array:
        return _Array()

    def uncalled(*_: Any) -> None:
        raise InputError("it makes an array that holds nothing")

    def scalar(kind: Any, raw: Any) -> Any:
        made = _Array()
        made.fill((), kind, "C", raw)
        return made.array[()]

    def from_buffer(raw: Any, kind: Any, shape: Any, order: Any, *_: Any) -> _Array:
        made = _Array()
        made.fill(shape, kind, order, raw)
        return made

    names: dict[tuple[str, str], Any] = {("numpy", "ndarray"): uncalled, ("numpy", "dtype"): _Type}
    for core in ("core", "_core"):
        names[f"numpy.{core}.multiarray", "_reconstruct"] = empty
        names[f"numpy.{core}.multiarray", "scalar"] = scalar
        names[f"numpy.{core}.numeric", "_frombuffer"] = from_buffer
    return {**names, ("_codecs", "encode"): encoded}
