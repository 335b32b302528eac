"""A Ray cluster of two nodes on this computer, and an engine that shows what its replicas do.

What a request is to do stands in its prompt, as JSON: `log` is a file in which each of its tries is
a line, "began PID MODEL", and "left PID" where it was cancelled; `seconds` of each step, `steps`,
`die` (the first try kills its process), `fail` (a value is refused), `until` (a file is there).
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.instant_engine import InstantEngine, tiny_picture
from visioncraft.visioncraft_core.api.fields import Request
from visioncraft.visioncraft_core.serve.ray_cluster import ENVIRONMENT
from visioncraft.visioncraft_core.serve.settings import EngineSettings
from visioncraft.visioncraft_core.service.engine import InputRejected, Job, Output


class ToldEngine(InstantEngine):
    """Does what the prompt of a request says."""

    async def generate(self, request: Request, job: Job) -> Output:
        begun, prompt = time.monotonic(), getattr(request, "prompt", "")
        if not prompt.startswith("{"):
            return await super().generate(request, job)
        told: dict[str, Any] = json.loads(prompt)
        log = Path(told["log"])
        _append(log, f"began {os.getpid()} {getattr(request, 'model', '')}")
        if told.get("fail"):
            raise InputRejected("prompt", "is refused")
        if told.get("die") and log.read_text().count("began") == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        made, steps, step_ends = await super().generate(request, job), told.get("steps", 1), begun
        try:
            for step in range(steps):
                job.progress(step + 1, steps)
                if job.watched:
                    job.preview(tiny_picture(step))
                step_ends += told.get("seconds", 0.0)
                await asyncio.sleep(step_ends - time.monotonic())
            while "until" in told and not Path(told["until"]).exists():
                await asyncio.sleep(0.02)
        except asyncio.CancelledError:
            _append(log, f"left {os.getpid()}")
            raise
        return made


def build(settings: EngineSettings) -> ToldEngine:
    """One called "broken" cannot be built in a replica."""
    import ray

    if settings.name == "broken" and ray.get_runtime_context().get_actor_id():
        raise LookupError(settings.name)
    return ToldEngine()


def _append(path: Path, line: str) -> None:
    with path.open("a") as file:  # short lines are written whole
        file.write(line + "\n")


@contextmanager
def two_nodes(**each: Any) -> Iterator[str]:
    """The address of a cluster of two raylets; `each` is for both of them."""
    own = {
        **ENVIRONMENT,
        "RAY_AUTH_TOKEN": "0123456789abcdef" * 4,
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "PYTHONPATH": str(Path(__file__).parents[1]),  # where replicas find this file
    }
    before = {name: os.environ.get(name) for name in own}
    os.environ.update(own)
    from ray.cluster_utils import Cluster as Nodes

    node = {"num_cpus": 1, "object_store_memory": 100 * 2**20, **each}
    nodes = Nodes(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    try:
        nodes.add_node(**node)
        yield str(nodes.address)
    finally:
        nodes.shutdown()
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
