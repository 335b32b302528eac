"""Everything that can go wrong, as one tree.

VisionCraftError
  ConfigError              a profile, a setting or a base URL is missing or wrong
    KeyMissing             this server needs a key and none is configured
  InvalidRequest           a value that the API does not take; nothing was sent
  WorkflowError            a workflow file that cannot be run; nothing was sent
  SaveFailed               a result could not be written to disk
  NotSent                  the server was not reached; nothing was charged
    HostNotFound           its name is unknown
    LookupFailed           its name could not be looked up just now
    ConnectionRefused      nobody listens there, or no route
    ConnectTimedOut        it did not pick up in time
    CertificateRejected    its TLS certificate did not verify
    HandshakeFailed        it does not speak TLS as we do
    ProxyFailed            the configured proxy did not let us through
  Refused                  the server said no before it did any work
    KeyRejected            unknown key, or the account lost its subscription
    PremiumRequired        needs a paid account (or the upload is too large)
    UploadTooLarge         more bytes than the server takes
    RateLimited            too many calls; retry_after says how long to wait
      OutOfPatience        that is longer than the profile allows
    ServerBusy             503 with a time to come back
    EndpointNotFound       no such path: nearly always a wrong base URL
    FieldRejected          the server did not like a value
  OutcomeUnknown           the request arrived and the answer did not
    TimedOut               a named limit passed
      UploadTimedOut       the server took the request too slowly
      FirstByteTimedOut    no answer began in time
      Stalled              the answer began and then stood still
      DeadlinePassed       the total time of the call was over
    ConnectionLost         the connection broke
    ServerFailed           the server answered 5xx
  BadReply                 an answer that is not what the API gives
    JobFailed              a job that the server could not finish
    WebPage                an HTML page: another server, or one under repair
    UnsafeContent          a file that is too large, or not what it says
      DamagedFile          a file that cannot be decoded
  BlockedURL               a result address that is never fetched
  ResultLost               the result was made but could not be downloaded
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

    `what` is the message without what to do; `phase` says how far the call came, `status` is its
    HTTP status if it had one.
    """

    charged: Charged = "no"

    def __init__(
        self,
        what: str,
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
        self.what = clip(what, room)
        super().__init__(f"{self.what} {advice}".strip())
        self.phase = phase
        self.status = status
        self.retry_after = retry_after
        if charged is not None:
            self.charged = charged

    def advised(self, advice: str) -> VisionCraftError:
        """The same error with something else to do about it."""
        return type(self)(
            self.what,
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


class NotSent(VisionCraftError):
    pass


class HostNotFound(NotSent):
    pass


class LookupFailed(NotSent):
    pass


class ConnectionRefused(NotSent):
    pass


class ConnectTimedOut(NotSent):
    pass


class CertificateRejected(NotSent):
    pass


class HandshakeFailed(NotSent):
    pass


class ProxyFailed(NotSent):
    pass


class Refused(VisionCraftError):
    pass


class KeyRejected(Refused):
    pass


class PremiumRequired(Refused):
    pass


class UploadTooLarge(Refused):
    pass


class RateLimited(Refused):
    pass


class OutOfPatience(RateLimited):
    pass


class ServerBusy(Refused):
    pass


class EndpointNotFound(Refused):
    pass


class FieldRejected(Refused):
    pass


class OutcomeUnknown(VisionCraftError):
    charged = "maybe"


class TimedOut(OutcomeUnknown):
    pass


class UploadTimedOut(TimedOut):
    pass


class FirstByteTimedOut(TimedOut):
    pass


class Stalled(TimedOut):
    pass


class DeadlinePassed(TimedOut):
    pass


class ConnectionLost(OutcomeUnknown):
    pass


class ServerFailed(OutcomeUnknown):
    pass


class BadReply(VisionCraftError):
    charged = "maybe"


class JobFailed(BadReply):
    pass


class WebPage(BadReply):
    pass


class UnsafeContent(BadReply):
    pass


class DamagedFile(UnsafeContent):
    pass


class BlockedURL(VisionCraftError):
    charged = "yes"


class ResultLost(VisionCraftError):
    charged = "yes"


class Cancelled(VisionCraftError):
    charged = "maybe"
