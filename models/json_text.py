"""JSON text for columns and events. Scalars of numpy, which learning returns, are written as plain numbers."""

from typing import TypeVar

import msgspec
import numpy as np
import orjson

Value = TypeVar("Value")


class NotFiniteError(ValueError):
    """A value holds a number that is infinite or not a number, which JSON does not have."""


def json_text(value: object) -> str:
    """The JSON of dictionaries, lists, dataclasses, times and numbers. Numbers that are not finite become null."""
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY).decode()


def struct_text(value: Value) -> str:
    """The JSON of a msgspec Struct, which reads back as the same value. Raises NotFiniteError where it would not."""
    text = msgspec.json.encode(value, enc_hook=_plain).decode()
    try:
        msgspec.json.decode(text, type=type(value))
    except msgspec.ValidationError as error:
        raise NotFiniteError(str(error)) from error
    return text


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no JSON form")
