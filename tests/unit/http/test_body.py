"""How much of a body is taken into memory; the rest of `body` is told in test_transport."""

from __future__ import annotations

import threading
from contextlib import suppress

import pytest
from support.clients import calls
from support.raw_server import answering, raw
from visioncraft.visioncraft_core.api.fields import OutputKind
from visioncraft.visioncraft_core.errors import ConnectionLost, DownloadFailed, UnsafeContent
from visioncraft.visioncraft_core.http.byte_budget import ByteBudget

MIB = 2**20
FILM = b"\0\0\0\x18ftypisom\0\0\0\0isomiso2"
PNG = b"\x89PNG\r\n\x1a\n".ljust(24, b"\0")


def answer(start: bytes, length: int, *, whole: bool = False) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % length
    return head + (start.ljust(length, b"\0") if whole else start)


def fetched(url: str, budget: ByteBudget) -> int:
    return len(calls(url).fetch(url + "/1.png", budget))


CAPS = [("images", 64), ("animation", 128), ("video", 512), ("text", 64)]


@pytest.mark.parametrize(("output", "most"), CAPS)
@pytest.mark.parametrize("start", [FILM, PNG], ids=["film", "picture"])
def test_a_file_has_no_more_than_what_was_asked_for_may_need(
    output: OutputKind, most: int, start: bytes
):
    with raw(answering(answer(start, most * MIB + 1))) as server:
        with pytest.raises(UnsafeContent, match=f"more than {most} MiB"):
            fetched(server.url, ByteBudget(output))
        with pytest.raises(UnsafeContent, match=f"more than {most} MiB"):
            calls(server.url).post("/generate", {}, output=output)
        assert server.connections == 2
    with raw(answering(answer(start, most * MIB))) as server, pytest.raises(ConnectionLost):
        calls(server.url).post("/generate", {}, output=output)  # it was read, and was cut


@pytest.mark.parametrize("start", [FILM, PNG], ids=["film", "picture"])
def test_no_file_is_taken_for_a_list(start: bytes):
    reply = answer(start, 5 * MIB)
    with raw(answering(reply)) as server, pytest.raises(UnsafeContent, match="more than 4 MiB"):
        calls(server.url).get("/models")


def test_the_files_of_an_answer_share_what_they_may_have():
    budget = ByteBudget("images")
    budget.take(253 * MIB)
    with raw(answering(answer(PNG, 2 * MIB, whole=True))) as server:
        assert fetched(server.url, budget) == 2 * MIB
        with pytest.raises(UnsafeContent, match="come to more than 256 MiB"):
            fetched(server.url, budget)
        budget.take(MIB)  # what did not come whole is not counted


def test_what_is_asked_for_again_counts_once():
    budget = ByteBudget("images")
    budget.take(253 * MIB)
    cut = answer(PNG, 2 * MIB, whole=True)[:-1]
    with raw(answering(cut)) as server, pytest.raises(DownloadFailed):
        fetched(server.url, budget)
    assert server.connections == 4
    budget.take(3 * MIB)


def test_files_that_come_side_by_side_are_counted_as_they_come():
    budget = ByteBudget("images")
    budget.take(252 * MIB)
    begun = threading.Barrier(3)
    outcomes: list[object] = []

    def talk(connection) -> None:
        connection.recv(65536)
        content = answer(PNG, 3 * MIB, whole=True)
        connection.sendall(content[: 2 * MIB])
        with suppress(threading.BrokenBarrierError):
            begun.wait(10)  # all have two of three, and none is whole
        connection.sendall(content[2 * MIB :])

    def fetch(url: str) -> None:
        try:
            outcomes.append(fetched(url, budget))
        except UnsafeContent as error:
            outcomes.append(error)
            begun.abort()

    with raw(talk) as server:
        threads = [threading.Thread(target=fetch, args=(server.url,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert any(isinstance(outcome, UnsafeContent) for outcome in outcomes)
    assert outcomes.count(3 * MIB) <= 1
