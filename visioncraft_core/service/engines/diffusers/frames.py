"""Messages between the server and its worker: a length, then that many bytes of pickle.

Pickle is safe here: each side reads only what the other, of the same user, writes into a pipe.
"""

from __future__ import annotations

import asyncio
import pickle
import struct
from typing import Any, BinaryIO

_LENGTH = struct.Struct(">Q")


def frame(message: Any) -> bytes:
    content = pickle.dumps(message)
    return _LENGTH.pack(len(content)) + content


def read(source: BinaryIO) -> Any:
    """Raises EOFError at the end."""
    (length,) = _LENGTH.unpack(_exactly(source, _LENGTH.size))
    return pickle.loads(_exactly(source, length))  # noqa: S301 - see above


async def read_from(source: asyncio.StreamReader) -> Any:
    """Raises asyncio.IncompleteReadError at the end."""
    (length,) = _LENGTH.unpack(await source.readexactly(_LENGTH.size))
    return pickle.loads(await source.readexactly(length))  # noqa: S301 - see above


def _exactly(source: BinaryIO, size: int) -> bytes:
    content = source.read(size)
    if len(content) < size:
        raise EOFError
    return content
