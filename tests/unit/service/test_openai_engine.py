"""Chats are answered by an OpenAI-compatible server, however it answers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.raw_server import Raw, Talk, answering, raw, read_request
from support.timing import eventually
from visioncraft.visioncraft_core import Chat, PremiumChat
from visioncraft.visioncraft_core.service.engine import (
    EngineBusy,
    EngineError,
    EngineUnavailable,
    GenerationFailed,
    InputRejected,
    Job,
    Output,
)
from visioncraft.visioncraft_core.service.engines import openai
from visioncraft.visioncraft_core.service.engines.openai import OpenAIEngine, OpenAIServer

ASK = Chat(model="Mistral-7B", messages=({"role": "user", "content": "a fox"},))
MODELS = {"models-llm": {"mistral-7b": "mistral:7b"}, "models-llm-premium": {"gpt": "big"}}
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


def server_of(url: str, **more: Any) -> OpenAIServer:
    return OpenAIServer(url + "/v1/", MODELS, **more)


def run(server: Raw, act: Callable[[OpenAIEngine], Any], **more: Any) -> Any:
    async def acted() -> Any:
        engine = OpenAIEngine(server_of(server.url, **more))
        try:
            return await act(engine)
        finally:
            await engine.close()

    return asyncio.run(acted())


def answer_of(server: Raw, request: Any = ASK, job: Job | None = None, **more: Any) -> Output:
    return run(server, lambda engine: engine.generate(request, job or Job(2**63)), **more)


def piece(**delta: Any) -> bytes:
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta}]}).encode() + b"\n\n"


def answered(status: str, content: bytes = b"{}", *, head: str = "") -> Talk:
    lines = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{head}"
    return answering(f"{lines}Content-Length: {len(content)}\r\n\r\n".encode() + content)


def test_the_words_of_a_stream_are_put_together_and_the_model_has_its_name_there():
    heard: list[bytes] = []
    words = piece(role="assistant", content="") + piece(content="a red ") + b": keep-alive\n\n"
    words += piece(content="fox") + b'data: {"choices": [], "usage": {}}\n\ndata: [DONE]\n\n'

    def talk(connection: socket.socket) -> None:
        heard.append(read_request(connection))
        connection.sendall(EVENTS + words)
        connection.shutdown(socket.SHUT_WR)

    with raw(talk) as server:
        assert answer_of(server, key="upstream-key").text == "a red fox"
    head, _, body = heard[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/chat/completions HTTP/1.1")
    assert b"Authorization: Bearer upstream-key" in head
    told = json.loads(body)
    assert (told["model"], told["messages"]) == ("mistral:7b", list(ASK.messages))
    assert told["stream"] is True
    assert 0 <= told["seed"] < 2**31


@pytest.mark.parametrize("reason", [b'"stop"', b'"length"'])
def test_a_stream_may_end_with_a_reason_instead_of_a_mark(reason: bytes):
    last = b'data: {"choices": [{"delta": {}, "finish_reason": ' + reason + b"}]}\n\n"
    unfinished = last.replace(reason, b"null")
    with raw(answering(EVENTS + piece(content="a fox") + unfinished + last)) as server:
        assert answer_of(server).text == "a fox"
    cut = EVENTS + piece(content="a fox") + unfinished
    with raw(answering(cut)) as server, pytest.raises(EngineUnavailable):
        answer_of(server)


def test_a_premium_chat_brings_its_earlier_turns():
    heard: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        heard.append(read_request(connection))
        connection.sendall(EVENTS + piece(content="yes") + b"data: [DONE]\n\n")
        connection.shutdown(socket.SHUT_WR)

    turns = ({"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"})
    with raw(talk) as server:
        answer_of(server, PremiumChat(model="gpt", message="again"), Job(1, history=turns))
    said = json.loads(heard[0].partition(b"\r\n\r\n")[2])
    assert said["model"] == "big"
    assert said["messages"] == [*turns, {"role": "user", "content": "again"}]


def test_a_server_that_does_not_stream_is_understood():
    whole = json.dumps({"choices": [{"message": {"content": "a fox"}}]}).encode()
    with raw(answered("200 OK", whole)) as server:
        assert answer_of(server).text == "a fox"


@pytest.mark.parametrize(
    ("talk", "error"),
    [
        (answered("401 Unauthorized"), GenerationFailed),
        (answered("404 Not Found", b'{"error": "SECRET prompt"}'), GenerationFailed),
        (answered("307 Temporary Redirect", head="Location: /elsewhere\r\n"), GenerationFailed),
        (answered("400 Bad Request", b'{"error": "SECRET"}'), InputRejected),
        (answered("429 Too Many Requests", head="Retry-After: 7\r\n"), EngineBusy),
        (answered("503 Service Unavailable", head="Retry-After: never\r\n"), EngineBusy),
        (answered("500 Internal Server Error", b"SECRET"), EngineUnavailable),
        (answering(EVENTS + b'data: {"error": {"message": "SECRET"}}\n\n'), GenerationFailed),
        (answering(EVENTS + b"data: [DONE]\n\n"), GenerationFailed),
        (answering(EVENTS + piece(content="  ") + b"data: [DONE]\n\n"), GenerationFailed),
        (answering(EVENTS + b"data: {SECRET\n\n"), GenerationFailed),
        (answering(EVENTS + b'data: {"choices": {}}\n\ndata: [DONE]\n\n'), GenerationFailed),
        (answering(EVENTS + piece(content="a red")), EngineUnavailable),
        (answering(EVENTS + piece(content="a red") + b'data: {"cho'), EngineUnavailable),
        (answering(EVENTS + b'data: {"choices": [1]}\n\n'), GenerationFailed),
        (answering(b"HTTP/1.1 200 OK\r\nContent-Le"), EngineUnavailable),
        (answering(EVENTS.replace(b"close", b"close\r\nContent-Length: 999")), EngineUnavailable),
    ],
)
def test_what_is_no_answer_is_an_error_without_its_words(talk: Talk, error: type[EngineError]):
    with raw(talk) as server, pytest.raises(EngineError) as caught:
        answer_of(server)
    assert type(caught.value) is error
    assert "SECRET" not in str(caught.value)
    if isinstance(caught.value, EngineBusy):
        assert caught.value.retry_after in (7.0, 5.0)


def test_a_model_that_does_not_end_is_stopped():
    def talk(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(EVENTS)
        while True:
            connection.sendall(piece(content="x" * 60_000))

    with raw(talk) as server:
        with pytest.raises(GenerationFailed, match="did not come to an end"):
            answer_of(server)
        assert server.left.wait(60)


def test_a_closed_connection_and_silence_are_an_engine_that_is_away():
    with raw(answering(b"")) as server, pytest.raises(EngineUnavailable):
        answer_of(server)  # it closes the connection without a word
    with raw(answering(close=False)) as silent, pytest.raises(EngineUnavailable):
        answer_of(silent, silence=0.2)


def test_cancelling_closes_the_connection_so_that_the_server_stops():
    begun: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        begun.append(read_request(connection))
        connection.sendall(EVENTS + piece(content="a "))
        while connection.recv(65536):
            pass

    async def cancelled(engine: OpenAIEngine) -> None:
        task = asyncio.ensure_future(engine.generate(ASK, Job(1)))
        assert await asyncio.to_thread(eventually, lambda: begun)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert await asyncio.to_thread(server.left.wait, 60)

    with raw(talk) as server:
        run(server, cancelled)


def test_names_that_are_not_offered_are_not_served():
    engine = OpenAIEngine(server_of("http://127.0.0.1:9"))
    assert engine.catalogs() == {"models-llm": ["mistral-7b"], "models-llm-premium": ["gpt"]}
    assert engine.serves(ASK)
    assert not engine.serves(Chat(model="gpt", messages=ASK.messages))


def test_what_is_missing_is_told():
    listed = json.dumps({"data": [{"id": "mistral:7b"}, {"id": "big:latest"}]}).encode()
    with raw(answered("200 OK", listed)) as server:
        assert run(server, lambda engine: engine.problems()) == []
    with raw(answered("200 OK", b'{"data": [{"id": "other"}]}')) as server:
        first, second = run(server, lambda engine: engine.problems())
    assert "no model called mistral:7b (offered as mistral-7b)" in first
    assert "big" in second
    (away,) = asyncio.run(problems_at("http://127.0.0.1:9"))
    assert "does not answer" in away


async def problems_at(url: str) -> Any:
    engine = OpenAIEngine(server_of(url))
    try:
        return await engine.problems()
    finally:
        await engine.close()


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_any_bytes_in_a_stream_are_words_or_an_error(pieces: list[bytes]):
    for content in pieces:
        with contextlib.suppress(GenerationFailed):
            assert isinstance(openai._text(content, "delta"), str)
