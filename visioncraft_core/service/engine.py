"""What the service asks of the engine that makes its results: the contract between the two.

The service knows the API and HTTP; an engine knows how pictures, videos and texts are made. Neither
knows the other's part. `generate` runs on the service's event loop, so long work belongs in a
thread or another process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..api.fields import Request


@dataclass(frozen=True)
class Output:
    """What one request made: encoded files, or text."""

    files: tuple[bytes, ...] = ()
    text: str = ""


def _ignore(*_news: Any) -> None:
    """What becomes of news that nobody asked for."""


@dataclass(frozen=True)
class Job:
    """One generation. `seed`, 0 to 2**64 - 1, is what the client asked for, else the service's
    choice.

    `progress` takes the steps that are done and all there are; `preview` takes an encoded picture
    of the unfinished result. Both may be called from any thread, or never; `watched` is whether
    somebody looks at what they are told. `history` holds the earlier turns of a premium chat,
    oldest first, as messages of `Chat`.

    The rest is for whatever lets requests wait in front of an engine: `owner` is whose request it
    is, who may have `at_once` at work (0: any number); `queued` takes a function that tells how
    many are before it, `begun` the name of the engine that begins with it, and `loaded` the models
    that are loaded where it works, the one used last at the end.
    """

    seed: int
    progress: Callable[[int, int], None] = _ignore
    preview: Callable[[bytes], None] = _ignore
    watched: bool = True
    history: Sequence[Mapping[str, str]] = ()
    owner: str = ""
    at_once: int = 0
    queued: Callable[[Callable[[], int]], None] = _ignore
    begun: Callable[[str], None] = _ignore
    loaded: Callable[[Sequence[str]], None] = _ignore


class Engine(Protocol):
    """Makes what requests ask for.

    A request that is answered with an Output counts as executed; one that raises, or whose task is
    cancelled because its client went away, does not.
    """

    def catalogs(self) -> Mapping[str, Sequence[str]]:
        """The names on offer now, by those of `api.endpoints.CATALOGS` that it has names for.

        The service lists them and refuses other names, so `generate` sees only these, in any case
        of letters.
        """
        ...

    def serves(self, request: Request) -> bool:
        """Whether it makes what this request asks for: its endpoint, and its model if it has one.

        `generate` sees only such requests.
        """
        ...

    async def generate(self, request: Request, job: Job) -> Output:
        """Makes one result: files as many and of the kind that the request asks for, or text.

        Cancelled by cancelling its task; then its work must end within 0.3 seconds, or as soon as
        what it runs on can be interrupted. Raises EngineError.
        """
        ...

    async def problems(self) -> Sequence[str]:
        """What is missing or away now, each in a sentence for whoever runs the server."""
        ...

    async def close(self) -> None:
        """Ends what still runs and gives back what it holds."""
        ...


class EngineError(Exception):
    """A generation that gave no result. The message goes to the client: no keys, no paths."""

    def __reduce__(self) -> tuple[Any, ...]:
        """The engine may be in another process."""
        return _error, (type(self), self.args, self.__dict__)


class EngineBusy(EngineError):
    """It has no room for this request now; nothing was done. `retry_after` is in seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("Too busy")
        self.retry_after = retry_after


class EngineUnavailable(EngineError):
    """It is away, or went away before it made anything, so that asking again costs nothing twice.

    `retry_after` is in seconds.
    """

    def __init__(
        self,
        message: str = "The engine is not available now. Ask again in a few seconds.",
        *,
        retry_after: float = 5.0,
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class InputRejected(EngineError):
    """A value that only the engine could judge, such as a file that is no picture.

    `message` completes a sentence that begins with the name of the `field`.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field} {message}")
        self.field = field
        self.message = message


class OutOfMemory(EngineError):
    """The request needs more memory than there is; a smaller one may succeed."""


class GenerationFailed(EngineError):
    """The generation began and failed."""


def _error(kind: type[EngineError], args: tuple[Any, ...], values: dict[str, Any]) -> EngineError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(values)
    return error
