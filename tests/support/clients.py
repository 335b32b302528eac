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
    Request,
)
from visioncraft.visioncraft_core.api.sandbox_keys import SANDBOX_PREMIUM_KEY
from visioncraft.visioncraft_core.http.transport import (
    Transport,
)
from visioncraft.visioncraft_core.sandbox import Sandbox

# Long enough for a drawing on a busy computer; tests of the limits themselves set their own.
PATIENT = Timeouts(connect=5.0, upload=30.0, first_byte=60.0, stall=30.0, total=90.0)


def client_of(
    sandbox: Sandbox, home: Path, key: str = SANDBOX_PREMIUM_KEY, timeouts: Timeouts = PATIENT
) -> Client:
    return Client(Profile("test", sandbox.url, Secret(key), timeouts), home)


def settled(name: str) -> bool:
    """Whether all threads called `name` end."""
    return eventually(lambda: all(thread.name != name for thread in threading.enumerate()))


KEY = "vc-CANARY-5f3a9"


def transport(url: str, timeouts: Timeouts = PATIENT) -> Transport:
    return Transport(Profile("raw", url, Secret(KEY), timeouts))


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
