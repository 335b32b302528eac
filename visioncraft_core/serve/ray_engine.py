"""Engines in a Ray cluster: each runs as replicas, which Ray starts, finds, scales and replaces.

Fronts that share a cluster share its replicas. A front deploys the engines of its configuration;
where they run already with these settings, nothing changes.
"""

# pyright: reportMissingImports=false

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import ray
from ray import serve
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.serve.config import ProxyLocation
from ray.serve.exceptions import (
    BackPressureError,
    DeploymentUnavailableError,
    ReplicaUnavailableError,
)
from ray.serve.handle import DeploymentHandle
from ray.serve.schema import ApplicationStatus, LoggingConfig

from ..api.fields import Request
from ..errors import ConfigError
from ..service.engine import (
    Engine,
    EngineBusy,
    EngineError,
    EngineUnavailable,
    GenerationFailed,
    Job,
    Output,
)
from ..version import VERSION
from .engines import build
from .ray_replica import LOADED, PREVIEW, PROGRESS, Told, replica
from .ray_router import FreeReplicas
from .settings import COMFYUI, DIFFUSERS, EngineSettings, Scale

log = logging.getLogger("visioncraft.service")

NAMESPACE = "visioncraft"
BUSY = 5.0  # seconds after which a client comes again that found every replica busy
ANSWER = 5.0  # seconds in which a replica that is not busy answers
ENDING = 600.0  # seconds in which a replica may end what it has begun
# Ray Serve's performance guide: an engine never blocks its loop, so it needs none of its own, which
# saves two changes of threads for each request. The server logs requests, so a replica need not.
REPLICA_ENVIRONMENT = {"RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0"}
REPLICA_LOG = LoggingConfig(enable_access_log=False)
# Those are gone who made nothing, or whose result is lost with them.
_USED = (ApplicationStatus.RUNNING, ApplicationStatus.DEPLOYING, ApplicationStatus.UNHEALTHY)
_GONE = (RayActorError, DeploymentUnavailableError, ReplicaUnavailableError)


class Cluster:
    """A Ray cluster: the one at `address`, else one of this computer that ends with `close`.

    Raises ConfigError where it cannot be joined.
    """

    def __init__(
        self, address: str = "", build: Callable[[EngineSettings], Engine] = build
    ) -> None:
        self._build = build
        self._shared = bool(address)
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="visioncraft-ray")
        try:
            ray.init(
                address=address or "local",
                namespace=NAMESPACE,
                log_to_driver=False,
                logging_level=logging.WARNING,
                include_dashboard=None if address else False,
            )
            serve.start(proxy_location=ProxyLocation.Disabled)
        except (RayError, OSError, ValueError, RuntimeError) as error:
            raise ConfigError(
                f"The Ray cluster {address or 'of this computer'} cannot be used "
                f"({type(error).__name__}).",
                "Start it with ray start, and use its address, its version and its RAY_AUTH_TOKEN.",
            ) from None

    def scaled(self, engines: Iterable[EngineSettings]) -> tuple[EngineSettings, ...]:
        """With as many replicas as the cluster has places for, where none are given; `at_once` are
        then the requests of all replicas together."""
        nodes = [node for node in ray.nodes() if node["Alive"]]
        gpus = sum(node["Resources"].get("GPU", 0) for node in nodes)

        def scaled(engine: EngineSettings) -> EngineSettings:
            each = engine.scale.gpus
            if each is None:
                each = 1.0 if engine.kind == DIFFUSERS and gpus else 0.0
            places = int(gpus / each) if each else len(nodes) if engine.kind == COMFYUI else 1
            most = engine.scale.max_replicas or max(places, 1)
            least = engine.scale.min_replicas
            scale = Scale(
                min_replicas=min(most if least is None else least, most),
                max_replicas=most,
                gpus=each,
                at_once=engine.at_once,
            )
            return replace(engine, at_once=engine.at_once * most, scale=scale)

        return tuple(map(scaled, engines))

    def build(self, settings: EngineSettings) -> Engine:
        """The engine of settings that are `scaled`. Deploys it meanwhile."""
        handle = self._threads.submit(self._deploy, settings)
        return RayEngine(settings, self._build(settings), handle)

    def close(self) -> None:
        """The replicas of a cluster that others share go on."""
        self._threads.shutdown(cancel_futures=True)
        if not self._shared:
            serve.shutdown()
        ray.shutdown()

    def _deploy(self, settings: EngineSettings) -> DeploymentHandle:
        scale = settings.scale
        count: dict[str, Any] = {"num_replicas": scale.max_replicas}
        if scale.min_replicas != scale.max_replicas:
            count = {
                "autoscaling_config": {
                    "min_replicas": scale.min_replicas,
                    "max_replicas": scale.max_replicas,
                    "target_ongoing_requests": scale.at_once,
                }
            }
        if settings.kind == COMFYUI:  # a node has one, which does one thing at a time
            count["max_replicas_per_node"] = 1
        application = f"visioncraft-{settings.name}"
        name = f"{settings.name}-{_version(settings)}"
        known = serve.status().applications.get(application)
        # Not Ray's own, which a second server in this process would share, on another event loop.
        handle = DeploymentHandle(name, application)
        if known and known.status in _USED and name in known.deployments:
            return handle  # another front deployed it
        deployment: Any = serve.deployment(
            replica(settings.models or 1),
            name=name,
            max_ongoing_requests=scale.at_once,
            max_queued_requests=settings.queue + settings.at_once,
            # What the replicas wait for, programs and GPUs, does not count as theirs.
            ray_actor_options={
                "num_cpus": 0,
                "num_gpus": scale.gpus,
                "runtime_env": {"env_vars": REPLICA_ENVIRONMENT},
            },
            logging_config=REPLICA_LOG,
            graceful_shutdown_timeout_s=ENDING,
            # Ray's own pauses, up to half a second, leave a replica idle that has just ended.
            request_router_config={
                "request_router_class": FreeReplicas,
                "request_router_kwargs": {"models": settings.models or 1},
                "initial_backoff_s": 0.01,
                "backoff_multiplier": 1.5,
                "max_backoff_s": 0.05,
            },
            **count,
        )
        bound = deployment.bind(settings, self._build)
        try:
            serve.run(bound, name=application, route_prefix=None)
        except RuntimeError as error:
            log.error("%s cannot be deployed: %s", settings.name, _reason(application) or error)
            raise
        return handle


class RayEngine:
    """The replicas of one engine. `local` knows what they offer; it makes nothing."""

    def __init__(
        self, settings: EngineSettings, local: Engine, handle: Future[DeploymentHandle]
    ) -> None:
        self._settings = settings
        self._local = local
        self._handle = handle

    def catalogs(self) -> Mapping[str, Sequence[str]]:
        return self._local.catalogs()

    def serves(self, request: Request) -> bool:
        return self._local.serves(request)

    async def generate(self, request: Request, job: Job) -> Output:
        model = self._settings.model_of(request)
        handle = (await self._deployed()).options(
            method_name="generate_watched" if job.watched else "generate",
            stream=job.watched,
            multiplexed_model_id=model,
        )
        answer: Any = handle.remote(request, job.seed, tuple(job.history))
        ended: Output | EngineError = EngineUnavailable()
        try:
            if not job.watched:
                ended = _ended(await answer, job)
            else:
                async for news in answer:  # to its end, when Ray knows that the replica is free
                    ended = _ended(news, job)
        except asyncio.CancelledError:
            answer.cancel()
            raise
        except BackPressureError:
            raise EngineBusy(BUSY) from None
        except _GONE as error:
            log.warning("A replica of %s is gone (%s).", self._settings.name, type(error).__name__)
            raise EngineUnavailable from None
        except RayTaskError as error:
            log.error("A replica of %s failed: %s", self._settings.name, type(error.cause).__name__)
            raise GenerationFailed("The generation failed.") from None
        except RayError as error:
            log.error("Ray failed (%s).", type(error).__name__)
            raise EngineUnavailable from None
        if isinstance(ended, Output):
            return ended
        raise ended

    async def problems(self) -> Sequence[str]:
        name = self._settings.name
        if not self._handle.done():
            return [f"The replicas of {name} are not ready yet. Ray may wait for nodes or GPUs."]
        if self._handle.exception():
            return [f"The replicas of {name} do not start. The log of the server tells why."]
        if self._settings.scale.min_replicas == 0:
            return ()  # the question would start one
        try:
            handle: Any = self._handle.result()
            return await asyncio.wait_for(handle.problems.remote(), ANSWER)
        except asyncio.TimeoutError:
            return ()  # all are busy
        except (RayError, BackPressureError, *_GONE) as error:
            return [f"No replica of {name} answers ({type(error).__name__})."]

    async def close(self) -> None:
        await self._local.close()
        if self._handle.done() and not self._handle.exception():
            await self._handle.result().shutdown_async()

    async def _deployed(self) -> Any:
        try:
            if not self._handle.done():
                await asyncio.shield(asyncio.wrap_future(self._handle))
            return self._handle.result()
        except (RayError, RuntimeError, ValueError):
            raise EngineUnavailable from None


def _reason(application: str) -> str:
    """The last line of what Ray says of a replica that did not start, which names the error."""
    known = serve.status().applications.get(application)
    told = [each.message.strip() for each in known.deployments.values()] if known else []
    return "".join(told).rpartition("\n")[2]


def _ended(news: Sequence[Told], job: Job) -> Output | EngineError:
    """Tells the job the news; how it ended, if that is among them."""
    for kind, what in news:
        if kind == PROGRESS:
            job.progress(*what)
        elif kind == PREVIEW:
            job.preview(what)
        elif kind == LOADED:
            job.loaded(what)
        else:
            return what
    return EngineUnavailable()


def _version(settings: EngineSettings) -> str:
    key = getattr(settings.settings, "key", "")  # which no repr shows
    return hashlib.sha256(f"{VERSION} {settings!r} {key}".encode()).hexdigest()[:16]
