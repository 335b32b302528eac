"""A marked key goes through everything there is, and is looked for everywhere but at the API.

The ids are those of the reliability requirements. The sandbox takes only its own keys, so a relay
stands before it that puts one of them in the place of the marked one.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.leaks import spellings
from support.paths import EXAMPLES
from support.pictures import gradient, png_of
from support.raw_server import Talk, answering, raw, read_request
from support.relay import GRAPH, KEY, assert_hidden, node, relay, saved, shown_of, xl_node
from visioncraft.nodes import NODE_CLASS_MAPPINGS
from visioncraft.nodes.headless.cli import main
from visioncraft.visioncraft_core import Client, GenerateXL, Profile, Secret, Timeouts, errors
from visioncraft.visioncraft_core.api.endpoints import CATALOGS, ENDPOINTS, Chat
from visioncraft.visioncraft_core.api.fields import Request
from visioncraft.visioncraft_core.api.sandbox_keys import SANDBOX_PREMIUM_KEY
from visioncraft.visioncraft_core.errors import VisionCraftError
from visioncraft.visioncraft_core.profiles.profiles import Profiles
from visioncraft.visioncraft_core.sandbox import Sandbox
from visioncraft.visioncraft_core.service.faults.rules import parse

assert len(KEY) == len(SANDBOX_PREMIUM_KEY)  # so that no Content-Length changes in the relay
LIMITS = Timeouts(connect=1.0, upload=2.0, first_byte=20.0, stall=1.0, total=30.0)
HURRIED = Timeouts(connect=1.0, upload=1.0, first_byte=0.5, stall=0.5, total=1.0)
XL = GenerateXL(prompt="a fox", width=64, height=64)
PICTURE = png_of(gradient())
VALUES: dict[str, Any] = {
    "prompt": "a fox",
    "message": "a fox",
    "image": PICTURE,
    "messages": ({"role": "user", "content": "a fox"},),
    "sampler": "Euler",
}


def one_of(kind: type[Request]) -> Request:
    values = {f.name: VALUES[f.name] for f in kind.fields() if f.required and f.name in VALUES}
    values |= {f.name: 64 for f in kind.fields() if f.name in ("width", "height")}
    model = next((f for f in kind.fields() if f.name == "model" and f.required), None)
    return kind(**values, **({"model": getattr(model.kind, "suggested", "")} if model else {}))


def client(url: str, home: Path, limits: Timeouts = LIMITS, **settings: Any) -> Client:
    return Client(Profile("test", url, Secret(KEY), limits, **settings), home=home)


def told(error: BaseException) -> str:
    """All that a log or a node would show of it."""
    shown = traceback.format_exception(error)
    return "\n".join([str(error), repr(error), repr(error.args), repr(error.__dict__), *shown])


def told_with_variables(error: BaseException) -> str:
    """What a debugger or a reporter of errors would show of it."""
    return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


def assert_home_is_clean(home: Path) -> None:
    for path in home.rglob("*"):
        if path.is_file() and path.name != "profiles.json":
            assert_hidden(str(path), path.read_bytes())


@pytest.fixture(autouse=True)
def _every_word(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Looks at what was logged, down to DEBUG, in each test here."""
    caplog.set_level(logging.DEBUG)
    yield
    for record in [*caplog.get_records("call"), *caplog.get_records("setup")]:
        assert_hidden(logging.Formatter().format(record), repr(record.__dict__))


def configured(home: Path, url: str, **settings: Any) -> None:
    home.mkdir(mode=0o700, exist_ok=True)
    entry = {"base_url": url, "key": KEY, **settings}
    (home / "profiles.json").write_text(json.dumps({"profiles": {"work": entry}}))
    (home / "profiles.json").chmod(0o600)


# --- Through everything ------------------------------------------------------------------------


def test_the_key_is_at_the_api_and_nowhere_else_after_every_kind_of_request(
    sandbox: Sandbox, home: Path
):
    said: list[str] = []
    with relay(sandbox) as server:
        call = client(server.url, home, result_hosts=(server.result_host,))
        for kind in ENDPOINTS:
            result = call.send(one_of(kind), on_progress=said.append)
            assert result.files or result.text
            assert_hidden(repr(result), *(file.content for file in result.files))
        for name in CATALOGS:
            assert_hidden(repr(call.catalog(name)))
    posts = [request for request in server.heard if request.startswith(b"POST")]
    assert len(posts) == len(ENDPOINTS)
    for request in posts:
        head, _, body = request.partition(b"\r\n\r\n")
        assert json.loads(body)["token"] == KEY
        assert_hidden(head)
    assert_hidden(*(request for request in server.heard if request.startswith(b"GET")))
    assert server.heard_at_results
    assert_hidden(*server.heard_at_results, *said)
    assert_home_is_clean(home)


@pytest.mark.parametrize("shape", ["job", "list", "base64", "data-uri"])
def test_the_key_is_at_the_api_only_in_whatever_shape_it_answers(shape: str, home: Path):
    with Sandbox(response_formats={"generate-xl": shape}) as sandbox, relay(sandbox) as server:
        call = client(server.url, home, result_hosts=(server.result_host,))
        assert_hidden(repr(call.send(XL)))
    assert_hidden(*server.heard_at_results)
    assert_home_is_clean(home)


def failure(call: Callable[[], Any]) -> VisionCraftError:
    with pytest.raises(VisionCraftError) as caught:
        call()
    assert len(str(caught.value)) < 300
    return caught.value


AWAY = f"http://127.0.0.1:1/x.png?token={KEY}"
FAULTS = (
    *("echo", "echo-200", "403-key", "401", "402", "413", "418", "429:86400", "500", "500-html"),
    *("503", "html", "string", "object", "json-cut", "surrogate", "empty", "images-text", "reset"),
    *("truncate", "bad-header", "long-header", "cut-status", "gzip-cut", "codes-200"),
    *(f"redirect-{code}:{AWAY}" for code in (301, 303, 307, 308)),
    *(f"link:{AWAY}", f"link:https://ok.test/{KEY}.png", f"link:https://{KEY}.test/x.png"),
    *("hang", "hang-body", "drip-body", "endless-job", "early-reset", "length-huge", "304", "999"),
)


@pytest.mark.parametrize("fault", FAULTS)
def test_no_fault_brings_the_key_out(fault: str, home: Path):
    said: list[str] = []
    with Sandbox(faults=[parse(f"generate-xl={fault}")]) as sandbox, relay(sandbox) as server:
        call = client(server.url, home, HURRIED)
        error = failure(lambda: call.send(XL, on_progress=said.append))
    assert_hidden(told(error), *said, *server.heard_at_results)
    if not fault.startswith(("echo", "link", "redirect")):  # there the server's answer holds it
        assert_hidden(told_with_variables(error))
    assert_home_is_clean(home)


STATUSES = (200, 403, 422, 429, 500)


@pytest.mark.parametrize("status", STATUSES)
def test_m32_a_server_that_says_the_key_in_any_spelling_is_not_repeated(status: int, home: Path):
    lines = [KEY[:n] + "\n" + KEY[n:] for n in range(1, len(KEY))]
    told_by_server = [
        *spellings(KEY).values(),
        *lines,
        *(f"{'x' * n}{KEY}" for n in range(100, 125)),  # clipped in its middle
    ]
    for number, words in enumerate(told_by_server):
        body = json.dumps({"detail": f"The token {words} is odd."}).encode()
        if number % 2:
            body = f"<html><title>{words} is odd</title></html>".encode()
        head = f"HTTP/1.1 {status} {KEY}\r\nRetry-After: 999\r\nX-Key: {KEY}\r\n"
        head += f"Set-Cookie: a={KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
        with raw(answering(head.encode() + body)) as server:
            assert_hidden(told(failure(lambda: client(server.url, home).send(XL))))
    assert_home_is_clean(home)


def json_of(content: Any) -> Talk:
    body = json.dumps(content).encode()
    return answering(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


def test_the_key_in_a_models_answer_or_in_a_list_reaches_no_output(home: Path):
    reply = {"message": f"Your key is {KEY}", "chat_id": KEY}
    say = Chat(model="openchat-7b", messages=({"role": "user", "content": "a fox"},))
    with raw(json_of(reply)) as server:
        result = client(server.url, home).send(say)
        assert result.text == "Your key is ***"
        assert_hidden(repr(result), repr(client(server.url, home).send(say)))
    with raw(json_of(["one", f"model {KEY}"])) as server:
        assert client(server.url, home).catalog("models").names == ("one", "model ***")
    assert_home_is_clean(home)


# --- To other hosts ----------------------------------------------------------------------------


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_m30_a_redirect_carries_no_key_to_another_host(code: int, home: Path):
    with raw(answering()) as other:
        reply = f"HTTP/1.1 {code} X\r\nLocation: {other.url}/x\r\nContent-Length: 0\r\n\r\n"
        with raw(answering(reply.encode())) as server:
            call = client(server.url, home, result_hosts=(other.url.partition("://")[2],))
            failure(lambda: call.send(XL))
        assert other.connections == 0


@pytest.mark.parametrize("spelling", ["plain", "upper case", "percent", "hex", "base64 0"])
@pytest.mark.parametrize("how", ["link", "redirect of a link"])
def test_m33_an_address_with_the_key_in_it_is_never_asked(how: str, spelling: str, home: Path):
    with raw(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as other:
        target = f"{other.url}/x.png?token={spellings(KEY)[spelling]}"

        def talk(connection: socket.socket) -> None:
            posted = read_request(connection).startswith(b"POST")
            if posted and how != "link":
                reply = f"http://127.0.0.1:{connection.getsockname()[1]}/r.png"
            elif posted:
                reply = target
            else:
                connection.sendall(
                    f"HTTP/1.1 302 X\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode()
                )
                return
            body = json.dumps({"images": [reply]}).encode()
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
            )

        with raw(talk) as server:
            call = client(server.url, home, result_hosts=(other.url.partition("://")[2],))
            error = failure(lambda: call.send(XL))
        assert type(error) is errors.UnsafeURL
        assert other.connections == 0
    assert_hidden(told(error))


def test_m34_a_netrc_login_goes_neither_to_the_api_nor_to_a_result_host(
    sandbox: Sandbox, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    netrc = tmp_path / "netrc"
    login = f"login someone password {KEY}\n"
    netrc.write_text(f"machine 127.0.0.1 {login}default {login}")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    links = Sandbox(response_formats={"generate-xl": "links"})
    with links, relay(links) as server:
        call = client(server.url, home, result_hosts=(server.result_host,))
        assert call.send(XL).files
        call.catalog("models")
    heard = [*server.heard, *server.heard_at_results]
    assert len(heard) == 3
    assert not [request for request in heard if b"authorization" in request.lower()]


def test_m35_a_cookie_of_a_result_host_is_never_sent_back(home: Path):
    cookie = b"Set-Cookie: spy=1; Path=/\r\n"
    links = Sandbox(response_formats={"generate-xl": "links"})
    with links, relay(links, cookie) as server:
        call = client(server.url, home, result_hosts=(server.result_host,))
        for seed in range(2):
            assert call.send(XL, seed=seed).files
    heard = [*server.heard, *server.heard_at_results]
    assert len(heard) == 4
    assert not [request for request in heard if b"cookie" in request.lower()]


@pytest.mark.parametrize("url", ["https://api.test", "http://api.test"])
def test_m36_a_proxys_password_is_in_no_message(
    url: str, home: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("NO_PROXY")
    refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    with raw(answering(refusal)) as proxy:
        address = proxy.url.replace("://", f"://user:{KEY}@")
        for variable in ("HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(variable, address)
        profile = Profile("test", url, Secret("another-key"), LIMITS, retry_policy="never")
        error = failure(lambda: Client(profile, home=home).send(XL))
        assert proxy.connections == 1
    assert_hidden(told(error))


@pytest.mark.parametrize("answered", ["well", "oddly"])
def test_the_query_of_a_result_link_is_in_no_log(
    answered: str, home: Path, caplog: pytest.LogCaptureFixture
):
    good = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(PICTURE), PICTURE)
    odd = b"HTTP/1.1 200 OK\r\nno colon here\r\nContent-Length: 2\r\n\r\n{}"

    def talk(connection: socket.socket) -> None:
        if read_request(connection).startswith(b"GET"):
            connection.sendall(odd if answered == "oddly" else good)
            return
        link = f"http://127.0.0.1:{connection.getsockname()[1]}/x.png?signature=SIGNED"
        body = json.dumps({"images": [link]}).encode()
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    with raw(talk) as server:
        call = client(server.url, home)
        if answered == "oddly":
            error = failure(lambda: call.send(XL))
            assert "SIGNED" not in told(error)
        else:
            assert call.send(XL).files
    assert "GET /x.png HTTP" in caplog.text  # of urllib3, at DEBUG
    assert not [r for r in caplog.records if "SIGNED" in str(r.__dict__)]


# --- The command -------------------------------------------------------------------------------

RUN = ("Picture to video", "Idea to animation", "LoRA stack")  # an MP4, a WebP, a GIF and PNG files


def small(name: str, folder: Path) -> str:
    """An example whose pictures are small, so that the search through them is short."""
    canvas = json.loads((EXAMPLES / f"VisionCraft - {name}.json").read_text("utf-8"))
    for each in canvas["nodes"]:
        values = each.get("widgets_values", [])
        each["widgets_values"] = [64 if value in (512, 768, 1024) else value for value in values]
    (folder / f"{name}.json").write_text(json.dumps(canvas), "utf-8")
    return str(folder / f"{name}.json")


def test_every_node_runs_with_the_key_and_shows_it_nowhere(
    sandbox: Sandbox,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("PYTHONASYNCIODEBUG", "1")
    with relay(sandbox) as server:
        configured(home, server.url, result_hosts=[server.result_host])
        graph = tmp_path / "graph.json"
        graph.write_text(json.dumps(GRAPH))
        options = ["--server", "work", "--out", str(tmp_path / "out")]
        for flow in (*(small(name, tmp_path) for name in RUN), str(graph)):
            assert main(["run", flow, *options]) == 0
        assert main(["run", str(graph), *options, "--json"]) == 0
    assert {"urllib3.connectionpool", "asyncio"} <= {record.name for record in caplog.records}
    assert_hidden(caplog.text, *capfd.readouterr(), *server.heard_at_results)
    assert_hidden(*(request.partition(b"\r\n\r\n")[0] for request in server.heard))
    examples = [
        json.loads((EXAMPLES / f"VisionCraft - {name}.json").read_text("utf-8")) for name in RUN
    ]
    used = {n["type"] for example in examples for n in example["nodes"]}
    assert used | {n["class_type"] for n in GRAPH.values()} >= set(NODE_CLASS_MAPPINGS)
    asked = {request.split(b" ")[1].decode() for request in server.heard}
    assert {kind.path for kind in ENDPOINTS} <= asked
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert {path.suffix for path in files} >= {".png", ".webp", ".gif", ".mp4"}
    for path in files:
        assert_hidden(shown_of(path))
    assert_home_is_clean(home)


@pytest.mark.parametrize("fault", ["echo", "403-key", f"link:{AWAY}", f"redirect-307:{AWAY}"])
def test_a_run_that_fails_shows_the_key_nowhere(
    fault: str, home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    with Sandbox(faults=[parse(f"*={fault}")]) as sandbox, relay(sandbox) as server:
        configured(home, server.url)
        graph = tmp_path / "graph.json"
        graph.write_text(json.dumps({"1": xl_node(), "2": saved("1")}))
        for option in ([], ["--json"]):
            out = ["--out", str(tmp_path / "out")]
            assert main(["run", str(graph), "--server", "work", *out, *option]) == 1
    assert_hidden(*capfd.readouterr())
    assert_home_is_clean(home)


@pytest.mark.parametrize("way", ["inputs", "server input", "Server node"])
def test_m37_a_workflow_cannot_say_where_the_key_goes(
    way: str, sandbox: Sandbox, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    with raw(answering()) as other, relay(sandbox) as server:
        configured(home, server.url)
        more = {
            "inputs": {"base_url": other.url, "api_key": KEY, "token": KEY, "url": other.url},
            "server input": {"server": other.url},
            "Server node": {"server": ["3", 0]},
        }[way]
        chosen = node("VisionCraftServer", profile=other.url)
        graph = {"1": xl_node(**more), "2": saved("1"), "3": chosen}
        if way != "Server node":
            del graph["3"]
        path = tmp_path / "graph.json"
        path.write_text(json.dumps(graph))
        main(["run", str(path), "--server", "work", "--out", str(tmp_path / "out")])
        assert other.connections == 0
        bodies = [
            json.loads(r.partition(b"\r\n\r\n")[2]) for r in server.heard if r.startswith(b"POST")
        ]
    assert not [body for body in bodies if {"base_url", "api_key", "url"} & body.keys()]
    if way != "inputs":  # there the user has written the key into the workflow
        assert_hidden(*capsys.readouterr())


def keep(monkeypatch: pytest.MonkeyPatch, url: str, key: str = KEY) -> int:
    """The status of `visioncraft key set` where `key` is typed."""
    with tempfile.TemporaryFile("w+") as typed, monkeypatch.context() as there:
        typed.write(f"{key}\n")
        typed.seek(0)
        there.setattr(sys, "stdin", typed)
        return main(["key", "set", "work", "--base-url", url])


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such modes")
@pytest.mark.parametrize("before", ["nothing", "an open folder", "an open file"])
def test_a_kept_key_can_be_read_by_its_owner_only(
    before: str,
    sandbox: Sandbox,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
):
    if before != "nothing":
        home.mkdir()
        home.chmod(0o775)
    if before == "an open file":
        (home / "profiles.json").write_text("{}")
        (home / "profiles.json").chmod(0o664)
    umask = os.umask(0o002)
    try:
        assert keep(monkeypatch, sandbox.url) == 0
    finally:
        os.umask(umask)
    assert (home / "profiles.json").stat().st_mode & 0o777 == 0o600
    # A folder that it did not make stays as it is.
    assert home.stat().st_mode & 0o777 == (0o700 if before == "nothing" else 0o775)
    assert Profiles(home).find("work").require_key().reveal() == KEY
    assert_hidden(*capfd.readouterr())


@pytest.mark.parametrize("step", ["replace", "fdopen"])
def test_a_key_that_cannot_be_kept_leaves_the_old_one_and_no_half_file(
    step: str,
    sandbox: Sandbox,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
):
    assert keep(monkeypatch, sandbox.url) == 0
    before = (home / "profiles.json").read_bytes()

    def fails(*_: Any, **__: Any) -> Any:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, step, fails)
        assert keep(monkeypatch, sandbox.url, "another-key-1234") == 2
    assert (home / "profiles.json").read_bytes() == before
    assert sorted(path.name for path in home.iterdir()) == ["profiles.json", "profiles.lock"]
    assert "No space left" in (said := "".join(capfd.readouterr()))
    assert "another-key" not in said
    assert_hidden(said)


def test_a_key_is_never_taken_from_the_command_line(home: Path):
    for more in ([KEY], ["--key", KEY], [f"--key={KEY}"], ["--api-key", KEY]):
        assert main(["key", "set", "work", *more]) == 2
    assert not home.exists()


@pytest.mark.parametrize("fault", ["", "echo", "403-key", "echo-200", f"redirect-307:{AWAY}"])
def test_what_tries_a_key_does_not_show_it(
    fault: str, home: Path, capfd: pytest.CaptureFixture[str]
):
    faults = [parse(f"llm={fault}")] if fault else []
    with Sandbox(faults=faults) as sandbox, relay(sandbox) as server:
        configured(home, server.url)
        assert main(["key", "test", "work", "--yes"]) == (1 if fault else 0)
        assert KEY.encode() in b"".join(server.heard)
        assert main(["doctor", "--server", "work"]) == 0
    assert_hidden(*capfd.readouterr())
    assert_home_is_clean(home)


def test_the_doctor_sends_no_key(home: Path, capfd: pytest.CaptureFixture[str]):
    with Sandbox() as sandbox, relay(sandbox) as server:
        configured(home, server.url)
        assert main(["doctor", "--server", "work"]) == 0
        assert_hidden(*server.heard)
    assert_hidden(*capfd.readouterr())


@pytest.mark.parametrize("content", [f'{{"profiles": {{"{KEY}": 1', f'["{KEY}"]', "profiles"])
def test_a_broken_file_of_keys_is_told_without_its_content(
    content: str, home: Path, capfd: pytest.CaptureFixture[str]
):
    home.mkdir()
    entry = {"base_url": 7, "key": KEY, "max_concurrency": KEY, "timeouts": KEY}
    text = content if content != "profiles" else json.dumps({"profiles": {"work": entry}})
    (home / "profiles.json").write_text(text)
    assert main(["run", "none.json", "--server", "work"]) == 2
    assert main(["doctor", "--server", "work"]) == 1
    assert_hidden(*capfd.readouterr())
