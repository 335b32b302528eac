"""What the service promises to any engine, and what a client sees of it."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from support.instant_engine import InstantEngine, WaitingEngine, tiny_picture
from visioncraft.visioncraft_core.api.catalogs import bundled
from visioncraft.visioncraft_core.api.endpoints import Chat, GenerateXL, Upscale
from visioncraft.visioncraft_core.api.fields import Request
from visioncraft.visioncraft_core.sandbox import Sandbox
from visioncraft.visioncraft_core.service.engine import (
    EngineBusy,
    EngineError,
    EngineUnavailable,
    GenerationFailed,
    InputRejected,
    Job,
    OutOfMemory,
    Output,
)

XL = {"token": "sandbox-premium", "prompt": "a red fox", "width": 64, "height": 64}


def post(sandbox: Sandbox, body: Any = XL, timeout: float = 20) -> requests.Response:
    return requests.post(sandbox.url + "/generate-xl", json=body, timeout=timeout)


class Failing(InstantEngine):
    def __init__(self, error: Exception) -> None:
        self.error = error

    async def generate(self, request: Request, job: Job) -> Output:
        raise self.error


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (EngineBusy(2.5), 503, {"detail": "Too busy"}),
        (
            EngineUnavailable("It went away.", retry_after=2.5),
            503,
            {"detail": "It went away."},
        ),
        (OutOfMemory("The picture needs too much memory."), 500, "too much memory"),
        (GenerationFailed("The sampler diverged."), 500, "sampler diverged"),
        (RuntimeError("/secret/path"), 500, "RuntimeError"),
        (
            InputRejected("prompt", "is too long"),
            422,
            {"detail": [{"loc": ["body", "prompt"], "msg": "is too long", "type": "value"}]},
        ),
    ],
)
def test_each_error_of_an_engine_is_told_to_the_client_and_counts_nothing(
    error: Exception, status: int, told: Any
):
    with Sandbox(engine=Failing(error)) as sandbox:
        answer = post(sandbox)
        assert answer.status_code == status
        assert told == answer.json() if isinstance(told, dict) else told in answer.json()["error"]
        assert "/secret" not in answer.text
        assert answer.headers.get("Retry-After") == ("3" if status == 503 else None)
        assert sandbox.executions == 0


def test_a_client_that_goes_away_cancels_its_generation_and_is_not_counted():
    engine = WaitingEngine()
    with Sandbox(engine=engine) as sandbox, ThreadPoolExecutor(1) as pool:
        with requests.Session() as session:
            gone = pool.submit(session.post, sandbox.url + "/generate-xl", json=XL, timeout=(5, 1))
            assert engine.begun.wait(20)
            assert not engine.cancelled.is_set()
            assert isinstance(gone.exception(20), requests.ReadTimeout)
        assert engine.cancelled.wait(20)
        assert sandbox.executions == 0


class Listing(InstantEngine):
    names: tuple[str, ...] = ("mine", "yours")

    def catalogs(self) -> Mapping[str, Sequence[str]]:
        return {**bundled(), "models-xl": self.names}


def test_an_engine_names_its_models():
    engine = Listing()
    with Sandbox(engine=engine) as sandbox:
        url = sandbox.url + "/models-xl"
        assert requests.get(url, timeout=60).json() == ["mine", "yours"]
        assert post(sandbox, {**XL, "model": "mine"}).ok
        assert post(sandbox, {**XL, "model": "sdxl-turbo"}).status_code == 400
        engine.names = ("theirs",)
        assert requests.get(url, timeout=60).json() == ["theirs"]
        assert post(sandbox, {**XL, "model": "mine"}).status_code == 400


class DrawingOnly(InstantEngine):
    """Offers Stable Diffusion XL alone."""

    closed = False

    def catalogs(self) -> Mapping[str, Sequence[str]]:
        names = bundled()
        return {name: names[name] for name in ("models-xl", "samplers-xl", "schedulers-xl")}

    def serves(self, request: Request) -> bool:
        return isinstance(request, GenerateXL)

    async def close(self) -> None:
        self.closed = True


def test_an_engine_may_lack_endpoints_and_is_closed_with_its_server():
    engine = DrawingOnly()
    with Sandbox(engine=engine) as sandbox:
        assert requests.get(sandbox.url + "/models", timeout=60).json() == []
        assert requests.get(sandbox.url + "/openapi.json", timeout=60).ok
        assert post(sandbox).ok
        for request, told in (
            (Upscale(image=b"png"), "This server does not offer /upscale."),
            (
                Chat(model="a", messages=({"role": "user", "content": "hi"},)),
                "This server doesn't have model a: its list /models-llm is empty.",
            ),
        ):
            body = {"token": "sandbox-premium", **request.to_json()}
            answer = requests.post(sandbox.url + request.path, json=body, timeout=60)
            assert answer.status_code == 400
            assert answer.json() == {"error": told}
        assert sandbox.executions == 1
        assert not engine.closed
    assert engine.closed


class Recording(InstantEngine):
    def __init__(self) -> None:
        self.seeds: list[int] = []

    async def generate(self, request: Request, job: Job) -> Output:
        self.seeds.append(job.seed)
        job.progress(1, 2)
        job.preview(tiny_picture())
        return await super().generate(request, job)


def test_seeds_are_series_of_each_request_and_a_fresh_start_repeats_them():
    engines = Recording(), Recording()
    for engine in engines:
        with Sandbox(engine=engine) as sandbox:
            for prompt in ("a fox", "a boat", "a fox", "a fox"):
                assert post(sandbox, {**XL, "prompt": prompt}).ok
            assert sandbox.executions == 4
    assert engines[0].seeds == engines[1].seeds
    assert len(set(engines[0].seeds)) == 4
    assert all(0 <= seed < 2**64 for seed in engines[0].seeds)


@pytest.mark.parametrize(
    "error",
    [InputRejected("prompt", "is refused"), EngineBusy(3.0), EngineUnavailable(retry_after=7.0)],
    ids=lambda error: type(error).__name__,
)
def test_an_error_keeps_its_meaning_between_processes(error: EngineError):
    other = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (type(other), str(other), vars(other)) == (type(error), str(error), vars(error))
