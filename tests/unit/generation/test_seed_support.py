"""A seed is sent where it is understood, and nowhere else."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from support.instant_engine import InstantEngine
from visioncraft.visioncraft_core import Chat, Client, PremiumChat, Profile, Secret
from visioncraft.visioncraft_core.api.fields import Request
from visioncraft.visioncraft_core.sandbox import Sandbox
from visioncraft.visioncraft_core.service.engine import Job, Output

ASK = Chat(model="openchat-7b", messages=({"role": "user", "content": "a fox"},))


class Stranger(BaseHTTPRequestHandler):
    """A server of the API that notes which seeds come, and offers to take them or does not."""

    offers = False
    seeds: list[str | None]

    def do_GET(self) -> None:
        self._answer(["openchat-7b"])

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        type(self).seeds.append(self.headers["VisionCraft-Seed"])
        self._answer({"message": "here"})

    def _answer(self, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        if type(self).offers:
            self.send_header("VisionCraft-Accept", "seed")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None: ...


@contextmanager
def stranger() -> Iterator[tuple[type[Stranger], Profile]]:
    handler = type("Handler", (Stranger,), {"seeds": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        yield handler, Profile("stranger", url, Secret("vc-CANARY-5f3a9"), store=False)
        server.shutdown()


def test_a_server_gets_no_seed_before_it_offered_to_take_one(home: Path):
    with stranger() as (server, profile):
        Client(profile).send(ASK, seed=1)
        server.offers = True
        Client(profile).send(ASK, seed=2)  # this answer offers it
        Client(profile).send(ASK, seed=3)  # another client, as in another program
        Client(profile).send(ASK, seed=None)
        server.offers = False
        Client(profile).send(ASK, seed=4)  # this one no longer does
        Client(profile).send(ASK, seed=5)
    assert server.seeds == [None, None, "3", None, "4", None]


def test_a_list_teaches_it_as_well_and_costs_nothing(home: Path):
    with stranger() as (server, profile):
        server.offers = True
        client = Client(profile)
        client.catalog("models-llm")
        client.send(ASK, seed=7)
        client.send(ASK, seed=2**64 - 1)
    assert server.seeds == ["7", str(2**64 - 1)]


class Noting(InstantEngine):
    def __init__(self) -> None:
        self.seeds: list[int] = []

    async def generate(self, request: Request, job: Job) -> Output:
        self.seeds.append(job.seed)
        return await super().generate(request, job)


def test_equal_requests_of_a_batch_get_seeds_of_their_own_with_and_without_the_store(home: Path):
    engine = Noting()
    with Sandbox(engine=engine) as sandbox:
        for store in (True, False):
            profile = Profile("ours", sandbox.url, Secret("sandbox-free"), store=store)
            Client(profile).send_all([ASK, ASK, ASK], seed=5)
    assert sorted(engine.seeds[:3]) == sorted(engine.seeds[3:])
    assert len(set(engine.seeds)) == 3
    assert min(engine.seeds) == 5


def test_the_same_words_do_not_make_one_chat_of_two(sandbox: Sandbox):
    profile = Profile("ours", sandbox.url, Secret("sandbox-premium"), store=False)
    asked = PremiumChat(model="gpt-3-5", message="a fox")
    first, second = (Client(profile).send(asked, seed=0).chat_id for _ in range(2))
    assert first != second
