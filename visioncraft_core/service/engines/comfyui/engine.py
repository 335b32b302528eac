"""Makes pictures, GIFs and videos with a ComfyUI that has the models."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from PIL import Image, ImageOps

from ....api import endpoints as api
from ....api.fields import Request
from ....media.metadata import masked_metadata
from ...engine import EngineError, GenerationFailed, InputRejected, Job, Output
from ...pixels import gif, mp4, open_upload, png
from ..pictures import Checkpoint, GifModel, VideoModel, fit, found, lacking, reduced, xl_model
from ..samplers import IMAGE_SCHEDULERS, SAMPLERS, Sampling
from . import graphs, inventory
from .connection import Connection, GraphRefused
from .graphs import Graph
from .settings import ComfyUISettings, Upscaler

log = logging.getLogger("visioncraft.service")

# Which field of a request an input of a node came from, the likeliest first.
_FIELDS = {
    "sampler_name": ("sampler", "scheduler"),
    "scheduler": ("scheduler", "sampler"),
    "strength_model": ("loras",),
    "strength_clip": ("loras",),
}


class ComfyUIEngine:
    """A ComfyUI and the models that it offers, of which it keeps the `models` that were used last.

    Use on one event loop.
    """

    def __init__(self, settings: ComfyUISettings, models: int = 1) -> None:
        self.settings = settings
        self._comfyui = Connection(settings.url)
        self._models = models
        self._loaders: dict[str, Mapping[str, Any]] = {}  # of the models used last, by their file
        self._enlarges = False

    def catalogs(self) -> Mapping[str, Sequence[str]]:
        return self.settings.catalogs()

    def serves(self, request: Request) -> bool:
        if isinstance(request, api.Upscale):
            return self.settings.upscaler is not None
        return self.settings.serves(request)

    async def generate(self, request: Request, job: Job) -> Output:
        if getattr(request, "negative_prompt", None) == "":
            changed: Any = {"negative_prompt": self.settings.negative_prompt}
            request = replace(request, **changed)
        try:
            return Output(await self._files(request, job))
        except GraphRefused as refused:
            raise _told(refused, request, self._comfyui.origin) from None

    async def _files(self, request: Request, job: Job) -> tuple[bytes, ...]:
        offers = self.settings
        if isinstance(request, api.Generate):
            return await self._generate(request, job)
        if isinstance(request, api.GenerateXL):
            return await self._generate_xl(request, job)
        if isinstance(request, api.ImageToImage) and offers.img2img:
            return await self._image_to_image(request, offers.img2img, job)
        if isinstance(request, api.Upscale) and offers.upscaler:
            return await self._upscale(request, offers.upscaler, job)
        if isinstance(request, api.ImageToVideo) and offers.video:
            return await self._image_to_video(request, offers.video, job)
        if isinstance(request, api.GenerateGif) and offers.gif:
            return await self._generate_gif(request, offers.gif, job)
        raise GenerationFailed("This engine has no model for that. Ask for something else.")

    async def problems(self) -> Sequence[str]:
        return await inventory.problems(self.settings, self._comfyui)

    async def close(self) -> None:
        await self._comfyui.close()

    async def _generate(self, request: api.Generate, job: Job) -> tuple[bytes, ...]:
        model = found(self.settings.models, "model", request.model)
        loras = {
            found(self.settings.loras, "loras", name): weight
            for name, weight in request.loras.items()
        }
        graph = graphs.generate(request, model, loras, _sampling(SAMPLERS, request), job.seed)
        return await self._pictures(graph, job)

    async def _generate_xl(self, request: api.GenerateXL, job: Job) -> tuple[bytes, ...]:
        model = xl_model(self.settings, request)
        names = {"sampler": request.sampler.lower(), "scheduler": request.scheduler.lower()}
        graph = graphs.generate_xl(replace(request, **names), model, job.seed)
        files = await self._pictures(graph, job)
        if request.width % 8 == 0 and request.height % 8 == 0:
            return files
        return await asyncio.to_thread(_cropped, files, (request.width, request.height))

    async def _image_to_image(
        self, request: api.ImageToImage, model: Checkpoint, job: Job
    ) -> tuple[bytes, ...]:
        given = await asyncio.to_thread(open_upload, "image", request.image)
        if request.strength == 0:
            return (await asyncio.to_thread(png, given),)
        request = replace(request, refiner=request.refiner.lower())
        size = reduced(given.size, model.size)
        sampling = _sampling(IMAGE_SCHEDULERS, request)

        def build(uploads: Sequence[str]) -> Graph:
            return graphs.image_to_image(request, model, sampling, job.seed, uploads[0], size)

        return _clean(await self._run(build, job, await _filled(given, size)))

    async def _upscale(self, request: api.Upscale, model: Upscaler, job: Job) -> tuple[bytes, ...]:
        given = await asyncio.to_thread(open_upload, "image", request.image, enlarged=model.scale)
        upload = await asyncio.to_thread(lambda: png(given.convert("RGB")))
        files = await self._run(lambda names: graphs.upscale(model, names[0]), job, upload)
        if given.mode != "RGBA":
            return _clean(files)
        return (await asyncio.to_thread(_with_alpha, files[0], given),)

    async def _image_to_video(
        self, request: api.ImageToVideo, model: VideoModel, job: Job
    ) -> tuple[bytes, ...]:
        given = await asyncio.to_thread(open_upload, "image", request.image)
        size = fit(given.size, model.size, 64)

        def build(uploads: Sequence[str]) -> Graph:
            return graphs.image_to_video(model, job.seed, uploads[0], size)

        # Frames, as SaveVideo would leave a file in ComfyUI's output folder, with the graph in it.
        frames = await self._run(build, job, await _filled(given, size))
        return (await asyncio.to_thread(mp4, map(_opened, frames), model.fps),)

    async def _generate_gif(
        self, request: api.GenerateGif, model: GifModel, job: Job
    ) -> tuple[bytes, ...]:
        sampling, video = _sampling(SAMPLERS, request), self.settings.video
        if video and not (model.motion and await self._comfyui.node(graphs.ANIMATEDIFF)):
            fps = video.fps
            graph = graphs.gif_from_still(request, model, video, sampling, job.seed)
        else:
            fps = model.fps
            graph = graphs.gif_with_animatediff(request, model, sampling, job.seed)
        frames = await self._run(lambda _: graph, job)
        return (await asyncio.to_thread(lambda: gif(map(_opened, frames), round(1000 / fps))),)

    async def _pictures(self, graph: Graph, job: Job) -> tuple[bytes, ...]:
        return _clean(await self._run(lambda _: graph, job))

    async def _run(
        self, build: Callable[[Sequence[str]], Graph], job: Job, *uploads: bytes
    ) -> list[bytes]:
        try:
            return await self._comfyui.run(lambda names: self._keeping(build(names)), job, *uploads)
        except GraphRefused:  # which may be for a node that is to load what the next ones keep
            self._loaders, self._enlarges = {}, False
            raise

    def _keeping(self, graph: Graph) -> Graph:
        """ComfyUI usually forgets what the next graph does not name. So this one names all models
        that are to stay, in nodes that nothing uses, which are not run."""
        # A refiner before its model, so that it makes room first.
        own = {node["inputs"]["ckpt_name"]: node for node in reversed(graph.checkpoints())}
        others = [(file, node) for file, node in self._loaders.items() if file not in own]
        if not own:
            self._enlarges = True
        else:
            del others[: max(len(others) + len(own) - self._models, 0)]
            if self._enlarges and self.settings.upscaler:
                graph.add(graphs.UPSCALER, model_name=self.settings.upscaler.file)
        for _, node in others:
            graph.add(node["class_type"], **node["inputs"])
        self._loaders = {**dict(others), **own}
        return graph


def _sampling(
    table: Mapping[str, Sampling], request: api.Generate | api.GenerateGif | api.ImageToImage
) -> Sampling:
    field = "scheduler" if isinstance(request, api.ImageToImage) else "sampler"
    name = getattr(request, field)
    sampling = found(table, field, name)
    if not sampling.exact:
        log.info(
            "ComfyUI has no %s; %s with %s is the nearest.",
            *(name, sampling.sampler, sampling.scheduler),
        )
    return sampling


async def _filled(picture: Image.Image, size: tuple[int, int]) -> bytes:
    """A PNG file of exactly this size, cropped at its longer sides."""
    resized = ImageOps.fit
    return await asyncio.to_thread(lambda: png(resized(picture.convert("RGB"), size)))


def _clean(files: Sequence[bytes]) -> tuple[bytes, ...]:
    """Without what ComfyUI writes into PNG files: the graph, with prompts and names of files."""
    return tuple(masked_metadata(file, "png", lambda part: bytes(len(part))) for file in files)


def _opened(file: bytes) -> Image.Image:
    return Image.open(io.BytesIO(file)).convert("RGB")


def _cropped(files: Sequence[bytes], size: tuple[int, int]) -> tuple[bytes, ...]:
    return tuple(png(_opened(file).crop((0, 0, *size))) for file in files)


def _with_alpha(file: bytes, given: Image.Image) -> bytes:
    picture = _opened(file)
    picture.putalpha(given.getchannel("A").resize(picture.size, Image.Resampling.LANCZOS))
    return png(picture)


def _told(refused: GraphRefused, request: Request, origin: str) -> EngineError:
    """What the client is told about a graph that ComfyUI refuses."""
    log.warning("The ComfyUI at %s refused a graph: %s.", origin, refused)
    known = {field.name for field in request.fields()}
    for field in _FIELDS.get(refused.input_name, ()):
        if field in known:
            return InputRejected(field, "has a value that the engine of this server cannot use")
    if refused.reason == "value_not_in_list":
        return lacking()
    return GenerationFailed(
        "The engine of this server cannot make this. Tell whoever runs the server; its log names "
        "the cause."
    )
