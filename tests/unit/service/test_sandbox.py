"""The sandbox as a client sees it: statuses, shapes, keys, who may call."""

from __future__ import annotations

import json
import socket
from typing import Any

import numpy as np
import pytest
import requests
from support import spec
from support.clients import body_of
from support.pictures import gradient, png_of
from visioncraft.visioncraft_core.api.endpoints import CATALOGS, ENDPOINTS
from visioncraft.visioncraft_core.api.fields import ImageField, IntegerField, NumberField, Request
from visioncraft.visioncraft_core.errors import ConfigError
from visioncraft.visioncraft_core.media.images import decode, sniff
from visioncraft.visioncraft_core.sandbox import Sandbox, embedded
from visioncraft.visioncraft_core.service import accounts
from visioncraft.visioncraft_core.service.response_formats import FILE_FORMATS

XL = {"prompt": "a red fox", "model": "sdxl-turbo", "width": 96, "height": 64}


def post(sandbox: Sandbox, path: str, body: Any, **options: Any) -> requests.Response:
    if isinstance(body, dict):
        body = {"token": "sandbox-premium", **body}
    return requests.post(sandbox.url + path, json=body, timeout=20, **options)


@pytest.mark.parametrize("catalog", CATALOGS)
def test_every_catalog_is_a_bare_list_without_a_key(catalog: str, sandbox: Sandbox):
    answer = requests.get(f"{sandbox.url}/{catalog}", timeout=60)
    assert answer.status_code == 200
    names = answer.json()
    assert set(spec.CATALOGS[f"/{catalog}"]) <= set(names)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: e.path)
def test_every_endpoint_answers_as_the_service_did(endpoint: type[Request], sandbox: Sandbox):
    answer = post(sandbox, endpoint.path, body_of(endpoint))
    assert answer.status_code == 200, answer.text
    shape = spec.SHAPES.get(endpoint.path)
    if shape == "bytes":
        kind = {"images": "image/png", "video": "video/mp4"}[endpoint.output]
        assert answer.headers["Content-Type"] == kind
        assert sniff(answer.content)
    elif shape == "links":
        links = answer.json()["images"]
        assert all(link.startswith(sandbox.url + "/results/") for link in links)
        assert sniff(requests.get(links[0], timeout=60).content)
    elif endpoint.path == "/llm":
        choice = answer.json()["choices"][0]
        assert choice["message"]["role"] == "assistant"
        assert choice["finish_reason"] == "stop"
    else:
        assert set(answer.json()) == {"message", "chat_id"}


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: e.path)
def test_a_422_names_every_bad_field_as_fastapi_does(endpoint: type[Request], sandbox: Sandbox):
    wrong = {f.name: None for f in endpoint.fields()}
    answer = post(sandbox, endpoint.path, {**wrong, "token": "sandbox-free"})
    assert answer.status_code == 422
    detail = answer.json()["detail"]
    assert {tuple(entry["loc"]) for entry in detail} == {("body", name) for name in wrong}
    assert all(set(entry) == {"loc", "msg", "type"} for entry in detail)
    for field in endpoint.fields():
        if isinstance(field.kind, IntegerField | NumberField):
            body = {**body_of(endpoint), field.name: field.kind.high + 1}
            answer = post(sandbox, endpoint.path, body)
            assert answer.status_code == 422
            assert answer.json()["detail"][0]["loc"] == ["body", field.name]


@pytest.mark.parametrize(
    ("send", "status"),
    [
        ({"data": json.dumps({**XL, "token": "sandbox-free"})}, 200),
        ({"json": {**XL, "token": "sandbox-free", "width": "96", "watermark": None}}, 200),
        ({"data": "{not json"}, 422),
        ({"data": ""}, 422),
        ({"data": "[1]"}, 422),
        ({"data": "[" * 100_000}, 422),
        ({"json": XL}, 422),
        ({"json": {**XL, "token": None}}, 422),
        ({"json": {**XL, "token": "someone"}}, 403),
        ({"json": {**XL, "token": "sandbox-free", "model": "sdxl-base"}}, 413),
        ({"json": {**XL, "token": "sandbox-free", "model": "no-such"}}, 400),
        ({"data": {"prompt": "form"}}, 415),
        ({"data": "{}", "headers": {"Content-Type": "text/plain"}}, 415),
        ({"json": XL, "headers": {"Origin": "https://evil.test"}}, 403),
        ({"json": XL, "headers": {"Host": "evil.test"}}, 403),
        ({"data": b" " * (33 * 2**20)}, 413),
    ],
)
def test_what_is_posted_is_judged_like_the_service_did(
    send: dict[str, Any], status: int, sandbox: Sandbox
):
    answer = requests.post(sandbox.url + "/generate-xl", timeout=20, **send)
    assert answer.status_code == status
    if status != 200:
        assert set(answer.json()) <= {"detail", "error"}


def test_curl_as_in_the_specification_is_told_what_it_lacks(sandbox: Sandbox):
    form = {"Content-Type": "application/x-www-form-urlencoded"}  # what `curl -d` sends
    answer = requests.post(sandbox.url + "/llm", data=json.dumps(XL), headers=form, timeout=20)
    assert answer.status_code == 415
    assert "-H 'Content-Type: application/json'" in answer.json()["detail"]


def test_people_find_a_page(sandbox: Sandbox):
    assert "<form" in requests.get(sandbox.url, timeout=20).text
    answer = requests.get(sandbox.url + "/docs", timeout=20)
    assert answer.headers["Content-Type"].startswith("text/html")
    for kind in ENDPOINTS:
        assert f"<h2>POST {kind.path}</h2>" in answer.text
    assert "<td>required</td>" in answer.text
    assert sandbox.requests == ()


def test_a_seed_in_the_header_is_used_and_offered(sandbox: Sandbox):
    def drawn(seed: str | None) -> requests.Response:
        headers = {} if seed is None else {"VisionCraft-Seed": seed}
        body = {**XL, "token": "sandbox-free"}
        return requests.post(f"{sandbox.url}/generate-xl", json=body, headers=headers, timeout=20)

    made = [drawn(seed).content for seed in ("1", "2", "3", "1", None, None)]
    assert len(set(made[:3])) == 3
    assert made[3] == made[0]
    assert made[4] != made[5]
    for wrong in ("", "x", "-1", "1.5", str(2**64), "9" * 5000):
        assert drawn(wrong).status_code == 400
    offered = requests.get(sandbox.url + "/models", timeout=20).headers
    assert offered["VisionCraft-Accept"].split(", ")[0] == "seed"


def test_unknown_paths_and_methods_answer_like_fastapi(sandbox: Sandbox):
    for method, path, status, text in [
        ("GET", "/nothing", 404, "Not Found"),
        ("GET", "//models", 404, "Not Found"),
        ("GET", "/generate", 405, "Method Not Allowed"),
        ("POST", "/models", 405, "Method Not Allowed"),
    ]:
        url = f"http://{sandbox.url.removeprefix('http://')}{path}"
        answer = requests.request(method, url, timeout=60)
        assert (answer.status_code, answer.json()) == (status, {"detail": text})


def test_a_422_never_repeats_the_body_that_holds_the_key(sandbox: Sandbox):
    body = {"token": "vc-CANARY", "prompt": "vc-CANARY", "width": "vc-CANARY"}
    assert "CANARY" not in post(sandbox, "/generate-xl", body).text


@pytest.mark.parametrize("path", ["/premium/llm", "/img2video"])
def test_a_free_key_is_refused_what_costs(path: str, sandbox: Sandbox):
    endpoint = next(e for e in ENDPOINTS if e.path == path)
    answer = post(sandbox, path, {**body_of(endpoint), "token": "sandbox-free"})
    assert answer.status_code == 413
    assert answer.json()["error"]


def test_asking_again_gives_another_picture_and_a_fresh_start_repeats_the_series():
    series = []
    for _ in range(2):
        with Sandbox() as sandbox:
            series.append([post(sandbox, "/generate-xl", XL).content for _ in range(3)])
    assert series[0] == series[1]
    assert len(set(series[0])) == 3


def test_another_question_in_between_does_not_change_a_series():
    with Sandbox() as sandbox:
        plain = [post(sandbox, "/generate-xl", XL).content for _ in range(2)]
    with Sandbox() as sandbox:
        first = post(sandbox, "/generate-xl", XL).content
        post(sandbox, "/generate-xl", {**XL, "prompt": "a blue boat"})
        assert [first, post(sandbox, "/generate-xl", XL).content] == plain


def test_strength_0_keeps_the_given_picture_and_1_does_not(sandbox: Sandbox):
    pixels = gradient(128, 128)
    image = ImageField().to_json(png_of(pixels))
    away = []
    for strength in (0, 0.5, 1):
        body = {"prompt": "a green forest", "image": image, "strength": strength}
        got = decode(post(sandbox, "/img2img", body).content).rgb
        away.append(float(np.abs(got.astype(int) - pixels).mean()))
    assert away[0] == 0
    assert away[0] < away[1] < away[2]


def test_a_premium_chat_remembers_what_was_said():
    with Sandbox() as sandbox:
        say = {"model": "gpt-3-5-turbo", "message": "a red fox in the snow"}
        first = post(sandbox, "/premium/llm", say).json()
        again = {**say, "message": "make it night", "chat_id": first["chat_id"]}
        second = post(sandbox, "/premium/llm", again).json()
        assert second["chat_id"] == first["chat_id"]
        assert "fox" in second["message"]
        other = post(sandbox, "/premium/llm", {**say, "message": "make it night"}).json()
        assert other["chat_id"] != first["chat_id"]
        assert "fox" not in other["message"]


def test_a_job_answers_that_it_works_and_then_where_the_picture_is():
    with Sandbox(response_formats={"generate-xl": "job"}) as sandbox:
        job = post(sandbox, "/generate-xl", XL).json()["job_id"]
        assert post(sandbox, "/job-status", {"job_id": job}).json()["image"] == ""
        done = post(sandbox, "/job-status", {"job_id": job}).json()
        assert done["status"] == "success"
        assert sniff(requests.get(done["image"], timeout=60).content) == "png"
        assert post(sandbox, "/job-status", {"job_id": "x"}).status_code == 404


@pytest.mark.parametrize(
    "name", ["", "x", "..", "../app.py", "%2e%2e/app.py", "a/b", "\0", "x" * 999]
)
def test_results_cannot_be_guessed_or_walked_out_of(name: str, sandbox: Sandbox):
    post(sandbox, "/upscale", {"image": ImageField().to_json(png_of(gradient()))})
    host, port = sandbox.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as raw:
        lines = f"GET /results/{name} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"
        raw.sendall(lines.encode())
        answer = b""
        while piece := raw.recv(65536):
            answer += piece
    assert answer.split(b" ")[1] in (b"404", b"400")


def test_results_are_gone_when_the_sandbox_is():
    with Sandbox() as sandbox:
        image = ImageField().to_json(png_of(gradient()))
        link = post(sandbox, "/upscale", {"image": image}).json()["images"][0]
        assert requests.get(link, timeout=60).headers["X-Content-Type-Options"] == "nosniff"
        port = int(sandbox.url.rpartition(":")[2])
    with Sandbox(port=port), pytest.raises(requests.HTTPError):
        requests.get(link, timeout=60).raise_for_status()


def test_it_listens_on_loopback_and_a_taken_port_is_told(sandbox: Sandbox):
    assert sandbox.url.startswith("http://127.0.0.1:")
    with pytest.raises(ConfigError, match="cannot listen on"):
        Sandbox(port=int(sandbox.url.rpartition(":")[2]))


def test_one_embedded_sandbox_serves_the_whole_process():
    assert embedded() is embedded()


@pytest.mark.parametrize("shape", [{"generate-xl": "cube"}, {"nothing": "links"}])
def test_a_shape_that_is_not_understood_lists_the_shapes(shape: dict[str, str]):
    with pytest.raises(ConfigError, match="the shapes are"):
        Sandbox(response_formats=shape)


@pytest.mark.parametrize("shape", FILE_FORMATS)
def test_text_cannot_be_answered_as_a_file(shape: str):
    with pytest.raises(ConfigError, match="makes text"):
        Sandbox(response_formats={"llm": shape})


def test_the_oldest_chats_are_forgotten(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(accounts, "MOST_CHATS", 20)
    with Sandbox() as sandbox:
        say = {"model": "gpt-3-5", "message": "a red fox"}
        first = post(sandbox, "/premium/llm", say).json()["chat_id"]
        for number in range(accounts.MOST_CHATS):
            post(sandbox, "/premium/llm", {**say, "message": f"idea {number}"})
        answer = post(
            sandbox, "/premium/llm", {**say, "message": "make it night", "chat_id": first}
        )
        assert "fox" not in answer.json()["message"]
