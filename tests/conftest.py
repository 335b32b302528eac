"""Fixtures: every test talks to a sandbox of its own over HTTP and has a home of its own."""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image
from visioncraft.nodes import comfy
from visioncraft.visioncraft_core import Client, Profile, Secret, Timeouts
from visioncraft.visioncraft_core.config import SANDBOX_PREMIUM_KEY
from visioncraft.visioncraft_core.sandbox.server import Sandbox

settings.register_profile("default", deadline=None, max_examples=150)
settings.load_profile("default")

# Long enough for a drawing on a busy computer; tests of the limits themselves set their own.
PATIENT = Timeouts(connect=5.0, upload=30.0, first_byte=60.0, stall=30.0, total=90.0)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty settings folder, no key, proxy or certificates in the environment."""
    for name in [n for n in os.environ if n.startswith("VISIONCRAFT_")]:
        monkeypatch.delenv(name)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "*")
    folder = tmp_path / "home"
    monkeypatch.setenv("VISIONCRAFT_HOME", str(folder))
    return folder


@pytest.fixture(autouse=True)
def _quiet_host() -> Iterator[None]:
    yield
    comfy.use(None)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


def client_of(
    sandbox: Sandbox, home: Path, key: str = SANDBOX_PREMIUM_KEY, timeouts: Timeouts = PATIENT
) -> Client:
    return Client(Profile("test", sandbox.url, Secret(key), timeouts), home)


@pytest.fixture
def client(sandbox: Sandbox, home: Path) -> Client:
    return client_of(sandbox, home)


def settled(name: str, seconds: float) -> bool:
    """Whether all threads called `name` end within `seconds`."""
    end = time.monotonic() + seconds
    while any(thread.name == name for thread in threading.enumerate()):
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def png_of(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def gradient(width: int = 32, height: int = 24) -> np.ndarray:
    """RGB pixels, uint8, height x width x 3, no two columns alike."""
    across = np.linspace(0, 255, width, dtype=np.uint8)
    down = np.linspace(0, 255, height, dtype=np.uint8)
    red = np.broadcast_to(across, (height, width))
    green = np.broadcast_to(down[:, None], (height, width))
    return np.stack([red, green, 255 - red], axis=-1).copy()
