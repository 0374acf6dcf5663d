"""The messages of NVIDIA's Audio2Face-3D, made at run time from ``ace_messages.toml``.

NVIDIA's own stubs are free (Apache 2.0), but their package ``nvidia-ace`` allows grpcio up to 1.67 of 2024 alone, which
nobody should serve a network with. Messages carry no names on the wire, so these and NVIDIA's read each other; a test
compares them field by field. They live in a pool of their own, so that both may be imported in one program.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from sedtalker.errors import InputError
from sedtalker.reading import read_own_table

FILE = "ace"
"""Name of the file and of the package that the messages are declared in; nobody else sees it."""


def _declare(message: DescriptorProto, name: str, said: str) -> None:
    """Add a field from ``NUMBER [repeated|optional|map] TYPE``."""
    number, *label, kind = said.split()
    many = bool(label) and label[0] != "optional"
    field = message.field.add(name=name, number=int(number))
    field.label = FieldDescriptorProto.LABEL_REPEATED if many else FieldDescriptorProto.LABEL_OPTIONAL
    if label == ["map"]:
        entry = message.nested_type.add(name="".join(word.title() for word in name.split("_")) + "Entry")
        entry.options.map_entry = True
        _declare(entry, "key", "1 string")
        _declare(entry, "value", f"2 {kind}")
        kind = f"{message.name}.{entry.name}"
    if label == ["optional"]:
        field.proto3_optional, field.oneof_index = True, len(message.oneof_decl)
        message.oneof_decl.add(name=f"_{name}")
    if kind.islower():
        field.type = FieldDescriptorProto.Type.Value(f"TYPE_{kind.upper()}")
    else:
        field.type, field.type_name = FieldDescriptorProto.TYPE_MESSAGE, f".{FILE}.{kind}"


def _messages() -> dict[str, Any]:
    file = FileDescriptorProto(name=FILE, package=FILE, syntax="proto3")
    table = read_own_table(__file__, "ace_messages.toml")
    for name, fields in table.items():
        message = file.message_type.add(name=name)
        for field, said in fields.items():
            _declare(message, field, said)
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return {name: GetMessageClass(pool.FindMessageTypeByName(f"{FILE}.{name}")) for name in table}


MESSAGES: dict[str, Any] = _messages()
"""The class of each message by its name."""


def made(name: str, **fields: Any) -> Any:
    """A new message of that name."""
    return MESSAGES[name](**fields)


def read(name: str, data: bytes) -> Any:
    """A message from its bytes.

    Raises:
        InputError: they are none.
    """
    message: Message = MESSAGES[name]()
    try:
        message.ParseFromString(data)
    except DecodeError:
        raise InputError(f"a message cannot be read: send {name}") from None
    return message
