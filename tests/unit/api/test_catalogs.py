from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from visioncraft.visioncraft_core.api.catalogs import Catalogs, bundled
from visioncraft.visioncraft_core.api.endpoints import CATALOGS


def test_without_a_live_list_the_bundled_names_serve(home: Path):
    assert Catalogs(home, "https://a.test").names("samplers") == bundled()["samplers"]


def test_a_live_list_wins_and_survives_a_restart_for_its_own_server_only(home: Path):
    Catalogs(home, "https://a.test").save("models", ["x", "y"])
    assert Catalogs(home, "https://a.test").names("models") == ["x", "y"]
    assert Catalogs(home, "https://b.test").names("models") == bundled()["models"]


def test_an_empty_list_is_remembered_and_leaves_a_menu_its_names(home: Path):
    Catalogs(home, "u").save("models", [])
    known = Catalogs(home, "u")
    assert (known.last("models").names, known.names("models")) == ((), bundled()["models"])
    assert known.nearest("models", "anything") == []


def test_a_caller_cannot_change_what_others_see(home: Path):
    Catalogs(home, "u").names("models").clear()
    assert Catalogs(home, "u").names("models") == bundled()["models"]


def test_a_disk_that_refuses_is_told_once_without_its_path_and_is_no_reason_to_fail(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    catalogs = Catalogs(blocked, "u")
    for name in ("models", "loras", "models"):
        catalogs.save(name, ["x"])
    assert catalogs.names("models") == catalogs.names("loras") == ["x"]
    (record,) = caplog.records
    assert "could not be kept" in record.getMessage()
    assert str(tmp_path) not in caplog.text


@pytest.mark.parametrize("change", ["written", "replaced", "longer", "gone", "broken"])
def test_a_changed_file_is_seen_at_once_by_all(change: str, home: Path):
    ours = Catalogs(home, "u")
    ours.save("models", ["one"])
    assert ours.names("models") == ["one"]
    (path,) = (home / "catalogs").glob("*.json")
    expected = ["two"]
    if change == "written":
        Catalogs(home, "u").save("models", ["two"])
    elif change == "replaced":  # by another file of the same size and time
        status = path.stat()
        other = home / "other"
        other.write_bytes(path.read_bytes().replace(b"one", b"two"))
        os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
        other.replace(path)
    elif change == "longer":
        status, expected = path.stat(), ["longer"]
        path.write_bytes(path.read_bytes().replace(b"one", b"longer"))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    elif change == "gone":
        path.unlink()
        expected = bundled()["models"]
    else:
        path.write_bytes(b"{")
        expected = bundled()["models"]
    assert ours.names("models") == expected
    assert Catalogs(home, "u").names("models") == expected


@given(
    st.binary(max_size=100)
    | st.just(b'{"models": {"names": [1]}, "samplers": "x"}')
    | st.just(b"[]")
)
def test_a_damaged_cache_falls_back_to_the_bundled_names(tmp_path_factory, content: bytes):
    home = tmp_path_factory.mktemp("home")
    Catalogs(home, "u").save("models", ["x"])
    for path in (home / "catalogs").iterdir():
        path.write_bytes(content)
    assert Catalogs(home, "u").names("samplers") == bundled()["samplers"]


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("dreamshaper9", ["Dreamshaper8", "Dreamshaper7"]),
        ("DREAMSHAPER8", []),  # servers take names in any case
        ("nothing like it", []),
        ("x" * 10**6, []),
    ],
)
def test_the_names_that_are_spelled_alike_are_found(name: str, nearest: list[str], home: Path):
    names = ["anything", "Dreamshaper7", "dreamlike", "Dreamshaper8", "realistic"]
    Catalogs(home, "u").save("models", names)
    assert Catalogs(home, "u").nearest("models", name) == nearest


def test_source_and_age_are_told_in_words(home: Path):
    assert Catalogs(home, "u").last("models").describe() == "the bundled list of February 2024"
    assert Catalogs(home, "u").save("models", ["x"]).describe() == "live from the server"
    cached = Catalogs(home, "u").last("models")
    assert cached.describe(cached.seen + 3 * 3600) == "as the server listed it 3 hours ago"
    assert cached.describe(cached.seen + 5 * 86400) == "as the server listed it 5 days ago"


def test_threads_that_save_other_lists_at_once_lose_none(tmp_path: Path):
    names = list(CATALOGS)
    for text in "abcde":
        with ThreadPoolExecutor(8) as pool:
            saved = [pool.submit(Catalogs(tmp_path, "u").save, name, [text]) for name in names]
        assert all(each.result() for each in saved)
        known = Catalogs(tmp_path, "u")
        assert [known.names(name) for name in names] == [[text]] * len(names)
