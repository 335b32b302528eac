"""Each fault puts on the wire what its name says, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import base64
import gzip
import io
import json
import logging
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support.pictures import gradient, png_of
from support.timing import HANG, at_most, eventually
from visioncraft.visioncraft_core.api.endpoints import CATALOGS
from visioncraft.visioncraft_core.api.fields import ImageField
from visioncraft.visioncraft_core.errors import ConfigError
from visioncraft.visioncraft_core.sandbox import Sandbox
from visioncraft.visioncraft_core.service.faults.rules import FAULTS, TARGETS, described, parse

UPSCALE = {"token": "sandbox-free", "image": ImageField().to_json(png_of(gradient(4, 3)))}
ENOUGH = 2 * 2**20  # bytes of an answer that may have no end


@pytest.fixture(scope="module")
def faulty() -> Iterator[Sandbox]:
    with Sandbox(inject=True) as sandbox:
        yield sandbox


class RawConnection(NamedTuple):
    """What came over the wire, and how it ended: fin, rst or open."""

    raw: bytes
    end: str

    @property
    def head(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[0]

    @property
    def body(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[2]

    @property
    def status(self) -> int:
        return int(self.raw.split(b" ")[1])

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        lines = (line.partition(b":") for line in self.head.split(b"\r\n")[1:])
        found = [value.strip().decode() for key, _, value in lines if key.decode() == name]
        return found[-1] if found else None

    def announced(self) -> int:
        return int(self.header("Content-Length") or -1)


def ask(
    sandbox: Sandbox, fault: str, path: str = "/upscale", seconds: float = 0.6
) -> RawConnection:
    """One request with `fault` in its header; reads `seconds` long or until the connection ends."""
    host, _, port = sandbox.url.removeprefix("http://").partition(":")
    body = b"" if path.startswith("/results") else json.dumps(UPSCALE).encode()
    lines = [
        f"{'POST' if body else 'GET'} {path} HTTP/1.1",
        f"Host: {host}:{port}",
        "Connection: close",
        f"X-Sandbox-Fault: {fault}",
        f"Content-Length: {len(body)}",
    ]
    raw, end = b"", "open"
    until = time.monotonic() + (seconds if fault in OPEN else HANG)
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        try:
            connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
            while len(raw) < ENOUGH * 10 and (left := until - time.monotonic()) > 0:
                connection.settimeout(left)
                piece = connection.recv(1 << 20)
                if not piece:
                    end = "fin"
                    break
                raw += piece
                if fault in ENDLESS and len(raw) > ENOUGH:
                    break
        except ConnectionResetError:
            end = "rst"
        except TimeoutError:
            pass
    return RawConnection(raw, end)


def plain(wire: RawConnection) -> bool:
    """A whole answer of the real upscaling: one link."""
    return wire.json["images"][0].startswith("http://127.0.0.1:")


def told(expected: Any) -> Callable[[RawConnection], bool]:
    return lambda wire: wire.status == 200 and wire.json == expected


def gone(status: int, location: str) -> Callable[[RawConnection], bool]:
    return lambda wire: (wire.status, wire.header("Location")) == (status, location)


def chunks(wire: RawConnection) -> bool:
    return wire.header("Transfer-Encoding") == "chunked"


def page(status: int, title: str) -> Callable[[RawConnection], bool]:
    return lambda wire: (
        wire.status == status
        and f"<title>{title}" in wire.body.decode()
        and (wire.header("Content-Type") or "").startswith("text/html")
    )


def inflated(packed: bytes, most: int) -> int:
    inflater = zlib.decompressobj(31)
    return len(inflater.decompress(packed, most))


def complete(packed: bytes) -> bool:
    inflater = zlib.decompressobj(31)
    inflater.decompress(packed)
    return inflater.eof


def picture_of(content: bytes) -> str:
    if b"IEND" not in content[-8:]:
        return "cut off"
    try:
        Image.open(io.BytesIO(content)).load()
    except OSError:
        return "garbled"
    return "good"


LIMITED = b"Free users can send 1 request per 30 seconds."
HALF_FILE = 2048
OPEN = {
    *("hang", "hang-headers", "hang-body", "drip-headers", "drip-body", "continue"),
    *("chunk-drip", "trailer-drip", "slow-close"),
}
ENDLESS = {"endless", "500-endless", "redirect-endless"}
RST = {"reset", "early-reset", "reset-body"}

# Statuses whose body is JSON and whose argument is sent as Retry-After are tested below as one.
WHAT: dict[str, Callable[[RawConnection], Any]] = {
    "403": lambda w: w.status == 403 and LIMITED in w.body,
    "403-key": lambda w: w.status == 403 and w.json == {"detail": "Invalid API key."},
    "limited-200": lambda w: w.status == 200 and LIMITED in w.body,
    "limited-400": lambda w: w.status == 400 and LIMITED in w.body,
    "502": page(502, "502 Bad Gateway"),
    "503": page(503, "Application error"),
    "504": page(504, "504"),
    "520": page(520, "520"),
    "526": page(526, "526"),
    "500-html": page(500, "500"),
    "500-empty": lambda w: w.status == 500 and not w.body,
    "500-endless": lambda w: w.status == 500 and chunks(w) and len(w.raw) > ENOUGH,
    "204": lambda w: w.status == 204 and not w.body,
    "304": lambda w: w.status == 304 and not w.body,
    "199": lambda w: w.status == 199 and not w.body,
    "hang": lambda w: w.raw == b"",
    "hang-headers": lambda w: w.raw.startswith(b"HTTP/1.1 200 OK\r\n") and b"\r\n\r\n" not in w.raw,
    "hang-body": lambda w: w.announced() == 4096 and len(w.body) == HALF_FILE,
    "drip-headers": lambda w: w.raw.endswith((b"X-Drip: xx", b"X-Drip: xxx")),
    "drip-body": lambda w: w.announced() == 10**6 and len(w.body) in (2, 3),
    "continue": lambda w: w.raw.count(b"HTTP/1.1 100 Continue\r\n\r\n") * 25 == len(w.raw) > 75,
    "reset": lambda w: w.raw == b"",
    "close": lambda w: w.raw == b"",
    "early-reset": lambda w: w.raw == b"",
    "reset-body": lambda w: w.announced() == 4096 and len(w.body) == HALF_FILE,
    "truncate": lambda w: w.announced() > len(w.body) == 8,
    "cut-status": lambda w: w.raw == b"HTTP/1.1 2",
    "cut-headers": lambda w: w.raw.startswith(b"HTTP/1.1 200") and not w.raw.endswith(b"\n"),
    "banner": lambda w: w.raw == b"SSH-2.0-OpenSSH_9.6\r\n",
    "http2": lambda w: w.raw[3:5] == b"\x04\0" and len(w.raw) == 9,
    "many-headers": lambda w: w.head.count(b"\r\n") > 150,
    "long-header": lambda w: max(map(len, w.head.split(b"\r\n"))) > 70_000,
    "bad-header": lambda w: any(b":" not in line for line in w.head.split(b"\r\n")[1:]),
    "chunk-cut": lambda w: chunks(w) and w.body == b"2\r\n{}\r\n",
    "chunk-bad": lambda w: chunks(w) and w.body.startswith(b"zz\r\n"),
    "chunk-huge": lambda w: chunks(w) and int(w.body.split(b"\r\n")[0], 16) == 2**63,
    "chunk-drip": lambda w: chunks(w) and w.body.startswith(b"2;x") and b"\r" not in w.body,
    "trailer-drip": lambda w: chunks(w) and b"\r\n0\r\nX-Drip: x" in w.body,
    "length-twice": lambda w: w.head.count(b"Content-Length") == 2,
    "length-negative": lambda w: w.announced() == -5,
    "length-text": lambda w: w.header("Content-Length") == "many",
    "length-huge": lambda w: w.announced() == 10**18,
    "length-long": lambda w: len(w.body) > w.announced() and json.loads(w.body[: w.announced()]),
    "length-both": lambda w: chunks(w) and w.announced() == 7 and b'{"images"' in w.body,
    "no-length": lambda w: w.header("Content-Length") is None and not chunks(w) and plain(w),
    "no-length-cut": lambda w: w.body.startswith(b'{"images"') and not w.body.endswith(b"}"),
    "endless": lambda w: w.announced() == -1 and not chunks(w) and len(w.raw) > ENOUGH,
    "slices": plain,
    "slow": plain,
    "slow-close": lambda w: len(w.body) == w.announced() and plain(w),
    "short": lambda w: w.announced() == len(w.body) + 1 and plain(w),
    "gzip": lambda w: (
        w.header("Content-Encoding") == "gzip" and gzip.decompress(w.body)[:1] == b"{"
    ),
    "gzip-bomb": lambda w: (
        w.header("Content-Encoding") == "gzip"
        and len(w.body) < 2 * 2**20
        and inflated(w.body, 64 * 2**20) == 64 * 2**20
    ),
    "gzip-cut": lambda w: w.body[:2] == b"\x1f\x8b" and not complete(w.body),
    "gzip-lie": lambda w: w.header("Content-Encoding") == "gzip" and plain(w),
    "gzip-nested": lambda w: (
        w.header("Content-Encoding") == "gzip, gzip, gzip, gzip"
        and gzip.decompress(gzip.decompress(gzip.decompress(gzip.decompress(w.body))))[:1] == b"{"
    ),
    "rot13": lambda w: w.header("Content-Encoding") == "rot13",
    "br": lambda w: w.header("Content-Encoding") == "br",
    "html": page(200, "Maintenance"),
    "empty": lambda w: w.status == 200 and w.body == b"",
    "null": told(None),
    "string": lambda w: isinstance(w.json, str),
    "list": told([]),
    "object": told({}),
    "error-200": lambda w: w.status == 200 and isinstance(w.json["error"], str),
    "detail-200": lambda w: w.status == 200 and isinstance(w.json["detail"], str),
    "message-200": lambda w: w.status == 200 and w.json["error"]["message"],
    "codes-200": lambda w: w.status == 200 and w.json[0]["message"],
    "echo": lambda w: w.status == 422 and b"sandbox-free" in w.body,
    "echo-200": lambda w: w.status == 200 and "sandbox-free" in w.json["error"],
    "surrogate": lambda w: w.status == 400 and "\ud800\0\u202e\x1b[31m" in w.json["detail"],
    "images-empty": told({"images": []}),
    "images-numbers": lambda w: not any(isinstance(entry, str) for entry in w.json["images"]),
    "images-nested": lambda w: isinstance(w.json["images"][0], list),
    "images-text": lambda w: isinstance(w.json["images"], str),
    "images-object": lambda w: isinstance(w.json["images"], dict),
    "images-million": lambda w: len(w.json["images"]) == 10**6,
    "dead-link": lambda w: requests.get(w.json["images"][0], timeout=60).status_code == 404,
    "one-dead": lambda w: requests.get(w.json["images"][-1], timeout=60).status_code == 404,
    "one-null": told({"images": [None]}),
    "one-cut": lambda w: picture_of(base64.b64decode(w.json["images"][-1])) == "cut off",
    "one-garbled": lambda w: picture_of(base64.b64decode(w.json["images"][-1])) == "garbled",
    "garbled-video": plain,
    "garbled": lambda w: picture_of(w.body) == "garbled",
    "link": told({"images": [""]}),
    "fewer": told({"images": []}),
    "more": lambda w: len(w.json["images"]) == 3 and len(set(w.json["images"])) == 1,
    "wrong-type": lambda w: w.header("Content-Type") == "text/html" and plain(w),
    "untyped": lambda w: w.header("Content-Type") is None and plain(w),
    "picture-bomb": lambda w: w.body[16:24] == (50_000).to_bytes(4, "big") * 2,
    "null-job": told({"job_id": None}),
    "endless-job": lambda w: isinstance(w.json["job_id"], str),
    "no-choices": told({"choices": []}),
    "null-content": lambda w: w.json["choices"][0]["message"]["content"] is None,
    "sse": lambda w: w.body.startswith(b"data: {") and w.body.endswith(b"data: [DONE]\n\n"),
    "sse-cut": lambda w: b"text/event-stream" in w.head and not w.body.endswith(b"0\r\n\r\n"),
    "json-cut": lambda w: w.body == b'{"images": ["http',
    "json-deep": lambda w: w.body == b"[" * 100_000,
    "json-int": lambda w: len(w.body) == 5000 and w.body.isdigit(),
    "json-inf": lambda w: b"1e999" in w.body,
    "json-nan": lambda w: b"NaN" in w.body,
    "json-bom": lambda w: w.body.startswith(b'\xef\xbb\xbf{"images"'),
    "json-utf16": lambda w: w.body.decode("utf-16").startswith('{"images"'),
    "json-two": lambda w: w.body.count(b"}{") == 1,
    "json-heavy": lambda w: len(w.body) > 15 * 2**20 and w.body[:7] == b"[[],[],",
    "redirect": gone(302, "/upscale"),
    "redirect-loop": gone(302, "/upscale"),
    **{f"redirect-{code}": gone(code, "/upscale") for code in (301, 303, 307, 308)},
    "redirect-bomb": lambda w: w.status == 302 and inflated(w.body, 10**7) == 10**7,
    "redirect-endless": lambda w: w.status == 302 and chunks(w) and len(w.raw) > ENOUGH,
    "redirect-nowhere": gone(302, None),  # type: ignore[arg-type]
    "redirect-bad": gone(302, "http://[::bad/"),
    "redirect-long": lambda w: len(w.header("Location") or "") > 65_000,
    "hops": gone(302, "/upscale?hop=1"),
}
JSON_STATUSES = [name for name in FAULTS if name.isdigit() and name not in WHAT]


@pytest.mark.parametrize("fault", [*WHAT, *JSON_STATUSES])
def test_a_fault_puts_on_the_wire_what_it_says(fault: str, faulty: Sandbox):
    wire = ask(faulty, fault)
    if fault in JSON_STATUSES:
        assert wire.status == int(fault)
        assert set(wire.json) <= {"detail", "error"}
    else:
        assert WHAT[fault](wire), wire.raw[:500]
    ends = {**dict.fromkeys(OPEN | ENDLESS, "open"), **dict.fromkeys(RST, "rst")}
    assert wire.end == ends.get(fault, "fin")


def test_every_fault_is_tried():
    assert set(FAULTS) == {*WHAT, *JSON_STATUSES}


@pytest.mark.parametrize("status", [name for name in FAULTS if name.isdigit()])
def test_the_argument_of_a_status_is_sent_as_retry_after(status: str, faulty: Sandbox):
    for arg in ("2", "1.5", "Wed, 21 Oct 2015 07:28:00 GMT", "", "٣", "9" * 400):
        wire = ask(faulty, f"{status}:{arg}")
        assert (wire.status, wire.header("Retry-After")) == (int(status), arg)
    if status == "503":
        assert wire.json
    assert ask(faulty, status).header("Retry-After") is None


def test_arguments_choose_address_speed_and_number(faulty: Sandbox):
    assert ask(faulty, "link:http://a.test:8/b").json == {"images": ["http://a.test:8/b"]}
    assert ask(faulty, "redirect-307:http://a.test/?b=c").header("Location") == "http://a.test/?b=c"
    began = time.monotonic()
    assert plain(ask(faulty, "slow:200"))
    assert 0.2 < time.monotonic() - began < at_most(3)


def test_faults_strike_downloads_and_real_files_come_through():
    with Sandbox(faults=[parse("results=hops:3"), parse("upscale=slices")]) as sandbox:
        link = requests.post(sandbox.url + "/upscale", json=UPSCALE, timeout=60).json()["images"][0]
        answer = requests.get(link, timeout=60)
    assert [hop.status_code for hop in answer.history] == [302, 302, 302]
    assert answer.content.startswith(b"\x89PNG")


def test_an_endless_job_is_never_done(faulty: Sandbox):
    job = ask(faulty, "endless-job").json
    for _ in range(4):
        answer = requests.post(faulty.url + "/job-status", json=job, timeout=60)
        assert answer.json() == {"status": "generating", "image": ""}


def test_a_real_refusal_stays_one_whatever_strikes(faulty: Sandbox):
    header = {"X-Sandbox-Fault": "gzip"}
    answer = requests.post(faulty.url + "/upscale", json={}, headers=header, timeout=60)
    assert (answer.status_code, answer.json()["detail"][0]["type"]) == (422, "missing")


def test_a_fault_ends_after_its_number_and_strikes_its_target_only():
    with Sandbox(faults=[parse("llm=500*2"), parse("lists=404*1")]) as sandbox:
        tried = [requests.post(sandbox.url + "/llm", json={}, timeout=60) for _ in range(3)]
        assert [answer.status_code for answer in tried] == [500, 500, 422]
        lists = [requests.get(sandbox.url + "/models", timeout=60) for _ in range(2)]
        assert [answer.status_code for answer in lists] == [404, 200]
        assert requests.post(sandbox.url + "/upscale", json={}, timeout=60).status_code == 422


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_can_be_struck(target: str):
    paths = {"results": "results/x", "lists": next(iter(CATALOGS)), "*": "results/x"}
    with Sandbox(faults=[parse(f"{target}=418")]) as sandbox:
        url = f"{sandbox.url}/{paths.get(target, target)}"
        assert requests.post(url, json={}, timeout=60).status_code == 418


def test_without_the_flag_the_header_does_nothing_and_there_is_no_log():
    with Sandbox() as sandbox:
        header = {"X-Sandbox-Fault": "418"}
        assert requests.get(sandbox.url + "/models", headers=header, timeout=60).status_code == 200
        assert requests.get(sandbox.url + "/__log", timeout=60).status_code == 404


def test_the_header_refuses_what_it_does_not_know(faulty: Sandbox):
    for fault in ("nonsense", "hang:3", "slow:fast", "", "\xff"):
        assert ask(faulty, fault).status == 400


def test_the_log_tells_requests_and_executions():
    with Sandbox(inject=True, faults=[parse("models=500")]) as sandbox:
        requests.get(sandbox.url + "/models", timeout=60)
        requests.post(sandbox.url + "/upscale", json=UPSCALE, timeout=60)
        log = requests.get(sandbox.url + "/__log", timeout=60).json()
        assert log == {"requests": ["GET /models", "POST /upscale"], "executions": 1}


NOT_WORKED_ON = {
    *("400", "401", "402", "403", "404", "405", "408", "409", "413", "415", "418", "422", "425"),
    *("429", "304", "403-key", "limited-200", "limited-400", "early-reset", "echo", "surrogate"),
    *(name for name in FAULTS if name.startswith("redirect")),
    "hops",
}


@pytest.mark.parametrize("fault", [*FAULTS, "503:1", "500:1", "hops:1"])
def test_executions_count_what_was_worked_on(fault: str):
    with Sandbox(inject=True) as sandbox:
        ask(sandbox, fault, seconds=0.15)
        expected = 0 if fault in NOT_WORKED_ON or fault in ("503:1", "hops:1") else 1
        assert sandbox.executions == expected


def test_refusals_and_lists_are_no_executions(sandbox: Sandbox):
    broken = {**UPSCALE, "image": "AAAA"}
    for body in ({}, {**UPSCALE, "token": "x"}, broken):
        requests.post(sandbox.url + "/upscale", json=body, timeout=60)
    requests.get(sandbox.url + "/models", timeout=60)
    assert sandbox.executions == 0


@pytest.mark.parametrize("fault", sorted(OPEN | ENDLESS | {"slow", "slices"}))
def test_no_fault_outlives_its_client_or_the_sandbox(fault: str, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.DEBUG), Sandbox(inject=True) as sandbox:
        loop: Any = sandbox._loop
        ask(sandbox, fault, seconds=0.1)
        assert eventually(lambda: len(_tasks(loop)) == 1), "only the server itself"
        waiting = threading.Thread(target=ask, args=(sandbox, fault), daemon=True)
        waiting.start()
        assert eventually(lambda: len(sandbox.requests) == 2)
        began = time.monotonic()
    assert time.monotonic() - began < at_most(2)
    waiting.join()
    assert [r for r in caplog.records if r.levelno > logging.DEBUG] == []


def _tasks(loop: Any) -> set[Any]:
    return {task for task in asyncio.all_tasks(loop) if not task.done()}


@given(
    st.text()
    | st.builds(
        "{}={}:{}*{}".format,
        st.sampled_from(TARGETS),
        st.sampled_from([*FAULTS]),
        st.text(),
        st.text() | st.integers(),
    )
)
def test_any_text_is_a_rule_or_a_config_error(text: str):
    try:
        rule = parse(text)
    except ConfigError as error:
        assert "targets are" in str(error) or "lists the faults" in str(error)
    else:
        assert rule.target in TARGETS
        assert rule.fault in FAULTS.values()


@pytest.mark.parametrize(
    ("spec", "arg", "left"),
    [
        ("llm=429:2*3", "2", 3),
        ("llm=429:2**3", "2*", 3),
        ("llm=429:*", "*", None),
        ("llm=429:a*b", "a*b", None),
        ("llm=429:*3", "", 3),
        ("/llm/=429", None, None),
        ("results=redirect:http://[::1]:8/a=b", "http://[::1]:8/a=b", None),
    ],
)
def test_the_number_stands_behind_the_last_star(spec: str, arg: str | None, left: int | None):
    rule = parse(spec)
    assert (rule.arg, rule.left) == (arg, left)


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ("", "targets are"),
        ("503", "targets are"),
        ("modells=503", "targets are"),
        ("/=503", "targets are"),
        ("llm=", "lists the faults"),
        ("llm=nonsense", "lists the faults"),
        ("llm=503*many", "lists the faults"),
        ("llm=trunkate", "such as truncate"),
        ("llm=hang:3", "lists the faults"),
        ("llm=slow:0", "lists the faults"),
        ("llm=429:a\nb", "lists the faults"),
    ],
)
def test_a_fault_that_is_not_understood_tells_what_there_is(spec: str, complaint: str):
    with pytest.raises(ConfigError, match=complaint):
        parse(spec)


def test_the_help_names_every_target_and_fault():
    words = {word.partition("[")[0].strip(",") for word in described().split()}
    assert {*TARGETS, *FAULTS} <= words
