"""Language models behind any OpenAI-compatible server: Ollama, vLLM, llama.cpp, LM Studio, LocalAI.

Asks POST {url}/chat/completions with `stream`, because those servers stop working when the
connection of a stream is closed, which is how a generation is cancelled.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import aiohttp

from ...api import endpoints as api
from ...api.fields import Request
from ..engine import (
    EngineBusy,
    EngineError,
    EngineUnavailable,
    GenerationFailed,
    InputRejected,
    Job,
    Output,
)

log = logging.getLogger("visioncraft.service.openai")

CATALOGS: dict[type[Request], str] = {
    api.Chat: "models-llm",
    api.PremiumChat: "models-llm-premium",
}
CONNECT_SECONDS, LIST_SECONDS = 10.0, 15.0
MOST_CHARACTERS = 1_000_000  # of an answer; a model that repeats itself would go on for ever
MOST_LIST_BYTES = 4 * 2**20
BUSY_SECONDS = 5.0  # before the next try, where the server does not say
_UNFINISHED = re.compile(rb'"finish_reason"\s*:\s*null')


@dataclass(frozen=True)
class OpenAIServer:
    """One server and what is offered of it.

    `url` is its base URL with the version, such as http://127.0.0.1:11434/v1. `models` are the
    names there, by catalog (`models-llm`, `models-llm-premium`) and offered name. `silence` is how
    many seconds may pass without a word: a large model is loaded with its first request.
    """

    url: str
    models: Mapping[str, Mapping[str, str]]
    key: str = field(default="", repr=False)
    silence: float = 300.0


class OpenAIEngine:
    """Answers chats with the language models of one OpenAI-compatible server."""

    def __init__(self, server: OpenAIServer) -> None:
        self._server = server
        self._url = server.url.rstrip("/")
        self._shown = re.sub(r"//[^/]*@", "//", self._url)  # an address may hold a password
        self._names = {
            catalog: {offered.lower(): name for offered, name in models.items()}
            for catalog, models in server.models.items()
        }
        self._session: aiohttp.ClientSession | None = None

    def catalogs(self) -> Mapping[str, Sequence[str]]:
        return {catalog: list(models) for catalog, models in self._server.models.items()}

    def serves(self, request: Request) -> bool:
        return self._name_of(request) is not None

    async def generate(self, request: Request, job: Job) -> Output:
        """Text. Raises EngineError: nothing of an unfinished answer is given."""
        said = {
            "model": self._name_of(request),
            "messages": _messages(request, job),
            "stream": True,
            "seed": job.seed % 2**31,
        }
        answered = ""
        try:
            async for piece in self._stream(said, request):
                answered += piece
                if len(answered) > MOST_CHARACTERS:
                    raise GenerationFailed("The language model did not come to an end.")
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
            log.warning("The language model's server failed: %s", type(error).__name__)
            raise EngineUnavailable("The language model's server does not answer.") from None
        if not answered.strip():
            raise GenerationFailed("The language model answered without a word.")
        return Output(text=answered)

    async def problems(self) -> Sequence[str]:
        try:
            there = await self.discover()
        except EngineError as error:
            return [f"{self._shown}: {error}"]
        return [
            f"{self._shown} has no model called {name} (offered as {offered})."
            for models in self._server.models.values()
            for offered, name in models.items()
            # Ollama lists a model with its tag and takes it without.
            if there and name not in there and f"{name}:latest" not in there
        ]

    async def discover(self) -> Sequence[str]:
        """The names that the server lists; none where it has no list. Raises EngineUnavailable."""
        limit = aiohttp.ClientTimeout(total=LIST_SECONDS)
        try:
            async with self._client().get(f"{self._url}/models", timeout=limit) as answer:
                if answer.status != 200:
                    return ()
                content = await answer.content.read(MOST_LIST_BYTES)
            entries = json.loads(content)["data"]
            return [entry["id"] for entry in entries if isinstance(entry["id"], str)]
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError):
            raise EngineUnavailable("The language model's server does not answer.") from None
        except (ValueError, KeyError, TypeError, RecursionError):
            return ()

    async def close(self) -> None:
        if self._session:
            await self._session.close()

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:  # made here, because it belongs to the loop that runs
            key = self._server.key
            self._session = aiohttp.ClientSession(
                headers={"Authorization": f"Bearer {key}"} if key else {},
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=CONNECT_SECONDS, sock_read=self._server.silence
                ),
                connector=aiohttp.TCPConnector(limit=0),  # the service's queue is the limit
            )
        return self._session

    def _name_of(self, request: Request) -> str | None:
        models = self._names.get(CATALOGS.get(type(request), ""), {})
        return models.get(getattr(request, "model", "").lower())

    async def _stream(self, said: Mapping[str, Any], request: Request) -> AsyncIterator[str]:
        url = f"{self._url}/chat/completions"
        # A redirect would take the words, and perhaps the key, to another server.
        async with self._client().post(url, json=said, allow_redirects=False) as answer:
            if answer.status != 200:
                _refuse(answer, request)
            if answer.content_type == "application/json":  # a server that does not stream
                yield _text(await answer.content.read(8 * MOST_CHARACTERS), "message")
                return
            ended = False
            async for line in answer.content:
                name, _, data = line.partition(b":")
                if name != b"data" or not line.endswith(b"\n"):
                    continue
                if data.strip() == b"[DONE]":
                    return
                ended = ended or b'"finish_reason"' in data and not _UNFINISHED.search(data)
                yield _text(data, "delta")
            if not ended:  # its process ended, or something in between
                log.warning("The language model's server broke off.")
                raise EngineUnavailable("The language model's server broke off its answer.")


def _messages(request: Request, job: Job) -> list[dict[str, str]]:
    if isinstance(request, api.PremiumChat):
        return [*map(dict, job.history), {"role": "user", "content": request.message}]
    return [dict(message) for message in getattr(request, "messages", ())]


def _text(data: bytes, part: str) -> str:
    """The words of one answer or of one piece of it. Raises GenerationFailed."""
    try:
        told = json.loads(data)
    except (ValueError, RecursionError):
        raise GenerationFailed("The language model's server answered no JSON.") from None
    if isinstance(told, dict) and told.get("error"):
        raise GenerationFailed("The language model failed.")
    try:
        # The last piece of some servers has no choices, only the usage.
        words = told["choices"][0][part].get("content") if told["choices"] else ""
    except (KeyError, IndexError, TypeError, AttributeError):
        raise GenerationFailed("The language model's server answered in another form.") from None
    return words if isinstance(words, str) else ""


def _refuse(answer: aiohttp.ClientResponse, request: Request) -> NoReturn:
    """Raises what a status other than 200 means; the server's own words may hold the prompt."""
    log.warning("The language model's server answered %d.", answer.status)
    if answer.status in (429, 503):
        after = answer.headers.get("Retry-After", "")
        raise EngineBusy(float(after) if after.isdecimal() and len(after) < 6 else BUSY_SECONDS)
    if answer.status in (400, 413, 422):
        said = "message" if isinstance(request, api.PremiumChat) else "messages"
        raise InputRejected(said, "cannot be answered by this model; they may be too long")
    if answer.status >= 500:
        raise EngineUnavailable("The language model's server failed.")
    raise GenerationFailed("The language model's server refused this service.")
