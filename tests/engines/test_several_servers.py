"""Two servers on one PostgreSQL and one object store, and two processes on one SQLite file."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from support.clients import body_of
from support.own_servers import PAINTED, process_of, served, written
from support.postgresql import Cluster, running
from support.several_servers import RULES
from support.timing import LONG
from visioncraft.visioncraft_core.api.endpoints import Chat
from visioncraft.visioncraft_core.errors import ConfigError
from visioncraft.visioncraft_core.serve.database import opened


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running() as made:
        yield made


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of an empty one."""
    pytest.importorskip("s3fs", reason="s3fs is not installed (pip install s3fs)")
    moto = pytest.importorskip("moto.server", reason="moto is not installed (moto[s3,server])")
    import s3fs

    server = moto.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in (
        ("AWS_ENDPOINT_URL", f"http://{host}:{port}"),
        ("AWS_ACCESS_KEY_ID", "anybody"),
        ("AWS_SECRET_ACCESS_KEY", "anything"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()  # of a server that was on another port
    name = f"pictures-{secrets.token_hex(8)}"  # what is in a bucket outlives its server
    s3fs.S3FileSystem().mkdir(name)
    yield f"s3://{name}"
    server.stop()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_two_servers_are_as_one(rule: Any, cluster: Cluster, bucket: str, tmp_path: Path):
    database = cluster.new_database("several")
    rule(tmp_path, f'database = "{database}"\nresults = "{bucket}/results"')


def test_a_store_that_takes_nothing_is_told_before_the_start(bucket: str, tmp_path: Path):
    with (
        pytest.raises(ConfigError, match="Results cannot be written to s3://nowhere/results"),
        served(tmp_path, server='results = "s3://nowhere/results"'),
    ):
        pass


def test_two_processes_share_a_file_and_one_that_is_killed_harms_nobody(tmp_path: Path):
    address = f"sqlite:///{tmp_path / 'shared.db'}"
    shared = f'database = "{address}"\nresults = "../results"'
    with opened(address) as database:
        key = database.add_key("anna", limits={"per_minute": 15})
        other = database.add_key("berta")

    def ask(url: str, key: str) -> int:
        body = {"token": key, **body_of(Chat)}
        return requests.post(f"{url}/llm", json=body, timeout=LONG).status_code

    first, second = (
        written(tmp_path / name, PAINTED + "at_once = 4\n", shared) for name in ("first", "second")
    )
    with (
        process_of(first) as (process, url),
        process_of(second) as (_, second_url),
        ThreadPoolExecutor(8) as pool,
    ):
        answers = list(pool.map(ask, [url, second_url] * 10, [key] * 20))
        assert sorted(answers) == [200] * 15 + [403] * 5
        busy = [pool.submit(ask, url, other) for _ in range(4)]
        process.kill()
        for each in busy:
            each.exception(LONG)
        assert ask(second_url, other) == 200
