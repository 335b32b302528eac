"""What web/docs/serve.md says of the programs around a server, tried with those programs."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import trustme
from support.instant_engine import InstantEngine
from support.paths import ROOT
from support.timing import LONG, eventually
from visioncraft.visioncraft_core import Client, Generate
from visioncraft.visioncraft_core.profiles.profile import Profile
from visioncraft.visioncraft_core.profiles.secret import Secret

pytestmark = pytest.mark.engines
pytest.importorskip("sqlalchemy", reason='a server of one\'s own needs "visioncraft[serve]"')

from support.own_servers import PAINTED, Served, served  # noqa: E402 - it needs sqlalchemy

PAGE = (ROOT / "web" / "docs" / "serve.md").read_text("utf-8")
HOST = "localhost"
FOX = Generate(prompt="a fox", model="anything_V5", sampler="Euler", image_count=2)


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found
    return found[1]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.fixture
def proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Served, str]]:
    """A server behind nginx as the page configures it, and where clients reach it."""
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if not nginx:
        pytest.skip("the proxy in front of a server is tried with Debian's nginx")
    authority = trustme.CA()
    certificate = authority.issue_cert(HOST)
    bundle, key = tmp_path / "server.pem", tmp_path / "server.key"
    certificate.private_key_pem.write_to_path(key)
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(bundle, append=True)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    port = free_port()
    address = f"https://{HOST}:{port}"
    server = f'base_url = "{address}"'
    with served(tmp_path, PAINTED, server, engine=InstantEngine(), premium=True) as own:
        written = block("nginx")
        for place, ours in (
            ("listen 443", f"listen 127.0.0.1:{port}"),
            ("pictures.example.org;", f"{HOST};"),
            ("/etc/ssl/pictures.example.org.pem", str(bundle)),
            ("/etc/ssl/pictures.example.org.key", str(key)),
            ("http://127.0.0.1:8787", own.url),
        ):
            assert place in written
            written = written.replace(place, ours)
        folders = "".join(
            f"{kind}_temp_path {tmp_path}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        configuration = tmp_path / "nginx.conf"
        configuration.write_text(
            f"daemon off;\npid {tmp_path}/pid;\nerror_log {tmp_path}/errors;\nevents {{}}\n"
            f"http {{\naccess_log off;\n{folders}{written}}}\n"
        )
        with subprocess.Popen([nginx, "-c", str(configuration)]) as process:
            try:
                assert eventually(lambda: reached(f"{address}/health/live"))
                yield own, address
            finally:
                process.send_signal(signal.SIGTERM)


def reached(url: str) -> bool:
    try:
        return requests.get(url, timeout=LONG).ok
    except requests.ConnectionError:
        return False


def test_clients_use_a_server_through_nginx(proxy: tuple[Served, str], tmp_path: Path):
    own, address = proxy
    home = tmp_path / "home"
    with Client(Profile("test", address, Secret(own.key)), home=home) as client:
        made = client.send(FOX)  # whose links lead through the proxy
        assert len(made.files) == 2
        assert client.catalog("models").names
    assert requests.get(f"{address}/", timeout=LONG).ok
    assert requests.get(f"{address}/metrics", timeout=LONG).status_code == 404
    assert own.get("/metrics").ok


def test_the_unit_of_systemd_is_understood(tmp_path: Path):
    systemd = shutil.which("systemd-analyze")
    if not systemd:
        pytest.skip("the unit is tried with systemd's systemd-analyze")
    unit = tmp_path / "visioncraft.service"
    here = "ExecStart=/bin/true"
    unit.write_text(block("ini").replace("ExecStart=/opt/visioncraft/bin/visioncraft serve", here))
    assert here in unit.read_text()
    command = [systemd, "verify", "--man=no", str(unit)]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=LONG)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
