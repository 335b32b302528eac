"""What comes of an answer is delivered, what may still come is asked for again, and a user is told
what another run costs."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.clients import FOUR, PATIENT, XL, client_of, posts
from support.pictures import gradient, png_of
from support.raw_server import raw, read_request
from support.timing import HANG
from visioncraft.visioncraft_core import Client, Profile, Secret, Upscale, errors
from visioncraft.visioncraft_core.api.sandbox_keys import SANDBOX_PREMIUM_KEY
from visioncraft.visioncraft_core.media.images import decode
from visioncraft.visioncraft_core.profiles.profile import embedded_sandbox
from visioncraft.visioncraft_core.sandbox import Sandbox
from visioncraft.visioncraft_core.service.faults.rules import parse
from visioncraft.visioncraft_core.store.store import Store


def test_a_lost_link_of_four_is_told_and_only_it_is_fetched_again(home: Path):
    faults = [parse("results=500*4")]  # all tries of the first file that is asked for
    with Sandbox(faults=faults) as sandbox:
        client = client_of(sandbox, home)
        # One after the other, so that the four failures strike one file.
        first = client.send(FOUR)
        lost = 4 - len(first.files)
        assert lost >= 0
        assert len([note for note in first.notes if "failed" in note]) == lost
        before = len(sandbox.requests)
        again = client.send(FOUR)
        assert len(again.files) == 4
        assert sandbox.requests[before:] == tuple(
            line for line in sandbox.requests[before:] if line.startswith("GET /results/")
        )
        assert len(sandbox.requests) - before == lost


def test_a_dead_host_of_results_is_asked_again_without_paying(home: Path):
    with Sandbox(
        faults=[parse("results=500*4")], response_formats={"generate-xl": "links"}
    ) as sandbox:
        client = client_of(sandbox, home)
        with pytest.raises(errors.DownloadFailed, match="Its link is stored"):
            client.send(XL)
        assert client.send(XL).files
        assert posts(sandbox) == 1


@pytest.mark.parametrize("fault", ["429*4", "408*4", "403-key*4", "html*1", "empty*1", "206*1"])
def test_a_result_that_cannot_be_fetched_just_now_is_not_paid_for_again(fault: str, home: Path):
    faults = [parse(f"results={fault}")]
    with Sandbox(faults=faults, response_formats={"generate-xl": "links"}) as sandbox:
        client = client_of(sandbox, home)
        with pytest.raises(errors.VisionCraftError, match="without another job"):
            client.send(XL)
        assert client.send(XL).files
        assert posts(sandbox) == 1


def test_one_dead_link_takes_no_paid_file_with_it(home: Path):
    with Sandbox(faults=[parse("generate=one-dead")]) as sandbox:
        key = Secret(SANDBOX_PREMIUM_KEY)
        strict = Profile("test", sandbox.url, key, PATIENT, fail_on_partial=True)
        for _ in range(2):
            with pytest.raises(errors.DownloadFailed, match="others are stored. Change seed"):
                Client(strict, home=home).send(FOUR)
        lenient = client_of(sandbox, home).send(FOUR)
        assert (len(lenient.files), lenient.missing) == (3, 1)
        assert posts(sandbox) == 1


def test_where_one_link_is_dead_and_another_may_live_nothing_is_paid_again(home: Path):
    made = b'{"images": ["/dead.png", "/busy.png"]}'
    asked: list[str] = []

    def talk(connection: Any) -> None:
        path = read_request(connection).split()[1].decode()
        asked.append(path)
        status = {"/dead.png": 404, "/busy.png": 503}.get(path, 200)
        body = made if status == 200 else b""
        head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode() + body)

    with raw(talk) as server:
        client = Client(Profile("test", server.url, Secret("sandbox-free"), PATIENT), home=home)
        for _ in range(2):
            with pytest.raises(errors.DownloadFailed, match="answered 503 .* without another job"):
                client.send(XL)
    assert asked.count("/generate-xl") == 1


@pytest.mark.parametrize("reason", ["off", "full"])
def test_nobody_is_told_that_something_is_kept_where_nothing_is(reason: str, home: Path):
    faults = [parse("results=500*4")]
    with Sandbox(faults=faults, response_formats={"generate-xl": "links"}) as sandbox:
        if reason == "full":
            home.mkdir(parents=True)
            (home / "store").write_text("in the way")
        key = Secret("sandbox-free")
        profile = Profile("test", sandbox.url, key, PATIENT, store=reason != "off")
        with pytest.raises(
            errors.DownloadFailed, match="not stored here; running again starts another"
        ):
            Client(profile, home=home).send(XL)


def test_what_an_ended_sandbox_did_not_deliver_is_asked_for_again(home: Path):
    code = """
import sys
from pathlib import Path
from visioncraft.visioncraft_core import Client, Generate, errors
from visioncraft.visioncraft_core.profiles.profile import embedded_sandbox
four = Generate(model="anything_V5", sampler="Euler", prompt="a fox", image_count=4)
said = []
def cancel():
    return any("fetching" in text for text in said)
client = Client(embedded_sandbox(), home=Path(sys.argv[1]))
try:
    client.send(four, on_progress=said.append, should_cancel=cancel)
except errors.Cancelled:
    print("cancelled")
"""
    command = [sys.executable, "-c", code, str(home)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG, check=True)
    assert done.stdout.split() == ["cancelled"]
    result = Client(embedded_sandbox(), home=home).send(FOUR)
    assert (len(result.files), result.missing) == (4, 0)


def test_links_that_died_are_paid_for_again(home: Path):
    with Sandbox(
        faults=[parse("results=404*8")], response_formats={"generate-xl": "links"}
    ) as sandbox:
        client = client_of(sandbox, home)
        with pytest.raises(errors.DownloadFailed):
            client.send(XL)
        # The kept link is tried first; it is dead, so another picture is asked for.
        assert client.send(XL).files
        assert posts(sandbox) == 2


@pytest.mark.parametrize("fault", ["generate=one-dead", "upscale=500*1"])
def test_a_strict_profile_wants_all_or_nothing(fault: str, home: Path):
    with Sandbox(faults=[parse(fault)]) as sandbox:
        key = Secret(SANDBOX_PREMIUM_KEY)
        client = Client(Profile("test", sandbox.url, key, PATIENT, fail_on_partial=True), home=home)
        requests = [Upscale(image=png_of(gradient(8, n + 8))) for n in range(3)]
        with pytest.raises((errors.DownloadFailed, errors.ServerFailed)):
            client.send(FOUR) if "generate" in fault else client.send_all(requests)


def test_a_link_that_was_blocked_is_fetched_once_the_profile_allows_its_host(home: Path):
    with Sandbox() as files:
        made = client_of(files, home).send(FOUR)
        assert made.files
        link = next(line for line in files.requests if line.startswith("GET ")).split()[1]
        with Sandbox(faults=[parse(f"generate-xl=link:{files.url}{link}")]) as sandbox:
            client = client_of(sandbox, home)
            with pytest.raises(errors.UnsafeURL):
                client.send(XL)
            hosts = (files.url.partition("//")[2],)
            profile = dataclasses.replace(client.profile, result_hosts=hosts)
            assert Client(profile, home=home).send(XL).files
            assert posts(sandbox) == 1


def test_a_file_that_does_not_open_is_kept_for_people_and_asked_for_again(home: Path):
    with Sandbox(faults=[parse("generate-xl=garbled*1")]) as sandbox:
        client = client_of(sandbox, home)
        with pytest.raises(errors.DamagedFile):
            client.send(XL, decoder=decode)
        assert client.send(XL, decoder=decode).decoded
        assert posts(sandbox) == 2
    (entry,) = Store(home / "store").entries()
    assert entry.unparsed is None  # what came later counts


def test_a_link_to_a_file_that_does_not_open_is_fetched_again(home: Path):
    faults = [parse("results=garbled*1")]
    with Sandbox(faults=faults, response_formats={"generate": "links"}) as sandbox:
        client = client_of(sandbox, home)
        first = client.send(FOUR, decoder=decode)
        assert (len(first.decoded), first.missing) == (3, 1)
        again = client.send(FOUR, decoder=decode)
        assert (len(again.decoded), again.missing) == (4, 0)
        assert (posts(sandbox), len(sandbox.requests)) == (1, 6)


def test_a_part_that_came_damaged_in_a_kept_answer_stays_so(home: Path):
    with Sandbox(faults=[parse("generate=one-cut")]) as sandbox:
        client = client_of(sandbox, home)
        for _ in range(2):
            result = client.send(FOUR, decoder=decode)
            assert (len(result.files), result.missing) == (3, 0)
            assert "The others are stored. Change seed" in result.notes[-1]
        assert posts(sandbox) == 1
