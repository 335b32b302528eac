"""Files appear whole or not at all, with the permissions that the user's umask gives."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from visioncraft.visioncraft_core.atomic import temporary_file, write_atomic

posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no such modes")


@pytest.fixture(params=[0o022, 0o027, 0o002])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@posix
def test_a_file_has_the_mode_of_the_umask_and_a_secret_one_its_own(umask: int, tmp_path: Path):
    write_atomic(tmp_path / "open", b"x")
    write_atomic(tmp_path / "secret", b"x", secret=True)
    assert (tmp_path / "open").stat().st_mode & 0o777 == 0o666 & ~umask
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


def test_the_umask_of_other_threads_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def changes(mask: int) -> int:
        pytest.fail("files of other threads could be written by everyone meanwhile")

    monkeypatch.setattr(os, "umask", changes)
    write_atomic(tmp_path / "a", b"x")


def test_a_part_lies_beside_the_file_and_is_gone_afterwards(tmp_path: Path):
    content = bytes(range(256)) * 300  # with line ends of every kind
    with temporary_file(tmp_path, content) as one, temporary_file(tmp_path, b"") as other:
        assert (one.parent, one.suffix, one != other) == (tmp_path, ".part", True)
        assert one.read_bytes() == content
    assert list(tmp_path.iterdir()) == []


def test_a_part_is_gone_after_a_failure_too(tmp_path: Path):
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError):  # noqa: PT011 - each system has its own
        write_atomic(tmp_path / "a", b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    with pytest.raises(FileNotFoundError):
        write_atomic(tmp_path / "none" / "b", b"x")
