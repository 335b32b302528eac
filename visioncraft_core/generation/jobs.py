"""Jobs: work that goes on at the server after it answered, and is asked about until it is done.

The service used them for a week, outside its specification. Asking costs nothing.
"""

from __future__ import annotations

import time

from ..api.endpoints import JOB_STATUS_PATH
from ..errors import (
    EndpointNotFound,
    InvalidResponse,
    JobFailed,
    KeyRejected,
    RequestRejected,
    TotalTimeout,
    VisionCraftError,
)
from ..http.call import Response
from . import replies
from .context import RunContext
from .masking import masked_response
from .retry import call_with_retries, max_get_attempts

POLL_EVERY = 1.5  # seconds between two questions; what clients of the day used
MOST_ODD = 5  # answers one after the other that say nothing about the job
ANSWER_SECONDS = 30.0


def poll_job(
    job: replies.JobReply, context: RunContext, seconds: float
) -> tuple[Response, replies.Reply]:
    """The answer of a job that is done, and the reply in it.

    Raises TotalTimeout after `seconds`, Cancelled, and the errors of `transport` and `replies`.
    """
    deadline = time.monotonic() + seconds
    odd = 0
    while True:
        response = call_with_retries(
            lambda: _status(job, context),
            max_get_attempts,
            context.server.retry_budget,
            wait=lambda _, pause: context.scope.sleep(pause, "job"),
        )
        reply = None
        try:
            reply = replies.parse_job_reply(response, context.server.mask)
            odd = 0
        except VisionCraftError as error:
            # Any other may be the page of a proxy or a slip, and says nothing about the job.
            if isinstance(error, JobFailed | KeyRejected):
                raise
            odd += 1
            if odd == MOST_ODD and is_terminal(error) and _is_json(response):
                raise
            if odd == MOST_ODD:
                raise InvalidResponse(error.message, phase="job", status=error.status) from None
        if reply is not None:
            return response, reply
        if time.monotonic() > deadline:
            message = f"The job was not done within {seconds:g} s (limit: total)."
            raise TotalTimeout(message, phase="job")
        context.report("the server is still at work")
        context.scope.sleep(POLL_EVERY, "job")


def _is_json(response: Response) -> bool:
    try:
        replies.parse_json(response.body)
    except ValueError:
        return False
    return True


def _status(job: replies.JobReply, context: RunContext) -> Response:
    # The fields the service's clients sent; the watermark was its own default.
    body = {"job_id": job.id, "nsfw_filter": False, "watermark": True}
    response = context.server.transport.post(
        JOB_STATUS_PATH, body, context.scope, expected_seconds=ANSWER_SECONDS
    )
    if response.status == 429 or response.status >= 500:
        # Raises what may be asked again.
        replies.parse_job_reply(response, context.server.mask)
    return masked_response(response, context.server.profile.key)


def is_terminal(error: VisionCraftError) -> bool:
    """Whether `error` means that the job leads to no result any more, however often one asks."""
    return isinstance(error, JobFailed | EndpointNotFound) or type(error) is RequestRejected
