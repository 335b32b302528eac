"""The commands about servers, keys and the store, and the doctor."""

from __future__ import annotations

import io
import json
import os
import re
import socket
import sys
from pathlib import Path

import pytest
from support.clients import client_of
from visioncraft.nodes.headless.canvas.workflow import Node
from visioncraft.nodes.headless.cli import main
from visioncraft.nodes.headless.commands import doctor
from visioncraft.nodes.headless.commands.doctor import _comfyui
from visioncraft.nodes.headless.commands.run import _Progress
from visioncraft.visioncraft_core import GenerateXL, Profiles, Secret
from visioncraft.visioncraft_core.api.sandbox_keys import SANDBOX_PREMIUM_KEY
from visioncraft.visioncraft_core.generation.progress import Queued, Working
from visioncraft.visioncraft_core.sandbox import Sandbox
from visioncraft.visioncraft_core.service.faults.rules import parse

XL = GenerateXL(prompt="a red fox in snow", width=64, height=64)
KEY = "vc-CANARY-5f3a9"


def said(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> str:
    assert main(arguments) == status
    return capsys.readouterr().out


def test_the_store_tells_its_size_and_content_and_can_be_emptied(
    sandbox: Sandbox, home: Path, capsys: pytest.CaptureFixture[str]
):
    assert said(capsys, "store", "size").startswith("0 files, 0.0 MiB of at most 2048.0 MiB")
    client_of(sandbox, home).send(XL)
    assert said(capsys, "store", "size").startswith("1 files")
    (line,) = said(capsys, "store", "list").splitlines()
    assert "/generate-xl" in line
    assert "a red fox in snow" in line
    assert said(capsys, "store", "verify") == "1 files are whole.\n"
    assert said(capsys, "store", "clear", status=2) == ""  # nobody is there to be asked
    assert said(capsys, "store", "size").startswith("1 files")
    assert "free again" in said(capsys, "store", "clear", "--yes")
    assert said(capsys, "store", "list") == ""


def test_a_damaged_store_is_mended_and_told(
    sandbox: Sandbox, home: Path, capsys: pytest.CaptureFixture[str]
):
    client_of(sandbox, home).send(XL)
    (path,) = (home / "store" / "objects").glob("??/*")
    path.write_bytes(b"changed")
    told = said(capsys, "store", "verify", status=1)
    assert "1 damaged files were removed; such results are asked for anew." in told
    assert said(capsys, "store", "verify") == "0 files are whole.\n"


@pytest.mark.parametrize("how", ["damaged", "removed for room"])
def test_damage_is_told_and_what_was_removed_for_room_is_not(
    how: str, sandbox: Sandbox, home: Path, capsys: pytest.CaptureFixture[str]
):
    for command in ("doctor", "store verify"):
        for seed in range(2):
            client_of(sandbox, home).send(XL, seed=seed)
        one, _ = (home / "store" / "objects").glob("??/*")
        one.write_bytes(b"changed") if how == "damaged" else one.unlink()
        failed = (how, command) == ("damaged", "store verify")
        text = said(capsys, *command.split(), status=int(failed))
        assert ("removed" in text) == (how == "damaged")
        assert "missing" not in text
        if command == "doctor":
            assert report(text)["store"] == ("warning" if how == "damaged" else "ok")


def test_the_doctor_tells_a_home_that_takes_nothing_and_not_where_it_lies(
    home: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
):
    home.write_text("no folder")
    main(["doctor"])
    told = capsys.readouterr()
    found = report(told.out)
    assert (found["store"], found["base URL"], found["catalogs"]) == ("warning", "ok", "ok")
    assert "Not a directory" in told.out or sys.platform == "win32"
    (warning,) = [*caplog.messages, *told.err.splitlines()]
    for private in (str(home), str(Path.home())):
        assert private not in told.out + warning


def test_a_list_that_cannot_be_fetched_is_no_bad_use(capsys: pytest.CaptureFixture[str]):
    command = ["catalog", "samplers", "--server"]
    assert main([*command, "http://127.0.0.1:1"]) == 1
    with Sandbox(faults=[parse("samplers=object")]) as sandbox:
        assert main([*command, sandbox.url]) == 1
    assert main([*command, "no-such-profile"]) == 2
    assert "Nothing answers" in capsys.readouterr().err


def test_the_doctor_leaves_no_file_behind(home: Path, capsys: pytest.CaptureFixture[str]):
    said(capsys, "doctor")
    found = {path.parent.name for path in home.rglob("*") if path.is_file()}
    assert "store" not in found


def report(text: str) -> dict[str, str]:
    """Verdicts by check."""
    return {line[9:20].strip(): line[:9].strip() for line in text.splitlines()}


def test_the_doctor_finds_a_newcomer_in_good_health(capsys: pytest.CaptureFixture[str]):
    found = report(said(capsys, "doctor"))
    good = ("visioncraft", "settings", "store", "base URL", "DNS", "connection", "catalogs", "key")
    assert {name: found[name] for name in good} == dict.fromkeys(good, "ok")


def test_the_doctor_names_the_step_that_fails(capsys: pytest.CaptureFixture[str]):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        dead = f"http://127.0.0.1:{listener.getsockname()[1]}"
    found = report(said(capsys, "doctor", "--server", dead, status=1))
    assert (found["DNS"], found["connection"], found["key"]) == ("ok", "failed", "skipped")
    found = report(said(capsys, "doctor", "--server", "http://no-such-host.invalid", status=1))
    assert found["DNS"] == "failed"
    with Sandbox() as sandbox:
        tls = sandbox.url.replace("http:", "https:")
        found = report(said(capsys, "doctor", "--server", tls, status=1))
    assert (found["connection"], found["TLS"]) == ("ok", "failed")


def test_the_doctor_sends_nothing_that_may_cost_and_tells_a_partial_outage(
    home: Path, capsys: pytest.CaptureFixture[str]
):
    with Sandbox(faults=[parse("loras=500")]) as sandbox:
        entry = {"base_url": sandbox.url, "key": KEY}
        home.mkdir()
        (home / "profiles.json").write_text(json.dumps({"profiles": {"work": entry}}))
        os.chmod(home / "profiles.json", 0o600)
        text = said(capsys, "doctor", "--server", "work")
        assert not [line for line in sandbox.requests if line.startswith("POST")]
    found = report(text)
    assert (found["catalogs"], found["key"]) == ("warning", "ok")
    assert "9 of 10 answered" in text
    assert "`visioncraft key test work` tries it (a call)" in text


def test_the_report_is_safe_to_paste(home: Path, capsys: pytest.CaptureFixture[str]):
    with Sandbox(faults=[parse("models=echo")]) as sandbox:
        entry = {"base_url": sandbox.url, "key": KEY}
        home.mkdir()
        (home / "profiles.json").write_text(json.dumps({"profiles": {"work": entry}}))
        text = said(capsys, "doctor", "--server", "work", status=0)
    for private in ("CANARY", str(home), str(Path.home())):
        assert private not in text


def test_the_doctor_tells_broken_settings(home: Path, capsys: pytest.CaptureFixture[str]):
    home.mkdir()
    (home / "profiles.json").write_text("{")
    assert report(said(capsys, "doctor", status=1))["base URL"] == "failed"


def test_the_doctor_names_a_bad_profile_that_nobody_asked_for(
    sandbox: Sandbox, home: Path, capsys: pytest.CaptureFixture[str]
):
    good = {"base_url": sandbox.url, "key": SANDBOX_PREMIUM_KEY}
    entries = {"bad": {"max_concurrency": 0}, "good": good, "odd": {"max_concurrency": 0}}
    home.mkdir()
    (home / "profiles.json").write_text(json.dumps({"profiles": entries}))
    os.chmod(home / "profiles.json", 0o600)
    text = said(capsys, "doctor", "--server", "good")
    assert report(text)["settings"] == "warning"
    assert "profile bad has a setting" in text
    assert "profile odd has a setting" in text
    assert "euler" in said(capsys, "catalog", "samplers", "--server", "good").lower()


def test_the_doctor_reads_the_version_of_the_comfyui_around_it(tmp_path: Path):
    pack = tmp_path / "custom_nodes" / "pack"
    pack.mkdir(parents=True)
    assert _comfyui(pack).verdict == "skipped"
    (tmp_path / "comfyui_version.py").write_text('__version__ = "0.3.64"\n')
    assert (_comfyui(pack).verdict, _comfyui(pack).words) == ("ok", "0.3.64")


def test_the_doctor_names_what_is_missing_and_what_it_costs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setitem(doctor.PACKAGES, "no-such-package", "nothing works")
    text = said(capsys, "doctor")
    assert report(text)["packages"] == "warning"
    assert "no-such-package is missing: nothing works" in text
    for name in ("torch", "numpy", "av", "aiohttp", "pillow"):
        assert re.search(rf"{name} \d", text)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["work", KEY], "asks for the key, or reads it from standard input"),
        (["work", "--key", KEY], "asks for the key, or reads it from standard input"),
        (["work", f"--api-key={KEY}"], "asks for the key, or reads it from standard input"),
        ([f"{KEY}/+"], "A profile cannot be called that."),
        (["auto"], "A profile cannot be called that."),
        (["work", "--base-url", KEY], "The base URL is not usable."),
        (["work", "--base-url", "ftp://work.test"], "cannot be a base URL."),
    ],
)
def test_what_cannot_be_is_told_before_a_key_is_asked_for_and_no_key_is_echoed(
    arguments: list[str],
    told: str,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.setattr("sys.stdin", None)  # to ask would fail
    assert main(["key", "set", *arguments]) == 2
    printed = capsys.readouterr()
    assert told in printed.err
    assert "CANARY" not in printed.out + printed.err
    assert not home.exists()


@pytest.mark.parametrize(
    "line",
    [
        *("KEY", "key KEY", "key test KEY", "key remove KEY", "key default KEY"),
        *("key test work KEY", "key list KEY", "key set work --key=KEY", "catalog KEY"),
        *("catalog models KEY", "catalog models --key=KEY", "catalog models --server KEY.a.b"),
        *("doctor KEY", "store clear KEY", "run flow.json KEY", "run flow.json --key=KEY"),
    ],
)
def test_a_key_in_the_wrong_place_is_not_echoed(line: str, capsys: pytest.CaptureFixture[str]):
    assert main(line.replace("KEY", KEY).split()) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("Error: ")
    assert "CANARY" not in printed.out + printed.err


def test_where_a_key_will_go_and_what_it_replaces_is_told(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def kept(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(KEY + "\n"))
        status = main(["key", "set", "work", *arguments])
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    status, told = kept("--base-url", "http://10.0.0.7:8787")
    assert (status, "over http anyone" in told, "Use the https" in told) == (2, True, True)
    assert not (home / "profiles.json").exists()
    status, told = kept()
    assert (status, "the public service, which is gone" in told) == (0, True)
    status, told = kept("--base-url", "https://work.test")
    assert (status, "It replaces the key" in told, "gone" in told) == (0, True, False)
    (home / "profiles.json").write_text("{")  # is set aside, as before
    assert kept("--base-url", "https://work.test")[0] == 0


def test_keys_are_listed_and_removed_and_the_default_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    profiles = Profiles(home)
    profiles.store_key("work", Secret("vc-CANARY-long-5f3a"), "https://work.test")
    profiles.store_key("home", Secret("vc-short"), "https://home.test")
    profiles.set_default("home")
    text = said(capsys, "key", "list")
    assert "work            https://work.test  key ...5f3a\n" in text
    assert "home            https://home.test  key  (default)" in text
    assert text.endswith("The default server is home.\n")
    assert "CANARY" not in text
    assert said(capsys, "key", "remove", "home", status=2) == ""
    text = said(capsys, "key", "remove", "home", "--yes")
    assert text.startswith("home and its key are removed.\nThe default server is now work instead")
    assert "`visioncraft key default NAME`" in text
    assert said(capsys, "key", "default", "sandbox") == "The default server is sandbox.\n"
    assert profiles.find("auto").embedded
    assert main(["key", "default", "auto"]) == 2
    assert "Choose one of sandbox, work." in capsys.readouterr().err
    monkeypatch.setenv("VISIONCRAFT_API_KEY", "vc-from-environment")
    assert "that server is the default, whatever is" in said(capsys, "key", "list")
    assert said(capsys, "key", "test", "work", status=2) == ""  # nothing is sent unasked


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_places_and_steps_pass_by_on_one_line_of_a_terminal(stream: io.StringIO):
    node = Node("3", "VisionCraftGenerate", {}, "Draw")
    report = _Progress(stream, [])
    report.total = 1
    for text in ("waiting", Queued(2), Working("step 7 of 20", 0.35)):
        report.said(node, text)
    report.failed(node)
    passing = "\r      Draw (#3): 3rd in the queue\x1b[K\r      Draw (#3): step 7 of 20\x1b[K\r"
    line = "[1/1] Draw (#3): stopped"
    last = f"{passing}{line}\x1b[K" if stream.isatty() else line
    assert stream.getvalue() == f"      Draw (#3): waiting\n{last}\n"


def test_the_help_of_the_sandbox_lists_shapes_and_faults(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["sandbox", "--help"])
    assert {"data-uri", "premium-chat", "reset"} <= set(capsys.readouterr().out.split())
