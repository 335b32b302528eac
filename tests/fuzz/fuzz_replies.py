"""Feeds mutations of answers to the readers of replies.

    pip install atheris -e .
    python tests/fuzz/fuzz_replies.py -max_total_time=60
    python tests/fuzz/fuzz_replies.py crash-0123...  # a file that a run left behind

Any answer must become a reply or one of our errors, whose text is short and never holds the key.
An input is a byte that chooses the status, a line for the two headers that are read, and the body.
"""

from __future__ import annotations

import json

import driver

with driver.instrumented():
    from visioncraft.visioncraft_core.errors import VisionCraftError
    from visioncraft.visioncraft_core.generation.replies import (
        parse_job_reply,
        parse_names,
        parse_reply,
    )
    from visioncraft.visioncraft_core.http.call import Response

from support.hostile_files import CASES

KEY = "vc-CANARY-0123456789"
STATUSES = [200, 201, 204, 302, 308, 400, 401, 402, 403, 404, 413, 418, 422, 429, 500, 503, 999]
ANSWERS = [
    {"images": ["https://ok.test/a.png"]},
    {"image": "iVBORw0KGgo=", "status": "done"},
    ["https://ok.test/a.png", "https://ok.test/b.png"],
    {"job_id": "7", "status": "queued"},
    {"status": "failed", "job_id": ""},
    {"choices": [{"message": {"role": "assistant", "content": "Assistant: hi"}}], "id": 3},
    {"message": "hello", "chat_id": "9"},
    {"detail": [{"loc": ["body", "steps"], "msg": "too many", "input": KEY}]},
    {"error": f"token {KEY} is unknown"},
    [{"code": "custom", "message": "Users can send 2 requests per 10 second"}],
    {"error": "VisionCraft doesn't have sampler x"},
    ["model-a", "model-b"],
    [[[]]],
    None,
]


def target(data: bytes) -> None:
    status = STATUSES[data[0] % len(STATUSES)] if data else 200
    line, _, body = data[1:].partition(b"\n")
    value = line.decode("latin-1")
    headers = {"Retry-After": value, "Location": value}
    response = Response(status, headers, body, "https://api.test")
    for reader in (parse_reply, parse_job_reply, parse_names):
        try:
            reader(response, _mask)
        except VisionCraftError as error:
            assert len(str(error)) < 300
            assert KEY not in str(error)
            assert error.retry_after is None or error.retry_after >= 0


def _mask(text: str) -> str:
    return text.replace(KEY, "***")


def seeds() -> list[bytes]:
    bodies = [json.dumps(answer).encode() for answer in ANSWERS]
    bodies += [case.make()[:200] for case in CASES.values()]
    lines = [b"", b"30", b"https://elsewhere.test/"]
    count = len(STATUSES)
    return [
        bytes([number % count]) + lines[number % 3] + b"\n" + body
        for number, body in enumerate(bodies * 3)
    ]


if __name__ == "__main__":
    driver.fuzz(target, seeds())
