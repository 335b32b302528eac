"""The public client of the service, VisionCraftAPI 1.0.0, unchanged with a server of one's own."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Coroutine, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image
from support.instant_engine import InstantEngine, tiny_picture
from visioncraft.visioncraft_core.api.fields import Request

pytestmark = pytest.mark.engines

try:
    FOUND = version("VisionCraftAPI")
except PackageNotFoundError:
    FOUND = ""
if FOUND != "1.0.0":
    pytest.skip(
        "the public client is tried with pip install VisionCraftAPI==1.0.0", allow_module_level=True
    )
client_library = pytest.importorskip("VisionCraftAPI")
mistakes = pytest.importorskip("VisionCraftAPI.exceptions")
pytest.importorskip("sqlalchemy", reason='a server of one\'s own needs "visioncraft[serve]"')

from support.own_servers import PAINTED, Served, served  # noqa: E402 - it needs sqlalchemy

SAID = [{"role": "user", "content": "Describe a fox."}]
WORDS = "a red fox in the snow"


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path, PAINTED, engine=InstantEngine(), premium=True) as running:
        yield running


def client(own: Served, key: str = "") -> Any:
    made = client_library.VisionCraftClient(api_key=key or own.key)
    made.API_HOST = own.url
    return made


def done(call: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(call)


def test_all_its_lists_are_answered(own: Served):
    asked = client(own)
    names = ("models", "xl_models", "llm_models", "samplers", "xl_samplers", "loras")
    for name in (*names, "i2i_schedulers", "i2i_refiners"):
        assert all(isinstance(each, str) for each in done(getattr(asked, f"get_{name}")()))


def test_it_gets_files_links_and_words_as_the_service_gave_them(own: Served):
    asked = client(own)
    models, samplers = done(asked.get_models()), done(asked.get_samplers())
    pictures = done(asked.generate_image(WORDS, models[0], samplers[0], image_count=2))
    assert [_size(requests.get(link, timeout=20).content) for link in pictures] == [(32, 24)] * 2
    models, samplers = done(asked.get_xl_models()), done(asked.get_xl_samplers())
    assert _size(done(asked.generate_xl_image(WORDS, models[0], samplers[0]))) == (32, 24)
    scheduler, refiner = done(asked.get_i2i_schedulers())[0], done(asked.get_i2i_refiners())[0]
    redrawn = asked.image2image(tiny_picture(), WORDS, scheduler, refiner)
    assert _size(done(redrawn)) == (32, 24)
    # It is of a later month, when this one gave the file; it sends just what others send, with
    # Accept: */*, so that a server cannot know what is meant.
    (link,) = done(asked.image_upscaling(tiny_picture()))["images"]
    assert _size(requests.get(link, timeout=20).content) == (32, 24)
    moving = requests.get(done(asked.generate_gif(WORDS, samplers[0])), timeout=20)
    assert moving.content.startswith(b"GIF8")
    answer = done(asked.llm_chatting(done(asked.get_llm_models())[0], SAID))
    assert (answer.role, answer.content) == ("assistant", WORDS)


def test_it_understands_what_it_may_not_do(own: Served):
    asked = client(own)
    with pytest.raises(mistakes.InvalidAPIKey):
        done(client(own, "not-a-key").llm_chatting("mistral-7b-instruct", SAID))
    with pytest.raises(mistakes.InvalidParam, match="valid model"):
        done(asked.llm_chatting("nobody-knows-it", SAID))
    with pytest.raises(mistakes.InvalidParam):
        done(asked.generate_xl_image(WORDS, "sdxl-base", "Euler", width=-1))
    with pytest.raises(mistakes.EndpointNotFound):
        done(asked.generate_dalle_image(WORDS))


def test_it_learns_when_it_may_come_again(tmp_path: Path):
    with served(tmp_path, PAINTED, engine=InstantEngine(), limits={"per_minute": 1}) as own:
        asked = client(own).llm_chatting
        assert done(asked("mistral-7b-instruct", SAID)).content == WORDS
        with pytest.raises(mistakes.RateLimitExceeded) as caught:
            done(asked("mistral-7b-instruct", SAID))
    assert caught.value.retry_after == 60


class OnlyPictures(InstantEngine):
    def serves(self, request: Request) -> bool:
        return request.output == "images"


def test_it_tells_what_a_server_does_not_make(tmp_path: Path):
    with served(tmp_path, PAINTED, engine=OnlyPictures()) as own:
        asked = client(own).llm_chatting("mistral-7b-instruct", SAID)
        with pytest.raises(mistakes.HTTPError, match="does not offer /llm"):
            done(asked)


def _size(content: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(content)) as image:
        return image.size
