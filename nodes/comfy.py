"""The only bridge to ComfyUI: interrupt, text on the node, the user's folder.

Outside ComfyUI (headless, tests, registry indexers) the same calls reach QuietHost, or the host
that `use` names.
"""

from __future__ import annotations

import asyncio
import importlib
import io
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..visioncraft_core.atomic import link_first_free, temporary_file
from ..visioncraft_core.background import Background
from ..visioncraft_core.cancellation import ShouldCancel
from ..visioncraft_core.errors import Cancelled, SaveFailed
from ..visioncraft_core.generation.context import OnProgress
from ..visioncraft_core.profiles.paths import default_home, named_home
from ..visioncraft_core.profiles.profiles import AUTO
from .status import CallStatus, Line, NodeStatus, shared
from .video_input import Video

if TYPE_CHECKING:
    from torch import Tensor

PREVIEW_SIDE = 512  # pixels; ComfyUI makes larger ones smaller
STATUS_EVENT = "visioncraft.status"  # web/js/status.js listens

T = TypeVar("T")


class QuietHost:
    """What runs the nodes; this one without ComfyUI: never interrupted, shows nothing."""

    poll_interval: float | None = 0.1
    """Seconds between two looks at `interrupted` and at what a node shows; None for no look."""

    has_canvas = False
    """Whether the nodes stand on a canvas: the last text stays on a node, so that waits are
    counted and ends reported, and a node shows its results."""

    key_advice = ""
    """What to do about a missing key here, "" where the error says it itself."""

    def interrupted(self) -> bool:
        return False

    def interruption(self) -> BaseException:
        """The exception by which the host knows that its user stopped the run."""
        return Cancelled("Cancelled.")

    def progress_callback(self) -> OnProgress:
        """Shows a line of text on the node that runs in this context."""
        return lambda text: None

    def running_node(self) -> object:
        """What tells the node that runs in this context from all others; None where unknown."""
        return None

    def status(self) -> NodeStatus:
        """Shows what the node that runs in this context does."""
        say = self.progress_callback()
        return NodeStatus(lambda line: say(line.text), lambda *_: None, stays=self.has_canvas)

    def is_shown(self, output: int) -> bool:
        """Whether a node behind this output of the node that runs shows what comes out of it."""
        return True

    def home(self) -> Path:
        return default_home()

    def is_multi_user(self) -> bool:
        """Whether several people share it, each with settings of their own."""
        return False

    def default_server(self) -> str:
        return AUTO

    def video(self, images: Tensor, rate: Fraction, file: bytes = b"") -> Any:
        """A VIDEO of an IMAGE, frames x height x width x 3 of even size, at `rate` frames a second,
        or of the MP4 `file` that they were decoded from, whose streams are kept as they are."""
        return Video(images, rate, file)

    def save(self, content: bytes, prefix: str, suffix: str) -> Any:
        """Writes a result to the output folder; gives its entry for ComfyUI's `ui`."""
        raise SaveFailed(
            "There is no output folder here.", "Use the node in ComfyUI or with visioncraft run."
        )

    def preview(self, content: bytes, suffix: str) -> Any:
        """Writes a file that only the canvas shows; None where there is none."""
        return None


class ComfyHost(QuietHost):
    """The ComfyUI that loaded this pack. Its modules are looked up when they are needed."""

    has_canvas = True
    key_advice = "Enter one in Settings -> VisionCraft, or choose the server sandbox."

    def interrupted(self) -> bool:
        # The variant that throws would clear the flag, and the other nodes would run on.
        return _module("comfy.model_management").processing_interrupted()

    def interruption(self) -> BaseException:
        return _module("comfy.model_management").InterruptProcessingException()

    def progress_callback(self) -> OnProgress:
        show = self._show_line()
        return lambda text: show(Line(text, "info"))

    def running_node(self) -> object:
        context = _executing_context()
        return context and (context.prompt_id, context.node_id)

    def status(self) -> NodeStatus:
        context = _executing_context()

        def show_progress(fraction: float, preview: object) -> None:
            # Not ComfyUI's ProgressBar, which takes the interrupt away from all other nodes.
            if context:
                state = _module("comfy_execution.progress").get_progress_state()
                image = None if preview is None else ("JPEG", preview, PREVIEW_SIDE)
                state.update_progress(context.node_id, round(100 * fraction), 100, image)

        return NodeStatus(self._show_line(), show_progress, stays=True)

    def _show_line(self) -> Callable[[Line], None]:
        """Sends a line to the page that queued the run."""
        context, server = _executing_context(), prompt_server()
        client = getattr(server, "client_id", None)
        if context is None or client is None:  # without a client, all of them would get it
            return lambda line: None
        workflow, node = _workflow_id(server, context.prompt_id), context.node_id

        def show(line: Line) -> None:
            told = {"workflow": workflow, "prompt": context.prompt_id, "node": node}
            server.send_sync(STATUS_EVENT, {**told, **asdict(line)}, client)

        return show

    def is_shown(self, output: int) -> bool:
        context = _executing_context()
        if context is None:
            return True
        with suppress(AttributeError, LookupError, TypeError):  # as in _queued
            classes = _module("nodes").NODE_CLASS_MAPPINGS
            link = [context.node_id, output]
            return any(
                getattr(classes[node["class_type"]], "OUTPUT_NODE", False)
                for node in _queued(prompt_server(), context.prompt_id)[2].values()
                if link in node["inputs"].values()
            )
        return True

    def home(self) -> Path:
        # Users whose name begins with two underscores are never served over HTTP.
        users = Path(_module("folder_paths").get_user_directory())
        return named_home() or users / "__visioncraft"

    def is_multi_user(self) -> bool:
        return _module("comfy.cli_args").args.multi_user

    def video(self, images: Tensor, rate: Fraction, file: bytes = b"") -> Any:
        if file:
            return _module("comfy_api.input_impl").VideoFromFile(io.BytesIO(file))
        components = _module("comfy_api.util").VideoComponents(images=images, frame_rate=rate)
        return _module("comfy_api.input_impl").VideoFromComponents(components)

    def save(self, content: bytes, prefix: str, suffix: str) -> Any:
        return self._write(content, prefix, suffix, "output")

    def preview(self, content: bytes, suffix: str) -> Any:
        return self._write(content, "visioncraft_preview", suffix, "temp")

    def _write(self, content: bytes, prefix: str, suffix: str, kind: str) -> dict[str, str]:
        paths = _module("folder_paths")
        root = paths.get_directory_by_type(kind)
        folder, name, first, subfolder, _ = paths.get_save_image_path(prefix, root)
        # Items of a list and other programs get the same number from ComfyUI.
        names = (Path(folder) / f"{name}_{number:05}_.{suffix}" for number in count(first))
        try:
            with temporary_file(Path(folder), content) as file:
                saved = link_first_free(file, names)
        except OSError as error:
            raise SaveFailed(
                f"A result could not be saved ({error.strerror}).",
                "Make room in ComfyUI's folders and run again.",
                charged="yes",
            ) from None
        return {"filename": saved.name, "subfolder": subfolder, "type": kind}


def _workflow_id(server: Any, prompt_id: str) -> str:
    """The id of the workflow on the canvas that was queued, "" where there is none."""
    with suppress(AttributeError, LookupError, TypeError):
        return str(_queued(server, prompt_id)[3]["extra_pnginfo"]["workflow"]["id"] or "")
    return ""


def _queued(server: Any, prompt_id: str) -> Any:
    """The entry of the queue that runs: number, prompt id, prompt, extra data, ...

    What it looks like is ComfyUI's own affair: any AttributeError, LookupError or TypeError means
    that it changed. Raises LookupError where there is none.
    """
    entries = list(server.prompt_queue.currently_running.values())
    return {entry[1]: entry for entry in entries}[prompt_id]


def _executing_context() -> Any:
    return _module("comfy_execution.utils").get_executing_context()


def prompt_server() -> Any:
    """ComfyUI's web server, to which a pack adds its routes while it is loaded; None outside it."""
    if "comfy.model_management" not in sys.modules:
        return None
    return getattr(_module("server").PromptServer, "instance", None)


def _module(name: str) -> Any:
    return importlib.import_module(name)


_host: QuietHost | None = None


def use(host: QuietHost | None) -> None:
    """Runs the nodes under `host` from here on; None goes back to looking for ComfyUI."""
    global _host
    _host = host


def host() -> QuietHost:
    return _host or (ComfyHost() if "comfy.model_management" in sys.modules else QuietHost())


async def call(work: Callable[[CallStatus, ShouldCancel], T]) -> T:
    """What blocking `work` gives; it runs in a thread, so that nothing blocks the loop.

    A sampler that blocks ComfyUI's loop does not delay it. Raises what `work` raises, or the
    host's interruption at most 0.1 s after the user asked for it.
    """
    current = host()
    cancel = threading.Event()
    node = shared(current.running_node(), current.status)
    status = node.call()
    job = Background(lambda: work(status, cancel.is_set))
    try:
        while not job.done.done():
            await asyncio.wait({job.done}, timeout=current.poll_interval)
            node.refresh()
            node.refresh_progress()
            if current.interrupted():
                raise current.interruption()
        try:
            result = job.result()
        except BaseException as error:  # a user's interrupt is none of ours, and ends it as well
            status.failed(error)
            raise
        status.close()
    except asyncio.CancelledError:
        # One that leaks out of a node ends ComfyUI's worker thread for good.
        raise current.interruption() from None
    finally:
        cancel.set()
        status.stopped()  # unless it has ended in another way
    return result
