"""What all nodes that call the API share: a node is a request class and a kind of output.

Inputs come from the request's fields, the call goes through `comfy.call`, and errors pass as they
are: they already read like advice. Names no endpoint and holds no limit.
"""

from __future__ import annotations

import inspect
import json
import threading
from contextlib import suppress
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, ClassVar

from ..visioncraft_core.api.catalogs import Catalogs
from ..visioncraft_core.api.fields import (
    ChoiceField,
    Field,
    ImageField,
    MessagesField,
    Request,
    TextField,
)
from ..visioncraft_core.cancellation import ShouldCancel
from ..visioncraft_core.client import Client, Pending
from ..visioncraft_core.errors import Cancelled, InvalidRequest, SaveFailed, VisionCraftError
from ..visioncraft_core.generation.context import Decoder, OnPreview
from ..visioncraft_core.generation.results import Result
from ..visioncraft_core.media.images import Pixels, UploadFormat, decode, encode
from ..visioncraft_core.profiles.profile import Profile
from ..visioncraft_core.profiles.profiles import AUTO
from . import comfy, tensors, widgets
from .partial_runs import PartialRuns
from .server import selected_profile, with_key
from .status import CallStatus

SANDBOX_NOTE = "No key is configured, so the built-in sandbox answers; its results are synthetic."
Outputs = tuple[Any, ...] | dict[str, Any]  # or with what the canvas shows
INFO_HELP = "Who answered, how long it took, and any notes, as JSON text."


class ApiNode:
    """A node that sends one request. A subclass names REQUEST, the `decoder` of the files that
    come, and what `output` gives."""

    REQUEST: ClassVar[type[Request]]
    ID: ClassVar[str]
    TITLE: ClassVar[str]
    decoder: ClassVar[Decoder | None] = None
    partial_runs: ClassVar[PartialRuns]  # the runs that gave only a part
    FUNCTION = "run"
    CATEGORY = "VisionCraft"
    DESCRIPTION = ""

    def __init_subclass__(cls) -> None:
        if hasattr(cls, "REQUEST"):
            cls.ID, cls.TITLE = cls.REQUEST.id, cls.REQUEST.title
            cls.DESCRIPTION = cls.DESCRIPTION or inspect.cleandoc(cls.REQUEST.__doc__ or "")
            cls.partial_runs = PartialRuns()
            cls.VALIDATE_INPUTS = _validate_inputs(cls)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, widgets.Input]]:
        """V1 inputs. ComfyUI asks often, on its server's loop: only small files are read."""
        names = catalogs().names
        inputs: dict[str, dict[str, widgets.Input]] = {"required": {}, "optional": {}}
        for field in cls.shown_fields():
            group = "required" if field.required else "optional"
            _, options = inputs[group][field.name] = widgets.of(field, names)
            options.update(cls._premium_of(field))
        for group, own in cls.own_inputs().items():
            inputs[group].update(own)
        inputs["optional"].update(server=widgets.SERVER_SOCKET, seed=widgets.SEED)
        return inputs

    @classmethod
    def shown_fields(cls) -> tuple[Field, ...]:
        """The fields that are inputs. No widget holds a conversation: `build` makes it."""
        return tuple(f for f in cls.REQUEST.fields() if not isinstance(f.kind, MessagesField))

    @classmethod
    def _premium_of(cls, field: Field) -> dict[str, Any]:
        """What web/js/badges.js reads: the values that need no premium account, where others do, or
        that the whole request needs one."""
        if field.name in cls.REQUEST.free:
            return {"visioncraft_free": [*cls.REQUEST.free[field.name]]}
        first = next(iter(cls.shown_fields()))
        return {"visioncraft_premium": True} if cls.REQUEST.premium and field is first else {}

    @classmethod
    def own_inputs(cls) -> dict[str, dict[str, widgets.Input]]:
        """Inputs beside the request's fields, by "required", all texts that must not be empty, and
        "optional"."""
        return {}

    @classmethod
    def check(cls, **texts: str | None) -> bool | str:
        """True, or which of the texts that must not be empty is; None means linked.

        ComfyUI shows the sentence at each of `texts`, so a node should have one; it checks all
        other inputs itself. A missing key is told by the first node that runs and needs it: here,
        each would say the same.
        """
        for name, value in texts.items():
            if value is not None and not str(value).strip():
                return f"{name} is empty. Write something, or connect a text."
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
        cls,
        values: dict[str, Any],
        upload: UploadFormat,
        should_cancel: ShouldCancel | None = None,
    ) -> list[Pending]:
        """One request for each picture of the IMAGE inputs, one where there are none.

        A batch of one picture goes with every request. The first is built here, so that whatever is
        wrong with the inputs is told before anything is sent; the others when their turn comes.
        Raises InvalidRequest for a batch without pictures and for batches that do not match, or
        Cancelled.
        """
        batches = {
            f.name: tensors.pixels(values[f.name])
            for f in cls.REQUEST.fields()
            if isinstance(f.kind, ImageField)
        }
        count = max(map(len, batches.values()), default=1)
        for name, pictures in batches.items():
            if len(pictures) not in (1, count):
                raise InvalidRequest(
                    f"{name} holds {len(pictures)} pictures and another input {count}; nothing was "
                    "sent.",
                    f"Connect one picture to {name}, or {count} of them.",
                    phase="check",
                )
        shared = {
            name: _encoded(pictures[0], upload, should_cancel)
            for name, pictures in batches.items()
            if len(pictures) == 1
        }

        def build(row: int) -> Request:
            files = {
                name: shared.get(name) or _encoded(pictures[row], upload, should_cancel)
                for name, pictures in batches.items()
            }
            return cls.build(**{**values, **files})

        return [build(0), *(partial(build, row) for row in range(1, count))]

    async def run(self, *, server: str = "", seed: int = 0, **values: Any) -> Outputs:
        def work(status: CallStatus, should_cancel: ShouldCancel) -> Outputs:
            client, note = client_of(server)  # here, because it may have to start the sandbox
            if note:
                status(note)
            requests = self.requests(values, client.profile.upload, should_cancel)
            first: Any = requests[0]
            status.expect(len(requests), len(requests) * getattr(first, "image_count", 1))
            # Where the server takes no seed, it only tells a kept result from a new one.
            result = client.send_all(
                requests,
                seed=seed,
                decoder=_counted(type(self).decoder, status),
                on_progress=status,
                on_preview=_shown(status) if comfy.host().has_canvas else None,
                should_cancel=should_cancel,
            )
            notes = [note, *result.notes] if note else [*result.notes]
            if result.missing:
                self.partial_runs.note({**values, "server": server, "seed": seed})
            outputs = self.output(first, result, notes)
            with suppress(SaveFailed):  # no room for a preview, and nothing is lost
                if shown := self.shown_on_node(result):
                    outputs = {"ui": shown, "result": outputs}
            status.done(result.seconds, notes, incomplete=bool(result.missing))
            return outputs

        return await comfy.call(work)

    def output(self, request: Request, result: Result, notes: list[str]) -> tuple[Any, ...]:
        """The node's outputs; adds to `notes` what the user should know about them."""
        raise NotImplementedError

    def shown_on_node(self, result: Result) -> dict[str, list[Any]]:
        """What the canvas shows on the node, as ComfyUI's `ui`; empty where there is nothing."""
        return {}

    def info(self, request: Request, result: Result, notes: list[str], **more: Any) -> str:
        """What was asked, who answered and what a user should know, as readable JSON."""
        sent = {
            f.name: getattr(request, f.name)
            for f in request.fields()
            if not isinstance(f.kind, ImageField)
        }
        details = {
            "server": result.server,
            "seconds": round(result.seconds, 2),
            **more,
            **({"thoughts": result.thoughts} if result.thoughts else {}),
            "notes": notes,
            "request": {"path": request.path, **sent},
        }
        return json.dumps(details, ensure_ascii=False, indent=2)


def _counted(decoder: Decoder | None, status: CallStatus) -> Decoder | None:
    if decoder is None:
        return None

    def decode(content: bytes) -> Any:
        decoded = decoder(content)
        status.file_arrived()
        return decoded

    return decode


def _shown(status: CallStatus) -> OnPreview:
    def show(content: bytes) -> None:
        with suppress(VisionCraftError):  # it is only a preview
            status.preview(decode(content).to_pillow().convert("RGB"))

    return show


# Side by side, on as many cores as one takes, all would be late.
_encoding = threading.Lock()


def _encoded(picture: Pixels, upload: UploadFormat, should_cancel: ShouldCancel | None) -> bytes:
    with _encoding:
        if should_cancel and should_cancel():  # each may take half a second
            raise Cancelled("Cancelled.", phase="check", charged="no")
        return encode(picture, upload)


def _validate_inputs(node: type[ApiNode]) -> Any:
    """VALIDATE_INPUTS: `check` with the texts that must not be empty as its parameters."""
    names = [
        f.name
        for f in node.shown_fields()
        if f.required and isinstance(f.kind, TextField) and not isinstance(f.kind, ChoiceField)
    ]
    names += node.own_inputs().get("required", ())

    def validate(cls: type[ApiNode], **values: Any) -> bool | str:
        return cls.check(**values)

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter(name, kind, default=None) for name in ("cls", *names)]
    validate.__signature__ = inspect.Signature(parameters)
    return classmethod(validate)


def client_of(server: str, *, for_list: bool = False) -> tuple[Client, str]:
    """The client of a profile ("" is the host's choice), and what the user should know of it.

    Raises ConfigError, or KeyMissing unless it is `for_list`, which needs no key.
    """
    profile = selected_profile(server)
    if not for_list:
        with_key(profile)
    automatic = profile.embedded and server in ("", AUTO) and comfy.host().default_server() == AUTO
    return _client(profile, comfy.host().home()), SANDBOX_NOTE if automatic else ""


@lru_cache(maxsize=8)
def _client(profile: Profile, home: Path) -> Client:
    """The client that all nodes with this profile share, and so its open connections."""
    return Client(profile, home=home)


def catalogs() -> Catalogs:
    """The catalogs as last known of the server that is used by default."""
    try:
        base_url = selected_profile("").base_url
    except VisionCraftError:  # a menu must open with broken settings too; a run reports them
        base_url = ""  # of the sandbox
    return Catalogs(comfy.host().home(), base_url)
