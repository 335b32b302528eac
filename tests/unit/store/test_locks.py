from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from support.timing import HANG, at_most
from visioncraft.visioncraft_core.errors import Cancelled
from visioncraft.visioncraft_core.http.call import Response
from visioncraft.visioncraft_core.store.store import Store

pytestmark = pytest.mark.timed


def never() -> bool:
    return False


HOLDER = """
import sys, time
from pathlib import Path
from visioncraft.visioncraft_core.store.store import Store
with Store(Path(sys.argv[1])).request_lock("k1", lambda: False):
    print("held", flush=True)
    time.sleep(60)
"""
COUNTER = """
import sys
from pathlib import Path
from visioncraft.visioncraft_core.store.store import Store
path = Path(sys.argv[1]) / "number"
for _ in range(50):
    with Store(Path(sys.argv[1]) / "store").request_lock("k1", lambda: False):
        path.write_text(str(int(path.read_text()) + 1))
"""


def started(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def holder_of(folder: Path) -> subprocess.Popen[str]:
    process = started(HOLDER, folder)
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


def test_one_process_at_a_time_works_on_a_request(tmp_path: Path):
    (tmp_path / "number").write_text("0")
    processes = [started(COUNTER, tmp_path) for _ in range(3)]
    for process in processes:
        process.communicate(timeout=HANG)
    assert [process.returncode for process in processes] == [0] * 3
    assert (tmp_path / "number").read_text() == "150"


def test_a_lock_ends_with_its_process_however_that_ends(tmp_path: Path):
    process = holder_of(tmp_path)
    entered = threading.Event()

    def enter() -> None:
        with Store(tmp_path).request_lock("k1", never):
            entered.set()

    thread = threading.Thread(target=enter)
    thread.start()
    assert not entered.wait(0.3)
    process.kill()
    process.communicate()
    assert entered.wait(10)
    thread.join()


def test_who_waits_for_another_process_can_cancel_and_was_charged_nothing(tmp_path: Path):
    process = holder_of(tmp_path)
    asked = time.monotonic() + 0.2
    lock = Store(tmp_path).request_lock("k1", lambda: time.monotonic() > asked)
    with pytest.raises(Cancelled) as caught, lock:
        pass
    assert time.monotonic() - asked < at_most(0.25)
    assert (caught.value.charged, caught.value.phase) == ("no", "queue")
    with Store(tmp_path).request_lock("k2", never):
        pass  # another request is free
    process.kill()
    process.communicate()


def test_where_nothing_can_be_written_nobody_waits(tmp_path: Path):
    (tmp_path / "store").write_text("in the way")
    store = Store(tmp_path / "store")
    with store.request_lock("k1", never), store.request_lock("k1", never):
        pass


@pytest.mark.skipif(os.name != "posix", reason="Windows has no flock")
def test_where_the_disk_knows_no_locks_nobody_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    import fcntl

    def refuses(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuses)
    store = Store(tmp_path)
    with store.request_lock("k1", never), store.request_lock("k1", never):
        pass


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such modes")
def test_the_file_of_a_lock_is_the_owners_alone(tmp_path: Path):
    with Store(tmp_path).request_lock("k1", never):
        (held,) = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert held.stat().st_mode & 0o777 == 0o600


def test_what_locks_leave_behind_is_removed_after_a_while_unless_it_is_held(tmp_path: Path):
    (tmp_path / "locks").mkdir()
    old, fresh, held = (tmp_path / "locks" / name for name in ("old", "fresh", "k1"))
    old.touch()
    fresh.touch()
    os.utime(old, (0, 0))
    process = holder_of(tmp_path)
    os.utime(held, (0, 0))
    Store(tmp_path).keep_reply("k", Response(200, {}, b"{}", "https://a.test"), {})
    assert [path.exists() for path in (old, fresh, held)] == [False, True, True]
    process.kill()
    process.communicate()
