"""Jobs: work that goes on at the server after it answered, and is asked about until it is done.

The service used them for a week, outside its specification. Asking costs nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from ..api.endpoints import JOB_STATUS_PATH
from ..cancellation import ShouldCancel, sleep
from ..errors import (
    BadReply,
    DeadlinePassed,
    EndpointNotFound,
    JobFailed,
    Refused,
    VisionCraftError,
)
from ..http.call import Response
from . import replies
from .context import Server
from .retry import persist, tries_to_fetch

POLL_EVERY = 1.5  # seconds between two questions; what clients of the day used
MOST_ODD = 5  # answers one after the other that say nothing about the job
PATIENCE = 30.0  # seconds before an answer to one


def wait_for(
    job: replies.Job,
    server: Server,
    seconds: float,
    on_progress: Callable[[str], None],
    should_cancel: ShouldCancel,
) -> tuple[Response, replies.Reply]:
    """The answer of a job that is done; its `image` is empty while it runs.

    Raises DeadlinePassed after `seconds`, Cancelled, and the errors of `transport` and `replies`.
    """
    deadline = time.monotonic() + seconds
    odd = 0
    while True:
        response = persist(
            lambda: _asked(job, server, should_cancel),
            tries_to_fetch,
            server.quota,
            wait=lambda _, pause: sleep(pause, should_cancel, "job"),
        )
        reply = None
        try:
            reply = replies.read_job(response, server.hide)
            odd = 0
        except VisionCraftError as error:
            if not _is_odd(error, response):
                raise
            odd += 1
            if odd == MOST_ODD:
                raise BadReply(error.what, phase="job", status=error.status) from None
        if reply is not None:
            return response, reply
        if time.monotonic() > deadline:
            what = f"The job was not done within {seconds:g} s (limit: total)."
            raise DeadlinePassed(what, phase="job")
        on_progress("the server is still at work")
        sleep(POLL_EVERY, should_cancel, "job")


def _is_odd(error: VisionCraftError, response: Response) -> bool:
    """Whether this answer to a question need not be the server's own: the page of a proxy, or of a
    host under repair, says nothing about the job."""
    if isinstance(error, EndpointNotFound):
        try:
            replies.parse_json(response.body)
        except ValueError:
            return True
        return False
    return isinstance(error, BadReply) and not isinstance(error, JobFailed)


def _asked(job: replies.Job, server: Server, should_cancel: ShouldCancel) -> Response:
    # The fields the service's clients sent; the watermark was its own default.
    body = {"job_id": job.id, "nsfw_filter": False, "watermark": True}
    response = server.transport.post(
        JOB_STATUS_PATH, body, patience=PATIENCE, should_cancel=should_cancel
    )
    if response.status == 429 or response.status >= 500:
        replies.read_job(response, server.hide)  # raises what may be asked again
    return response


def is_over(error: VisionCraftError) -> bool:
    """Whether `error` means that the job leads to no result any more, however often one asks."""
    return isinstance(error, JobFailed | EndpointNotFound) or type(error) is Refused
