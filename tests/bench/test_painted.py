"""How long the sandbox's pictures take, in milliseconds of one core: `pytest -m bench -s -n0`."""

from __future__ import annotations

import asyncio
import sys
import time
from statistics import median

import pytest
from visioncraft.visioncraft_core.api.endpoints import GenerateGif, GenerateXL
from visioncraft.visioncraft_core.api.fields import Request
from visioncraft.visioncraft_core.service.engine import Job
from visioncraft.visioncraft_core.service.engines.painted.engine import PaintedEngine

PROMPTS = ("a red fox in a snowy forest at dawn", "a boat on the sea at sunset", "neon city")


def xl(prompt: str, side: int) -> Request:
    return GenerateXL(prompt=prompt, width=side, height=side)


@pytest.mark.bench
@pytest.mark.parametrize(
    ("requests", "most"),
    [
        ([xl(prompt, 512) for prompt in PROMPTS], 40),
        ([xl(prompt, 1024) for prompt in PROMPTS], 120),
        ([GenerateGif(sampler="Euler", prompt=prompt) for prompt in PROMPTS], 1000),
    ],
    ids=["512", "1024", "gif"],
)
def test_encoded_pictures_are_made_in_time(
    requests: list[Request], most: float, capsys: pytest.CaptureFixture[str]
):
    engine = PaintedEngine()
    for request in requests:
        taken = []
        for seed in range(7):
            began = time.process_time()
            asyncio.run(engine.generate(request, Job(seed)))
            taken.append((time.process_time() - began) * 1000)
        with capsys.disabled():
            prompt = getattr(request, "prompt", "")
            sys.stdout.write(f"\n{prompt}: {median(taken):.0f} ms, at best {min(taken):.0f} ms")
        assert min(taken) < most
