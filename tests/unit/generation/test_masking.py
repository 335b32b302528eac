"""No spelling of the key stays in an answer, and what was paid for stays whole."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from support.clients import PATIENT
from support.leaks import leaks
from support.pictures import gradient, moving, png_of, png_with_text
from support.raw_server import answering, raw
from visioncraft.visioncraft_core import Chat, Client, GenerateXL, Profile, Secret, errors
from visioncraft.visioncraft_core.api.fields import Request
from visioncraft.visioncraft_core.generation.masking import masked_response
from visioncraft.visioncraft_core.http.call import Response

KEY = "vc-CANARY-5f3a9/+=key"
SECRET = Secret(KEY)
XL = GenerateXL(prompt="a fox", width=64, height=64)
SAY = Chat(model="openchat-7b", messages=({"role": "user", "content": "a fox"},))


def sent(home: Path, body: bytes, request: Request) -> list[Any]:
    """The results of two runs of `request`, of which the second finds what the first brought."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    with raw(answering(head + body)) as server:
        client = Client(Profile("t", server.url, SECRET, PATIENT), home=home)
        results = [client.send(request) for _ in range(2)]
        assert server.connections == 1
    for path in home.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert not leaks(content, KEY)
        assert b"CANARY" not in content
    return results


def slashed(text: str) -> str:
    return text.replace("/", "\\/")


def in_lines(text: str) -> str:
    return "\\n".join(text[at : at + 76] for at in range(0, len(text), 76))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    "written",
    [
        '{{"images": ["{}"]}}'.format,
        '["data:image/png;base64,{}"]'.format,
        lambda text: f'{{"images": ["{slashed(text)}"], "echo": "{KEY}"}}',
        lambda text: f'{{"image": "{in_lines(text)}"}}',
    ],
)
def test_a_picture_in_a_text_loses_only_the_tag_that_holds_the_key(
    written: Callable[[str], str],
    packed: bool,  # noqa: FBT001
    home: Path,
):
    content = png_with_text(f"token {KEY}", packed=packed)
    body = written(base64.b64encode(content).decode())
    for result in sent(home, body.encode(), XL):
        (file,) = result.files
        assert KEY.encode() not in file.content
        assert (np.asarray(result.images[0]) == gradient()).all()


def test_a_gif_in_a_text_loses_it_too(home: Path):
    frames = [gradient(), np.roll(gradient(), 4, axis=1)]
    content = moving("GIF", frames, 80, comment=KEY.encode())
    body = json.dumps({"images": [base64.b64encode(content).decode()]})
    for result in sent(home, body.encode(), XL):
        assert KEY.encode() not in result.files[0].content


def test_a_picture_whose_pixels_hold_the_key_is_refused_and_not_kept(home: Path):
    content = png_of(gradient())
    at = content.index(b"IDAT") + 4
    content = content[:at] + KEY.encode() * 3 + content[at:]
    body = json.dumps({"images": [base64.b64encode(content).decode()]}).encode()
    with pytest.raises(errors.InvalidResponse):
        sent(home, body, XL)
    assert not any(leaks(path.read_bytes(), KEY) for path in home.rglob("*") if path.is_file())


def numbered(form: str) -> str:
    return "".join(form.format(ord(c)) for c in KEY)


SAID = {
    "plain": KEY,
    "JSON in JSON": json.dumps(json.dumps({"token": KEY})),
    "JSON in JSON in JSON": json.dumps(json.dumps(json.dumps({"token": KEY}))),
    "percent": numbered("%{:02x}"),
    "percent twice": numbered("%25{:02X}"),
    "a part in percent": quote(KEY),
    "HTML": html.escape(KEY),
    "HTML numbers": numbered("&#{};"),
    "HTML numbers with zeros": numbered("&#00{};"),
    "HTML hex": numbered("&#x{:X};"),
    "HTML twice": numbered("&amp;#{};"),
    "a part in HTML": KEY.replace("/", "&#47;").replace("+", "&#x2B;"),
    "unicode": numbered("\\u{:04x}"),
    "a part in unicode": KEY.replace("=", "\\u003d"),
    "unicode twice": numbered("\\\\u{:04X}"),
    "hex escapes": numbered("\\\\x{:02x}"),
    "base64": base64.b64encode(f"token={KEY}".encode()).decode(),
    "in lines": "\\n".join(KEY),
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
@pytest.mark.parametrize("said", SAID.values(), ids=list(SAID))
def test_a_text_with_the_key_in_any_spelling_is_kept_without_it(said: str, encoding: str):
    body = f'{{"message": "Grüße 🦊 ", "note": ["{said}", 1]}}'
    if "JSON" in said or said.startswith('"'):
        body = f'{{"message": "Grüße 🦊 ", "note": [{said}, 1]}}'
    masked = masked_response(Response(200, {}, body.encode(encoding), ""), SECRET).body
    answer = json.loads(masked)
    assert answer["message"] == "Grüße 🦊 "
    assert answer["note"][1] == 1
    assert "***" in answer["note"][0]
    assert not leaks(masked, KEY)
    plain = html.unescape(html.unescape(masked.decode()))
    assert "CANARY" not in plain


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_a_text_in_utf_16_is_delivered_and_stored_without_the_key(encoding: str, home: Path):
    body = json.dumps({"message": f"Grüße 🦊, your key is {KEY}."}, ensure_ascii=False)
    for result in sent(home, body.encode(encoding), SAY):
        assert result.text == "Grüße 🦊, your key is ***."


@pytest.mark.parametrize(
    "body",
    [b'{"images": []}', "Grüße".encode("utf-16"), b"\0\0\0\x1cftypavif" + bytes(range(256)), b""],
)
def test_an_answer_without_it_stays_as_it_is(body: bytes):
    response = Response(200, {}, body, "")
    assert masked_response(response, SECRET) is response


def test_a_link_that_held_the_key_is_not_followed_on_the_next_run_either(home: Path):
    body = json.dumps({"images": [f"http://127.0.0.1:1/{KEY}.png"]}).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    with raw(answering(head + body)) as server:
        client = Client(Profile("t", server.url, SECRET, PATIENT), home=home)
        for _ in range(2):
            with pytest.raises(errors.UnsafeURL, match="contains your key"):
                client.send(XL)
        assert server.connections == 1
