"""What a configuration says, as values: the engines, what each offers, and the limits of keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..api.fields import Request
from ..service.engines.comfyui.settings import ComfyUISettings
from ..service.engines.diffusers.settings import DiffusersSettings
from ..service.engines.openai import OpenAIServer
from ..service.engines.pictures import PictureOffers
from .database import Tier

COMFYUI, DIFFUSERS, OPENAI, UPSCALE, PAINTED = KINDS = (
    *("comfyui", "diffusers", "openai", "upscale", "painted"),
)


@dataclass(frozen=True)
class UpscaleSettings:
    """Real-ESRGAN on the CPU; see UpscaleEngine."""

    model: str = "x4plus"
    threads: int = 0


@dataclass(frozen=True)
class Scale:
    """How often an engine runs in a Ray cluster. None and 0 are as the cluster has places for it.

    `gpus` is for each replica; `at_once`, what it works on, is set by the cluster.
    """

    min_replicas: int | None = None
    max_replicas: int = 0
    gpus: float | None = None
    at_once: int = 0


@dataclass(frozen=True)
class EngineSettings:
    """One engine, and how many requests it works on and lets wait.

    `models` is how many it keeps loaded, 0 if that is not said.
    """

    name: str
    kind: str
    at_once: int
    queue: int
    settings: ComfyUISettings | DiffusersSettings | OpenAIServer | UpscaleSettings | None
    scale: Scale = Scale()
    models: int = 0

    def model_of(self, request: Request) -> str:
        """The model that the engine has to load for a request, "" where it loads none."""
        if isinstance(self.settings, PictureOffers):
            return self.settings.file_of(request)
        return str(getattr(request, "model", "")).lower() if self.models else ""


@dataclass(frozen=True)
class Configuration:
    """A file without faults. `data` holds the database and the results."""

    path: Path
    engines: tuple[EngineSettings, ...]
    tiers: Mapping[bool, Tier] = field(default_factory=dict)  # of premium keys and others
    host: str = "127.0.0.1"
    port: int = 8787
    base_url: str = ""
    proxies: Sequence[str] = ()
    data: Path = Path()
    database: str = field(default="", repr=False)
    results: str = ""  # a folder or an address of an object store; "" is in `data`
    results_hours: float = 24.0
    results_mib: int = 2048
    stop_seconds: float = 60.0
    body_mib: int = 32
    connections: int = 4096
