"""Things that go wrong on purpose: `generate-xl=503:1`, `results=hang*2`, `lists=html`, `*=reset`.

`*N` ends a fault after N requests.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from textwrap import fill

from ...api.endpoints import CATALOGS, ENDPOINTS, JOB_STATUS_PATH
from ...errors import ConfigError
from . import canned_responses, connection_faults, response_mutations
from .base import Fault

GROUPS = {
    "statuses, a number also with [:RETRY_AFTER]": canned_responses.STATUSES,
    "waiting": connection_faults.WAITING,
    "breaking": connection_faults.BREAKING,
    "chunks and lengths": connection_faults.LENGTHS,
    "encodings": response_mutations.ENCODINGS,
    "contents": {**canned_responses.CONTENTS, **response_mutations.CHANGES},
    "redirects": canned_responses.REDIRECTS,
}
FAULTS: dict[str, Fault] = {
    name: fault for group in GROUPS.values() for name, fault in group.items()
}

_LISTS = list(CATALOGS)
_PATHS = [kind.path.strip("/") for kind in ENDPOINTS]
_WIDE = (JOB_STATUS_PATH.strip("/"), "results", "lists", "*")
TARGETS = (*_PATHS, *_WIDE, *_LISTS)


_HOW = """\
--fault TARGET=FAULT[:ARGUMENT][*TIMES], for example generate-xl=503:1*2 or results=slow:5000.
With --faults a request may carry X-Sandbox-Fault: FAULT[:ARGUMENT] for itself.
"""


class UnknownFault(ValueError):
    """No such fault, or not with such an argument."""


@dataclass(frozen=True)
class FaultSpec:
    """A fault with its argument."""

    fault: Fault
    arg: str | None = None

    @property
    def counts(self) -> bool:
        return self.fault.counts(self.arg)


@dataclass
class FaultRule:
    """One `--fault`: which paths it matches, what happens, how many times still."""

    target: str
    spec: FaultSpec
    left: int | None = None

    def match(self, path: str) -> FaultSpec | None:
        """The fault that this request gets, if any. Counts it."""
        if self.target not in _names(path) or self.left == 0:
            return None
        if self.left is not None:
            self.left -= 1
        return self.spec


def choose(text: str) -> FaultSpec:
    """`FAULT` or `FAULT:ARG`. Raises UnknownFault."""
    name, sign, arg = text.partition(":")
    chosen = FAULTS.get(name)
    given = arg if sign else None
    if chosen is None or not chosen.accepts(given):
        raise UnknownFault(f"The fault {text} is not understood.")
    return FaultSpec(chosen, given)


def parse(spec: str) -> FaultRule:
    """`TARGET=FAULT` or `TARGET=FAULT:ARG`, also with `*N` behind. Raises ConfigError that tells
    what there is.
    """
    target, _, rest = spec.partition("=")
    body, sign, times = rest.rpartition("*")
    counted = bool(sign) and times.isascii() and times.isdigit() and len(times) < 10
    wanted = body if counted else rest
    if target.strip("/") not in TARGETS:
        raise ConfigError(
            f"The fault {spec} names no known target.",
            f"The targets are {', '.join([*_PATHS, *_WIDE])} and every catalog.",
        )
    try:
        chosen = choose(wanted)
    except UnknownFault:
        near = get_close_matches(wanted.partition(":")[0], FAULTS, 5, 0.4) or ["500", "hang"]
        raise ConfigError(
            f"The fault {spec} is not understood.",
            f"Write TARGET=FAULT, FAULT:ARGUMENT or FAULT*TIMES; `visioncraft sandbox --help` "
            f"lists the faults, such as {', '.join(near)}.",
        ) from None
    return FaultRule(target.strip("/"), chosen, int(times) if counted else None)


def described() -> str:
    """Every target and fault with its argument, for the command's help."""
    groups = {"targets": TARGETS}
    for title, faults in GROUPS.items():
        groups[title] = tuple(
            name + (f"[:{fault.takes}]" if fault.takes and not name.isdigit() else "")
            for name, fault in faults.items()
        )
    text = [_HOW]
    for title, words in groups.items():
        text += [
            f"{title}:",
            fill(
                " ".join(words),
                96,
                initial_indent="  ",
                subsequent_indent="  ",
                break_on_hyphens=False,
            ),
        ]
    return "\n".join(text)


def _names(path: str) -> Iterator[str]:
    name = path.strip("/")
    yield from (name, "*")
    if name in _LISTS:
        yield "lists"
    if name.startswith("results/"):
        yield "results"
