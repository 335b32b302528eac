"""What all nodes that call the API share: a node is a request class and a kind of output.

Inputs come from the request's fields, the call goes through `comfy.call`, and errors pass as they
are: they already read like advice. Names no endpoint and holds no limit.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ..visioncraft_core.api.catalogs import Catalogs
from ..visioncraft_core.api.fields import Field, ImageField, Request
from ..visioncraft_core.cancellation import ShouldCancel
from ..visioncraft_core.errors import Cancelled, VisionCraftError
from ..visioncraft_core.generation.context import Decoder, OnProgress
from ..visioncraft_core.generation.results import Result
from ..visioncraft_core.library import Client
from ..visioncraft_core.media.images import UploadFormat, decode, encode
from ..visioncraft_core.profiles.profile import embedded_sandbox
from ..visioncraft_core.profiles.profiles import AUTO
from . import comfy, tensors, widgets
from .partial_runs import PartialRuns
from .server import chosen

if TYPE_CHECKING:
    from torch import Tensor

    from ..visioncraft_core.media.images import DecodedImage as Decoded

SANDBOX_NOTE = "No key is configured, so the built-in sandbox answers; its results are synthetic."


class ApiNode:
    """A node that sends one request. Subclasses name REQUEST and say what `output` gives; `opener`
    is what opens the files that come."""

    REQUEST: ClassVar[type[Request]]
    HIDDEN_FIELDS: ClassVar[tuple[str, ...]] = ()  # fields that `build` fills by itself
    decoder: ClassVar[Decoder | None] = None
    partial_runs: ClassVar[PartialRuns]  # the runs that gave only a part
    FUNCTION = "run"
    CATEGORY = "VisionCraft"
    DESCRIPTION = ""

    def __init_subclass__(cls) -> None:
        cls.partial_runs = PartialRuns()
        if hasattr(cls, "REQUEST") and not cls.DESCRIPTION:
            cls.DESCRIPTION = inspect.cleandoc(cls.REQUEST.__doc__ or "")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, widgets.Input]]:
        """V1 inputs. ComfyUI asks often, on its server's loop: one small file is read at most."""
        names = catalog_names()
        required = {f.name: widgets.of(f, names) for f in cls.shown_fields() if f.required}
        optional = {f.name: widgets.of(f, names) for f in cls.shown_fields() if not f.required}
        own = cls.own_inputs()
        return {
            "required": {**required, **own.get("required", {})},
            "optional": {
                **optional,
                **own.get("optional", {}),
                "server": widgets.SERVER_SOCKET,
                "seed": widgets.SEED,
            },
        }

    @classmethod
    def shown_fields(cls) -> tuple[Field, ...]:
        return tuple(f for f in cls.REQUEST.fields() if f.name not in cls.HIDDEN_FIELDS)

    @classmethod
    def own_inputs(cls) -> dict[str, dict[str, widgets.Input]]:
        """Inputs beside the request's fields, by "required" and "optional"."""
        return {}

    @classmethod
    def check(cls, input_types: dict[str, str] | None, **values: str | None) -> bool | str:
        """VALIDATE_INPUTS of the node: True, or a sentence.

        `values` are the choices, which pass with any name, and the texts that must not be empty;
        None means linked. ComfyUI checks the numbers itself, because it is not asked about them,
        but no link of a node that asks for `input_types`, the types of all that is linked.
        """
        linked = input_types or {}
        for name, value in values.items():
            if value is not None and not str(value).strip():
                return f"{name} is empty. Write something, or connect a text."
        if problem := widgets.type_mismatch(cls.INPUT_TYPES(), linked):
            return problem
        if "server" not in linked:  # else the Server node judges it
            try:
                chosen("").require_key()
            except VisionCraftError as error:
                return str(error)
        return True

    @classmethod
    def IS_CHANGED(cls, **constants: Any) -> int:
        """Another number after each run with these inputs that gave only a part.

        ComfyUI would keep the part for good: another number makes it run the node again, which asks
        only for what is missing.
        """
        return cls.partial_runs.mark(constants)

    @classmethod
    def build(cls, **values: Any) -> Request:
        """The request that the inputs ask for. Raises InvalidFields."""
        return cls.REQUEST(**values)

    @classmethod
    def requests(
        cls, values: dict[str, Any], upload: UploadFormat, should_cancel: ShouldCancel | None = None
    ) -> list[Request]:
        """One request for each picture of an IMAGE input, one where there is none.

        Raises InvalidRequest for an IMAGE without pictures, or Cancelled.
        """
        name = next((f.name for f in cls.REQUEST.fields() if isinstance(f.kind, ImageField)), "")
        if not name:
            return [cls.build(**values)]
        made: list[Request] = []
        for picture in tensors.pixels(values[name]):
            if should_cancel and should_cancel():  # each may take half a second
                raise Cancelled("Cancelled.", phase="check", charged="no")
            made.append(cls.build(**{**values, name: encode(picture, upload)}))
        return made

    async def run(self, *, server: str = "", seed: int = 0, **values: Any) -> tuple[Any, ...]:
        def work(say: OnProgress, should_cancel: ShouldCancel) -> tuple[Any, ...]:
            client, note = client_of(server)  # here, because it may have to start the sandbox
            if note:
                say(note)
            requests = self.requests(values, client.profile.upload, should_cancel)
            # The service takes no seed: it only tells a kept result from a new one.
            result = client.send_all(
                requests,
                seed=seed,
                decoder=type(self).decoder,
                on_progress=say,
                should_cancel=should_cancel,
            )
            notes = [note, *result.notes] if note else [*result.notes]
            if result.missing:
                self.partial_runs.note({**values, "server": server, "seed": seed})
            outputs = self.output(requests[0], result, notes)
            _say_end(say, result.seconds, notes)
            return outputs

        return await comfy.call(work)

    def output(self, request: Request, result: Result, notes: list[str]) -> tuple[Any, ...]:
        """The node's outputs; adds to `notes` what the user should know about them."""
        raise NotImplementedError

    def info(self, request: Request, result: Result, notes: list[str], **more: Any) -> str:
        """What was asked, who answered and what a user should know, as readable JSON."""
        sent = {
            f.name: getattr(request, f.name)
            for f in request.fields()
            if not isinstance(f.kind, ImageField)
        }
        told = {
            "server": result.server,
            "seconds": round(result.seconds, 2),
            **more,
            "notes": notes,
            "request": {"path": request.path, **sent},
        }
        return json.dumps(told, ensure_ascii=False, indent=2)


class ImageNode(ApiNode):
    """A node whose result is pictures."""

    CATEGORY = "VisionCraft/Image"
    decoder = staticmethod(decode)
    RETURN_TYPES = ("IMAGE", "MASK", "STRING")
    RETURN_NAMES = ("images", "mask", "info")
    OUTPUT_TOOLTIPS = (
        "The pictures as one batch.",
        "What is transparent in them: 1 is transparent.",
        "Who answered, how long it took, and anything worth knowing, as JSON text.",
    )

    def output(
        self, request: Request, result: Result, notes: list[str]
    ) -> tuple[Tensor, Tensor, str]:
        pictures: Sequence[Decoded] = result.decoded
        notes += _size_note(pictures)
        sizes = [f"{p.size.width}x{p.size.height}" for p in pictures]
        told = self.info(request, result, notes, pictures=sizes)
        return tensors.images(pictures), tensors.masks(pictures), told


def _say_end(say: OnProgress, seconds: float, notes: list[str]) -> None:
    if comfy.host().keeps_text:
        say(" ".join([f"Done in {seconds:.1f} s.", *notes]))
        return
    for note in notes:
        say(note)


def _size_note(pictures: Sequence[Decoded]) -> list[str]:
    if len({picture.size for picture in pictures}) == 1:
        return []
    width, height = tensors.common_size(pictures)
    return [f"The pictures differ in size; the smaller ones were padded to {width}x{height}."]


def client_of(server: str) -> tuple[Client, str]:
    """The client of a profile ("" is the host's choice), and what the user should know of it."""
    profile = chosen(server)
    automatic = profile.embedded and server in ("", AUTO) and comfy.host().default_server() == AUTO
    return Client(profile, home=comfy.host().home()), SANDBOX_NOTE if automatic else ""


def catalog_names() -> widgets.Names:
    """The names of each catalog as last known for the server that is used by default."""
    try:
        profile = chosen("")
    except VisionCraftError:  # a menu must open with broken settings too; a run will tell
        profile = embedded_sandbox()
    return Catalogs(comfy.host().home(), profile.base_url).names
