"""A job that was begun is waited for, and never begun twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.clients import XL, client_of
from visioncraft.visioncraft_core import errors
from visioncraft.visioncraft_core.sandbox import Sandbox
from visioncraft.visioncraft_core.service.faults.rules import parse


def test_a_job_that_takes_too_long_is_waited_for_again_without_paying(home: Path):
    with Sandbox(
        response_formats={"generate-xl": "job"}, faults=[parse("job-status=504*4")]
    ) as sandbox:
        client = client_of(sandbox, home)
        with pytest.raises(errors.ServerFailed):
            client.send(XL)
        assert client.send(XL).files
        assert len([line for line in sandbox.requests if line == "POST /generate-xl"]) == 1


@pytest.mark.parametrize(
    "fault",
    [
        *(
            "html*2",
            "empty*1",
            "null*1",
            "redirect:http://a.test/*1",
            "error-200*1",
            "detail-200*1",
        ),
        *("400*2", "404*2", "422*1"),
    ],
)
def test_an_odd_answer_about_a_job_is_no_end_of_it(fault: str, home: Path):
    faults = [parse(f"job-status={fault}")]
    with Sandbox(response_formats={"generate-xl": "job"}, faults=faults) as sandbox:
        assert client_of(sandbox, home).send(XL).files
        assert len([line for line in sandbox.requests if line == "POST /generate-xl"]) == 1


@pytest.mark.parametrize(
    "fault", ["403-key*1", "500*4", "429:86400*1", "429*4", "reset*4", "html*5"]
)
def test_a_job_that_cannot_be_asked_about_is_not_paid_for_again(fault: str, home: Path):
    faults = [parse(f"job-status={fault}")]
    with Sandbox(response_formats={"generate-xl": "job"}, faults=faults) as sandbox:
        client = client_of(sandbox, home)
        with pytest.raises(errors.VisionCraftError) as caught:
            client.send(XL)
        assert caught.value.charged == "maybe"
        assert "Run again to resume waiting" in str(caught.value)
        assert client.send(XL).files
        assert len([line for line in sandbox.requests if line == "POST /generate-xl"]) == 1


def test_a_job_that_the_server_forgot_is_begun_anew(home: Path):
    faults = [parse("job-status=404*10")]
    with Sandbox(response_formats={"generate-xl": "job"}, faults=faults) as sandbox:
        client = client_of(sandbox, home)
        for _ in range(2):
            with pytest.raises(errors.EndpointNotFound):
                client.send(XL)
        assert client.send(XL).files
