"""What was paid is kept, found again, never served damaged, and costs nothing the second time."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clients import FOUR, PATIENT, XL, client_of, posts
from support.pictures import gradient, png_of
from support.processes import run_together
from support.raw_server import answering, raw
from support.timing import HANG, LONG, eventually
from visioncraft.nodes.headless.cli import main
from visioncraft.visioncraft_core import (
    Chat,
    Client,
    Profile,
    Secret,
    Upscale,
    errors,
)
from visioncraft.visioncraft_core.api.sandbox_keys import SANDBOX_PREMIUM_KEY
from visioncraft.visioncraft_core.cancellation import CancelScope
from visioncraft.visioncraft_core.generation.progress import Delay
from visioncraft.visioncraft_core.generation.run import (
    LONG_ANSWER,
    NOT_STORED_NOTE,
    SAME_REQUEST,
    STORED_NOTE,
    _process_lock,
)
from visioncraft.visioncraft_core.http.call import Response
from visioncraft.visioncraft_core.sandbox import Sandbox
from visioncraft.visioncraft_core.service.faults.rules import parse
from visioncraft.visioncraft_core.store.store import Duration, Health, Store, key_of

SAY = Chat(model="openchat-7b", messages=({"role": "user", "content": "a fox"},))
KEY = key_of("/x", {"prompt": "a"}, "https://a.test", 0)


def answer(content: bytes = b"{}") -> Response:
    return Response(200, {}, content, "https://a.test")


def change(store: Path, statement: str, *values: object) -> None:
    """Changes the index behind the store's back."""
    with closing(sqlite3.connect(store / "index.sqlite")) as db, db:
        assert db.execute(statement, values).rowcount


def let_pass(store: Path, seconds: float) -> None:
    change(store, "UPDATE requests SET used = used - ?", seconds)


@pytest.mark.parametrize("request_", [XL, FOUR, SAY], ids=["bytes", "links", "text"])
def test_the_same_request_is_answered_without_asking_again(
    request_: Any, sandbox: Sandbox, home: Path
):
    first = client_of(sandbox, home).send(request_)
    asked = sandbox.requests
    again = client_of(sandbox, home).send(request_)  # another client, as after a restart
    assert (again.files, again.text) == (first.files, first.text)
    assert (first.notes, again.notes) == ((), (STORED_NOTE,))
    assert sandbox.requests == asked


def test_a_process_that_starts_anew_finds_what_an_earlier_one_paid_for(
    sandbox: Sandbox, home: Path
):
    code = """
import hashlib, sys
from pathlib import Path
from visioncraft.visioncraft_core import Client, GenerateXL, Profile, Secret
client = Client(Profile("test", sys.argv[1], Secret("sandbox-free")), home=Path(sys.argv[2]))
result = client.send(GenerateXL(prompt="a red fox in snow", width=64, height=64))
print(hashlib.sha256(result.files[0].content).hexdigest())
"""
    command = [sys.executable, "-c", code, sandbox.url, str(home)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG, check=True)
    found = client_of(sandbox, home, "sandbox-free").send(XL)
    assert hashlib.sha256(found.files[0].content).hexdigest() == done.stdout.strip()
    assert posts(sandbox) == 1


def test_another_seed_is_another_request(sandbox: Sandbox, home: Path):
    client = client_of(sandbox, home)
    assert client.send(XL).files != client.send(XL, seed=1).files
    assert posts(sandbox) == 2


def test_without_a_variation_nothing_is_looked_up_or_kept(sandbox: Sandbox, home: Path):
    client = client_of(sandbox, home)
    assert client.send(XL, seed=None).files != client.send(XL, seed=None).files
    assert not (home / "store").exists()


def test_another_server_is_another_request(sandbox: Sandbox, home: Path):
    with Sandbox() as other:
        client_of(sandbox, home).send(XL)
        client_of(other, home).send(XL)
        assert posts(sandbox) == posts(other) == 1


def test_a_profile_can_do_without(sandbox: Sandbox, home: Path):
    profile = Profile("test", sandbox.url, Secret("sandbox-free"), PATIENT, store=False)
    client = Client(profile, home=home)
    assert client.send(XL).files == client.send(XL).files  # drawn twice, with one seed
    assert posts(sandbox) == 2
    assert not (home / "store").exists()


def test_equal_pictures_of_a_batch_are_variations_that_are_found_again(
    sandbox: Sandbox, home: Path
):
    request = Upscale(image=png_of(gradient(8, 8)))
    first = client_of(sandbox, home).send_all([request] * 3)
    again = client_of(sandbox, home).send_all([request] * 3)
    assert again.files == first.files
    assert posts(sandbox) == 3


def test_two_nodes_with_one_request_pay_once(home: Path):
    with Sandbox(latency=0.3) as sandbox:
        results: list[Any] = []
        client = client_of(sandbox, home)
        threads = [
            threading.Thread(target=lambda: results.append(client.send(XL).files)) for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results[0] == results[1] == results[2]
        assert posts(sandbox) == 1


def test_two_processes_with_one_request_pay_once(home: Path):
    code = """
import sys
from pathlib import Path
from visioncraft.visioncraft_core import Client, GenerateXL, Profile, Secret
profile = Profile("test", sys.argv[1], Secret("sandbox-free"))
request = GenerateXL(prompt="a red fox in snow", width=64, height=64)
print(len(Client(profile, home=Path(sys.argv[2])).send(request).files))
"""
    with Sandbox(latency=1.0) as sandbox:
        command = [sys.executable, "-c", code, sandbox.url, str(home)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert eventually(lambda: posts(sandbox))
        assert len(client_of(sandbox, home, "sandbox-free").send(XL).files) == 1
        assert process.communicate(timeout=HANG)[0] == "1\n"
        assert posts(sandbox) == 1


def test_a_batch_that_failed_in_part_pays_only_for_the_rest(home: Path):
    requests = [Upscale(image=png_of(gradient(8, n + 8))) for n in range(4)]
    with Sandbox(faults=[parse("upscale=500*1")]) as sandbox:
        client = client_of(sandbox, home)
        first = client.send_all(requests)
        assert len(first.files) == 3
        assert len([n for n in first.notes if " of 4 failed: " in n]) == 1
        again = client.send_all(requests)
        assert len(again.files) == 4
        assert posts(sandbox) == 5


@pytest.mark.parametrize("fault", ["error-200", "html", "null", "500", "422"])
def test_an_answer_that_is_no_result_is_not_served_again(fault: str, home: Path):
    with Sandbox(faults=[parse(f"generate-xl={fault}*1")]) as sandbox:
        client = client_of(sandbox, home)
        with pytest.raises(errors.VisionCraftError):
            client.send(XL)
        assert client.send(XL).files
        assert posts(sandbox) == 2


def test_an_answer_that_nobody_understood_is_kept_for_later(home: Path):
    with (
        Sandbox(faults=[parse("generate-xl=object")]) as sandbox,
        pytest.raises(errors.InvalidResponse),
    ):
        client_of(sandbox, home).send(XL)
    (entry,) = Store(home / "store").entries()
    assert entry.unparsed
    assert entry.unparsed.read_bytes() == b"{}"
    assert (entry.path, entry.about) == ("/generate-xl", XL.prompt)


def test_a_long_answer_that_is_no_result_is_kept_and_not_served_again(home: Path):
    body = json.dumps({"error": "x" * 2 * LONG_ANSWER}).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    with raw(answering(head + body)) as server:
        client = Client(Profile("test", server.url, Secret("k1234567")), home=home)
        for _ in range(2):
            with pytest.raises(errors.VisionCraftError):
                client.send(XL)
    assert server.connections == 2
    (entry,) = Store(home / "store").entries()
    assert entry.unparsed
    assert entry.unparsed.read_bytes() == body


def test_what_is_kept_names_neither_key_nor_token_and_is_the_owners_alone(
    sandbox: Sandbox, home: Path
):
    client_of(sandbox, home).send(FOUR)
    kept = [path for path in (home / "store").rglob("*") if path.is_file()]
    assert kept
    for path in kept:
        assert SANDBOX_PREMIUM_KEY.encode() not in path.read_bytes()
        assert b"token" not in path.read_bytes()[:2000] or path.parent.parent.name == "objects"
        if os.name == "posix":
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_full_disk_loses_no_result(sandbox: Sandbox, home: Path):
    home.mkdir(parents=True)
    (home / "store").write_text("in the way")  # no folder can be made here
    result = client_of(sandbox, home).send(FOUR)
    assert len(result.files) == 4
    assert result.notes == (NOT_STORED_NOTE,)


@pytest.mark.parametrize("damage", ["cut", "changed", "gone", "record"])
def test_what_is_damaged_is_asked_for_again(damage: str, sandbox: Sandbox, home: Path):
    client = client_of(sandbox, home)
    first = client.send(XL)
    (path,) = (home / "store" / "objects").glob("??/*")
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "changed":
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    elif damage == "gone":
        path.unlink()
    else:
        change(home / "store", "UPDATE records SET object = '../../etc'")
    assert client.send(XL).files == first.files  # drawn again with the same seed
    assert posts(sandbox) == 2


def test_verify_finds_and_removes_what_is_damaged(tmp_path: Path):
    store = Store(tmp_path)
    for number in range(3):
        store.keep_reply(f"k{number}", answer(f"{number}".encode()), {})
    paths = sorted((tmp_path / "objects").glob("??/*"))
    paths[0].write_bytes(b"changed")
    paths[1].unlink()
    health = store.verify()
    assert (health.good, health.damaged, health.missing) == (1, 1, 2)
    assert store.verify() == type(health)(1, 0, 0)


def test_the_list_tells_what_was_asked_newest_first(sandbox: Sandbox, home: Path):
    client = client_of(sandbox, home)
    client.send(XL)
    client.send(FOUR)
    client.send(SAY)
    said, newest, oldest = Store(home / "store").entries()
    assert (said.path, said.about) == ("/llm", "openchat-7b | a fox")
    assert (newest.path, newest.files) == ("/generate", 4)
    assert (oldest.path, oldest.files, oldest.about) == ("/generate-xl", 1, XL.prompt)
    assert newest.size > oldest.size > 0
    assert Store(home / "store").clear() == said.size + newest.size + oldest.size
    assert Store(home / "store").entries() == []
    assert Store(home / "store").size() == (0, 0)


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path):
    store = Store(tmp_path)
    for number, used in enumerate((300, 100, 200)):  # seconds ago
        store.keep_reply(f"k{number}", answer(bytes([number]) * 100), {})
        ago = time.time() - used
        change(tmp_path, "UPDATE requests SET used = ? WHERE key = ?", ago, f"k{number}")
    assert store.reply("k0")  # a look counts as use
    Store(tmp_path, max_bytes=250).keep_reply("k3", answer(b"x" * 60), {})
    assert [bool(store.reply(f"k{n}")) for n in range(4)] == [True, False, False, True]
    assert store.size()[1] == 160


def test_what_was_never_finished_is_removed_after_a_while(tmp_path: Path):
    old, fresh = tmp_path / "objects" / "old.part", tmp_path / "objects" / "fresh.part"
    old.parent.mkdir()
    for part in (old, fresh):
        part.write_bytes(b"half")
    os.utime(old, (0, 0))
    Store(tmp_path).keep_reply("k", answer(), {})
    assert not old.exists()
    assert fresh.exists()


def test_of_small_answers_only_so_many_are_kept(tmp_path: Path):
    store = Store(tmp_path, max_bytes=800, max_requests=5)
    for number in range(12):
        store.keep_reply(f"k{number:02}", answer(bytes([number])), {})
        let_pass(tmp_path, 1000)
        assert store.reply("k00")  # a look counts as use
    assert [bool(store.reply(f"k{n:02}")) for n in range(12)] == [True, *[False] * 7, *[True] * 4]
    assert store.size()[0] == len(list((tmp_path / "objects").glob("??/*"))) == 5
    assert len(store.entries()) == 5


def test_what_made_room_left_no_record_behind(tmp_path: Path):
    store = Store(tmp_path, max_bytes=1000)
    for number in range(10):
        store.keep_reply(f"k{number}", answer(bytes([number]) * 400), {})
    assert (store.verify().good, store.verify().missing) == (2, 0)


def test_one_result_that_is_larger_than_the_store_is_kept_all_the_same(tmp_path: Path):
    store = Store(tmp_path, max_bytes=100)
    store.keep_reply("small", answer(b"a"), {})
    assert store.keep_reply("large", answer(b"b" * 400), {})
    assert (store.reply("small"), store.size()) == (None, (1, 400))


def test_content_that_two_requests_share_stays_until_both_are_gone(tmp_path: Path):
    store = Store(tmp_path)
    for key in ("one", "two"):
        store.keep_reply(key, answer(b"same"), {})
    assert store.size() == (1, 4)
    store.forget("one")
    assert store.reply("two") == answer(b"same")
    store.forget("two")
    assert list((tmp_path / "objects").glob("??/*")) == []


def test_a_new_answer_replaces_all_of_the_one_before(tmp_path: Path):
    store = Store(tmp_path)
    store.keep_reply("k", answer(b"first"), {})
    store.keep_job("k", answer(b"its job"))
    store.keep_file("k", "https://a.test/1", b"its file")
    store.keep_reply("k", answer(b"second"), {})
    assert store.reply("k") == answer(b"second")
    assert store.file("k", "https://a.test/1") is None
    assert len(list((tmp_path / "objects").glob("??/*"))) == 1


def test_an_index_that_is_damaged_costs_one_answer_at_most(tmp_path: Path):
    store = Store(tmp_path)
    store.keep_reply("k", answer(), {})
    (tmp_path / "index.sqlite").write_bytes(b"no database" * 100)
    assert not store.keep_reply("k2", answer(), {})
    assert store.keep_reply("k3", answer(b"[]"), {})
    assert [entry.size for entry in store.entries()] == [2]
    assert (store.verify().good, store.verify().good) == (2, 1)  # the first is nobody's
    store.clear()
    assert not list(tmp_path.glob("*damaged*"))


def test_where_the_index_stays_locked_a_store_waits_once_and_then_no_more(tmp_path: Path):
    store = Store(tmp_path, busy_timeout=1.0)
    store.keep_reply("k", answer(), {})
    with closing(sqlite3.connect(tmp_path / "index.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        started = time.monotonic()
        assert not store.keep_reply("k2", answer(), {})
        waited = time.monotonic() - started
        assert waited > 0.9
        for _ in range(3):
            assert store.reply("k") is None
        assert time.monotonic() - started < 2 * waited
    assert store.reply("k") == answer()
    assert store.keep_reply("k2", answer(), {})


def test_a_store_that_is_removed_while_it_is_at_work_begins_anew(tmp_path: Path):
    store = Store(tmp_path / "store")
    with store.request_lock(KEY, lambda: False):
        assert store.keep_reply(KEY, answer(b"1"), {})
        shutil.rmtree(tmp_path / "store")
        assert store.reply(KEY) is None
        assert store.keep_reply(KEY, answer(b"2"), {})
        change(tmp_path / "store", "UPDATE records SET status = 201")  # seen at once
        assert store.reply(KEY) == replace(answer(b"2"), status=201)
    assert Store(tmp_path / "store").size() == (1, 1)


def test_a_store_that_is_at_work_waits_again_for_others_once_it_could_write(tmp_path: Path):
    store = Store(tmp_path, busy_timeout=HANG)
    with store.request_lock(KEY, lambda: False):
        store.keep_reply(KEY, answer(), {})
        (tmp_path / "index.sqlite").write_bytes(b"damaged" * 200)  # which ends all patience
        assert not store.keep_reply(KEY, answer(), {})
        assert store.keep_reply(KEY, answer(), {})
        other = sqlite3.connect(tmp_path / "index.sqlite", isolation_level=None)
        with closing(other), ThreadPoolExecutor(1) as threads:
            other.execute("BEGIN IMMEDIATE")
            kept = threads.submit(store.keep_reply, "k2", answer(), {})
            with pytest.raises(TimeoutError):
                kept.result(timeout=0.5)  # longer than one that gave up waits
            other.execute("COMMIT")
            assert kept.result(timeout=HANG)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs Linux's list of open files")
def test_a_store_is_open_only_while_it_is_at_work(tmp_path: Path):
    def is_open() -> bool:
        index = str(tmp_path / "index.sqlite")
        return any(os.path.realpath(file) == index for file in Path("/proc/self/fd").iterdir())

    store = Store(tmp_path)
    with store.request_lock(KEY, lambda: False), store.request_lock("k2", lambda: False):
        store.keep_reply(KEY, answer(), {})
        assert is_open()
    assert not is_open()
    store.reply(KEY)
    assert not is_open()


def test_a_cleared_store_holds_no_prompt(tmp_path: Path):
    store = Store(tmp_path)
    store.keep_reply("k", answer(), {"path": "/x", "about": "a secret fox"})
    assert any(b"secret" in path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    store.clear()
    assert not any(b"secret" in path.read_bytes() for path in tmp_path.iterdir() if path.is_file())


def test_half_a_character_in_a_prompt_is_no_obstacle(tmp_path: Path):
    store = Store(tmp_path)
    assert store.keep_reply("k", answer(), {"path": "/x", "about": "a \ud800 fox"})
    assert [entry.about for entry in store.entries()] == ["a ? fox"]


def old_record(folder: Path, name: str, content: bytes, **members: object) -> None:
    """A record and its object as the version before the index wrote them."""
    digest = sha256(content).hexdigest()
    record = {**members, "made": 1000.0, "sha256": digest, "size": len(content)}
    for path, text in (
        (folder / f"{name}.json", json.dumps(record).encode()),
        (folder.parents[2] / "objects" / digest[:2] / digest, content),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A store without an index, with what the version before left in it."""
    asked = {"path": "/generate", "about": "a fox \ud800", "server": "https://a.test"}
    answered = {"server": "https://a.test", "status": 200}
    url = sha256(b"https://a.test/1").hexdigest()
    for number, key in enumerate(["a1" * 32, "b2" * 32, "c3" * 32, "d4" * 32]):
        folder = tmp_path / "requests" / key[:2] / key
        if number < 2:
            old_record(folder, "reply", b"answer %d" % number, **asked, status=200)
        if number == 1:
            old_record(folder, "job", b"job", **answered)
            old_record(folder, url, b"file")
        if number == 2:
            old_record(folder, "unread", b"{}", **asked, status=200)
        if number == 3:
            folder.mkdir(parents=True)
            (folder / "reply.json").write_text('{"sha256": ["x"], "size": "1"}')
            (folder / "job.json").write_text("{")
            (folder / "tmp1.part").write_text("half")
        os.utime(folder, (number, number))
    (tmp_path / "claims").mkdir()
    (tmp_path / "untrimmed").write_text("...")
    (tmp_path / "objects" / "ab").mkdir(exist_ok=True)
    (tmp_path / "objects" / "ab" / "tmp2.part").write_text("half")
    return tmp_path


def test_a_store_of_the_version_before_is_taken_over(old: Path):
    store = Store(old)
    assert store.reply("a1" * 32) == answer(b"answer 0")
    assert store.reply("b2" * 32) == answer(b"job")
    assert store.file("b2" * 32, "https://a.test/1") == b"file"
    assert store.reply("c3" * 32) is store.reply("d4" * 32) is None
    entries = {entry.size: entry for entry in store.entries()}
    assert sorted(entries) == [2, 8, 15]
    assert (entries[8].made, entries[8].path, entries[8].about) == (1000.0, "/generate", "a fox ?")
    assert (entries[2].unparsed and entries[2].unparsed.read_bytes()) == b"{}"
    assert store.size() == (5, 25)
    assert store.verify() == Health(5, 0, 0)
    assert not any((old / name).exists() for name in ("requests", "claims", "untrimmed"))
    assert not (old / "objects" / "ab" / "tmp2.part").exists()


def test_of_a_store_that_is_taken_over_the_least_recently_used_go_first(old: Path):
    Store(old, max_bytes=20).keep_reply("new", answer(b"abc"), {})
    found = [bool(Store(old).reply(key * 32)) for key in ("a1", "b2")]
    assert (found, Store(old).size()[1]) == ([False, True], 20)


TAKER = """
import sys
from pathlib import Path
from visioncraft.visioncraft_core.store.store import Store
print("ready", flush=True)
sys.stdin.readline()
assert len(Store(Path(sys.argv[1])).entries()) == 3
"""


def test_processes_that_take_a_store_over_at_once_agree(old: Path):
    run_together(TAKER, old)
    assert Store(old).size() == (5, 25)


def test_what_is_paid_for_again_is_not_the_first_to_go(tmp_path: Path):
    store = Store(tmp_path, max_bytes=1000)
    store.keep_reply("ka", answer(b"a" * 400), {})
    let_pass(tmp_path, 1000)
    for key, content in (("kb", b"b"), ("kc", b"a"), ("kd", b"d")):
        store.keep_reply(key, answer(content * 400), {})
    assert [bool(store.reply(key)) for key in ("kb", "kc", "kd")] == [False, True, True]


@given(st.binary(max_size=400), st.text(max_size=20), st.text(max_size=40))
def test_what_is_kept_comes_back_to_the_last_byte(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, prompt: str, url: str
):
    store = Store(tmp_path_factory.getbasetemp() / "bytes")
    key = key_of("/x", {"prompt": prompt}, "https://a.test", 0)
    assert store.keep_reply(key, answer(content), {"about": prompt})
    assert store.keep_file(key, url, content)
    found = store.reply(key)
    assert (found and found.body, store.file(key, url)) == (content, content)
    store.forget(key)
    assert (store.reply(key), store.file(key, url)) == (None, None)


@pytest.mark.parametrize("elsewhere", ["process", "thread"])
def test_a_wait_for_the_same_request_elsewhere_is_told(
    elsewhere: str, sandbox: Sandbox, home: Path
):
    client = client_of(sandbox, home)
    key = client._key_of(SAY, 0)
    holds = {
        "process": Store(home / "store").request_lock(key, lambda: False),
        "thread": _process_lock(key, CancelScope(), lambda: None),
    }
    told: list[str] = []
    with ThreadPoolExecutor(1) as pool:
        with holds[elsewhere]:
            sent = pool.submit(client.send, SAY, on_progress=told.append)
            assert eventually(lambda: told)
            assert told == [SAME_REQUEST]
            assert isinstance(told[0], Delay)
            assert not sandbox.requests
        assert sent.result(LONG).text
    assert told[1:] == ["waiting for " + client.describe()]
    client.send(SAY, on_progress=told.append)
    assert len(told) == 2


def test_where_nothing_is_kept_the_store_is_not_asked(sandbox: Sandbox, home: Path):
    (home / "store").mkdir(parents=True)
    (home / "store" / "index.sqlite").mkdir()  # which no store can read
    profile = Profile("test", sandbox.url, Secret("sandbox-free"), PATIENT, store=False)
    for client, seed in ((Client(profile, home=home), 0), (client_of(sandbox, home), None)):
        assert client.send(SAY, seed=seed).text
    assert [path.name for path in (home / "store").rglob("*")] == ["index.sqlite"]


def test_what_a_kind_of_request_usually_takes_is_the_median_of_what_is_kept(tmp_path: Path):
    store = Store(tmp_path)
    assert store.usual_seconds("here", "/x", "m") is None
    for number, seconds in enumerate((9.0, 2.0, 4.0)):
        took = Duration("here", "/x", "m", seconds)
        assert store.keep_reply(f"k{number}", answer(f"{number}".encode()), {}, took)
    assert store.usual_seconds("here", "/x", "m") == 4.0
    assert store.usual_seconds("here", "/x", "other") is None
    store.forget("k0")
    store.quarantine("k1")
    assert store.usual_seconds("here", "/x", "m") == 4.0
    store.clear()
    assert store.usual_seconds("here", "/x", "m") is None


WRITER = """
import sys, itertools, random
from pathlib import Path
from visioncraft.visioncraft_core.store.store import Store
from visioncraft.visioncraft_core.http.call import Response
store = Store(Path(sys.argv[1]), max_bytes=8 * 2**20)
chance = random.Random(int(sys.argv[2]))
print("go", flush=True)
for number in itertools.count():
    key = f"key{number % 40:02}"
    content = bytes([number % 256]) * chance.randrange(1, 400_000)
    store.keep_reply(key, Response(200, {}, content, "https://a.test"), {"first": content[0]})
    store.keep_file(key, "https://a.test/1", content)
    found = store.reply(key)
    assert found is None or len(set(found.body)) == 1
"""


@pytest.mark.parametrize("seed", range(2))
def test_a_process_may_be_killed_anywhere_and_two_may_work_at_once(seed: int, tmp_path: Path):
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(seed * 2 + n)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for n in range(2)
    ]
    for writer in writers:
        assert writer.stdout
        assert writer.stdout.readline() == b"go\n"
    assert eventually(lambda: Store(tmp_path).entries())
    time.sleep(0.1 + random.Random(seed).random() / 3)
    for writer in writers:
        assert writer.poll() is None, writer.stderr and writer.stderr.read()
        writer.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
        writer.communicate()
    store = Store(tmp_path)
    served = [store.reply(f"key{n:02}") for n in range(40)]
    assert any(served)
    for found in served:
        assert found is None or len(set(found.body)) == 1
    assert store.verify().damaged == 0
    assert store.size()[1] <= 8 * 2**20 + 40 * 400_000


def test_a_client_that_is_killed_has_kept_what_had_arrived(home: Path):
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from visioncraft.visioncraft_core import Client, Generate, Profile, Secret\n"
        "profile = Profile('t', sys.argv[1], Secret('sandbox-premium'))\n"
        "client = Client(profile, home=Path(sys.argv[2]))\n"
        "client.send(Generate(model='anything_V5', sampler='Euler', prompt='a fox',\n"
        "                     image_count=4))\n"
    )
    with Sandbox(faults=[parse("results=slow:40000")]) as sandbox:
        process = subprocess.Popen([sys.executable, "-c", code, sandbox.url, str(home)])
        assert eventually(lambda: any("results" in line for line in sandbox.requests))
        time.sleep(0.2)
        process.kill()
        process.wait()
        sandbox.injector.rules = ()
        result = client_of(sandbox, home).send(FOUR)
        assert len(result.files) == 4
        assert posts(sandbox) == 1


def test_a_store_that_cannot_be_read_is_no_empty_one(sandbox: Sandbox, home: Path):
    """Whoever took it for empty would pay again for all that is in it."""
    index = home / "store" / "index.sqlite"
    client_of(sandbox, home).send(XL)
    kept = index.read_bytes()
    index.unlink()
    index.mkdir()  # what every user, root too, cannot open as a file
    with pytest.raises(errors.StoreUnreadable, match="cannot be read"):
        client_of(sandbox, home).send(XL)
    assert posts(sandbox) == 1
    index.rmdir()
    index.write_bytes(kept)
    assert client_of(sandbox, home).send(XL).notes == (STORED_NOTE,)


def test_a_clock_that_was_put_back_does_not_drop_new_results(tmp_path: Path):
    store = Store(tmp_path, max_requests=2)
    for name in ("a", "b"):
        store.keep_reply(name, answer(name.encode()), {})
    let_pass(tmp_path, -86400)  # as if the clock had been a day ahead
    for name in ("c", "d"):
        assert store.keep_reply(name, answer(name.encode()), {})
    assert [name for name in "abcd" if store.reply(name)] == ["c", "d"]


def test_a_damaged_record_stops_nothing(tmp_path: Path, home: Path):
    store = Store(home / "store")
    for name in ("a", "b", "c"):
        store.keep_reply(name, answer(name.encode()), {"about": f"picture {name}"})
    change(home / "store", "UPDATE requests SET made = 1e300 WHERE key = 'a'")
    change(home / "store", "UPDATE requests SET made = 'x' WHERE key = 'c'")
    change(
        home / "store",
        "UPDATE records SET object = ?, name = 'unparsed' WHERE key = 'b'",
        "f" * 5000,
    )
    assert main(["store", "list"]) == main(["store", "size"]) == 0
    assert main(["store", "verify"]) == 0
    assert store.reply("a")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_an_answer_is_read_where_no_large_file_can_be_written(home: Path):
    code = """
import resource, sys
from visioncraft.visioncraft_core.http.call import Call
from visioncraft.visioncraft_core.http.transport import Session, send_call
from visioncraft.visioncraft_core.cancellation import CancelScope
from visioncraft.visioncraft_core.profiles.profile import Timeouts
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
call = Call("GET", sys.argv[1], Timeouts().for_work(300), 64 * 2**20)
with CancelScope(None) as scope:
    print(len(send_call(Session(), call, scope).body))
"""
    with raw(answering(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 20 * 2**20)) as server:
        command = [sys.executable, "-c", code, server.url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=HANG)
    assert done.stdout.strip() == str(20 * 2**20), done.stderr
