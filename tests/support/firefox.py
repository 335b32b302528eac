"""Firefox, driven over WebDriver BiDi without a driver: as much of a page as `Canvas` uses."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from support.processes import end_process

STARTS_WITHIN = 120  # seconds
LISTENS = re.compile(r"WebDriver BiDi listening on (ws://\S+)")

T = TypeVar("T")


class FirefoxPage:
    """The one tab of a Firefox. Has the names of Playwright's page."""

    def __init__(self, address: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._ids = count(1)
        self._session, self._socket = self._wait(self._connect(f"{address}/session"))
        self._send("session.new", capabilities={})
        (tab,) = self._send("browsingContext.getTree")["contexts"]
        self._tab: str = tab["context"]

    def goto(self, url: str) -> None:
        self._send("browsingContext.navigate", context=self._tab, url=url, wait="complete")

    def reload(self) -> None:
        self._send("browsingContext.reload", context=self._tab, wait="complete")

    def evaluate(self, function: str, arg: object = None) -> Any:
        """Calls the JavaScript `function` with `arg`; waits for what it gives."""
        call = f"({function})({json.dumps(arg)})"
        found = self._send(
            "script.evaluate",
            expression=f"(async () => JSON.stringify(await {call}))()",
            target={"context": self._tab},
            awaitPromise=True,
        )
        assert found["type"] == "success", found["exceptionDetails"]["text"]
        return json.loads(found["result"].get("value", "null"))

    def wait_for_function(self, function: str, *, arg: object = None, timeout: float) -> None:
        end = time.monotonic() + timeout / 1000
        while not self.evaluate(function, arg):
            assert time.monotonic() < end, function
            time.sleep(0.1)

    def close(self) -> None:
        self._wait(self._session.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _send(self, method: str, **params: Any) -> dict[str, Any]:
        return self._wait(
            self._exchange({"id": next(self._ids), "method": method, "params": params})
        )

    async def _connect(self, address: str) -> tuple[aiohttp.ClientSession, Any]:
        session = aiohttp.ClientSession()
        return session, await session.ws_connect(address, max_msg_size=0)

    async def _exchange(self, command: dict[str, Any]) -> dict[str, Any]:
        await self._socket.send_json(command)
        while True:
            answer = await self._socket.receive_json()
            if answer.get("id") == command["id"]:
                assert answer["type"] == "success", answer
                return answer["result"]

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        # In a thread of its own, because Playwright keeps a loop running in the main one.
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(STARTS_WITHIN)


@contextmanager
def firefox(program: str, folder: Path) -> Iterator[FirefoxPage]:
    """A Firefox without a window and with a fresh profile in `folder`."""
    command = [program, "--headless", "--no-remote", "--remote-debugging-port=0"]
    log = folder / "firefox.log"
    profile = folder / "profile"
    profile.mkdir()
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, "--profile", str(profile)], stdout=output, stderr=subprocess.STDOUT
        )
    try:
        page = FirefoxPage(_address(process, log))
        try:
            yield page
        finally:
            page.close()
    finally:
        end_process(process, 20)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    end = time.monotonic() + STARTS_WITHIN
    while process.poll() is None and time.monotonic() < end:
        if found := LISTENS.search(log.read_text()):
            return found[1]
        time.sleep(0.1)
    raise AssertionError(f"Firefox does not start: {log.read_text()[-500:]}")
