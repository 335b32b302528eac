"""Text of files and servers, as it may be shown in a terminal, a log or a list."""

from __future__ import annotations

import re

# What stops a file from being written, makes a terminal obey, or turns the reading direction.
_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


def plain(text: str) -> str:
    """`text` without control characters but for line ends and tabs, and without halves of one."""
    return _UNFIT.sub("", text)
