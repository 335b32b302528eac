"""What a server wrote about a request into a file does not stay in it."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from urllib.parse import quote

import av
import pytest
from PIL import Image
from support.clients import PATIENT
from support.pictures import gradient, png_with_text
from support.raw_server import answering, raw
from visioncraft.visioncraft_core import Client, GenerateXL, Profile, Secret
from visioncraft.visioncraft_core.media.animations import decode_animation
from visioncraft.visioncraft_core.media.images import sniff
from visioncraft.visioncraft_core.media.integrity import check_integrity
from visioncraft.visioncraft_core.media.metadata import masked_metadata

KEY = "vc-CANARY-5f3a9/+=key"
SECRET = Secret(KEY)


def saved(kind: str, text: str) -> bytes:
    buffer = io.BytesIO()
    options = {"comment": text.encode()} if kind in ("GIF", "JPEG") else {}
    if kind == "WEBP":
        exif = Image.Exif()
        exif[0x010F] = text
        options = {"exif": exif.tobytes()}  # type: ignore[dict-item]
    Image.fromarray(gradient()).save(buffer, kind, **options)
    return buffer.getvalue()


def film(text: str) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        container.metadata["comment"] = text
        stream = container.add_stream("libx264", rate=8)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        picture = av.VideoFrame.from_ndarray(gradient(32, 32), format="rgb24")
        for packet in (*stream.encode(picture), *stream.encode()):
            container.mux(packet)
    return buffer.getvalue()


SPELLINGS = [KEY, quote(KEY, safe=""), base64.b64encode(KEY.encode()).decode(), KEY.encode().hex()]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_key_is_taken_out_of_every_kind_of_file_and_the_picture_stays(spelling: str):
    text = f'{{"token": "{spelling}", "prompt": "a fox"}}'
    for content in (
        png_with_text(text, packed=False),
        png_with_text(text, packed=True),
        *(saved(kind, text) for kind in ("GIF", "JPEG", "WEBP")),
        film(text),
    ):
        kind = sniff(content)
        assert kind
        clean = masked_metadata(content, kind, SECRET.overwrite)
        assert clean != content
        assert spelling.encode() not in clean
        check_integrity(clean, kind)
        before, after = decode_animation(content), decode_animation(clean)
        assert (before.frames == after.frames).all()


def test_a_file_without_it_is_left_as_it_is():
    for content in (png_with_text("fine", packed=False), saved("GIF", "fine"), film("fine")):
        kind = sniff(content)
        assert kind
        assert masked_metadata(content, kind, SECRET.overwrite) is content


def test_neither_the_result_nor_the_store_holds_the_key(home: Path):
    content = png_with_text(KEY, packed=False)
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(content)}\r\n\r\n"
    with raw(answering(head.encode() + content)) as server:
        client = Client(Profile("t", server.url, SECRET, PATIENT), home=home)
        (file,) = client.send(GenerateXL(prompt="a fox")).files
    assert KEY.encode() not in file.content
    stored = [path.read_bytes() for path in home.rglob("*") if path.is_file()]
    assert stored
    assert not [each for each in stored if KEY.encode() in each]
