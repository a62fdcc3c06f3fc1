"""Constructor calls and values, to JSON and back.

An object that was made by `serialize`, or whose class carries `@serialize_cls` (or `@basic_unit`), remembers the call
that made it. `dumps` writes that call, and the calls and values among its arguments, as JSON; `loads` makes the object
again. No pickle is read, except the attachments that the caller hands over.
"""

from raynas.serializer.buffers import Bytes
from raynas.serializer.call import Call, call_of, record, serialize, serialize_cls
from raynas.serializer.decoder import Decoder
from raynas.serializer.document import (
    choices,
    content,
    dumps,
    loads,
    name_choices,
    named_arguments,
    pickled_names,
    resolve,
    trusted_modules,
)
from raynas.serializer.encoder import Encoder
from raynas.serializer.names import imported, parameter, qualified_name
from raynas.serializer.reader import Reader

__all__ = [
    "Bytes",
    "Call",
    "Decoder",
    "Encoder",
    "Reader",
    "call_of",
    "choices",
    "content",
    "dumps",
    "imported",
    "loads",
    "name_choices",
    "named_arguments",
    "parameter",
    "pickled_names",
    "qualified_name",
    "record",
    "resolve",
    "serialize",
    "serialize_cls",
    "trusted_modules",
]
