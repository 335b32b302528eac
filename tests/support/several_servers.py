"""What holds where several servers share a database and the results: each rule takes two of them,
whose engines wait until they are opened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import requests
from support.instant_engine import Gate, InstantEngine, tiny_picture
from support.own_servers import PAINTED, Served, served
from support.timing import LONG, eventually
from visioncraft.visioncraft_core.api.endpoints import Generate, PremiumChat
from visioncraft.visioncraft_core.service.engine import Engine


class Two(NamedTuple):
    first: Served
    second: Served

    @property
    def keys(self) -> Callable[..., str]:
        """Makes a key that holds for both."""
        return self.first.server.database.add_key


@contextmanager
def two(folder: Path, shared: str, *engines: Engine) -> Iterator[Two]:
    """`shared` are lines of both configurations' [server]."""
    with ExitStack() as stack:
        made = [
            stack.enter_context(
                served(folder / name, PAINTED + "at_once = 4\n", shared, engine, name=name)
            )
            for name, engine in zip(("first", "second"), engines, strict=True)
        ]
        yield Two(*made)


def links_lead_to_both(folder: Path, shared: str) -> None:
    with two(folder, shared, InstantEngine(), InstantEngine()) as (first, second):
        for link in first.ask(Generate, image_count=2).json()["images"]:
            name = link.rpartition("/")[2]
            found = requests.get(link, timeout=LONG)
            other = second.get(f"/results/{name}")
            assert other.status_code == found.status_code == 200
            assert other.content == found.content
            part = second.get(f"/results/{name}", Range="bytes=1-3")
            assert (part.status_code, part.content) == (206, found.content[1:4])
        assert second.get(f"/results/{'0' * 32}.png").status_code == 404


def files_are_kept_as_long_and_as_many_as_both_may(folder: Path, shared: str) -> None:
    with two(folder, shared, InstantEngine(), InstantEngine()) as both:
        for own in both:
            own.server.files.most_bytes = 3 * len(tiny_picture())
        links = [own.ask(Generate).json()["images"][0] for own in (*both, *both, *both)]

        def kept() -> list[str]:
            return [link for link in links if requests.get(link, timeout=LONG).ok]

        assert eventually(lambda: len(kept()) <= 3)
        (name, *_) = (link.rpartition("/")[2] for link in kept())
        both.second.server.files.hours = 0.0
        assert both.second.get(f"/results/{name}").status_code == 404


def keys_open_both_and_close_both(folder: Path, shared: str) -> None:
    with two(folder, shared, InstantEngine(), InstantEngine()) as both:
        key = both.keys("anna")
        assert [own.ask(key=key).status_code for own in both] == [200, 200]
        both.second.server.database.disable_key("anna")
        assert [own.ask(key=key).status_code for own in both] == [403, 403]


def limits_count_the_requests_of_both(folder: Path, shared: str) -> None:
    with two(folder, shared, InstantEngine(), InstantEngine()) as both:
        for limit, seconds in (("per_minute", 60), ("per_day", 86400)):
            key = both.keys(limit, limits={limit: 3})
            answers = [own.ask(key=key) for own in (*both, *both)]
            assert [answer.status_code for answer in answers] == [200, 200, 200, 403]
            told = f"Free users can make 3 requests per {seconds} seconds."
            assert answers[-1].json()["error"] == told


def one_at_a_time_is_one_over_both(folder: Path, shared: str) -> None:
    gates = Gate(), Gate()
    with ThreadPoolExecutor(4) as pool, two(folder, shared, *gates) as both:
        key = both.keys("anna", limits={"at_once": 1})
        begun = pool.submit(both.first.ask, key=key)
        assert eventually(lambda: gates[0].begun)
        waiting = pool.submit(both.second.ask, key=key)
        turns = both.second.server.engines.turns
        assert eventually(lambda: "anna" in turns.paused)
        others = pool.submit(both.second.ask)  # whom it does not keep waiting
        assert eventually(lambda: gates[1].begun)
        assert [job.owner for job in gates[1].begun] == ["second"]
        gates[0].open()
        assert begun.result(LONG).ok
        assert eventually(lambda: len(gates[1].begun) == 2)
        gates[1].open()
        assert waiting.result(LONG).ok
        assert others.result(LONG).ok


def a_chat_goes_on_with_either(folder: Path, shared: str) -> None:
    with two(folder, shared, InstantEngine(), InstantEngine()) as (first, second):
        keys = [first.server.database.add_key(name, premium=True) for name in ("anna", "berta")]
        chat = first.ask(PremiumChat, keys[0], message="a fox").json()["chat_id"]
        more = {"message": "make it night", "chat_id": chat}
        assert second.ask(PremiumChat, keys[0], **more).json()["chat_id"] == chat
        assert second.ask(PremiumChat, keys[1], **more).status_code == 400


RULES = [
    links_lead_to_both,
    files_are_kept_as_long_and_as_many_as_both_may,
    keys_open_both_and_close_both,
    limits_count_the_requests_of_both,
    one_at_a_time_is_one_over_both,
    a_chat_goes_on_with_either,
]
