"""Things that go wrong on purpose: `generate-xl=503:1`, `results=hang*2`, `lists=html`, `*=reset`.

`*N` ends a fault after N requests.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from textwrap import fill

from ...api.endpoints import CATALOGS, ENDPOINTS, JOB_STATUS_PATH
from ...errors import ConfigError
from . import canned_responses, connection_faults, response_mutations
from .base import Fault

_GROUPS = {
    "answers": canned_responses.FAULTS,
    "broken connections": connection_faults.FAULTS,
    "changes of the real answer": response_mutations.FAULTS,
}
FAULTS: dict[str, Fault] = {
    name: fault for group in _GROUPS.values() for name, fault in group.items()
}

_LISTS = list(CATALOGS)
_PATHS = [kind.path.strip("/") for kind in ENDPOINTS]
_WIDE = (JOB_STATUS_PATH.strip("/"), "results", "lists", "*")
TARGETS = (*_PATHS, *_WIDE, *_LISTS)

_FAULT = re.compile(r"([^:*]*)(?::(.*?))?(?:\*([0-9]{1,9}))?", re.DOTALL)
_HOW = """\
--fault TARGET=FAULT[:ARGUMENT][*TIMES], for example generate-xl=503:1*2 or results=slow:5000.
With --faults a request may carry X-Sandbox-Fault: FAULT[:ARGUMENT] for itself.
The argument of a status is its Retry-After, of link and redirects a URL, of hops how many, and of
slow bytes a second; other faults take none.
"""


@dataclass
class FaultRule:
    """One `--fault`: which paths it matches, what happens, how many times still."""

    target: str
    fault: Fault
    arg: str | None = None
    left: int | None = None

    def match(self, path: str) -> FaultRule | None:
        """This rule where it strikes a request of `path`, which it counts."""
        name = path.strip("/")
        group = "lists" if name in _LISTS else name.partition("/")[0]
        if self.target not in (name, group, "*") or self.left == 0:
            return None
        if self.left is not None:
            self.left -= 1
        return self


def parse(spec: str) -> FaultRule:
    """`TARGET=FAULT` or `TARGET=FAULT:ARG`, also with `*N` behind. Raises ConfigError that tells
    what there is.
    """
    target, _, wanted = spec.partition("=")
    if target.strip("/") not in TARGETS:
        raise ConfigError(
            f"The fault {spec} names no known target.",
            f"The targets are {', '.join([*_PATHS, *_WIDE])} and every catalog.",
        )
    if found := _FAULT.fullmatch(wanted):
        name, arg, times = found.groups()
        fault = FAULTS.get(name)
        if fault and fault.accepts(arg):
            return FaultRule(target.strip("/"), fault, arg, int(times) if times else None)
    near = get_close_matches(wanted.partition(":")[0], FAULTS, 5, 0.4) or ["500", "hang"]
    raise ConfigError(
        f"The fault {spec} is not understood.",
        f"Write TARGET=FAULT, FAULT:ARGUMENT or FAULT*TIMES; `visioncraft sandbox --help` "
        f"lists the faults, such as {', '.join(near)}.",
    )


def described() -> str:
    """Every target and fault, for the command's help."""
    text = _HOW
    for title, words in {"targets": TARGETS, **_GROUPS}.items():
        listed = fill(" ".join(words), 94, break_on_hyphens=False).replace("\n", "\n  ")
        text += f"{title}:\n  {listed}\n"
    return text
