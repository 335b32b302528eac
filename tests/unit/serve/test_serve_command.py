"""`visioncraft serve`: its options, keys and usage."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from support.clients import body_of
from support.instant_engine import InstantEngine
from support.own_servers import PAINTED, written
from support.raw_server import answering, raw
from support.timing import HANG, LONG, eventually
from visioncraft.nodes.headless.cli import main
from visioncraft.visioncraft_core.api.endpoints import ENDPOINTS, Chat
from visioncraft.visioncraft_core.serve import suggestions, trial


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command looks into the current folder, and finds no engines of this computer."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(suggestions, "COMFYUI_URL", "http://127.0.0.1:1")
    monkeypatch.setattr(suggestions, "LLM_URL", "http://127.0.0.1:1/v1")


def said(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> tuple[str, str]:
    assert main(["serve", *arguments]) == status
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_without_a_configuration_it_says_what_to_do(capsys: pytest.CaptureFixture[str]):
    _, told = said(capsys, status=2)
    assert "There is no visioncraft.toml here" in told
    assert "visioncraft serve --suggest" in told
    _, told = said(capsys, "--suggest", status=2)
    assert "Nothing answers" in told


def test_a_suggestion_replaces_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    listed = b'{"data": [{"id": "mistral:7b"}]}'
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
    with raw(answering(head + b"Content-Length: %d\r\n\r\n" % len(listed) + listed)) as server:
        out, _ = said(capsys, "--suggest", "--llm", f"{server.url}/v1")
        assert "visioncraft.toml is written" in out
        before = (tmp_path / "visioncraft.toml").read_text()
        _, told = said(capsys, "--suggest", "--llm", f"{server.url}/v1", status=2)
    assert "is there already" in told
    assert (tmp_path / "visioncraft.toml").read_text() == before


def test_faults_are_listed_one_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    written(tmp_path, '[[engine]]\nname = "a"\nkind = "b"\nat_once = 0\n')
    _, told = said(capsys, "--check", status=2)
    assert len(told.splitlines()) == 2
    assert all(line.startswith("Error: visioncraft.toml, [[engine]]") for line in told.splitlines())


def test_a_check_tells_what_each_endpoint_uses_and_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    words = '[[engine]]\nname = "words"\nkind = "openai"\nurl = "http://127.0.0.1:1/v1"\n'
    written(tmp_path, f'{words}[models-llm]\n"m" = "n"\n')
    out, told = said(capsys, "--check", status=1)
    lines = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert lines["/llm"] == "words: m"
    assert lines["/generate"] == lines["/premium/llm"] == "not offered"
    assert told.startswith("Missing: http://127.0.0.1:1/v1: ")
    written(tmp_path, PAINTED)
    out, told = said(capsys, "--check")
    assert "/img2video      paint" in out
    assert told == ""


def test_a_configuration_is_named_before_or_behind_an_action(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    config = str(written(tmp_path / "elsewhere", PAINTED))
    said(capsys, "key", "add", "anna", "--config", config)
    for arguments in (("--config", config, "key", "list"), ("key", "list", "--config", config)):
        assert said(capsys, *arguments)[0].startswith("anna ")


def test_a_trial_keeps_a_file_of_each_endpoint(tmp_path: Path):
    async def tried() -> list[trial.Trial]:
        return [each async for each in trial.try_all(InstantEngine(), tmp_path / "tried")]

    found = asyncio.run(tried())
    assert [each.path for each in found] == [kind.path for kind in ENDPOINTS]
    assert not [each for each in found if each.failed]
    names = {path.name for path in (tmp_path / "tried").iterdir()}
    assert {"generate_1.png", "generate-gif_1.gif", "img2video_1.mp4"} <= names


def test_a_trial_tells_what_failed_and_what_was_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    words = '[[engine]]\nname = "words"\nkind = "openai"\nurl = "http://127.0.0.1:1/v1"\n'
    written(tmp_path, f'{words}[models-llm]\n"m" = "n"\n')
    out, _ = said(capsys, "--try", status=1)
    (line,) = out.splitlines()
    assert line.startswith("/llm ")
    assert line.endswith("does not answer.")


def test_keys_are_shown_once_and_listed_by_their_ends(capsys: pytest.CaptureFixture[str]):
    key, told = said(capsys, "key", "add", "anna", "--premium", "--per-minute", "5")
    assert key.startswith("vc-")
    assert "only now" in told
    listed, _ = said(capsys, "key", "list")
    assert f"...{key.strip()[-4:]}" in listed
    assert "premium, 5 a minute" in listed
    assert key.strip() not in listed
    new, _ = said(capsys, "key", "rotate", "anna")
    assert new != key
    assert "opens nothing" in said(capsys, "key", "disable", "anna")[0]
    assert "disabled" in said(capsys, "key", "list")[0]
    assert "called anna already" in said(capsys, "key", "add", "anna", status=2)[1]
    assert "no key called x" in said(capsys, "key", "rotate", "x", status=2)[1]
    assert (
        "a limit is a whole number"
        in said(capsys, "key", "add", "b", "--per-day", "-1", status=2)[1]
    )
    assert said(capsys, "usage", "--csv")[0].startswith("key,endpoint,done,left,failed,")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM that a program hears")
def test_it_serves_until_it_is_told_to_stop(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    written(tmp_path, PAINTED)
    key = said(capsys, "key", "add", "anna")[0].strip()
    command = [str(Path(sys.executable).with_name("visioncraft")), "serve"]
    log = tmp_path / "log"
    with log.open("wb") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
    assert process.stdout
    try:
        url = process.stdout.readline().split()[-1]
        answer = requests.post(url + "/llm", json={"token": key, **body_of(Chat)}, timeout=LONG)
        assert answer.ok
        written(tmp_path, PAINTED + "nonsense = 1\n")
        os.kill(process.pid, signal.SIGHUP)
        assert eventually(lambda: b"The configuration is not changed" in log.read_bytes())
        process.terminate()
        assert process.wait(HANG) == 0
    finally:
        process.kill()
        process.stdout.close()
    lines = [line for line in log.read_text().splitlines() if line.startswith("{")]
    assert [json.loads(line)["endpoint"] for line in lines] == ["/llm"]
    assert key not in log.read_text()
