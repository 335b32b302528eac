"""Whatever lawful form an answer has, it is understood, and paid for once."""

from __future__ import annotations

import base64
import gzip
import json
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.clients import PATIENT
from support.pictures import gradient, png_of
from support.raw_server import answering, raw
from visioncraft.visioncraft_core import Chat, Client, GenerateXL, Profile, Secret
from visioncraft.visioncraft_core.errors import UnknownAnswer

PNG = png_of(gradient(8, 8))
INLINE = base64.b64encode(PNG).decode()
PICTURE = GenerateXL(prompt="a fox")
SAY = Chat(model="openchat-7b", messages=({"role": "user", "content": "a fox"},))

REMARKS: dict[str, Any] = {
    "detail": "Free users can make 5 pictures per 1 second",
    "error": "1 of 4 was filtered",
    "status": "success",
    "seed": 7,
    "score": float("nan"),
    "warnings": ["slow", None],
    "id": "a",
}
FILES = [{"images": [INLINE]}, {"image": INLINE}, {"urls": [f"data:image/png;base64,{INLINE}"]}]
TEXTS = [
    {"choices": [{"message": {"content": "a fox"}}]},
    {"choices": [{"message": {"content": ""}}, {"text": "a fox"}]},
    {"choices": [{"message": {"content": [{"type": "text", "text": "a fox"}]}}]},
    {"choices": [{"message": {"content": "<think>red</think>a fox"}}]},
    {"response": "a fox"},
]
CODINGS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("", bytes),
    ("identity", bytes),
    ("UTF-8", bytes),
    ("gzip", gzip.compress),
    ("GZip", lambda body: gzip.compress(body[:9]) + gzip.compress(body[9:])),
    ("deflate", zlib.compress),
    ("gzip, gzip", lambda body: gzip.compress(gzip.compress(body))),
]
INTERIM = [b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"]
TYPES = ["application/json", "text/html", "multipart/mixed; boundary=x", "nonsense", ""]

bodies = st.one_of(
    st.just((PICTURE, PNG)),
    *(
        st.builds(
            lambda request, made, names: (request, {**made, **{n: REMARKS[n] for n in names}}),
            st.just(request),
            st.sampled_from(forms),
            st.lists(st.sampled_from(sorted(REMARKS)), unique=True, max_size=4),
        )
        for request, forms in ((PICTURE, FILES), (SAY, TEXTS))
    ),
)


def chunked(body: bytes) -> bytes:
    pieces = [body[at : at + 50] for at in range(0, len(body), 50)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (*pieces, b""))


def assert_understood_and_paid_once(
    asked: tuple[Any, Any], coding: int, kind: str, interim: bytes, status: int, *, pieces: bool
) -> None:
    request, made = asked
    name, encode = CODINGS[coding]
    body = encode(made if isinstance(made, bytes) else json.dumps(made).encode())
    head = [f"HTTP/1.1 {status} X", f"Content-Type: {kind}", f"Content-Encoding: {name}"]
    head += ["Transfer-Encoding: chunked" if pieces else f"Content-Length: {len(body)}"]
    answer = "\r\n".join([*head, "", ""]).encode() + (chunked(body) if pieces else body)
    with tempfile.TemporaryDirectory() as home, raw(answering(interim + answer)) as server:
        profile = Profile("t", server.url, Secret("vc-0123456789"), PATIENT)
        results = []
        for _ in range(2):
            with Client(profile, home=Path(home)) as client:
                results.append(client.send(request))
        assert server.connections == 1
    for result in results:
        assert [file.content for file in result.files] == ([PNG] if request is PICTURE else [])
        assert result.text == ("a fox" if request is SAY else "")


lawful = given(
    asked=bodies,
    coding=st.integers(0, len(CODINGS) - 1),
    kind=st.sampled_from(TYPES),
    interim=st.sampled_from(INTERIM),
    status=st.sampled_from([200, 201, 202, 203, 299]),
    pieces=st.booleans(),
)


@lawful
def test_a_lawful_answer_is_understood_and_paid_once(**given_: Any):
    assert_understood_and_paid_once(**given_)


@pytest.mark.soak
@settings(max_examples=2000)
@lawful
def test_two_thousand_lawful_answers(**given_: Any):
    assert_understood_and_paid_once(**given_)


def test_an_answer_that_is_too_large_to_read_is_kept_and_paid_once(home: Path):
    body = b'{"a":[' + b"1," * 2_700_000 + b"1]}"
    head = (
        f"HTTP/1.1 200 X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with raw(answering(head.encode() + body)) as server:
        profile = Profile("t", server.url, Secret("vc-0123456789"), PATIENT)
        for _ in range(2):
            with Client(profile, home=home) as client, pytest.raises(UnknownAnswer):
                client.send(PICTURE)
        assert server.connections == 1
