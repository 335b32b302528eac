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
import time
from collections.abc import Callable
from contextlib import suppress
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
from .video_input import Video

if TYPE_CHECKING:
    from torch import Tensor

POLL_INTERVAL = 0.1  # seconds between two looks at ComfyUI's interrupt
STATUS_EVENT = "visioncraft.status"  # web/js/status.js listens

T = TypeVar("T")


class QuietHost:
    """What runs the nodes; this one without ComfyUI: never interrupted, shows nothing."""

    keeps_status = False
    """Whether the last text stays on the node, so that waits are counted and ends reported."""

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

    keeps_status = True
    key_advice = "Enter one in Settings -> VisionCraft, or choose the server sandbox."

    def interrupted(self) -> bool:
        # The variant that throws would clear the flag, and the other nodes would run on.
        return _module("comfy.model_management").processing_interrupted()

    def interruption(self) -> BaseException:
        return _module("comfy.model_management").InterruptProcessingException()

    def progress_callback(self) -> OnProgress:
        context = _module("comfy_execution.utils").get_executing_context()
        server: Any = getattr(_module("server").PromptServer, "instance", None)
        client = getattr(server, "client_id", None)
        if context is None or client is None:  # without a client, all of them would get it
            return super().progress_callback()
        shown_in = _workflow_id(server, context.prompt_id)

        def report(text: str) -> None:
            status = {"workflow": shown_in, "node": context.node_id, "text": text}
            server.send_sync(STATUS_EVENT, status, client)

        return report

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
    # What an entry of the queue looks like is ComfyUI's own affair.
    with suppress(AttributeError, LookupError, TypeError):
        for entry in list(server.prompt_queue.currently_running.values()):
            if entry[1] == prompt_id:
                return str(entry[3]["extra_pnginfo"]["workflow"]["id"] or "")
    return ""


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


async def call(work: Callable[[OnProgress, ShouldCancel], T]) -> T:
    """What blocking `work` gives; it runs in a thread, so that nothing blocks the loop.

    A sampler that blocks ComfyUI's loop does not delay it. Raises what `work` raises, or the
    host's interruption at most 0.1 s after the user asked for it.
    """
    current = host()
    cancel = threading.Event()
    status = _Status(current.progress_callback())
    job = Background(lambda: work(status.report, cancel.is_set))
    outcome = "Stopped."
    try:
        while not job.done.done():
            await asyncio.wait({job.done}, timeout=POLL_INTERVAL)
            if current.keeps_status:
                status.count()
            if current.interrupted():
                raise current.interruption()
        outcome = "Failed."
        result = job.result()
        outcome = ""
    except asyncio.CancelledError:
        # One that leaks out of a node ends ComfyUI's worker thread for good.
        raise current.interruption() from None
    finally:
        cancel.set()
        status.end(outcome if current.keeps_status else "")
    return result


class _Status:
    """The text on a node, and for how many seconds it has been there."""

    def __init__(self, show: OnProgress) -> None:
        self._show = show
        self._text = ""
        self._since = time.monotonic()
        self._shown = 0
        self._ended = False
        self._lock = threading.Lock()

    def report(self, text: str) -> None:
        # A cancelled thread may go on for a while; what it reports must not stay on the node.
        with self._lock:
            if not self._ended:
                self._text, self._since, self._shown = text, time.monotonic(), 0
                self._show(text)

    def count(self) -> None:
        with self._lock:
            seconds = int(time.monotonic() - self._since)
            if self._text and seconds > self._shown:
                self._shown = seconds
                self._show(f"{self._text} ({seconds} s)")

    def end(self, outcome: str) -> None:
        with self._lock:
            self._ended = True
            if outcome:
                self._show(outcome)
