"""A server that writes down all that it passes on, and a graph to send through it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
from PIL import Image
from support.leaks import leaks
from support.raw_server import Talk, raw, read_request
from visioncraft.visioncraft_core.api.sandbox_keys import SANDBOX_PREMIUM_KEY
from visioncraft.visioncraft_core.sandbox import Sandbox

KEY = "vc-CANARY-5f3a9"


@dataclass
class Relay:
    """Two addresses before one sandbox: the API, and another host with its results."""

    url: str
    results: str
    heard: list[bytes] = field(default_factory=list)
    heard_at_results: list[bytes] = field(default_factory=list)

    @property
    def result_host(self) -> str:
        return self.results.partition("://")[2]


@contextmanager
def relay(sandbox: Sandbox, extra_head: bytes = b"") -> Iterator[Relay]:
    """The sandbox with the marked key; `extra_head` stands in every answer of the other host."""

    def forward(request: bytes, head: bytes = b"") -> bytes:
        request = request.replace(KEY.encode(), SANDBOX_PREMIUM_KEY.encode())
        lines = request.partition(b"\r\n\r\n")[0].split(b"\r\n")
        kept = [n for n in lines if not n.lower().startswith((b"host:", b"connection:"))]
        host = sandbox.url.partition("://")[2].encode()
        kept += [b"Host: " + host, b"Connection: close"]
        with socket.create_connection(("127.0.0.1", int(host.rpartition(b":")[2]))) as upstream:
            upstream.sendall(b"\r\n".join(kept) + request[len(b"\r\n".join(lines)) :])
            try:
                answer = b"".join(iter(lambda: upstream.recv(65536), b""))
            except ConnectionError:
                answer = b""
        answer = answer.replace(SANDBOX_PREMIUM_KEY.encode(), KEY.encode())
        answer = answer.replace(sandbox.url.encode(), known.results.encode())
        return answer.replace(b"\r\n", b"\r\n" + head, 1)

    def talk_as(heard: list[bytes], head: bytes = b"") -> Talk:
        def talk(connection: socket.socket) -> None:
            heard.append(read_request(connection))
            connection.sendall(forward(heard[-1], head))
            connection.shutdown(socket.SHUT_WR)

        return talk

    known = Relay("", "")
    with (
        raw(talk_as(known.heard)) as api,
        raw(talk_as(known.heard_at_results, extra_head)) as other,
    ):
        assert len(api.url) == len(other.url) == len(sandbox.url)
        known.url, known.results = api.url, other.url
        yield known


def shown_of(path: Path) -> bytes:
    """A file as it is, and what is packed in it for readers: texts, EXIF and tags."""
    found = [path.read_bytes()]
    if path.suffix in (".png", ".webp", ".gif", ".jpg"):
        with Image.open(path) as image:
            found.append(repr({**image.info, **image.getexif()}).encode())
    elif path.suffix == ".mp4":
        with av.open(str(path)) as container:
            tags = [container.metadata, *(stream.metadata for stream in container.streams)]
            found.append(repr(tags).encode())
    return b"\n".join(found)


def assert_hidden(*contents: bytes | str) -> None:
    for content in contents:
        data = content.encode() if isinstance(content, str) else content
        at = data.lower().find(b"canary")  # also of half a key
        assert at < 0, data[max(0, at - 200) : at + 200]
        assert not leaks(data, KEY)


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


# The nodes that are not in those, small.
def xl_node(**more: Any) -> dict[str, Any]:
    small = {"prompt": "a fox", "model": "sdxl-turbo", "width": 64, "height": 64}
    return node("VisionCraftGenerateXL", **small, **more)


def saved(made_by: str) -> dict[str, Any]:
    return node("SaveImage", images=[made_by, 0], filename_prefix="made")


GRAPH = {
    "1": node("VisionCraftServer", profile="work"),
    "2": xl_node(server=["1", 0]),
    "3": node("VisionCraftImg2Img", image=["2", 0], prompt="a boat"),
    "4": node("VisionCraftUpscale", image=["3", 0]),
    "5": saved("4"),
    "6": node("VisionCraftPremiumLLM", model="gpt-3-5-turbo", message="a fox"),
    "7": node("PreviewAny", source=["6", 0]),
    "8": node(
        "VisionCraftCatalog", catalog="models", filter="", pick="first", number=1, refresh=True
    ),
    "9": node("PreviewAny", source=["8", 0]),
}
