"""What each request makes: the same request asked again gives the next variation of it.

A fresh studio repeats its series byte for byte. Knows no HTTP.
"""

from __future__ import annotations

import io
import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from PIL import Image, ImageOps

from ....api import endpoints as api
from ....api.fields import Request
from ....media.images import LONGEST_SIDE, MOST_PIXELS
from . import chat, motion, pictures

_NO_PICTURE = "is not a picture that can be opened"

SD_SIZE = 512  # Stable Diffusion 1.x; the API has no size fields for it
MOST_CHATS = 1000


@dataclass(frozen=True)
class Work:
    """What one request made: files, or text and the chat it belongs to."""

    files: tuple[bytes, ...] = ()
    text: str = ""
    chat_id: str = ""


class NotAPicture(ValueError):
    """The uploaded file cannot be opened as a picture, or is too large; the text says which."""


class Studio:
    """Makes what requests ask for. Safe to call from several threads."""

    def __init__(self) -> None:
        self._asked: Counter[str] = Counter()
        self._chats: dict[str, list[dict[str, str]]] = {}
        self._begun = 0
        self._lock = threading.Lock()

    def make(self, request: Request) -> Work:
        """Draws or says what `request` asks for. Raises NotAPicture."""
        return MAKERS[type(request)](self, request, self._next_seed(request))

    def _next_seed(self, request: Request) -> int:
        wire = json.dumps([request.path, request.to_json()], sort_keys=True)
        digest = sha256(wire.encode()).hexdigest()
        with self._lock:
            self._asked[digest] += 1
            return _seed(digest, self._asked[digest])

    def _generate(self, request: api.Generate, seed: int) -> Work:
        brief = _brief(request, style=" ".join([request.model, *request.loras]))
        drawn = (
            pictures.compose(brief, width=SD_SIZE, height=SD_SIZE, seed=_seed(seed, number))
            for number in range(request.image_count)
        )
        return Work(tuple(_png(picture) for picture in drawn))

    def _generate_xl(self, request: api.GenerateXL, seed: int) -> Work:
        brief = _brief(request, style=request.model, refined=request.refiner)
        size = {"width": request.width, "height": request.height}
        return Work((_png(pictures.compose(brief, **size, seed=seed)),))

    def _image_to_image(self, request: api.ImageToImage, seed: int) -> Work:
        refined = request.refiner != "no_refiner"
        brief = _brief(request, style=request.scheduler, refined=refined)
        given = _opened(request.image).convert("RGB")
        return Work((_png(pictures.restyle(given, brief, strength=request.strength, seed=seed)),))

    def _upscale(self, request: api.Upscale, _seed: int) -> Work:
        given = _opened(request.image, enlarged=pictures.UPSCALING)
        return Work((_png(pictures.upscale(given)),))

    def _gif(self, request: api.GenerateGif, seed: int) -> Work:
        return Work((motion.gif(_brief(request, style=""), seed=seed),))

    def _video(self, request: api.ImageToVideo, seed: int) -> Work:
        return Work((motion.video(_opened(request.image).convert("RGB"), seed=seed),))

    def _chat(self, request: api.Chat, seed: int) -> Work:
        return Work(text=chat.reply(request.messages, seed=seed))

    def _premium_chat(self, request: api.PremiumChat, seed: int) -> Work:
        with self._lock:
            # Ids count up rather than being drawn, so that a fresh start repeats its series.
            self._begun += 1
            chat_id = request.chat_id or f"chat-{self._begun:06}-{seed % 16**8:08x}"
            turns = self._chats.setdefault(chat_id, [])
            turns.append({"role": "user", "content": request.message})
            text = chat.reply(turns, seed=seed)
            turns.append({"role": "assistant", "content": text})
            while len(self._chats) > MOST_CHATS:
                del self._chats[next(iter(self._chats))]
        return Work(text=text, chat_id=chat_id)


# One line an endpoint; a test holds it complete.
MAKERS: dict[type[Request], Callable[[Studio, Any, int], Work]] = {
    api.Generate: Studio._generate,
    api.GenerateXL: Studio._generate_xl,
    api.ImageToImage: Studio._image_to_image,
    api.Upscale: Studio._upscale,
    api.GenerateGif: Studio._gif,
    api.ImageToVideo: Studio._video,
    api.Chat: Studio._chat,
    api.PremiumChat: Studio._premium_chat,
}


def _seed(*parts: object) -> int:
    return int.from_bytes(sha256(repr(parts).encode()).digest()[:8], "big")


def _brief(request: Request, *, style: str, refined: bool = False) -> pictures.Brief:
    return pictures.Brief(
        prompt=getattr(request, "prompt", ""),
        negative_prompt=getattr(request, "negative_prompt", ""),
        style=style,
        guidance=getattr(request, "cfg_scale", 10) / 20,
        detail=getattr(request, "steps", 25) / 50,
        refined=refined,
    )


def _opened(content: bytes, *, enlarged: int = 1) -> Image.Image:
    """The picture; it must stay within media's limits when it is `enlarged` times as wide."""
    try:
        image = Image.open(io.BytesIO(content), formats=("PNG", "JPEG", "WEBP", "GIF"))
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise NotAPicture("is too large") from None
    except Exception:  # noqa: BLE001 - decoders leak IndexError, SyntaxError, struct.error ...
        raise NotAPicture(_NO_PICTURE) from None
    width, height = image.width * enlarged, image.height * enlarged
    if max(width, height) > LONGEST_SIDE or width * height > MOST_PIXELS:
        raise NotAPicture(f"is too large: {image.width} x {image.height} pixels")
    try:
        image.load()
        return ImageOps.exif_transpose(image) or image
    except Exception:  # noqa: BLE001
        raise NotAPicture(_NO_PICTURE) from None


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
