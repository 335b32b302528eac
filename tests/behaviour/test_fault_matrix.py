"""Every way in which a call can go wrong: one row, one outcome, and how often the server was asked.

The ids are those of the reliability requirements. A row says what the sandbox does wrong, what the
user gets, how many requests that took, how many of them the server worked on (and may charge), and
how long it may last. Faults below HTTP are in test_fault_wire.py.
"""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from support.clients import settled
from support.instant_engine import InstantEngine
from support.timing import at_most
from visioncraft.visioncraft_core import (
    Chat,
    Client,
    Generate,
    GenerateXL,
    Profile,
    Secret,
    Timeouts,
    errors,
)
from visioncraft.visioncraft_core.api.fields import Request
from visioncraft.visioncraft_core.api.sandbox_keys import SANDBOX_PREMIUM_KEY
from visioncraft.visioncraft_core.media.images import decode
from visioncraft.visioncraft_core.sandbox import Sandbox
from visioncraft.visioncraft_core.service.faults.rules import parse

pytestmark = pytest.mark.timed

# A row that waits for a limit has one short one; no other limit may pass, however busy it is here.
PATIENT = Timeouts(connect=30.0, upload=60.0, first_byte=60.0, stall=60.0, total=120.0)
SILENT = replace(PATIENT, first_byte=1.5)
STANDING_STILL = replace(PATIENT, stall=1.0)
ENDLESS = replace(PATIENT, total=2.5)
AFTER = 0.5  # seconds that a limit may be overrun
QUICK = 2.0
BACKOFF = 4.5  # seconds: three waits of at most 0.5, 1 and 2, and the calls themselves

XL = GenerateXL(prompt="a fox", width=64, height=64)
PAIR = Generate(model="anything_V5", sampler="Euler", prompt="a fox", image_count=2)
SAY = Chat(model="openchat-7b", messages=({"role": "user", "content": "a fox"},))
POSTS = {"generate-xl": XL, "generate": PAIR, "llm": SAY, "results": XL}


@dataclass(frozen=True)
class Row:
    """`error` None means success. `asked` counts requests of the struck kind, `worked` what the
    server worked on, `within` seconds; `notes` is how many the user gets with a success."""

    id: str
    fault: str
    error: type[Exception] | None
    asked: int = 1
    worked: int = 1
    within: float = QUICK
    at_least: float = 0.0
    notes: int = 0
    settings: dict[str, object] = field(default_factory=dict)
    limits: Timeouts = PATIENT


def xl(number: str, fault: str, error: type[Exception] | None, **told: object) -> Row:
    return Row(number, f"generate-xl={fault}", error, **told)  # type: ignore[arg-type]


def get(number: str, fault: str, error: type[Exception] | None, **told: object) -> Row:
    """A fault of the download of the one file that `XL` makes."""
    return Row(number, f"results={fault}", error, **told)  # type: ignore[arg-type]


REFUSED = {"worked": 0}
AGAIN = {"asked": 4, "within": BACKOFF}
LOST = errors.DownloadFailed

WAITING = [
    xl("F19", "hang", errors.ResponseTimeout, within=1.5 + AFTER, at_least=1.4, limits=SILENT),
    xl("F19-headers", "hang-headers", errors.ResponseTimeout, within=1.5 + AFTER, limits=SILENT),
    xl(
        "F66",
        "hang-body",
        errors.ReadTimeout,
        within=1.0 + AFTER,
        at_least=0.9,
        limits=STANDING_STILL,
    ),
    xl("F24", "continue", errors.TotalTimeout, within=2.5 + AFTER, at_least=2.4, limits=ENDLESS),
    xl("F25", "drip-headers", errors.TotalTimeout, within=2.5 + AFTER, limits=ENDLESS),
    xl("F65", "drip-body", errors.TotalTimeout, within=2.5 + AFTER, limits=ENDLESS),
]
BREAKING = [
    xl("F15", "early-reset", errors.ConnectionLost, worked=0),
    xl("F21-rst", "reset", errors.ConnectionLost),
    xl("F21-fin", "close", errors.ConnectionLost),
    xl("F22-cut", "cut-status", errors.ConnectionLost),
    xl("F22-ssh", "banner", errors.ConnectionLost),
    xl("F22-http2", "http2", errors.ConnectionLost),
    xl("F23", "cut-headers", errors.ConnectionLost),
    xl("F26-many", "many-headers", errors.InvalidResponse),
    xl("F26-long", "long-header", errors.InvalidResponse),
    xl("F26-colon", "bad-header", errors.InvalidResponse),
    *(xl(f"F28-{status}", status, errors.InvalidResponse) for status in ("999", "204")),
    xl("F28-199", "199", errors.ConnectionLost),
    xl("F28-201", "201", errors.RequestRejected),
    xl("F28-206", "206", errors.InvalidResponse),
    xl("F28-304", "304", errors.InvalidResponse, worked=0),
]
STATUSES = [
    xl("F30-400", "400", errors.RequestRejected, **REFUSED),
    xl("F30-404", "404", errors.EndpointNotFound, **REFUSED),
    xl("F30-405", "405", errors.EndpointNotFound, **REFUSED),
    xl("F30-415", "415", errors.RequestRejected, **REFUSED),
    xl("F31-401", "401", errors.KeyRejected, **REFUSED),
    xl("F31-403", "403-key", errors.KeyRejected, **REFUSED),
    xl("F32", "402", errors.PremiumRequired, **REFUSED),
    xl("F32-413", "413", errors.PremiumRequired, **REFUSED),
    *(xl(f"F33-{status}", status, errors.OutcomeUnknown, worked=0) for status in ("408", "409")),
    xl("F33-425", "425", errors.OutcomeUnknown, worked=0),
    xl("F34", "422", errors.FieldRejected, **REFUSED),
    xl("F34-echo", "echo", errors.FieldRejected, **REFUSED),
    xl("F35", "429:2*1", None, asked=2, within=4.0, at_least=2.0),
    xl("F36-past", "429:Wed, 21 Oct 2015 07:28:00 GMT*1", None, asked=2),
    xl("F36-rfc850", "429:Wednesday, 21-Oct-15 07:28:00 GMT*1", None, asked=2),
    xl("F36-asctime", "429:Wed Oct 21 07:28:00 2015*1", None, asked=2),
    xl("F36-future", "429:Wed, 21 Oct 2099 07:28:00 GMT", errors.RateLimited, **REFUSED),
    xl("F37", "429*3", None, asked=4, within=8.0),
    xl("F38", "429", errors.RateLimited, worked=0, **AGAIN),
    xl("F39-day", "429:86400", errors.RateLimited, **REFUSED),
    *(
        xl(f"F39-{number}", f"429:{odd}*1", None, asked=2, within=QUICK + 0.5)
        for number, odd in enumerate(("-1", "1.5", "inf", "nan", "١٢", "9" * 400, "0", "1, 2"))
    ),
    xl(
        "F40-200",
        "limited-200",
        errors.RateLimitWaitExceeded,
        worked=0,
        settings={"max_rate_limit_wait": 1.0},
    ),
    xl(
        "F40-400",
        "limited-400",
        errors.RateLimitWaitExceeded,
        worked=0,
        settings={"max_rate_limit_wait": 1.0},
    ),
    xl(
        "F40-403",
        "403",
        errors.RateLimitWaitExceeded,
        worked=0,
        settings={"max_rate_limit_wait": 1.0},
    ),
    xl("F41-json", "500", errors.ServerFailed),
    xl("F41-html", "500-html", errors.ServerFailed),
    xl("F41-empty", "500-empty", errors.ServerFailed),
    *(xl(f"F42-{status}", status, errors.ServerFailed) for status in ("502", "504", "520", "526")),
    xl("F43", "503", errors.ServerFailed),
    xl("F44", "503:1*1", None, asked=2, within=3.0, at_least=1.0),
    xl("F46", "500-endless", errors.ServerFailed, within=2.5),
]
REDIRECTS = [
    *(
        xl(f"F50-{code}", f"redirect{code}:http://127.0.0.1:1/x", errors.EndpointNotFound, worked=0)
        for code in ("", "-301", "-307", "-308")
    ),
    xl("F50-303", "redirect-303:http://127.0.0.1:1/x", errors.OutcomeUnknown, worked=0),
    xl(
        "F51",
        "redirect-308:https://www.example.test/generate-xl",
        errors.EndpointNotFound,
        worked=0,
    ),
    xl("F54-bomb", "redirect-bomb", errors.EndpointNotFound, worked=0, within=1.0),
    xl("F54-endless", "redirect-endless", errors.EndpointNotFound, worked=0, within=1.0),
    xl("F55-nowhere", "redirect-nowhere", errors.InvalidResponse, worked=0),
    xl("F55-bad", "redirect-bad", errors.EndpointNotFound, worked=0),
    xl("F55-long", "redirect-long", errors.InvalidResponse, worked=0),
]
BODIES = [
    xl("F60-fin", "truncate", errors.ConnectionLost),
    xl("F60-rst", "reset-body", errors.ConnectionLost),
    xl("F60-one", "short", errors.ConnectionLost),
    xl("F61-cut", "chunk-cut", errors.ConnectionLost),
    xl("F61-bad", "chunk-bad", errors.ConnectionLost),
    xl("F61-huge", "chunk-huge", errors.ConnectionLost),
    xl("F61-drip", "chunk-drip", errors.TotalTimeout, within=2.5 + AFTER, limits=ENDLESS),
    xl("F61-trailer", "trailer-drip", errors.TotalTimeout, within=2.5 + AFTER, limits=ENDLESS),
    xl("F62", "length-long", None),
    xl("F63-twice", "length-twice", errors.InvalidResponse),
    xl("F63-negative", "length-negative", errors.InvalidResponse),
    xl("F63-text", "length-text", errors.InvalidResponse),
    xl("F63-huge", "length-huge", errors.UnsafeContent),
    xl("F63-both", "length-both", None),
    xl("F64", "no-length", None),
    xl("F64-cut", "no-length-cut", errors.DamagedFile),
    xl("F68", "slices", None, within=2.5),
    xl("F69", "endless", errors.UnsafeContent, within=2.5),
    xl("F70-plain", "gzip", None),
    xl("F70-bomb", "gzip-bomb", errors.UnsafeContent),
    xl("F70-cut", "gzip-cut", errors.InvalidResponse),
    xl("F70-lie", "gzip-lie", None),
    xl("F70-nested", "gzip-nested", None),
    xl("F70-rot13", "rot13", None),
    xl("F70-br", "br", None),
    xl("F71", "slow-close", None, within=1.0),
]
CONTENTS = [
    xl("F75", "html", errors.HTMLResponse),
    Row("F75-L", "lists=html", errors.HTMLResponse, worked=0),
    *(
        xl(f"F76-{name}", name, errors.RequestRejected)
        for name in ("error-200", "detail-200", "message-200", "codes-200", "null-job", "echo-200")
    ),
    *(
        xl(f"F76-{name}", name, errors.InvalidResponse)
        for name in ("string", "null", "object", "list")
    ),
    Row("F76-L", "lists=error-200", errors.RequestRejected, worked=0),
    Row("F76-L-empty", "lists=list", None, worked=0),
    *(
        xl(f"F77-{name}", name, errors.UnknownAnswer)
        for name in (
            *("images-numbers", "images-nested", "images-text", "images-object", "images-million"),
            *("json-inf", "json-nan"),
        )
    ),
    xl("F77-empty", "images-empty", errors.InvalidResponse),
    Row("F77-fewer", "generate=fewer", None, notes=1),
    Row("F77-more", "generate=more", None, notes=1),
    *(
        xl(f"F78-{name}", name, errors.InvalidResponse)
        for name in ("json-cut", "json-int", "json-two")
    ),
    xl("F78-json-deep", "json-deep", errors.UnknownAnswer),
    xl("F78-heavy", "json-heavy", errors.UnknownAnswer),
    Row("F78-bom", "generate=json-bom", None),
    Row("F78-utf16", "generate=json-utf16", None),
    xl("F78-surrogate", "surrogate", errors.RequestRejected, worked=0),
    xl("F79-html", "wrong-type", None),
    xl("F79-none", "untyped", None),
    xl("F80", "empty", errors.InvalidResponse),
    xl("F81-bomb", "picture-bomb", errors.UnsafeContent),
    xl("F81-pixels", "garbled", errors.DamagedFile),
    *(
        Row(f"F81-{name}", f"generate={name}", None, notes=1)
        for name in ("one-cut", "one-null", "one-garbled")
    ),
    Row(
        "F81-strict", "generate=one-garbled", errors.DamagedFile, settings={"fail_on_partial": True}
    ),
    Row("F82-blocked", "generate=link:http://127.0.0.1:1/x.png", errors.UnsafeURL),
    Row("F82-scheme", "generate=link:file:///etc/passwd", errors.UnsafeURL),
    Row("F83", "generate=one-dead", None, notes=1, within=BACKOFF),
    Row(
        "F83-strict", "generate=one-dead", LOST, within=BACKOFF, settings={"fail_on_partial": True}
    ),
    Row("F84-choices", "llm=no-choices", errors.InvalidResponse),
    Row("F84-null", "llm=null-content", errors.UnknownAnswer),
    Row("F84-sse", "llm=sse", errors.InvalidResponse),
    Row("F84-cut", "llm=sse-cut", errors.ConnectionLost),
    xl("F90-job", "endless-job", errors.TotalTimeout, within=2.5 + 2.0 + AFTER, limits=ENDLESS),
]
DOWNLOADS = [
    *(
        get(f"F45-{status}", f"{status}*3", None, asked=4, within=BACKOFF)
        for status in ("500", "503")
    ),
    get("F44-R", "503:1*1", None, asked=2, within=3.0, at_least=1.0),
    get("F81-late", "404*2", None, asked=3, within=BACKOFF),
    *(get(f"F82-{s}", s, LOST, asked=4, within=BACKOFF) for s in ("403-key", "404", "500")),
    get("F60-R", "truncate", LOST, asked=4, within=BACKOFF),
    get("F60-R-once", "reset-body*1", None, asked=2, within=QUICK),
    get("F61-R", "chunk-cut", LOST, asked=4, within=BACKOFF),
    get("F22-R", "banner*1", None, asked=2),
    get("F23-R", "cut-headers*1", None, asked=2),
    get("F66-R", "hang-body*1", None, asked=2, within=3.0, limits=STANDING_STILL),
    get("F19-R", "hang*1", None, asked=2, within=5.5, limits=replace(PATIENT, first_byte=4.0)),
    get("F28-R", "206", errors.InvalidResponse, asked=1),
    get("F52", "hops:3", None, asked=4),
    get("F52-4", "hops:4", errors.InvalidResponse, asked=4),
    get("F52-loop", "redirect-loop", errors.InvalidResponse, asked=4),
    get("F53-private", "redirect:http://169.254.169.254/", errors.UnsafeURL, asked=1),
    get("F53-file", "redirect:file:///etc/passwd", errors.UnsafeURL, asked=1),
    get("F54-R", "redirect-bomb:http://127.0.0.1:1/", errors.UnsafeURL, asked=1),
    get("F55-R", "redirect-nowhere", errors.InvalidResponse, asked=1),
    get("F55-R-bad", "redirect-bad", errors.UnsafeURL, asked=1),
    get("F63-R", "length-huge", errors.UnsafeContent, asked=1),
    get("F64-R", "no-length-cut", errors.DamagedFile, asked=1),
    get("F67", "slow:100000", None, asked=1, within=2.5),
    get("F68-R", "slices", None, asked=1, within=2.5),
    get("F69-R", "endless", errors.UnsafeContent, asked=1, within=2.5),
    get("F70-R", "gzip", None, asked=1),
    get("F75-R", "html", errors.InvalidResponse, asked=1),
    get("F80-R", "empty", errors.InvalidResponse, asked=1),
    get("F81-R", "garbled", errors.DamagedFile, asked=1),
]
LISTS = [
    Row("F17-L", "lists=reset*1", None, asked=2, worked=0),
    Row("F41-L", "lists=500*3", None, asked=4, worked=0, within=BACKOFF),
    Row("F41-L-for-ever", "lists=500", errors.ServerFailed, asked=4, worked=0, within=BACKOFF),
]
RETRY_POLICIES = [
    # What the profile setting is for, and what it costs.
    xl("R-RET-8", "reset*1", None, asked=2, worked=2, settings={"retry_policy": "unknown"}),
    xl("R-RET-8-never", "429*1", errors.RateLimited, worked=0, settings={"retry_policy": "never"}),
]
ROWS = [
    *(*WAITING, *BREAKING, *STATUSES, *REDIRECTS, *BODIES, *CONTENTS, *DOWNLOADS, *LISTS),
    *RETRY_POLICIES,
]


STRUCK = {"results": "GET /results", "lists": "GET /samplers-xl"}


def call(row: Row, client: Client) -> tuple[str, ...]:
    """Does what the row's fault strikes; gives the notes for the user."""
    target = row.fault.partition("=")[0]
    if target == "lists":
        names = client.catalog("samplers-xl").names
        assert bool(names) == (row.fault != "lists=list")
        return ()
    request: Request = POSTS[target]
    result = client.send(request, decoder=decode)
    assert result.text or len(result.decoded) == len(result.files) > 0
    return result.notes


@dataclass(frozen=True)
class Outcome:
    """What came of one row."""

    error: BaseException | None
    notes: tuple[str, ...]
    asked: int
    worked: int
    seconds: float


def outcome_of(row: Row, home: Path) -> Outcome:
    target = row.fault.partition("=")[0]
    shapes = {"generate-xl": "links"} if target == "results" else {}
    with Sandbox(
        engine=InstantEngine(), faults=[parse(row.fault)], response_formats=shapes
    ) as sandbox:
        key = Secret(SANDBOX_PREMIUM_KEY)
        profile = Profile("test", sandbox.url, key, row.limits, **row.settings)  # type: ignore[arg-type]
        error, notes = None, ()
        started = time.monotonic()
        try:
            notes = call(row, Client(profile, home=home))
        except Exception as raised:  # noqa: BLE001 - judged by the test
            error = raised
        seconds = time.monotonic() - started
        struck = STRUCK.get(target, f"POST /{target}")
        asked = [line for line in sandbox.requests if line.startswith(struck)]
        return Outcome(error, notes, len(asked), sandbox.executions, seconds)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_every_fault_has_one_outcome_and_is_paid_at_most_once(row: Row, home: Path):
    outcome = outcome_of(row, home)
    assert type(outcome.error) is (row.error or type(None)), outcome.error
    if isinstance(outcome.error, errors.VisionCraftError):
        assert_told_well(outcome.error)
    assert len(outcome.notes) == row.notes
    assert (outcome.asked, outcome.worked) == (row.asked, row.worked)
    assert row.at_least <= outcome.seconds < at_most(row.within)
    assert settled("visioncraft-call")


def assert_told_well(error: errors.VisionCraftError) -> None:
    """Short, without the key, and honest about what may have been charged."""
    text = "".join(traceback.format_exception(error))
    assert SANDBOX_PREMIUM_KEY not in text + repr(error.__dict__)
    assert len(str(error)) < 300
    assert str(error).isprintable()
    if isinstance(error, errors.OutcomeUnknown) and error.phase != "connect":
        assert error.charged in ("maybe", "no")
