"""Clients of running sandboxes, and what they ask."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from support.pictures import gradient, png_of
from support.timing import eventually
from visioncraft.visioncraft_core import (
    Client,
    Generate,
    GenerateXL,
    Profile,
    Secret,
    Timeouts,
)
from visioncraft.visioncraft_core.api.fields import (
    ImageField,
    MessagesField,
    OutputKind,
    Request,
)
from visioncraft.visioncraft_core.api.sandbox_keys import SANDBOX_PREMIUM_KEY
from visioncraft.visioncraft_core.cancellation import CancelScope, ShouldCancel
from visioncraft.visioncraft_core.generation.downloads import Downloads
from visioncraft.visioncraft_core.http.byte_budget import ByteBudget
from visioncraft.visioncraft_core.http.call import Response
from visioncraft.visioncraft_core.http.transport import Transport
from visioncraft.visioncraft_core.sandbox import Sandbox

# Long enough for a drawing on a busy computer; tests of the limits themselves set their own.
PATIENT = Timeouts(connect=5.0, upload=30.0, first_byte=60.0, stall=30.0, total=90.0)


def client_of(
    sandbox: Sandbox, home: Path, key: str = SANDBOX_PREMIUM_KEY, timeouts: Timeouts = PATIENT
) -> Client:
    return Client(Profile("test", sandbox.url, Secret(key), timeouts), home=home)


def settled(name: str) -> bool:
    """Whether all threads called `name` end."""
    return eventually(lambda: all(thread.name != name for thread in threading.enumerate()))


KEY = "vc-CANARY-5f3a9"


class Calls:
    """Calls to one server, each of them in a scope of its own."""

    def __init__(self, profile: Profile) -> None:
        self._transport = Transport(profile)
        self._downloads = Downloads(profile)

    def post(
        self,
        path: str,
        content: dict[str, Any],
        should_cancel: ShouldCancel | None = None,
        output: OutputKind = "video",
    ) -> Response:
        with CancelScope(should_cancel) as scope:
            return self._transport.post(path, content, scope, output=output)

    def get(self, path: str) -> Response:
        with CancelScope() as scope:
            return self._transport.get(path, scope)

    def fetch(self, url: str, budget: ByteBudget | None = None) -> bytes:
        with CancelScope() as scope:
            return self._downloads.fetch(url, budget or ByteBudget("video"), scope)


def calls(url: str, timeouts: Timeouts = PATIENT, **settings: Any) -> Calls:
    return Calls(Profile("raw", url, Secret(KEY), timeouts, **settings))


def body_of(endpoint: type[Request]) -> dict[str, Any]:
    """The smallest body that the endpoint takes."""
    values: dict[type, Any] = {
        ImageField: ImageField().to_json(png_of(gradient())),
        MessagesField: [{"role": "user", "content": "a fox"}],
    }
    return {
        f.name: values.get(type(f.kind), getattr(f.kind, "suggested", "") or "a fox")
        for f in endpoint.fields()
        if f.required
    }


XL = GenerateXL(prompt="a red fox in snow", width=64, height=64)


FOUR = Generate(model="anything_V5", sampler="Euler", prompt="a fox", image_count=4)


def posts(sandbox: Sandbox) -> int:
    return len([line for line in sandbox.requests if line.startswith("POST")])
