"""The page at / and what it reads; tests/browser/test_server_page.py opens it."""

from __future__ import annotations

import re

import pytest
import requests
from support.instant_engine import InstantEngine
from visioncraft.visioncraft_core.api.endpoints import ENDPOINTS, Chat
from visioncraft.visioncraft_core.api.fields import Request
from visioncraft.visioncraft_core.sandbox import Sandbox
from visioncraft.visioncraft_core.service import web_page


@pytest.mark.parametrize("path", [*web_page.FILES, "/docs"])
def test_pages_may_load_and_send_nothing_elsewhere(path: str, sandbox: Sandbox):
    answer = requests.get(sandbox.url + path, timeout=20)
    policy = answer.headers["Content-Security-Policy"]
    assert answer.status_code == 200
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    assert not re.search(r'(src|href)="(https?:)?//|<style|<script>| style=| on\w+=', answer.text)


def test_the_state_tells_what_is_offered_and_nothing_that_was_asked_for(sandbox: Sandbox):
    state = requests.get(f"{sandbox.url}/state", timeout=20).json()
    offered = {kind.path: True for kind in ENDPOINTS}
    title = "VisionCraft sandbox"
    assert state == {"title": title, "endpoints": offered, "at_work": 0, "engines": []}


class OnlyWords(InstantEngine):
    def catalogs(self):
        return {"models-llm": ("mistral-7b-instruct",)}

    def serves(self, request: Request) -> bool:
        return isinstance(request, Chat)


def test_what_no_engine_makes_is_not_offered():
    with Sandbox(engine=OnlyWords()) as sandbox:
        offered = requests.get(f"{sandbox.url}/state", timeout=20).json()["endpoints"]
    assert [path for path, serves in offered.items() if serves] == ["/llm"]


@pytest.mark.parametrize(("destination", "status"), [("document", 200), ("script", 403)])
def test_a_link_elsewhere_may_lead_to_the_page_but_not_use_it(
    destination: str, status: int, sandbox: Sandbox
):
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": destination}
    assert requests.get(sandbox.url, headers=headers, timeout=20).status_code == status
