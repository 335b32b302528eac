"""The routes for the page, over HTTP, mounted as ComfyUI mounts them."""

from __future__ import annotations

import json
import os
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from support.clients import KEY, client_of
from support.paths import ROOT
from support.routes import serving
from visioncraft.nodes import comfy
from visioncraft.nodes.routes import ROUTES, guard
from visioncraft.visioncraft_core import Client, GenerateXL
from visioncraft.visioncraft_core.profiles.profiles import Profiles
from visioncraft.visioncraft_core.sandbox import Sandbox
from visioncraft.visioncraft_core.service.faults.rules import parse

XL = GenerateXL(prompt="a red fox in snow", width=64, height=64)
LONG_KEY = KEY + "-1234"
OTHER_KEY = "vc-CANARY-another"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving() as url:
        yield url


class Page:
    """What asks the routes as the page does; no answer may hold a key."""

    def __init__(self, server: str) -> None:
        self.url = f"{server}/visioncraft/"
        self.session = requests.Session()
        self.session.headers["X-VisionCraft-API"] = str(guard.API_VERSION)

    def ask(self, path: str, body: Any = None, **options: Any) -> requests.Response:
        method = "GET" if body is None and not options.get("data") else "POST"
        answer = self.session.request(method, self.url + path, json=body, timeout=60, **options)
        assert "CANARY" not in answer.text + repr(answer.headers)
        assert answer.headers["Cache-Control"] == "no-store"
        return answer

    def good(self, path: str, body: Any = None) -> dict[str, Any]:
        answer = self.ask(path, body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def bad(self, path: str, body: Any, status: int = 400) -> str:
        answer = self.ask(path, body)
        assert answer.status_code == status, answer.text
        (sentence,) = answer.json().values()
        assert re.fullmatch(r"[A-Z\w].{10,290}\.", sentence)
        return sentence

    def servers(self) -> dict[str, dict[str, Any]]:
        return {each["name"]: each for each in self.good("profiles")["servers"]}


@pytest.fixture
def page(server: str, home: Path) -> Page:
    return Page(server)


def stored(home: Path) -> dict[str, Any]:
    return json.loads((home / "profiles.json").read_text("utf-8"))


def store(home: Path, content: Any) -> None:
    home.mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, str) else json.dumps(content)
    (home / "profiles.json").write_text(text, "utf-8")


def add(page: Page, name: str = "work", url: str = "https://a.test", **more: Any) -> dict[str, Any]:
    body = {"name": name, "new": True, "base_url": url, "key": LONG_KEY, **more}
    return page.good("profiles/save", body)


def test_without_settings_the_sandbox_is_the_default(page: Page, home: Path):
    (sandbox,) = page.good("profiles")["servers"]
    assert (sandbox["name"], sandbox["is_default"], sandbox["built_in"]) == ("sandbox", True, True)
    assert (sandbox["has_key"], sandbox["base_url"], sandbox["problem"]) == (False, "", "")
    assert not home.exists()


def test_a_profile_is_added_changed_renamed_chosen_and_removed(page: Page, home: Path):
    assert add(page)["done"] == "work is saved."
    work = page.servers()["work"]
    assert (work["base_url"], work["max_concurrency"], work["is_default"]) == (
        *("https://a.test", 4, True),
    )
    assert (work["has_key"], work["key_end"]) == (True, "1234")
    assert Profiles(home).find("work").require_key().reveal() == LONG_KEY
    page.good("profiles/save", {"name": "work", "max_concurrency": 2})
    assert page.servers()["work"]["max_concurrency"] == 2
    add(page, "second", "https://b.test")
    page.good("profiles/default", {"name": "second"})
    renamed = page.good("profiles/rename", {"name": "second", "new_name": "office"})
    assert "Server node that names second" in renamed["done"]
    assert page.servers()["office"]["is_default"]
    assert Profiles(home).find("auto").name == "office"
    page.good("profiles/remove", {"name": "office"})
    assert set(page.servers()) == {"sandbox", "work"}
    assert stored(home).keys() == {"profiles"}
    if os.name == "posix":
        assert (home / "profiles.json").stat().st_mode & 0o777 == 0o600


def test_a_key_is_kept_replaced_and_removed_only_when_that_is_asked_for(page: Page, home: Path):
    add(page)
    page.good("profiles/save", {"name": "work", "key": "  ", "base_url": "https://a.test/v2"})
    assert Profiles(home).find("work").require_key().reveal() == LONG_KEY
    page.good("profiles/save", {"name": "work", "key": OTHER_KEY})
    assert Profiles(home).find("work").require_key().reveal() == OTHER_KEY
    page.good("profiles/save", {"name": "work", "forget_key": True})
    assert "key" not in stored(home)["profiles"]["work"]
    assert not page.servers()["work"]["has_key"]


@pytest.mark.parametrize("bound", ["bound", "written by hand"])
def test_a_key_does_not_follow_its_profile_to_another_server(bound: str, page: Page, home: Path):
    add(page)
    before = stored(home)
    if bound != "bound":
        del before["profiles"]["work"]["key_for"]
        store(home, before)
    moved = {"name": "work", "base_url": "https://evil.test"}
    assert "belongs to https://a.test" in page.bad("profiles/save", moved)
    assert stored(home) == before
    page.good("profiles/save", {**moved, "key": OTHER_KEY})
    assert Profiles(home).find("work").require_key().reveal() == OTHER_KEY
    page.good("profiles/save", {**moved, "base_url": "https://a.test", "forget_key": True})
    assert Profiles(home).find("work").key is None


def test_a_key_that_another_program_moved_is_not_saved_along(page: Page, home: Path):
    add(page)
    content = stored(home)
    content["profiles"]["work"]["base_url"] = "https://evil.test"
    store(home, content)
    work = page.servers()["work"]
    assert "stored for another address" in work["problem"]
    assert work["base_url"] == "https://evil.test"
    page.bad("profiles/save", {"name": "work", "max_concurrency": 1})
    assert stored(home) == content


def test_what_is_unknown_here_stays(page: Page, home: Path):
    entry = {"base_url": "https://a.test", "colour": "blue", "upload": "webp", "at_once": 3}
    store(home, {"note": "mine", "profiles": {"work": entry, "odd": ["x"]}})
    page.good("profiles/save", {"name": "work", "key": LONG_KEY})
    page.good("profiles/rename", {"name": "work", "new_name": "office"})
    page.good("profiles/default", {"name": "office"})
    page.good("profiles/save", {"name": "sandbox", "max_concurrency": 2})
    page.good("profiles/save", {"name": "sandbox", "base_url": "", "key": ""})
    content = stored(home)
    assert content["note"] == "mine"
    assert content["profiles"]["odd"] == ["x"]
    assert {**content["profiles"]["office"], **entry} == content["profiles"]["office"]
    assert Profiles(home).find("sandbox").max_concurrency == 2
    assert page.servers()["office"]["max_concurrency"] == 3
    assert "is not an object" in page.servers()["odd"]["problem"]


WRONG = [
    ("profiles/save", {"name": "auto", "new": True}),
    ("profiles/save", {"name": "../x", "new": True}),
    ("profiles/save", {"name": "", "new": True}),
    ("profiles/save", {"name": "x" * 61, "new": True}),
    ("profiles/save", {"name": "work", "new": True}),
    ("profiles/save", {"name": "none"}),
    ("profiles/save", {"name": "none", "new": False}),
    ("profiles/save", {"name": "work", "new": "yes"}),
    ("profiles/save", {"name": ["work"]}),
    ("profiles/save", {}),
    ("profiles/save", {"name": "sandbox", "key": LONG_KEY}),
    ("profiles/save", {"name": "environment", "base_url": "https://b.test"}),
    ("profiles/save", {"name": "work", "base_url": "ftp://a.test"}),
    ("profiles/save", {"name": "work", "base_url": 5}),
    ("profiles/save", {"name": "work", "base_url": "http://a.test", "key": LONG_KEY}),
    ("profiles/save", {"name": "work", "key": "with space CANARY"}),
    ("profiles/save", {"name": "work", "key": 12345678}),
    ("profiles/save", {"name": "work", "forget_key": 1}),
    ("profiles/save", {"name": "work", "max_concurrency": 0}),
    ("profiles/save", {"name": "work", "max_concurrency": 65}),
    ("profiles/save", {"name": "work", "max_concurrency": "4"}),
    ("profiles/save", {"name": "work", "max_concurrency": True}),
    ("profiles/rename", {"name": "work", "new_name": "sandbox"}),
    ("profiles/rename", {"name": "work", "new_name": "a b"}),
    ("profiles/rename", {"name": "work", "new_name": "second"}),
    ("profiles/rename", {"name": "work"}),
    ("profiles/rename", {"name": "sandbox", "new_name": "mine"}),
    ("profiles/rename", {"name": "\ud800", "new_name": "mine"}),
    ("profiles/remove", {"name": "sandbox"}),
    ("profiles/remove", {"name": "none"}),
    ("profiles/default", {"name": "none"}),
    ("profiles/default", {"name": ""}),
    ("profiles/test", {"name": "none"}),
    ("profiles/test", {"name": "https://a.test"}),
    ("profiles/test", {"name": "../../etc/passwd"}),
    ("results/clear", {}),
    ("results/clear", {"confirmed": "yes"}),
]


@pytest.mark.parametrize(("path", "body"), WRONG)
def test_a_wrong_value_is_told_in_a_sentence_and_changes_nothing(
    path: str, body: Any, page: Page, home: Path
):
    add(page)
    add(page, "second")
    before = (home / "profiles.json").read_bytes()
    page.bad(path, body)
    assert (home / "profiles.json").read_bytes() == before


def refused(page: Page, status: int, path: str = "profiles/remove", **options: Any) -> None:
    options = {"json": {"name": "work"}, **options}
    answer = requests.request("POST", page.url + path, timeout=60, **options)
    assert (answer.status_code, list(answer.json())) == (status, ["error"])
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_only_the_page_of_comfyui_may_ask(page: Page, home: Path):
    add(page)
    host = page.url.split("/")[2]
    for origin in ("null", "https://evil.test", f"http://{host}.evil.test", "http://127.0.0.1", ""):
        refused(page, 403, headers={"Origin": origin})
    for site in ("cross-site", "same-site", "Cross-Site"):
        refused(page, 403, headers={"Sec-Fetch-Site": site})
        headers = {"Sec-Fetch-Site": site}
        assert requests.get(f"{page.url}profiles", headers=headers, timeout=60).status_code == 403
    # It may be known by any name, such as that of a proxy.
    named = {"Host": "comfy.test", "Origin": "https://comfy.test", "Sec-Fetch-Site": "same-origin"}
    assert requests.get(f"{page.url}profiles", headers=named, timeout=60).status_code == 200
    refused(page, 403, headers={**named, "Origin": "https://other.test"})
    assert "work" in page.servers()


def test_only_small_json_objects_are_read(page: Page, home: Path):
    add(page)
    text = json.dumps({"name": "work"})
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        refused(page, 415, json=None, data=text, headers={"Content-Type": kind})
    as_json = {"Content-Type": "application/json"}
    refused(page, 415, headers={**as_json, "Content-Encoding": "gzip"})
    refused(page, 413, json={"name": "work", "x": "y" * guard.MOST_BYTES})
    refused(page, 411, json=None, data=iter([text.encode()]), headers=as_json)
    for wrong in ("", "[]", "null", '"work"', "{", "[" * 50_000, '{"name": "\xff"}'):
        refused(page, 400, json=None, data=wrong.encode("latin-1"), headers=as_json)
    assert "work" in page.servers()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", path) for _, path, _ in ROUTES if "/" in path),
        *(("PUT", "profiles"), ("DELETE", "profiles"), ("OPTIONS", "profiles/remove")),
        *(("POST", "profiles"), ("GET", "profiles/../../profiles.json"), ("GET", "profiles.json")),
        *(("POST", "profiles/remove/"), ("POST", "profiles%2Fremove"), ("GET", "%2e%2e/profiles")),
    ],
)
def test_another_method_or_path_finds_nothing(method: str, path: str, page: Page, home: Path):
    add(page)
    body = {"name": "work"} if method != "GET" else None
    prepared = requests.Request(method, page.url, json=body).prepare()
    prepared.url = page.url + path  # as it stands, without tidying up
    answer = page.session.send(prepared, timeout=60)
    assert answer.status_code in (404, 405)
    assert "work" in page.servers()


def test_a_page_of_another_version_is_told_to_reload(page: Page, home: Path):
    add(page)
    refused(page, 409, headers={guard.VERSION_HEADER: "0"})
    script = (ROOT / "web" / "js" / "routes.js").read_text("utf-8")
    assert f'API_VERSION = "{guard.API_VERSION}"' in script
    assert f'"{guard.VERSION_HEADER}": API_VERSION' in script


@pytest.mark.parametrize("broken", ["{", "[]", '{"profiles": 5}', "\0"])
def test_a_broken_file_is_told_kept_aside_and_replaced(broken: str, page: Page, home: Path):
    store(home, broken)
    listed = page.good("profiles")
    assert "cannot be read" in listed["problem"]
    assert [each["name"] for each in listed["servers"]] == ["sandbox"]
    page.bad("profiles/remove", {"name": "work"})
    assert (home / "profiles.json").read_text("utf-8") == broken
    saved = add(page)
    assert "kept as profiles.json.broken" in saved["done"]
    assert (saved["problem"], page.good("profiles")["problem"]) == ("", "")
    assert (home / "profiles.json.broken").read_text("utf-8") == broken
    store(home, "another one")
    add(page)
    assert (home / "profiles.json.broken").read_text("utf-8") == broken
    assert (home / "profiles.json.broken.2").read_text("utf-8") == "another one"
    assert "kept as" not in page.good("profiles/default", {"name": "work"})["done"]


def test_a_wrong_default_is_told_and_can_be_replaced(page: Page, home: Path):
    store(home, {"default": "gone", "profiles": {"work": {"base_url": "https://a.test"}}})
    listed = page.good("profiles")
    assert "is not a server profile" in listed["problem"]
    assert not [each for each in listed["servers"] if each["is_default"]]
    assert page.good("profiles/default", {"name": "work"})["problem"] == ""


def test_the_server_of_the_environment_is_the_default(
    page: Page, home: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("VISIONCRAFT_API_KEY", LONG_KEY)
    monkeypatch.setenv("VISIONCRAFT_BASE_URL", "https://e.test")
    add(page)
    own = page.servers()["environment"]
    assert (own["base_url"], own["key_end"], own["is_default"]) == ("https://e.test", "1234", True)
    assert "VISIONCRAFT_API_KEY" in page.bad("profiles/default", {"name": "work"})
    page.good("profiles/save", {"name": "environment", "max_concurrency": 1})
    assert Profiles(home).find("environment").max_concurrency == 1
    assert LONG_KEY in (home / "profiles.json").read_text("utf-8")
    assert stored(home)["profiles"]["environment"] == {"max_concurrency": 1}


def test_of_a_short_key_not_even_the_end_is_shown(page: Page, home: Path):
    add(page, key="12345678")
    assert (page.servers()["work"]["has_key"], page.servers()["work"]["key_end"]) == (True, "")


def test_two_changes_at_once_are_both_kept(page: Page, home: Path):
    names = [f"p{n}" for n in range(12)]
    threads = [threading.Thread(target=add, args=(page, name)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(page.servers()) == {"sandbox", *names}


def test_a_folder_that_refuses_is_told(page: Page, home: Path):
    home.parent.mkdir(parents=True, exist_ok=True)
    home.touch()
    body = {"name": "work", "new": True, "key": LONG_KEY}
    assert "could not be stored" in page.bad("profiles/save", body)
    assert page.good("profiles")["problem"] == ""


def test_a_test_costs_nothing_and_says_what_it_could_not_see(
    page: Page, home: Path, sandbox: Sandbox
):
    add(page, url=sandbox.url)
    tested = page.good("profiles/test", {"name": "work"})
    assert tested["ok"]
    assert re.match(r"work \(http://.*\) answers and lists \d+ SDXL models", tested["text"])
    assert "only seen in a run" in tested["text"]
    assert [line.split()[0] for line in sandbox.requests] == ["GET"]
    embedded = page.good("profiles/test", {"name": "sandbox"})
    assert embedded["ok"]
    assert embedded["text"].endswith("It needs no key.")


@pytest.mark.parametrize(
    ("fault", "says"),
    [("404", "base URL"), ("html", ""), ("500", ""), ("close", ""), ("403-key", "")],
)
def test_a_test_names_what_is_wrong(
    fault: str, says: str, page: Page, home: Path, sandbox: Sandbox
):
    add(page, url=sandbox.url)
    sandbox.injector.rules = (parse(f"models-xl={fault}"),)
    tested = page.good("profiles/test", {"name": "work"})
    assert not tested["ok"]
    assert says in tested["text"]


def test_a_server_that_is_not_there_fails_the_test(page: Page, home: Path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    add(page, url=f"http://127.0.0.1:{port}")
    tested = page.good("profiles/test", {"name": "work"})
    assert not tested["ok"]
    assert "127.0.0.1" in tested["text"]


def test_the_store_is_counted_and_cleared_only_when_the_user_said_so(
    page: Page, home: Path, client: Client, sandbox: Sandbox
):
    client.send(XL)
    counted = page.good("results")
    assert (counted["files"], counted["most_bytes"]) == (1, 2 * 2**30)
    assert counted["bytes"] > 0
    assert page.good("results/clear", {"confirmed": True})["files"] == 0
    client_of(sandbox, home).send(XL)
    assert page.good("results")["files"] == 1


class SharedHost(comfy.QuietHost):
    def is_multi_user(self) -> bool:
        return True


def test_where_several_people_share_it_the_page_only_shows(page: Page, home: Path):
    add(page)
    before = (home / "profiles.json").read_bytes()
    comfy.use(SharedHost())
    listed = page.good("profiles")
    assert "--multi-user" in listed["read_only"]
    assert [each["name"] for each in listed["servers"]] == ["sandbox", "work"]
    for path, body in (
        ("profiles/save", {"name": "work", "max_concurrency": 2}),
        ("profiles/rename", {"name": "work", "new_name": "office"}),
        ("profiles/remove", {"name": "work"}),
        ("profiles/default", {"name": "work"}),
        ("results/clear", {"confirmed": True}),
    ):
        assert "--multi-user" in page.bad(path, body, 403)
    assert (home / "profiles.json").read_bytes() == before
