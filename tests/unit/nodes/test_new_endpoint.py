"""What a new endpoint takes: one request class and one node class. This one has two pictures."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from support.hosts import Host, picture, run
from support.instant_engine import InstantEngine
from support.pictures import png_of
from visioncraft.nodes import comfy
from visioncraft.nodes.image import ImageNode
from visioncraft.visioncraft_core import errors
from visioncraft.visioncraft_core.api.fields import (
    ImageField,
    NumberField,
    Request,
    TextField,
    field,
)
from visioncraft.visioncraft_core.media.images import decode
from visioncraft.visioncraft_core.sandbox import Sandbox
from visioncraft.visioncraft_core.service.engine import Job, Output


@dataclass(frozen=True, kw_only=True)
class InpaintRequest(Request):
    """Redraws the masked part of a picture."""

    path = "/inpaint"
    id = "VisionCraftInpaint"
    title = "Inpaint"
    output = "images"
    answer_form = "bytes"

    prompt: str = field(TextField(multiline=True), "What the masked part should show.")
    image: bytes = field(ImageField(), "The picture to redraw.")
    mask: bytes = field(ImageField(), "White where the picture is redrawn.")
    strength: float = field(NumberField(0.0, 1.0), "How much is redrawn.", default=0.8)


class Inpaint(ImageNode):
    REQUEST = InpaintRequest


class Inpainter(InstantEngine):
    """Inverts what the mask shows white."""

    def __init__(self) -> None:
        self.asked: list[InpaintRequest] = []

    async def generate(self, request: Any, job: Job) -> Output:
        self.asked.append(request)
        given, mask = decode(request.image).rgb, decode(request.mask).rgb
        return Output((png_of(np.where(mask > 127, 255 - given, given)),))


@contextmanager
def service() -> Iterator[list[InpaintRequest]]:
    """A server of /inpaint, and what it was asked."""
    engine = Inpainter()
    with Sandbox(engine=engine, endpoints=[InpaintRequest]) as sandbox:
        comfy.use(Host(sandbox.url))
        yield engine.asked


def masks(*sides: str) -> torch.Tensor:
    """Masks as IMAGE, white on the left or the right half."""
    batch = torch.zeros(len(sides), *picture().shape[1:])
    for mask, side in zip(batch, sides, strict=True):
        mask[:, slice(0, 32) if side == "left" else slice(32, 64)] = 1.0
    return batch


def pictures(count: int) -> torch.Tensor:
    return torch.cat([picture() * (turn + 1) / count for turn in range(count)])


def expected(images: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    return torch.where(masks > 0.5, 1.0 - images, images)


def test_the_node_has_both_pictures_and_checks_its_prompt():
    declared: Any = Inpaint.INPUT_TYPES()
    types = {name: type_name for name, (type_name, _) in declared["required"].items()}
    assert types == {"prompt": "STRING", "image": "IMAGE", "mask": "IMAGE"}
    assert list(declared["optional"]) == ["strength", "server", "seed"]
    assert (Inpaint.ID, Inpaint.TITLE) == ("VisionCraftInpaint", "Inpaint")
    assert Inpaint.DESCRIPTION == "Redraws the masked part of a picture."
    judged: Any = Inpaint.VALIDATE_INPUTS
    assert inspect.getfullargspec(judged).args == ["cls", "prompt"]


@pytest.mark.parametrize("given", [masks("left"), masks("left", "right", "left")])
def test_each_picture_of_a_batch_goes_with_the_only_mask_or_with_its_own(given: torch.Tensor):
    with service() as asked:
        images, _, info = run(
            Inpaint, prompt="a red fox", image=pictures(3), mask=given, strength=0.5
        )
    assert len(asked) == 3
    assert {(request.prompt, request.strength) for request in asked} == {("a red fox", 0.5)}
    assert float((images - expected(pictures(3), given)).abs().max()) < 0.01
    assert set(json.loads(info)["request"]) == {"path", "prompt", "strength"}


def test_one_picture_goes_with_each_mask_of_a_batch():
    given = masks("left", "right")
    with service() as asked:
        images, _, _ = run(Inpaint, prompt="a red fox", image=picture(), mask=given)
    assert len(asked) == 2
    assert float((images - expected(picture(), given)).abs().max()) < 0.01


def test_batches_that_do_not_match_are_told_and_nothing_is_sent():
    with service() as asked, pytest.raises(errors.InvalidRequest, match=r"mask holds 2 pic.* 3;"):
        run(Inpaint, prompt="a", image=pictures(3), mask=masks("left", "right"))
    assert asked == []
