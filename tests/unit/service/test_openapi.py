"""The sandbox does what /openapi.json says, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests
from support.instant_engine import InstantEngine
from visioncraft.visioncraft_core.api.catalogs import bundled
from visioncraft.visioncraft_core.api.endpoints import CATALOGS, ENDPOINTS
from visioncraft.visioncraft_core.api.fields import IntegerField, NumberField, Request
from visioncraft.visioncraft_core.sandbox import Sandbox
from visioncraft.visioncraft_core.service import openapi
from visioncraft.visioncraft_core.service.response_formats import FILE_FORMATS, FORMATS

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_schema_conformance,negative_data_rejection,unsupported_method"
)


def described(sandbox: Sandbox) -> Any:
    return requests.get(sandbox.url + "/openapi.json", timeout=60).json()


def test_every_path_is_described(sandbox: Sandbox):
    paths = {kind.path for kind in ENDPOINTS} | {f"/{name}" for name in CATALOGS}
    rest = {"/job-status", "/results/{name}", "/openapi.json"}
    assert set(described(sandbox)["paths"]) == paths | rest


@pytest.mark.parametrize("kind", ENDPOINTS, ids=lambda kind: kind.path)
def test_every_field_is_described_with_its_limits(kind: type[Request], sandbox: Sandbox):
    posted = described(sandbox)["paths"][kind.path]["post"]["requestBody"]["content"]
    schema = posted["application/json"]["schema"]
    assert set(schema["properties"]) == {"token", *(field.name for field in kind.fields())}
    assert set(schema["required"]) == {"token", *(f.name for f in kind.fields() if f.required)}
    for field in kind.fields():
        told = schema["properties"][field.name]
        assert told["description"] == field.help
        assert field.required or told["default"] == field.kind.to_json(field.default)
        if isinstance(field.kind, IntegerField | NumberField):
            limits = told["anyOf"][0]
            assert (limits["minimum"], limits["maximum"]) == (field.kind.low, field.kind.high)


def test_every_shape_is_described():
    for kind in ENDPOINTS:
        for shape in FORMATS:
            if kind.output == "text" and shape in FILE_FORMATS:
                continue
            shapes = {**dict.fromkeys(ENDPOINTS, "chat"), kind: shape}
            answer = openapi.description(shapes, bundled(), "1", "a", "b")["paths"][kind.path][
                "post"
            ]["responses"]
            assert answer["200"]["content"], (kind, shape)


@pytest.mark.parametrize("kind", ENDPOINTS, ids=lambda kind: kind.path)
def test_every_example_is_answered(kind: type[Request], sandbox: Sandbox):
    posted = described(sandbox)["paths"][kind.path]["post"]["requestBody"]["content"]
    body = posted["application/json"]["example"]
    assert requests.post(sandbox.url + kind.path, json=body, timeout=30).status_code == 200


def schemathesis(url: str, examples: int, *options: str) -> None:
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        *("run", f"{url}/openapi.json", "--checks", CHECKS, "--max-examples", str(examples)),
        *("--no-color", *options),
    ]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr


def test_requests_made_from_the_description_are_answered_as_it_says():
    phases = ("--phases", "examples,coverage,fuzzing", "--generation-deterministic")
    with Sandbox(engine=InstantEngine()) as sandbox:
        schemathesis(sandbox.url, 3, *phases)
        assert sandbox.executions > 15


@pytest.mark.schemathesis
def test_hundreds_of_requests_are_answered_as_it_says(sandbox: Sandbox):
    schemathesis(sandbox.url, 500, "--generation-database", "none")
