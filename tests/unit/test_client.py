from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.clients import PATIENT, body_of, client_of, posts
from support.instant_engine import InstantEngine, MeetingEngine
from support.pictures import gradient, png_of
from support.timing import HANG, LONG, at_most, eventually
from visioncraft.visioncraft_core import (
    ENDPOINTS,
    Chat,
    Client,
    Generate,
    GenerateXL,
    ImageToVideo,
    PremiumChat,
    Result,
    Upscale,
    errors,
)
from visioncraft.visioncraft_core.api.fields import Request
from visioncraft.visioncraft_core.api.sandbox_keys import SANDBOX_FREE_KEY
from visioncraft.visioncraft_core.media.images import decode
from visioncraft.visioncraft_core.profiles.profile import Profile, embedded_sandbox
from visioncraft.visioncraft_core.profiles.secret import Secret
from visioncraft.visioncraft_core.sandbox import Sandbox
from visioncraft.visioncraft_core.service.faults.rules import parse

pytestmark = pytest.mark.timed

SMALL = GenerateXL(prompt="a red fox in snow", width=128, height=96)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: e.path)
def test_every_endpoint_answers_with_what_it_makes(endpoint: type[Request], client: Client):
    result = client.send(endpoint.from_json(body_of(endpoint)))
    kinds = {file.kind for file in result.files}
    expected = {"images": {"png"}, "animation": {"gif"}, "video": {"mp4"}, "text": set()}
    assert kinds == expected[endpoint.output]
    assert bool(result.text) == (endpoint.output == "text")
    assert result.seconds > 0


@pytest.mark.parametrize("shape", ["bytes", "links", "list", "base64", "data-uri", "job"])
def test_the_picture_is_the_same_in_every_shape_of_answer(shape: str, home: Path):
    with Sandbox() as plain, Sandbox(response_formats={"generate-xl": shape}) as other:
        expected, got = (client_of(s, home).send(SMALL).files for s in (plain, other))
    assert got == expected


@pytest.mark.parametrize("fault", ["error-200", "codes-200"])
def test_an_error_with_status_200_is_an_error(fault: str, home: Path):
    with (
        Sandbox(faults=[parse(f"generate-xl={fault}")]) as sandbox,
        pytest.raises(errors.RequestRejected),
    ):
        client_of(sandbox, home).send(SMALL)


def test_several_pictures_come_in_order_and_differ(client: Client):
    request = Generate(model="anything_V5", sampler="Euler", prompt="a fox", image_count=3)
    first = client.send(request)
    assert len({file.content for file in first.files}) == 3


def test_four_calls_run_side_by_side(home: Path):
    with Sandbox(engine=MeetingEngine(4)) as sandbox:
        client = client_of(sandbox, home)
        done: list[str] = []

        def ask(number: int) -> None:
            message = {"role": "user", "content": f"idea {number}"}
            done.append(client.send(Chat(model="openchat-7b", messages=(message,))).text)

        threads = [threading.Thread(target=ask, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(done) == 4


@pytest.mark.parametrize(
    ("request_", "error", "advice"),
    [
        (
            GenerateXL(prompt="a", model="sdxl-base"),
            errors.PremiumRequired,
            "Choose sdxl-turbo or playground-V2, or use a premium key.",
        ),
        (PremiumChat(model="gpt-3-5", message="a"), errors.PremiumRequired, "Use a premium key."),
        (
            ImageToVideo(image=png_of(gradient(64, 64))),
            errors.PremiumRequired,
            "Use a premium key; if yours is one, send a smaller picture.",
        ),
        (
            GenerateXL(prompt="a", model="no-such-model"),
            errors.FieldRejected,
            "Choose another model and run again.",
        ),
    ],
    ids=lambda each: getattr(each, "path", ""),
)
def test_what_a_free_key_cannot_have_is_told(
    request_: Request, error: type[Exception], advice: str, sandbox: Sandbox, home: Path
):
    with pytest.raises(error, match=re.escape(f" {advice}") + "$"):
        client_of(sandbox, home, SANDBOX_FREE_KEY).send(request_)


def test_a_wrong_key_is_told_without_showing_it(sandbox: Sandbox, home: Path):
    with pytest.raises(errors.KeyRejected, match="Check the key") as caught:
        client_of(sandbox, home, "vc-CANARY-wrong").send(SMALL)
    assert "CANARY" not in str(caught.value)


def test_a_server_that_echoes_the_request_does_not_make_us_show_the_key(home: Path):
    with (
        Sandbox(faults=[parse("*=echo")]) as sandbox,
        pytest.raises(errors.FieldRejected) as caught,
    ):
        client_of(sandbox, home, "vc-CANARY-wrong").send(SMALL)
    assert "CANARY" not in str(caught.value)


def test_a_wrong_base_url_is_told(sandbox: Sandbox, home: Path):
    profile = Profile("test", sandbox.url + "/v2", Secret("sandbox-free"), PATIENT)
    with pytest.raises(errors.EndpointNotFound, match="Check the base URL"):
        Client(profile, home=home).send(SMALL)


def test_a_fault_may_end_after_a_while(home: Path):
    with Sandbox(faults=[parse("generate-xl=500*1")]) as sandbox:
        client = client_of(sandbox, home)
        with pytest.raises(errors.ServerFailed):
            client.send(SMALL)
        assert client.send(SMALL).files


def test_a_picture_where_text_was_asked_for_is_a_bad_reply(home: Path):
    with (
        Sandbox(response_formats={"upscale": "chat"}) as sandbox,
        pytest.raises(errors.InvalidResponse),
    ):
        client_of(sandbox, home).send(Upscale.from_json(body_of(Upscale)))


def test_fewer_pictures_than_asked_are_delivered_with_a_note(home: Path):
    request = Generate(model="anything_V5", sampler="Euler", prompt="a fox", image_count=3)
    with Sandbox(response_formats={"generate": "bytes"}) as sandbox:
        result = client_of(sandbox, home).send(request)
    assert len(result.files) == 1
    assert result.notes == ("The server sent 1 picture(s) where 3 were asked for.",)


def test_cancelling_ends_a_call_and_a_job(home: Path):
    for options in ({"latency": LONG}, {"faults": [parse("generate-xl=endless-job")]}):
        with Sandbox(**options) as sandbox:
            asked = time.monotonic() + 0.4
            with pytest.raises(errors.Cancelled):
                client_of(sandbox, home).send(
                    SMALL, should_cancel=lambda until=asked: time.monotonic() > until
                )
            assert time.monotonic() - asked < at_most(0.3)


def test_progress_tells_who_is_waited_for(client: Client):
    heard: list[str] = []
    client.send(SMALL, on_progress=heard.append)
    assert heard == [f"waiting for {client.profile.base_url}"]


def test_the_embedded_sandbox_starts_by_itself(home: Path):
    client = Client(embedded_sandbox(), home=home)
    assert client.describe() == "the embedded sandbox"
    picture = decode(client.send(SMALL).files[0].content)
    assert picture.size == (128, 96)


def test_an_error_of_the_embedded_sandbox_names_no_port(home: Path):
    client = Client(embedded_sandbox(), home=home)
    with pytest.raises(errors.FieldRejected) as caught:
        client.send(GenerateXL(prompt="a", model="no such model"))
    assert str(caught.value).startswith("The sandbox does not know this model")
    assert "127.0.0.1" not in str(caught.value)


@pytest.mark.parametrize(
    ("request_", "similar"),
    [
        (GenerateXL(prompt="a", model="sdxl-turbi"), "Similar names in models-xl: sdxl-turbo"),
        (GenerateXL(prompt="a", sampler="eulr"), "Similar names in samplers-xl: euler"),
        (GenerateXL(prompt="a", model="no-such-model"), ""),
    ],
)
def test_a_name_that_the_server_refuses_comes_with_similar_ones(
    request_: Request, similar: str, sandbox: Sandbox, home: Path
):
    with pytest.raises(errors.FieldRejected, match=r"and run again\.") as caught:
        client_of(sandbox, home).send(request_)
    assert similar in str(caught.value)
    assert ("Similar" in str(caught.value)) == bool(similar)


def test_a_live_catalog_is_remembered_for_the_next_start(home: Path):
    with Sandbox() as sandbox:
        client = client_of(sandbox, home)
        live = client.catalog("models-xl", stale_if_error=True)
        assert (live.source, live.error) == ("live", None)
    cached = client.catalog("models-xl", stale_if_error=True)
    assert isinstance(cached.error, errors.ConnectionRefused)
    assert (cached.source, cached.names) == ("cached", live.names)
    assert client.catalog("samplers", stale_if_error=True).source == "bundled"


@pytest.mark.parametrize("fault", ["500", "html", "empty", "404", "reset"])
def test_an_outage_never_breaks_a_listing(fault: str, home: Path):
    with Sandbox(faults=[parse(f"models={fault}")]) as sandbox:
        listing = client_of(sandbox, home).catalog("models", stale_if_error=True)
    assert listing.source == "bundled"
    assert listing.error


def test_an_upload_that_is_no_picture_names_the_field(client: Client):
    for endpoint in ENDPOINTS:
        if "image" in body_of(endpoint):
            request = endpoint.from_json({**body_of(endpoint), "image": "bm90IGEgcGljdHVyZQ=="})
            with pytest.raises(errors.FieldRejected, match="image is not a picture"):
                client.send(request)


def test_a_large_picture_goes_up_and_a_four_times_larger_one_comes_back(client: Client):
    request = Upscale(image=png_of(gradient(200, 100)))
    assert decode(client.send(request).files[0].content).size == (800, 400)


def upscales(*widths: int) -> list[Upscale]:
    return [Upscale(image=png_of(gradient(width, 8))) for width in widths]


def test_several_requests_are_answered_side_by_side(home: Path):
    with Sandbox(engine=MeetingEngine(4)) as sandbox:
        result = client_of(sandbox, home).send_all(upscales(8, 9, 10, 11))
    assert len(result.files) == 4


def test_several_results_come_in_the_order_of_their_requests(home: Path):
    with Sandbox() as sandbox:
        result = client_of(sandbox, home).send_all(upscales(8, 9, 10, 11))
    assert [decode(f.content).size.width for f in result.files] == [32, 36, 40, 44]


def test_what_arrived_is_delivered_and_each_failure_is_noted(home: Path):
    with Sandbox(faults=[parse("upscale=500*1")]) as sandbox:
        result = client_of(sandbox, home).send_all(upscales(8, 9, 10))
    assert len(result.files) == 2
    assert len(result.notes) == 1
    assert re.match(r"Picture \d of 3 failed: .*status 500", result.notes[0])


def test_when_nothing_arrived_the_first_error_is_raised(home: Path):
    with Sandbox(faults=[parse("upscale=500")]) as sandbox, pytest.raises(errors.ServerFailed):
        client_of(sandbox, home).send_all(upscales(8, 9, 10))


def test_cancelling_ends_all_of_them(home: Path):
    with Sandbox(latency=HANG) as sandbox:
        asked = time.monotonic() + 0.4
        with pytest.raises(errors.Cancelled):
            client_of(sandbox, home).send_all(
                upscales(8, 9, 10), should_cancel=lambda: time.monotonic() > asked
            )
        assert time.monotonic() - asked < at_most(0.5)


def test_a_request_is_built_while_those_before_it_are_at_the_server(home: Path):
    with Sandbox(engine=MeetingEngine(2)) as sandbox:
        first, second, third = upscales(8, 9, 10)
        sent: list[int] = []

        def build() -> Request:
            assert eventually(lambda: posts(sandbox) == 2)  # the two at the server wait for another
            sent.append(posts(sandbox))
            return third

        profile = Profile("test", sandbox.url, Secret(SANDBOX_FREE_KEY), max_concurrency=3)
        result = Client(profile, home=home).send_all([first, second, build])
    assert sent == [2]
    assert len(result.files) == 3


def test_equal_requests_that_are_built_late_give_different_results(home: Path, sandbox: Sandbox):
    client = client_of(sandbox, home)
    requests = [SMALL, lambda: SMALL, lambda: SMALL]
    files = client.send_all(requests).files
    assert len({file.content for file in files}) == 3
    assert client.send_all(requests).files == files
    assert sandbox.executions == 3


def test_a_request_that_cannot_be_built_leaves_the_others(home: Path, sandbox: Sandbox):
    def refused() -> Request:
        raise errors.InvalidRequest("Too wide.", "Make it smaller.", phase="check")

    result = client_of(sandbox, home).send_all([SMALL, refused, *upscales(8)])
    assert len(result.files) == 2
    assert "Picture 2 of 3 failed: Too wide." in result.notes[0]


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda c: c.send("a fox"), TypeError, "is built from a class"),
        (lambda c: c.send(GenerateXL), TypeError, "the class GenerateXL itself"),
        (lambda c: c.forget("a fox"), TypeError, "is built from a class"),
        (lambda c: c.send(SMALL, seed="7"), TypeError, "seed must be a whole number or None"),
        (lambda c: c.send(SMALL, seed=-1), errors.InvalidRequest, "seed must be 0 to 18446744073"),
        (lambda c: c.send(SMALL, seed=2**80), errors.InvalidRequest, "seed must be 0 to 18446744"),
        (lambda c: c.send(SMALL, on_progress=True), TypeError, "on_progress must be a function"),
        (lambda c: c.send(SMALL, should_cancel=1), TypeError, "must be a function or None, not in"),
        (lambda c: c.send_all([]), ValueError, "at least one request"),
        (lambda c: c.send_all(SMALL), TypeError, "a list of requests, not GenerateXL"),
        (lambda c: c.send_all("a fox"), TypeError, "a list of requests, not str"),
        (lambda c: c.send_all([SMALL, "a fox"]), TypeError, "is built from a class"),
        (lambda c: c.send_all([lambda: "a fox"]), TypeError, "is built from a class"),
        (lambda c: c.catalog("models_xl"), errors.InvalidRequest, "Did you mean models-xl"),
        (lambda c: c.catalog("x", stale_if_error=True), errors.InvalidRequest, "Use one of"),
        (lambda _: Client(None), TypeError, "server must be a name"),  # type: ignore[arg-type]
    ],
)
def test_an_argument_of_the_wrong_kind_is_named(
    call: Callable[[Any], Any], kind: type[Exception], words: str, home: Path
):
    with pytest.raises(kind, match=re.escape(words)):
        call(Client("sandbox", home=home))


def test_the_result_of_several_requests_tells_them_apart(home: Path):
    chat = Chat(model="openchat-7b", messages=({"role": "user", "content": "a"},))
    refused = Generate(model="anything_V5", sampler="Euler", prompt="a fox")
    with Sandbox(engine=InstantEngine(), faults=[parse("generate=422")]) as sandbox:
        result = client_of(sandbox, home).send_all([SMALL, chat, refused, chat])
    picture, first, second = [each for each in result.outcomes if isinstance(each, Result)]
    assert isinstance(result.outcomes[2], errors.FieldRejected)
    assert (picture.files, f"{first.text}\n\n{second.text}") == (result.files, result.text)
