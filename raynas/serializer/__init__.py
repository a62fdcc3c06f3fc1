"""Constructor calls and values, to JSON and back.

An object that was made by `serialize`, or whose class carries `@serialize_cls` (or `@basic_unit`), remembers the call
that made it. `dumps` writes that call, and the calls and values among its arguments, as JSON; `loads` makes the object
again. No pickle is read, except the attachments that the caller hands over.
"""

from raynas.serializer.call import Call, call_of, record, serialize, serialize_cls
from raynas.serializer.document import choices, dumps, loads, name_choices, resolve, trusted_modules
from raynas.serializer.values import Decoder, Encoder, qualified_name

__all__ = [
    "Call",
    "Decoder",
    "Encoder",
    "call_of",
    "choices",
    "dumps",
    "loads",
    "name_choices",
    "qualified_name",
    "record",
    "resolve",
    "serialize",
    "serialize_cls",
    "trusted_modules",
]
