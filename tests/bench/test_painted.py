"""How long the sandbox's pictures take."""

from __future__ import annotations

import asyncio
import time

import pytest
from visioncraft.visioncraft_core.api.endpoints import GenerateGif, GenerateXL
from visioncraft.visioncraft_core.api.fields import Request
from visioncraft.visioncraft_core.service.engine import Job
from visioncraft.visioncraft_core.service.engines.painted.engine import PaintedEngine

from bench.measure import Report

PROMPTS = ("a red fox in a snowy forest at dawn", "a boat on the sea at sunset", "neon city")


def xl(prompt: str, side: int) -> Request:
    return GenerateXL(prompt=prompt, width=side, height=side)


@pytest.mark.bench
@pytest.mark.parametrize(
    ("what", "requests", "most"),
    [
        ("a picture of 512 x 512", [xl(prompt, 512) for prompt in PROMPTS], 40),
        ("a picture of 1024 x 1024", [xl(prompt, 1024) for prompt in PROMPTS], 120),
        ("a GIF", [GenerateGif(sampler="Euler", prompt=prompt) for prompt in PROMPTS], 1000),
    ],
    ids=["512", "1024", "gif"],
)
def test_painted(report: Report, what: str, requests: list[Request], most: float):
    engine = PaintedEngine()
    slowest = max(best_of(engine, request) for request in requests)
    report.amount(f"The sandbox draws {what}, on one core", 1000 * slowest, "ms", most)


def best_of(engine: PaintedEngine, request: Request) -> float:
    taken = []
    for seed in range(7):
        began = time.process_time()
        asyncio.run(engine.generate(request, Job(seed)))
        taken.append(time.process_time() - began)
    return min(taken)
