"""Everything that can go wrong, as one tree.

VisionCraftError
  ConfigError              a profile, a setting or a base URL is missing or wrong
    KeyMissing             this server needs a key and none is configured
  InvalidRequest           a value that the API does not take; nothing was sent
  WorkflowError            a workflow file that cannot be run; nothing was sent
  SaveFailed               a result could not be written to disk
  ConnectionFailed                  the server was not reached; nothing was charged
    HostNotFound           its name is unknown
    DNSLookupFailed           its name could not be looked up just now
    ConnectionRefused      nobody listens there, or no route
    ConnectTimeout        it did not pick up in time
    CertificateError    its TLS certificate did not verify
    TLSError        it does not speak TLS as we do
    ProxyError            the configured proxy did not let us through
  RequestRejected                  the server said no before it did any work
    KeyRejected            unknown key, or the account lost its subscription
    PremiumRequired        needs a paid account (or the upload is too large)
    UploadTooLarge         more bytes than the server takes
    RateLimited            too many calls; retry_after says how long to wait
      RateLimitWaitExceeded        that is longer than the profile allows
    ServerBusy             503 with a time to come back
    EndpointNotFound       no such path: nearly always a wrong base URL
    FieldRejected          the server did not like a value
  OutcomeUnknown           the request arrived and the answer did not
    RequestTimeout               a named limit passed
      WriteTimeout       the server took the request too slowly
      ResponseTimeout    no answer began in time
      ReadTimeout              the answer began and then stood still
      TotalTimeout       the total time of the call was over
    ConnectionLost         the connection broke
    ServerFailed           the server answered 5xx
  InvalidResponse                 an answer that is not what the API gives
    JobFailed              a job that the server could not finish
    HTMLResponse                an HTML page: another server, or one under repair
    UnsafeContent          a file that is too large, or not what it says
      DamagedFile          a file that cannot be decoded
  UnsafeURL               a result address that is never fetched
  DownloadFailed               the result was made but could not be downloaded
  Cancelled                the user stopped it

A message is one sentence about what happened and one about what to do, under 300 characters.
`charged` tells what the server may have counted: "no", "maybe" or "yes".
"""

from __future__ import annotations

from typing import Literal

Charged = Literal["no", "maybe", "yes"]

LONGEST_MESSAGE = 292  # "Error: " may stand before it


def clip(text: str, length: int) -> str:
    """`text` in one line of at most `length` characters, control characters dropped."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= length else line[: length - 3].rstrip() + "..."


class VisionCraftError(Exception):
    """The root.

    `message` is what happened, without what to do; `phase` says how far the call came, `status`
    is its HTTP status if it had one.
    """

    charged: Charged = "no"

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
        # What to do must survive a long account of what happened, so only the latter is clipped.
        advice = clip(advice, LONGEST_MESSAGE // 2 + 30)
        room = LONGEST_MESSAGE - (len(advice) + 1 if advice else 0)
        self.message = clip(message, room)
        super().__init__(f"{self.message} {advice}".strip())
        self.phase = phase
        self.status = status
        self.retry_after = retry_after
        if charged is not None:
            self.charged = charged

    def with_advice(self, advice: str) -> VisionCraftError:
        """The same error with something else to do about it."""
        return type(self)(
            self.message,
            advice,
            phase=self.phase,
            status=self.status,
            retry_after=self.retry_after,
            charged=self.charged,
        )

    def __init_subclass__(cls) -> None:
        # ComfyUI shows "module.ClassName"; inside a custom node the module is a path on the user's
        # disk, which ends up in bug reports.
        cls.__module__ = "visioncraft"


VisionCraftError.__module__ = "visioncraft"


class ConfigError(VisionCraftError):
    pass


class KeyMissing(ConfigError):
    pass


class InvalidRequest(VisionCraftError):
    pass


class WorkflowError(VisionCraftError):
    pass


class SaveFailed(VisionCraftError):
    pass


class ConnectionFailed(VisionCraftError):
    pass


class HostNotFound(ConnectionFailed):
    pass


class DNSLookupFailed(ConnectionFailed):
    pass


class ConnectionRefused(ConnectionFailed):
    pass


class ConnectTimeout(ConnectionFailed):
    pass


class CertificateError(ConnectionFailed):
    pass


class TLSError(ConnectionFailed):
    pass


class ProxyError(ConnectionFailed):
    pass


class RequestRejected(VisionCraftError):
    pass


class KeyRejected(RequestRejected):
    pass


class PremiumRequired(RequestRejected):
    pass


class UploadTooLarge(RequestRejected):
    pass


class RateLimited(RequestRejected):
    pass


class RateLimitWaitExceeded(RateLimited):
    pass


class ServerBusy(RequestRejected):
    pass


class EndpointNotFound(RequestRejected):
    pass


class FieldRejected(RequestRejected):
    pass


class OutcomeUnknown(VisionCraftError):
    charged = "maybe"


class RequestTimeout(OutcomeUnknown):
    pass


class WriteTimeout(RequestTimeout):
    pass


class ResponseTimeout(RequestTimeout):
    pass


class ReadTimeout(RequestTimeout):
    pass


class TotalTimeout(RequestTimeout):
    pass


class ConnectionLost(OutcomeUnknown):
    pass


class ServerFailed(OutcomeUnknown):
    pass


class InvalidResponse(VisionCraftError):
    charged = "maybe"


class JobFailed(InvalidResponse):
    pass


class HTMLResponse(InvalidResponse):
    pass


class UnsafeContent(InvalidResponse):
    pass


class DamagedFile(UnsafeContent):
    pass


class UnsafeURL(VisionCraftError):
    charged = "yes"


class DownloadFailed(VisionCraftError):
    charged = "yes"


class Cancelled(VisionCraftError):
    charged = "maybe"
