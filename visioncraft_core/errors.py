"""Everything that can go wrong. Each class says when it is raised."""

from __future__ import annotations

import copy
import copyreg
from typing import Any, Literal, TypeVar

Charged = Literal["no", "maybe", "yes"]

LONGEST_MESSAGE = 292  # "Error: " may stand before it

E = TypeVar("E", bound="VisionCraftError")


def clip(text: str, length: int) -> str:
    """`text` in one line of at most `length` characters, control characters dropped."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= length else line[: length - 3].rstrip() + "..."


class VisionCraftError(Exception):
    """The root of all errors of this library.

    `str` of an error is `message`, a sentence about what happened, and `advice`, one about what to
    do, in under 300 characters. `phase` is how far the call came: "check", "queue", "connect",
    "send", "wait", "read", "reply", "job", "download" or "decode". `status` is the HTTP status, if
    there was one, `retry_after` how many seconds the server asks to wait, and `charged` whether it
    may have counted the call: "no", "maybe" or "yes".
    """

    charged: Charged = "no"
    node = node_class = ""  # of a workflow, where it is about one of its nodes

    def __init__(
        self,
        message: str,
        advice: str = "",
        *,
        phase: str = "",
        status: int | None = None,
        retry_after: float | None = None,
        charged: Charged | None = None,
    ) -> None:
        # The advice must survive a long account of what happened, so only the latter is clipped.
        self.advice = clip(advice, LONGEST_MESSAGE // 2 + 30)
        self.message = clip(message, LONGEST_MESSAGE - len(self.advice) - bool(advice))
        super().__init__(self.message, self.advice)
        self.phase = phase
        self.status = status
        self.retry_after = retry_after
        self.charged = charged or type(self).charged

    def __init_subclass__(cls) -> None:
        # ComfyUI shows "module.ClassName"; inside a custom node the module is a path on the user's
        # disk, which ends up in bug reports.
        cls.__module__ = "visioncraft"

    def __str__(self) -> str:
        return f"{self.message} {self.advice}".rstrip()

    def __reduce__(self) -> Any:
        # Not by calling the class: subclasses may take other arguments.
        return copyreg.__newobj__, (type(self), *self.args), vars(self)  # type: ignore[attr-defined]

    def at(self: E, node: str, node_class: str) -> E:
        """This error, which is about the node with this id and class."""
        self.node, self.node_class = node, node_class
        return self

    def replace(
        self: E,
        *,
        message: str | None = None,
        advice: str | None = None,
        charged: Charged | None = None,
    ) -> E:
        """This error in other words, or with another account of what was charged."""
        changed = copy.copy(self)
        VisionCraftError.__init__(
            changed,
            self.message if message is None else message,
            self.advice if advice is None else advice,
            phase=self.phase,
            status=self.status,
            retry_after=self.retry_after,
            charged=charged or self.charged,
        )
        return changed


VisionCraftError.__module__ = "visioncraft"


class ConfigError(VisionCraftError):
    """A profile, a setting or a base URL is missing or wrong."""


class KeyMissing(ConfigError):
    """The server needs a key and none is configured."""


class StoreUnreadable(ConfigError):
    """Results are stored that this user may not read. Nothing was sent."""


class UsageError(VisionCraftError):
    """A command line that is not understood. Nothing was run."""


class InvalidRequest(VisionCraftError):
    """A value that the API does not take. Nothing was sent."""


class WorkflowError(VisionCraftError):
    """A workflow file that cannot be run. Nothing was sent."""


class SaveFailed(VisionCraftError):
    """A result could not be written to disk."""


class ConnectionFailed(VisionCraftError):
    """The server was not reached. Nothing was charged."""


class HostNotFound(ConnectionFailed):
    """The server's host name is unknown."""


class DNSLookupFailed(ConnectionFailed):
    """The server's host name could not be looked up just now."""


class ConnectionRefused(ConnectionFailed):
    """Nothing listens at the address, or there is no route to it."""


class ConnectTimeout(ConnectionFailed):
    """The connection was not established in time."""


class CertificateError(ConnectionFailed):
    """The server's TLS certificate could not be verified."""


class TLSError(ConnectionFailed):
    """The TLS handshake failed."""


class ProxyError(ConnectionFailed):
    """The configured proxy refused the connection."""


class RequestRejected(VisionCraftError):
    """The server refused the request before it did any work."""


class KeyRejected(RequestRejected):
    """The key is unknown, or its account lost the subscription."""


class PremiumRequired(RequestRejected):
    """The request needs a paid account, or the upload is too large."""


class UploadTooLarge(RequestRejected):
    """The upload has more bytes than the server takes."""


class RateLimited(RequestRejected):
    """Too many calls; `retry_after` says how many seconds to wait."""


class RateLimitWaitExceeded(RateLimited):
    """The server asked for longer pauses than the profile's `max_rate_limit_wait`."""


class ServerBusy(RequestRejected):
    """Status 503 with a time to come back, in `retry_after`."""


class EndpointNotFound(RequestRejected):
    """The server has no such path; nearly always the base URL is wrong."""


class FieldRejected(RequestRejected):
    """The server refused a value."""


class OutcomeUnknown(VisionCraftError):
    """The request was sent and no usable answer came back."""

    charged = "maybe"


class RequestTimeout(OutcomeUnknown):
    """A limit of `Timeouts` passed, which the message names."""


class WriteTimeout(RequestTimeout):
    """The server accepted the request too slowly."""


class ResponseTimeout(RequestTimeout):
    """No answer began in time."""


class ReadTimeout(RequestTimeout):
    """The answer began, and then no more of it came."""


class TotalTimeout(RequestTimeout):
    """The whole call took too long."""


class ConnectionLost(OutcomeUnknown):
    """The connection broke before the answer was complete."""


class ServerFailed(OutcomeUnknown):
    """The server answered with a status of 500 or more."""


class InvalidResponse(VisionCraftError):
    """An answer that is not what the API gives."""

    charged = "maybe"


class UnknownAnswer(InvalidResponse):
    """An answer whose form is unknown. It is stored, and read again by a later version."""


class JobFailed(InvalidResponse):
    """A job that the server could not finish."""


class HTMLResponse(InvalidResponse):
    """A web page: this is another server, or one under repair."""


class DamagedFile(InvalidResponse):
    """A file that is incomplete or does not decode."""


class UnsafeContent(InvalidResponse):
    """A file or an answer that is larger than is safe."""


class UnsafeURL(VisionCraftError):
    """A result link that is never fetched, because of where it points."""

    charged = "yes"


class DownloadFailed(VisionCraftError):
    """The result was made but could not be downloaded."""

    charged = "yes"


class Cancelled(VisionCraftError):
    """The user stopped the call."""

    charged = "maybe"
