"""A server of one's own, from its configuration to the answers: over HTTP, with quick engines."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from support.instant_engine import Gate, InstantEngine, tiny_picture
from support.own_servers import PAINTED, Served, served, written
from support.raw_server import answering, raw
from support.timing import LONG, at_most, eventually
from visioncraft.visioncraft_core import Client, Profile, RateLimited, Secret
from visioncraft.visioncraft_core.api.endpoints import (
    ENDPOINTS,
    Chat,
    Generate,
    GenerateXL,
    ImageToVideo,
    PremiumChat,
)
from visioncraft.visioncraft_core.api.fields import Request
from visioncraft.visioncraft_core.errors import ConfigError
from visioncraft.visioncraft_core.serve.configuration import read
from visioncraft.visioncraft_core.serve.own_server import OwnServer, store_of
from visioncraft.visioncraft_core.service import key_guessing
from visioncraft.visioncraft_core.service.engine import (
    EngineUnavailable,
    GenerationFailed,
    Job,
    OutOfMemory,
    Output,
)

ID = "0123456789abcdef0123456789abcdef"


class Failing(InstantEngine):
    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.asked = 0

    async def generate(self, request: Request, job: Job) -> Output:
        self.asked += 1
        if self.errors:
            raise self.errors.pop(0)
        return await super().generate(request, job)


@contextmanager
def gated(folder: Path, text: str = PAINTED, **more: Any) -> Iterator[tuple[Served, Gate]]:
    gate = Gate()
    with served(folder, text, engine=gate, **more) as own:
        try:
            yield own, gate
        finally:
            gate.open()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as made:
        yield made


# --- Accounts ------------------------------------------------------------------------------------


def test_a_premium_key_opens_every_endpoint(tmp_path: Path):
    with served(tmp_path, engine=InstantEngine(), premium=True) as own:
        for kind in ENDPOINTS:
            answer = own.ask(kind)
            assert answer.status_code == 200, (kind.path, answer.text)
        assert eventually(lambda: used(own) == (len(ENDPOINTS), 0, 0, 0))


def test_a_free_key_opens_what_is_free_and_a_wrong_one_nothing(tmp_path: Path):
    with served(tmp_path, engine=InstantEngine()) as own:
        assert own.ask(GenerateXL).status_code == 200
        assert own.ask(GenerateXL, model="sdxl-base").status_code == 413
        assert own.ask(ImageToVideo).status_code == 413
        for wrong in ("wrong", "", own.key[:-1], "sandbox-premium"):
            answer = own.ask(key=wrong or "x")
            assert (answer.status_code, answer.json()) == (403, {"error": "Invalid API key."})
        own.server.database.disable_key("anna")
        assert own.ask().status_code == 403


def test_a_limit_is_told_in_the_words_of_the_service_and_understood_by_our_client(
    tmp_path: Path, home: Path
):
    with served(tmp_path, engine=InstantEngine(), limits={"per_minute": 1}) as own:
        assert own.ask().ok
        answer = own.ask()
        told = {"error": "Free users can make 1 request per 60 seconds."}
        assert (answer.status_code, answer.json()) == (403, told)
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
        settings = Profile("own", own.url, Secret(own.key), max_rate_limit_wait=0.0)
        with pytest.raises(RateLimited) as error:
            Client(settings, home=home).send(
                Chat(model="openchat-7b", messages=({"role": "user", "content": "a fox"},))
            )
        assert error.value.retry_after
        assert error.value.retry_after <= 60


def test_a_premium_chat_goes_on_after_a_restart_with_its_own_key_only(tmp_path: Path):
    say = {"message": "a red fox in the snow"}
    with served(tmp_path, premium=True) as own:
        key, chat = own.key, own.ask(PremiumChat, **say).json()["chat_id"]
        other = own.server.database.add_key("berta", premium=True)
        refused = own.ask(PremiumChat, other, message="make it night", chat_id=chat)
        assert refused.status_code == 400
        assert "doesn't have chat_id" in refused.json()["error"]
        assert own.ask(PremiumChat, message="x", chat_id="chat-x").status_code == 400
        own.server.database.disable_key("berta")
    path = tmp_path / "visioncraft.toml"
    assert path.exists()
    with served(tmp_path, premium=True, name="carla") as own:
        again = own.ask(PremiumChat, key, message="make it night", chat_id=chat).json()
        assert again["chat_id"] == chat
        assert "fox" in again["message"]


def test_guessing_keys_is_slowed_down_for_the_guesser_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(key_guessing, "FREE_TRIES", 2)
    monkeypatch.setattr(key_guessing, "FIRST_PAUSE", LONG)
    monkeypatch.setattr(key_guessing, "LONGEST_PAUSE", LONG)
    server = 'base_url = "http://pictures.test"'
    with served(tmp_path, server=server, engine=InstantEngine()) as own:
        guesser = {"X-Forwarded-For": "203.0.113.7, 198.51.100.1"}
        for _ in range(2):
            assert own.ask(key="wrong", headers=guesser).status_code == 403
        body = {
            "token": "wrong",
            "model": "openchat-7b",
            "messages": [{"role": "user", "content": "x"}],
        }
        for key in ("wrong", own.key):
            with pytest.raises(requests.ReadTimeout):
                requests.post(
                    own.url + "/llm",
                    json={**body, "token": key},
                    headers=guesser,
                    timeout=(LONG, 0.3),
                )
        claimed = {"X-Forwarded-For": "198.51.100.1, 203.0.113.9"}  # the first entry is a claim
        assert own.ask(headers=claimed).ok


# --- The queue -----------------------------------------------------------------------------------


def test_requests_wait_in_turn_and_their_progress_is_told(tmp_path: Path, pool: ThreadPoolExecutor):
    with gated(tmp_path) as (own, gate):
        first = pool.submit(own.ask, headers={"X-Request-Id": ID})
        assert eventually(lambda: gate.begun)
        second = pool.submit(own.ask, headers={"X-Request-Id": ID[::-1]})
        assert eventually(lambda: own.get(f"/progress/{ID[::-1]}").status_code == 200)
        told = own.get(f"/progress/{ID[::-1]}").json()
        assert told == {"state": "waiting", "place": 0, "step": 0, "steps": 0, "preview": 0}
        assert own.get(f"/progress/{ID}/preview").status_code == 404
        gate.begun[0].progress(7, 20)
        gate.begun[0].preview(tiny_picture())
        told = own.get(f"/progress/{ID}").json()
        assert told == {"state": "working", "place": 0, "step": 7, "steps": 20, "preview": 1}
        shown = own.get(f"/progress/{ID}/preview")
        assert (shown.content, shown.headers["Content-Type"]) == (tiny_picture(), "image/png")
        assert own.get(f"/progress/{'x' * 32}").status_code == 404
        gate.open()
        assert first.result(LONG).headers["X-Request-Id"] == ID
        assert own.get(f"/progress/{ID}").json()["state"] == "done"
        assert eventually(lambda: len(gate.begun) == 2)
        gate.open()
        assert second.result(LONG).ok
        assert "progress" in own.get("/models").headers["VisionCraft-Accept"].split(", ")


@pytest.mark.parametrize("asked", ["1", "a" * 21, "a" * 65, "../../etc/passwd" * 2, ID])
def test_an_id_that_could_be_guessed_or_is_in_use_is_replaced(
    asked: str, tmp_path: Path, pool: ThreadPoolExecutor
):
    with gated(tmp_path) as (own, gate):
        first = pool.submit(own.ask, headers={"X-Request-Id": ID})
        assert eventually(lambda: gate.begun)
        given = own.get("/models", **{"X-Request-Id": asked}).headers["X-Request-Id"]
        assert given != asked
        assert len(given) >= 22
        gate.open()
        assert first.result(LONG).ok


def test_a_full_queue_answers_503_with_a_time(tmp_path: Path, pool: ThreadPoolExecutor):
    with gated(tmp_path, PAINTED + "queue = 1\n") as (own, gate):
        waiting = [pool.submit(own.ask) for _ in range(2)]
        queue = own.server.engines.queues[0]
        assert eventually(lambda: (queue.at_work, queue.waiting) == (1, 1))
        answer = own.ask()
        assert (answer.status_code, answer.json()) == (503, {"detail": "Too busy"})
        assert int(answer.headers["Retry-After"]) >= 1
        gate.open()
        assert eventually(lambda: len(gate.begun) == 2)
        gate.open()
        assert all(each.result(LONG).ok for each in waiting)
        assert eventually(lambda: used(own) == (2, 0, 0, 0))


def used(own: Served) -> tuple[int, ...]:
    """Requests done, left, failed and unfinished."""
    rows = own.server.database.usage(1)
    return tuple(sum(getattr(r, n) for r in rows) for n in ("done", "left", "failed", "unfinished"))


def leaves(own: Served) -> socket.socket:
    """A connection with a whole request on it, which may be closed."""
    host = own.url.removeprefix("http://")
    name, _, port = host.partition(":")
    body = json.dumps(
        {"token": own.key, "model": "openchat-7b", "messages": [{"role": "user", "content": "x"}]}
    )
    connection = socket.create_connection((name, int(port)), LONG)
    head = f"POST /llm HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
    connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
    return connection


def test_who_leaves_the_queue_pays_nothing_and_who_leaves_the_work_ends_it(tmp_path: Path):
    with gated(tmp_path) as (own, gate):
        queue = own.server.engines.queues[0]
        with leaves(own):
            assert eventually(lambda: gate.begun)
            with leaves(own):
                assert eventually(lambda: queue.waiting == 1)
            assert eventually(lambda: queue.waiting == 0)
            assert eventually(lambda: used(own) == (0, 0, 0, 1))
            begun = time.monotonic()
        assert eventually(lambda: gate.cancelled == 1)
        assert time.monotonic() - begun < at_most(0.3)
        assert eventually(lambda: used(own) == (0, 1, 0, 0))
        assert (queue.at_work, len(gate.begun)) == (0, 1)


# --- Engines that fail ---------------------------------------------------------------------------


def test_a_failure_that_made_nothing_is_repeated_once(tmp_path: Path):
    engine = Failing(EngineUnavailable("at /secret"))
    with served(tmp_path, engine=engine) as own:
        assert own.ask().ok
        assert engine.asked == 2
        engine.errors = [EngineUnavailable(), EngineUnavailable(retry_after=7)]
        answer = own.ask()
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "7")
        assert engine.asked == 4
        assert eventually(lambda: used(own) == (1, 0, 1, 0))


@pytest.mark.parametrize("error", [OutOfMemory("Too large."), GenerationFailed("It failed.")])
def test_a_failure_of_the_work_itself_is_not_repeated(error: Exception, tmp_path: Path):
    engine = Failing(error)
    with served(tmp_path, engine=engine) as own:
        answer = own.ask()
        assert (answer.status_code, answer.json()) == (500, {"error": str(error)})
        assert engine.asked == 1


OTHER = PAINTED.replace('"paint"', '"other"')
WORDS = '[[engine]]\nname = "words"\nkind = "openai"\nurl = "URL/v1"\n[models-llm]\n"m" = "up"\n'
SPOKEN = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    b'data: {"choices": [{"delta": {"content": "a fox"}}]}\n\ndata: [DONE]\n\n'
)


def test_an_engine_that_is_away_is_told_and_the_rest_is_served(tmp_path: Path):
    text = WORDS.replace("URL", "http://127.0.0.1:1") + PAINTED
    with served(tmp_path, text) as own:
        assert own.ask(Generate).ok
        (problem,) = own.server.problems()
        assert "does not answer" in problem
        assert own.get("/health").json()["engines"] == {"words": "has problems", "paint": "ready"}
        assert own.ask(Chat).ok
        assert own.ask(Chat, model="m").ok  # the other engine knows every name
    with served(tmp_path / "alone", WORDS.replace("URL", "http://127.0.0.1:1")) as own:
        answer = own.ask(Chat, model="m")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert own.get("/health").status_code == 503


def test_a_language_model_server_that_dies_in_the_middle_is_asked_once_more(tmp_path: Path):
    with ExitStack() as stack:
        dying = stack.enter_context(raw(answering(SPOKEN[:90])))
        own = stack.enter_context(served(tmp_path, WORDS.replace("URL", dying.url)))
        answer = own.ask(Chat, model="m")
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]
        assert dying.connections == 2
        assert dying.url not in answer.text


def test_words_come_from_the_language_model_server(tmp_path: Path):
    with ExitStack() as stack:
        upstream = stack.enter_context(raw(answering(SPOKEN)))
        own = stack.enter_context(served(tmp_path, WORDS.replace("URL", upstream.url)))
        assert own.get("/models-llm").json() == ["m"]
        answer = own.ask(Chat, model="M").json()
        assert answer["choices"][0]["message"]["content"] == "a fox"
        assert own.ask(Chat, model="other").status_code == 400
        assert own.ask(Generate).status_code == 400


# --- Results -------------------------------------------------------------------------------------


def links(own: Served) -> list[str]:
    return own.ask(Generate, image_count=2).json()["images"]


def test_results_outlive_the_server_and_are_its_owners(tmp_path: Path):
    with served(tmp_path, engine=InstantEngine()) as own:
        made = links(own)
        whole = requests.get(made[0], timeout=LONG)
        part = requests.get(made[0], headers={"Range": "bytes=0-7"}, timeout=LONG)
        assert (part.status_code, part.content) == (206, whole.content[:8])
        assert whole.headers["Content-Security-Policy"]
        assert whole.headers["Content-Type"] == "image/png"
    folder = tmp_path / "results"
    assert {path.stat().st_mode & 0o077 for path in folder.iterdir()} == {0}
    with served(tmp_path, engine=InstantEngine(), name="berta") as own:
        name = made[0].rpartition("/")[2]
        assert own.get(f"/results/{name}").content == whole.content
        for wrong in ("x", name[:-1], name.upper(), f"..%2fresults%2f{name}", "visioncraft.db"):
            assert own.get(f"/results/{wrong}").status_code == 404


def test_results_that_are_old_are_gone(tmp_path: Path):
    with served(tmp_path, server="results_hours = 1", engine=InstantEngine()) as own:
        made = links(own)
        old = tmp_path / "results" / made[0].rpartition("/")[2]
        os.utime(old, (0, time.time() - 3700))
        assert [requests.get(link, timeout=LONG).status_code for link in made] == [404, 200]
        new = old.with_name(made[1].rpartition("/")[2])
        os.utime(new, (0, time.time() + 10**7))  # the clock was set back
        assert requests.get(made[1], timeout=LONG).status_code == 200


def test_the_oldest_results_make_room(tmp_path: Path):
    with served(tmp_path, engine=InstantEngine()) as own:
        own.server.files.most_bytes = 3 * len(tiny_picture())
        made = [link for _ in range(4) for link in links(own)]
        assert eventually(lambda: sum(requests.get(link, timeout=LONG).ok for link in made) <= 3)
        assert all(requests.get(link, timeout=LONG).ok for link in made[-2:])


def test_a_disk_that_takes_nothing_is_told_before_the_start_and_loses_no_result(tmp_path: Path):
    folder, text = tmp_path / "results", "a file where a folder should be"
    with served(tmp_path, engine=InstantEngine()) as own:
        folder.rmdir()
        folder.write_text(text)
        with pytest.raises(ConfigError, match="Results cannot be written to"):
            store_of(own.server.configuration)
        assert all(requests.get(link, timeout=LONG).ok for link in links(own))


def test_a_client_that_takes_its_time_costs_no_memory(tmp_path: Path):
    with served(tmp_path, engine=InstantEngine()) as own:
        (tmp_path / "results").mkdir(exist_ok=True)
        (tmp_path / "results" / f"{'a' * 32}.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(10**7))
        content = asyncio.run(own.server.files.content(f"{'a' * 32}.png"))
        assert isinstance(content, memoryview)
        assert len(own.get(f"/results/{'a' * 32}.png").content) == 10**7 + 8


def test_links_lead_to_the_proxy_in_front(tmp_path: Path):
    server = 'base_url = "https://pictures.test/api/"'
    with served(tmp_path, server=server, engine=InstantEngine()) as own:
        assert all(link.startswith("https://pictures.test/api/results/") for link in links(own))
        own_name = {"Host": "pictures.test", "Origin": "https://pictures.test"}
        assert own.get("/models", **own_name).ok
        assert own.get("/models", Host="evil.test").status_code == 403
        assert own.get("/models", Origin="https://evil.test").status_code == 403


# --- Operation -----------------------------------------------------------------------------------


def test_health_and_metrics_tell_the_state_and_no_names_of_hosts(tmp_path: Path):
    server = 'base_url = "https://pictures.test"'
    with served(tmp_path, server=server, engine=InstantEngine()) as own:
        assert own.get("/health/live").json() == {"status": "alive"}
        ready = {"status": "ready", "database": "ready", "engines": {"paint": "ready"}}
        assert own.get("/health").json() == own.get("/health/ready").json() == ready
        own.ask()
        text = own.get("/metrics").text
        assert 'visioncraft_requests_total{endpoint="/llm",status="200"} 1.0' in text
        assert 'visioncraft_waiting{engine="paint"} 0.0' in text
        assert own.get("/metrics", **{"X-Forwarded-For": "203.0.113.7"}).status_code == 404


def test_each_request_is_one_line_of_json_without_its_words_and_key(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level(logging.DEBUG), served(tmp_path, engine=InstantEngine()) as own:
        own.ask(messages=[{"role": "user", "content": "a CANARY"}])
        own.get("/health")
        own.ask(key="wrong-CANARY")
    lines = [r.getMessage() for r in caplog.records if r.name == "visioncraft.service.requests"]
    first, second = map(json.loads, lines)
    assert {k: first[k] for k in ("method", "endpoint", "key", "engine", "status")} == {
        "method": "POST",
        "endpoint": "/llm",
        "key": "anna",
        "engine": "paint",
        "status": 200,
    }
    assert (second["key"], second["status"]) == ("", 403)
    assert "CANARY" not in caplog.text
    assert own.key not in caplog.text


def test_a_server_that_stops_ends_what_it_has_begun_and_sends_away_who_waits(
    tmp_path: Path, pool: ThreadPoolExecutor
):
    with gated(tmp_path, stop=LONG) as (own, gate):
        begun, waiting = pool.submit(own.ask), None
        assert eventually(lambda: gate.begun)
        waiting = pool.submit(own.ask)
        assert eventually(lambda: own.server.engines.queues[0].waiting == 1)
        stopped: Future[None] = pool.submit(own.server.close)
        answer = waiting.result(LONG)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "15")
        assert not begun.done()
        gate.open()
        assert begun.result(LONG).ok
        stopped.result(LONG)


def test_what_does_not_end_in_time_is_told_to_come_again(tmp_path: Path, pool: ThreadPoolExecutor):
    with gated(tmp_path, stop=0.05) as (own, gate):
        begun = pool.submit(own.ask)
        assert eventually(lambda: gate.begun)
        own.server.close()
        answer = begun.result(LONG)
        assert (answer.status_code, answer.json()["detail"]) == (503, "The server is stopping.")
        assert gate.cancelled == 1


def test_another_configuration_takes_effect_without_a_pause(
    tmp_path: Path, pool: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture
):
    with gated(tmp_path) as (own, gate):
        begun = pool.submit(own.ask)
        assert eventually(lambda: gate.begun)
        written(tmp_path, OTHER + "[tiers.free]\nper_minute = 2\n")
        own.server.reload()
        assert [queue.name for queue in own.server.engines.queues] == ["other"]
        assert own.ask().ok
        assert own.ask().status_code == 403  # the first one counts as well
        gate.open()
        assert begun.result(LONG).ok
        for text in ("[[engine]]\n", "nonsense"):
            written(tmp_path, text)
            own.server.reload()
            assert "The configuration is not changed" in caplog.text
            assert own.get("/models").json()
        written(tmp_path, OTHER, 'base_url = "http://new.test"')
        own.server.reload()
        assert "base_url takes effect with the next start" in caplog.text
        assert own.ask().ok


def test_an_engine_with_the_same_settings_keeps_its_queue(tmp_path: Path):
    with served(tmp_path) as own:
        (before,) = own.server.engines.queues
        written(tmp_path, PAINTED + "at_once = 5\n")
        own.server.reload()
        assert own.server.engines.queues == [before]
        assert before.at_once == 5


def test_a_port_that_is_taken_is_told_and_holds_no_database(tmp_path: Path):
    with served(tmp_path) as own:
        path = written(tmp_path / "second", PAINTED, port=int(own.url.rpartition(":")[2]))
        before = threading.active_count()
        with pytest.raises(ConfigError, match="cannot listen on"):
            OwnServer(read(path))
        assert threading.active_count() == before
