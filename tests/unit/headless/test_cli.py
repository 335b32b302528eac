"""The command as a user starts it: a process of its own."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image
from support.instant_engine import InstantEngine
from support.paths import EXAMPLES
from support.pictures import gradient, png_of
from support.timing import HANG, at_most, eventually
from visioncraft.nodes import NODE_CLASS_MAPPINGS
from visioncraft.nodes.headless.canvas.workflow import parse as parsed
from visioncraft.nodes.headless.cli import main
from visioncraft.nodes.headless.examples import path_of
from visioncraft.nodes.headless.listed_names import ListedNames
from visioncraft.visioncraft_core import Chat, Client
from visioncraft.visioncraft_core.api.catalogs import Catalogs
from visioncraft.visioncraft_core.errors import FieldRejected, WorkflowError
from visioncraft.visioncraft_core.sandbox import Sandbox
from visioncraft.visioncraft_core.service.faults.rules import parse

pytestmark = pytest.mark.timed

COMMAND = str(Path(sys.executable).with_name("visioncraft"))

XL = {
    "class_type": "VisionCraftGenerateXL",
    "inputs": {"prompt": "a fox", "width": 96, "height": 64},
}
SAVE = {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "fox"}}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def written(graph: Any, name: str = "flow.json") -> str:
    Path(name).write_text(graph if isinstance(graph, str) else json.dumps(graph), "utf-8")
    return name


def start(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([COMMAND, *arguments], **pipes, **options)


def test_a_workflow_runs_from_any_folder_without_key_and_network():
    workflow = EXAMPLES / "VisionCraft - Idea to picture.json"
    done = subprocess.run(
        [COMMAND, "run", str(workflow), "--set", "3.width=256"],
        capture_output=True,
        text=True,
        timeout=HANG,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "No key is configured, so the built-in sandbox answers" in done.stdout
    assert done.stdout.count("No key is configured") == 1
    for line in (
        "[1/4] LLM Prompt (Chat) (#2): done",
        "SDXL Generate (txt2img) (#3): done",
        "robot",
    ):
        assert line in done.stdout
    assert "Saved output/VisionCraft/llm_00001_.png" in done.stdout.replace("\\", "/")
    with Image.open("output/VisionCraft/llm_00001_.png") as picture:
        assert picture.size == (256, 1024)
        assert "workflow" not in picture.text  # the file does not say what was run
        assert json.loads(picture.text["prompt"])["3"]["inputs"]["width"] == 256


def test_only_files_and_texts_are_printed(capsys: pytest.CaptureFixture[str]):
    moving = {"fps": 8.0, "lossless": False, "quality": 50, "method": "fastest"}
    inputs = {"images": ["1", 0], "filename_prefix": "moving", **moving}
    graph = {
        "1": XL,
        "2": {"class_type": "SaveAnimatedWEBP", "inputs": inputs},
        "3": {"class_type": "PreviewAny", "inputs": {"source": "hi"}},
    }
    assert main(["run", written(graph)]) == 0
    plain = [
        line
        for line in capsys.readouterr().out.splitlines()
        if not line.startswith(("[", " ", "Note: "))
    ]
    assert sorted(plain) == [f"Saved {Path('output/moving_00001_.webp')}", "hi"]


def test_json_tells_files_and_texts_for_programs(capsys: pytest.CaptureFixture[str]):
    graph = {"1": XL, "2": SAVE, "3": {"class_type": "PreviewAny", "inputs": {"source": "hi"}}}
    assert main(["run", written(graph), "--json", "--out", "made"]) == 0
    printed = capsys.readouterr()
    told = json.loads(printed.out)
    assert told["status"] == "done"
    assert told["outputs"]["3"]["text"] == ["hi"]
    image = told["outputs"]["2"]["images"][0]
    assert (image["filename"], image["type"]) == ("fox_00001_.png", "output")
    assert Path(image["path"]) == Path("made/fox_00001_.png").absolute()
    assert Path(image["path"]).is_file()
    assert "[1/3]" in printed.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full disk at hand")
def test_json_that_could_not_be_written_is_a_failure(home: Path):
    text = {"class_type": "SaveText", "inputs": {"text": "hi", "filename_prefix": "hi"}}
    graph = {"1": {**text, "inputs": {**text["inputs"], "format": "txt"}}}
    with open("/dev/full", "w") as full:
        run = [COMMAND, "run", written(graph), "--json"]
        done = subprocess.run(run, stdout=full, stderr=subprocess.PIPE, timeout=HANG, check=False)
    assert done.returncode == 1
    assert b"could not be printed" in done.stderr
    assert list(Path("output").iterdir())


@pytest.mark.parametrize("end", ["done", "failed"])
def test_previews_outlast_the_run_and_leave_nothing_else(
    end: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    Path("photo.png").write_bytes(png_of(gradient()))
    graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "photo.png"}},
        "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
        "3": XL,
        "4": {**SAVE, "inputs": {**SAVE["inputs"], "images": ["3", 0]}},
    }
    with Sandbox(faults=[parse("generate-xl=500")] if end == "failed" else []) as sandbox:
        main(["run", written(graph), "--json", "--server", sandbox.url])
    told = json.loads(capsys.readouterr().out)
    assert told["status"] == end
    preview = Path(told["outputs"]["2"]["images"][0]["path"])
    assert preview.is_file()
    assert list((tmp_path / "tmp").iterdir()) == []


def test_an_input_is_set_and_a_picture_is_loaded_from_beside_the_workflow():
    Path("photo.png").write_bytes(png_of(gradient(64, 48)))
    scale = {"upscale_method": "area", "width": 16, "height": 0, "crop": "disabled"}
    graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "photo.png"}},
        "2": {"class_type": "ImageScale", "inputs": {"image": ["1", 0], **scale}},
        "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "x"}},
    }
    assert main(["run", written(graph), "--set", "2.width=32"]) == 0
    with Image.open("output/x_00001_.png") as picture:
        assert picture.size == (32, 24)


def test_a_running_sandbox_is_used_by_its_url(capsys: pytest.CaptureFixture[str]):
    with Sandbox() as sandbox:
        assert main(["run", written({"1": XL, "2": SAVE}), "--server", sandbox.url]) == 0
        assert "POST /generate-xl" in sandbox.requests
    assert "No key is configured" not in capsys.readouterr().out


def failing(path: str) -> dict[str, Any]:
    return {"1": {**XL, "inputs": {**XL["inputs"], **json.loads(path or "{}")}}, "2": SAVE}


@pytest.mark.parametrize(
    ("arguments", "graph", "complaint"),
    [
        (["gone.json"], None, "gone.json"),
        (["."], None, "folder"),
        (["flow.json"], "{not json", "JSON"),
        (["flow.json"], [1, 2], "workflow"),
        (["flow.json"], {}, "workflow"),
        (["flow.json"], {"1": {"class_type": "KSampler", "inputs": {}}}, "KSampler"),
        (
            ["flow.json"],
            {"1": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}}},
            "cycle|circle|loop",
        ),
        (["flow.json"], {"1": XL}, "saves or shows"),
        (["flow.json"], failing('{"prompt": "  "}'), "prompt is empty"),
        (["flow.json"], failing('{"prompt": null}'), r"\(#1\): prompt must be text, not null"),
        (["flow.json"], failing('{"model": {}}'), r"\(#1\): model must be text, not an object"),
        (["flow.json"], failing('{"width": 5000}'), "width is 5000, but must be 64 to 1024"),
        (["flow.json", "--set", "1.width"], failing(""), "1.width"),
        (["flow.json", "--set", "1.widht=5"], failing(""), "widht"),
        (["flow.json", "--set", "7.width=5"], failing(""), "7"),
        (["flow.json", "--set", "1.width=x"], failing(""), "x"),
        (["flow.json", "--server", "nobody"], failing(""), 'no server profile called "nobody"'),
        (
            ["flow.json", "--server", "https://keyless.invalid"],
            failing(""),
            "No key is configured for https://keyless.invalid",
        ),
        (["flow.json", "--server", "ftp://x"], failing(""), '"ftp://x" cannot be a base URL'),
        (["flow.json", "--out", "flow.json"], failing(""), "not writable"),
        (["flow.json", "--server", "s" * 5000], failing(""), 'no server profile called "s'),
        (
            ["flow.json"],
            {"1": {**failing('{"width": 5000}')["1"], "_meta": {"title": "T" * 5000}}, "2": SAVE},
            r"T\.\.\. \(#1\): width is 5000, but must be 64 to 1024",
        ),
    ],
)
def test_bad_use_is_told_in_a_sentence_and_runs_nothing(
    arguments: list[str], graph: Any, complaint: str, capsys: pytest.CaptureFixture[str]
):
    if graph is not None:
        written(graph)
    assert main(["run", *arguments]) == 2
    printed = capsys.readouterr()
    assert re.search(complaint, printed.err)
    assert len(printed.err) < 301
    assert "Traceback" not in printed.err
    assert "[1/" not in printed.out


FILM = {"video": ["2", 0], "filename_prefix": "fox"}


def film(**options: Any) -> str:
    """A file with SaveVideo's inputs as ComfyUI 0.33 exports them."""
    return written(
        {
            "1": XL,
            "2": {"class_type": "CreateVideo", "inputs": {"images": ["1", 0], "fps": 8.0}},
            "3": {"class_type": "SaveVideo", "inputs": {**FILM, **options}},
        }
    )


def test_a_video_workflow_of_a_later_comfyui_runs():
    with Sandbox() as sandbox:
        codec = {"format.codec": "h264", "format.codec.encoding": "auto", "codec": "auto"}
        assert main(["run", film(format="mp4", **codec), "--server", sandbox.url]) == 0
    assert Path("output", "fox_00001_.mp4").is_file()


REENCODED = {"format.codec.encoding": "re-encode", "format.codec.encoding.crf": 40.0}


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"format": "webm", "format.codec": "av1"}, "format is webm, which is not one of its"),
        ({"format": "mp4", "format.codec": "av1", "codec": "auto"}, "codec is av1, which is not"),
        ({"format": "mp4", "format.codec": "h264", **REENCODED}, "encoding of node 3 is re-encode"),
    ],
)
def test_a_film_that_only_comfyui_can_make_is_refused_before_anything_is_sent(
    options: dict[str, Any], complaint: str, capsys: pytest.CaptureFixture[str]
):
    with Sandbox() as sandbox:
        assert main(["run", film(**options), "--server", sandbox.url]) == 2
        assert not sandbox.requests
    assert complaint in capsys.readouterr().err


ANIMATED = {"images": ["1", 0], "fps": 6.0}
SAVERS: dict[str, dict[str, Any]] = {
    "SaveImage": {"images": ["1", 0]},
    "SaveAnimatedWEBP": {**ANIMATED, "lossless": True, "quality": 80, "method": "default"},
    "SaveAnimatedPNG": {**ANIMATED, "compress_level": 4},
    "SaveVideo": {"video": ["2", 0], "format": "auto", "codec": "auto"},
    "SaveText": {"text": ["1", 2], "format": "txt"},
    "VisionCraftSaveOriginal": {"original": ["3", 3]},
}


@pytest.mark.parametrize("saver", SAVERS)
def test_a_prefix_that_cannot_work_is_told_before_anything_is_sent(
    saver: str, capsys: pytest.CaptureFixture[str]
):
    graph = {
        "1": XL,
        "2": {"class_type": "CreateVideo", "inputs": {"images": ["1", 0], "fps": 8.0}},
        "3": {"class_type": "VisionCraftGif", "inputs": {"prompt": "a fox", "sampler": "Euler"}},
        "4": {"class_type": saver, "inputs": {**SAVERS[saver], "filename_prefix": "a/../../b"}},
    }
    with Sandbox() as sandbox:
        assert main(["run", written(graph), "--server", sandbox.url]) == 2
        assert not sandbox.requests
    err = capsys.readouterr().err
    assert err.startswith(
        f'Error: {saver} (#4): filename_prefix "a/../../b" leads outside the output folder. '
    )
    assert len(err) < 300


def test_a_prefix_that_texts_come_to_is_told_before_anything_is_sent(
    capsys: pytest.CaptureFixture[str],
):
    joined = {"string_a": ["2", 0], "string_b": "/b", "delimiter": ""}
    graph = {
        "1": XL,
        "2": {"class_type": "PrimitiveString", "inputs": {"value": ".."}},
        "3": {"class_type": "StringConcatenate", "inputs": joined},
        "4": {
            "class_type": "SaveImage",
            "inputs": {"images": ["1", 0], "filename_prefix": ["3", 0]},
        },
    }
    with Sandbox() as sandbox:
        assert main(["run", written(graph), "--server", sandbox.url]) == 2
        assert not sandbox.requests
    assert 'filename_prefix "../b" leads outside the output folder' in capsys.readouterr().err


def test_what_files_say_is_printed_without_control_characters(capsys: pytest.CaptureFixture[str]):
    hostile = "a\x1b]52;c;aGk=\x07\x9b31m\u202eb\rc\x00\td\ne \U0001f469\u200d\U0001f680"
    named = {"filename_prefix": "\u202egnp", "format": "txt"}
    graph = {
        "\x1b[2J": {"class_type": "PrimitiveString", "inputs": {"value": hostile}},
        "2": {"class_type": "PreviewAny", "inputs": {"source": ["\x1b[2J", 0]}},
        "3": {"class_type": "SaveText", "inputs": {"text": ["\x1b[2J", 0], **named}},
    }
    graph["2"]["_meta"] = {"title": hostile}
    assert main(["run", written(graph)]) == 0
    said = capsys.readouterr().out
    assert "a]52;c;aGk=31mbc\td\ne \U0001f469\u200d\U0001f680\n" in said
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", said)
    # The file is the text, and JSON escapes it.
    assert next(Path("output").glob("*.txt")).read_bytes().decode() == hostile
    assert main(["run", written(graph), "--json"]) == 0
    assert hostile in json.loads(capsys.readouterr().out)["outputs"]["2"]["text"]


@pytest.mark.parametrize("name", ["nobody", "https://x", 5, {"a": 1}])
def test_a_server_that_a_workflow_names_is_judged_before_anything_is_sent(
    name: object, capsys: pytest.CaptureFixture[str]
):
    named = {**XL, "inputs": {**XL["inputs"], "server": name}}
    with Sandbox() as sandbox:
        assert main(["run", written({"1": named, "2": SAVE}), "--server", sandbox.url]) == 2
        assert not sandbox.requests
    assert re.match("Error: .*(server|address)", capsys.readouterr().err)


def test_texts_that_double_for_ever_are_told_before_anything_is_sent(
    capsys: pytest.CaptureFixture[str],
):
    graph: dict[str, Any] = {
        "0": {"class_type": "PrimitiveString", "inputs": {"value": "0123456789"}}
    }
    for number in range(1, 41):
        twice = {"string_a": [str(number - 1), 0], "string_b": [str(number - 1), 0]}
        inputs = {**twice, "delimiter": ""}
        graph[str(number)] = {"class_type": "StringConcatenate", "inputs": inputs}
    graph["41"] = {"class_type": "PreviewAny", "inputs": {"source": ["40", 0]}}
    assert main(["run", written(graph)]) == 2
    assert re.match("Error: .* characters", capsys.readouterr().err)


def test_a_prefix_that_is_known_too_late_loses_no_picture(caplog: pytest.LogCaptureFixture):
    graph = {
        "1": XL,
        "2": {"class_type": "PreviewAny", "inputs": {"source": "../b"}},
        "3": {
            "class_type": "SaveImage",
            "inputs": {"images": ["1", 0], "filename_prefix": ["2", 0]},
        },
    }
    assert main(["run", written(graph)]) == 0
    assert Path("output/ComfyUI_00001_.png").exists()
    assert "A filename prefix leads outside the output folder" in caplog.text


@pytest.mark.parametrize(
    ("server", "complaint"),
    [
        ("http://127.0.0.1:9", "Nothing answers at http://127.0.0.1:9"),
        ("{sandbox}/v2", "Check the base URL"),
        ("wrong-key", "did not accept the key"),
    ],
)
def test_a_server_that_does_not_serve_ends_with_1(
    server: str, complaint: str, home: Path, capsys: pytest.CaptureFixture[str]
):
    with Sandbox() as sandbox:
        home.mkdir()
        stored = {"base_url": sandbox.url, "key": "vc-CANARY-wrong"}
        (home / "profiles.json").write_text(json.dumps({"profiles": {"wrong-key": stored}}))
        server = server.format(sandbox=sandbox.url)
        assert main(["run", written({"1": XL, "2": SAVE}), "--server", server]) == 1
    printed = capsys.readouterr()
    assert complaint in printed.err
    assert "CANARY" not in printed.err + printed.out


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_a_signal_ends_a_run_at_once_and_leaves_no_part_of_a_file(home: Path, tmp_path: Path):
    """SIGTERM; what Ctrl-C sends is tried where rows are stopped."""
    (tmp_path / "tmp").mkdir()
    environment = {**os.environ, "TMPDIR": str(tmp_path / "tmp")}
    Path("photo.png").write_bytes(png_of(gradient()))
    graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "photo.png"}},
        "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
        "3": XL,
        "4": {**SAVE, "inputs": {**SAVE["inputs"], "images": ["3", 0]}},
    }
    with Sandbox(latency=HANG) as sandbox:
        run = ("run", written(graph), "--json", "--server", sandbox.url)
        process = start(*run, env=environment)
        assert eventually(lambda: sandbox.requests and list(home.rglob("*.png")))
        time.sleep(0.2)
        pressed = time.monotonic()
        process.terminate()
        out, err = process.communicate(timeout=HANG)
        took = time.monotonic() - pressed
    assert process.returncode == 130
    assert "Cancelled" in err
    assert "SDXL Generate (txt2img) (#3): stopped" in err
    told = json.loads(out)
    assert told["status"] == "cancelled"
    preview = Path(told["outputs"]["2"]["images"][0]["path"])
    assert preview.is_file()
    assert took < at_most(0.35)  # the end of the process itself is counted in
    assert list(Path("output").rglob("*")) == []
    assert list((tmp_path / "tmp").iterdir()) == []
    text = {"1": {"class_type": "PreviewAny", "inputs": {"source": "hi"}}}
    assert main(["run", written(text)]) == 0
    assert not preview.exists()  # the next run takes it away


# Presses Ctrl-C at the moment when a certain module is about to be loaded.
PRESSES = """
import os, signal, sys

moment = sys.argv[1]

class Finger:
    def find_spec(self, name, path=None, target=None):
        if name == moment:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finger())
from visioncraft_command import main
sys.argv[1:] = ["run", "flow.json"]
sys.exit(main())
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
@pytest.mark.parametrize(
    "moment",
    [
        *("visioncraft", "numpy", "visioncraft.nodes.catalog", "requests"),
        *(f"visioncraft.nodes.headless.{n}" for n in ("commands.rows", "execution", "canvas")),
        "visioncraft.nodes.headless.hostnodes.pictures",
        "torch",  # when the first node needs it
    ],
)
def test_ctrl_c_while_it_loads_prints_one_line(moment: str):
    Path("photo.png").write_bytes(png_of(gradient()))
    inputs = {"images": ["1", 0], "filename_prefix": "x"}
    written(
        {
            "1": {"class_type": "LoadImage", "inputs": {"image": "photo.png"}},
            "2": {"class_type": "SaveImage", "inputs": inputs},
        }
    )
    command = [sys.executable, "-c", PRESSES, moment]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=HANG)
    assert done.returncode == 130
    assert re.fullmatch(r"Cancelled\.[^\n]*\n", done.stderr)


def test_a_failed_call_ends_with_1_and_keeps_what_was_saved(capsys: pytest.CaptureFixture[str]):
    words = {"model": "openchat-7b", "prompt": ["1", 2]}
    graph = {
        "1": XL,
        "2": SAVE,
        "3": {"class_type": "VisionCraftLLM", "inputs": words},
        "4": {"class_type": "PreviewAny", "inputs": {"source": ["3", 0]}},
    }
    with Sandbox(faults=[parse("llm=500")]) as sandbox:
        assert main(["run", written(graph), "--json", "--server", sandbox.url]) == 1
    assert json.loads(capsys.readouterr().out)["status"] == "failed"
    assert Path("output/fox_00001_.png").is_file()


def test_the_sandbox_prints_its_address_first_and_ends_on_a_signal():
    process = start("sandbox", "--port", "0", "--fault", "llm=500", "--shape", "upscale=bytes")
    try:
        assert process.stdout
        line = process.stdout.readline().strip()
        assert line.startswith("VisionCraft sandbox on http://127.0.0.1:")
        url = line.rpartition(" ")[2]
        assert "sdxl-turbo" in requests.get(url + "/models-xl", timeout=60).json()
        assert requests.post(url + "/llm", json={}, timeout=60).status_code == 500
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=HANG)
    assert process.returncode == 0


def test_a_catalog_is_listed(capsys: pytest.CaptureFixture[str]):
    assert main(["catalog", "img2img/refiners"]) == 0
    assert capsys.readouterr().out.split() == [
        "no_refiner",
        "expert_ensemble_refiner",
        "base_image_refiner",
    ]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "visioncraft: choose one of run, serve, sandbox, key, catalog, store, doctor. See"),
        (["key"], "visioncraft key: choose one of set, list, default, remove, test."),
        (["key", "frobnicate"], "there is no such action. Choose one of set, list,"),
        (["rnu"], 'there is no command "rnu". Did you mean run?'),
        (["fly"], 'there is no such command "fly". Choose one of run, serve,'),
        (["run"], "name a workflow; --list names the examples."),
        (["run", "x.json", "--jsno"], "--jsno is not understood. Did you mean --json?"),
        (["--verison"], "--verison is not understood; options of a command stand behind it. Did"),
        (["llm_prompt_to_image"], "Did you mean visioncraft run llm_prompt_to_image?"),
        (["run", "x.json", "y.json"], "y.json is one workflow too many"),
        (["run", "a", "red", "fox"], "red is not understood. A prompt is an input of a node"),
        (["run", "a red fox"], "no such example. A prompt is an input of a node"),
        (["run", "--seed", "5"], "--seed is not understood. It is an input of a node: write --set"),
        (["run", "llm_prompt_to_imge"], "Did you mean llm_prompt_to_image"),
        (["run", "x.json", "--server", "sandbx"], "Did you mean sandbox?"),
        (["run", "x.json", "--rows", "rows.xls"], "x.json: there is no such file."),
        (["sandbox", "--port", "x"], "a port is 0 to 65535."),
        (["sandbox", "--fault", "llm=50"], "llm=50"),
        (["catalog", "model-xl"], 'there is no name "model-xl". Did you mean models-xl'),
        (["key", "lst"], 'there is no action "lst". Did you mean list'),
        (["key", "remove", "nobody"], 'There is no server profile called "nobody".'),
        (["catalog", "models", "--server", "localhost:8899"], "write http:// in front of it; or"),
        (["catalog", "models", "--server", "127.0.0.1:8898/a"], "write http:// in front of it; or"),
        (["catalog", "models", "--server", "my.server:80"], "write https:// in front of it; or"),
        (["store", "claer"], "Did you mean clear?"),
        (["doctor", "--server", "ftp://x"], ""),
    ],
)
def test_a_wrong_command_line_is_one_line_with_what_was_meant(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
):
    assert main(arguments) == (1 if arguments[:1] == ["doctor"] else 2)
    err = capsys.readouterr().err
    assert told in err
    assert err.count("\n") <= 1


def test_json_has_one_shape_whatever_happens(home: Path, capsys: pytest.CaptureFixture[str]):
    graph = {"1": XL, "2": SAVE}
    with Sandbox(faults=[parse("generate-xl=500")]) as sandbox:
        url = sandbox.url
        failed = ["run", written(graph), "--json", "--server", url]
        wrong = ["run", written({"1": XL}, "wrong.json"), "--json"]
        for arguments, status, node, charged in [
            (failed, "failed", "1", "maybe"),
            (wrong, "refused", None, "no"),
            (["run", "--json", "--jsno"], "refused", None, "no"),
            (["run", "flow.json", "--json", "--set", "2.x=1"], "refused", "2", "no"),
        ]:
            assert main(arguments) in (1, 2)
            told = json.loads(capsys.readouterr().out)
            assert set(told) == {"status", "seconds", "outputs", "errors", "notes"}
            assert told["status"] == status
            (error,) = told["errors"]
            assert (error["node"], error["charged"]) == (node, charged)
            assert all((error["type"], error["message"]))
    shows = {"2": {"class_type": "PreviewAny", "inputs": {"source": 1}}}
    assert main(["run", written(shows), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["status"], told["errors"]) == ("done", [])


def test_a_workflow_comes_from_standard_input_and_a_text_from_a_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    text: dict[str, Any] = {
        "1": {"class_type": "PrimitiveString", "inputs": {"value": "x"}},
        "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}},
    }
    Path("long.txt").write_text("first = line\nsecond\n", "utf-8")
    shown = []
    for value in ("@long.txt", "@@home", "a=@b"):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(json.dumps(text).encode())))
        assert main(["run", "-", "--json", "--set", f"1.value={value}"]) == 0
        shown += json.loads(capsys.readouterr().out)["outputs"]["2"]["text"]
    assert shown == ["first = line\nsecond", "@home", "a=@b"]
    assert main(["run", written(text), "--set", "1.value=@gone.txt"]) == 2
    assert "gone.txt: there is no such file. Check the path after =@" in capsys.readouterr().err
    assert main(["run", written(text), "--set", "1.value=@."]) == 2
    assert "after =@ cannot be read as text" in capsys.readouterr().err


def test_without_torch_nothing_is_sent_and_the_command_is_named(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setitem(sys.modules, "torch", None)  # as where it is not installed
    text = {
        "1": {"class_type": "VisionCraftLLM", "inputs": {"model": "openchat-7b", "prompt": "a"}},
        "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}},
    }
    server, saved = ("--server", sandbox.url), {"images": ["3", 0], "filename_prefix": "x"}
    assert main(["run", written({**text, "3": XL, "4": {**SAVE, "inputs": saved}}), *server]) == 2
    assert 'pip install "visioncraft[standalone]"' in capsys.readouterr().err
    assert not sandbox.requests
    assert main(["run", written(text), *server]) == 0  # texts need none


def test_each_seed_gives_another_picture_and_the_same_seed_the_same_again(home: Path):
    graph = {"1": XL, "2": SAVE}
    made = []
    for number, seed in enumerate((1, 2, 3, 1)):
        if number == 3:
            shutil.rmtree(home / "store")
        assert main(["run", written(graph), "--set", f"1.seed={seed}"]) == 0
        with Image.open(f"output/fox_0000{number + 1}_.png") as picture:
            made.append(picture.tobytes())
    assert len(set(made)) == 3
    assert made[3] == made[0]


def test_the_examples_have_short_names(capsys: pytest.CaptureFixture[str]):
    assert main(["run", "--list"]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert sorted(path_of(name) for name in names) == sorted(EXAMPLES.glob("*.json"))
    assert main(["run", "chat", "--json"]) == 0


def test_the_command_is_installed():
    assert shutil.which(COMMAND)


def test_a_key_is_kept_from_standard_input_and_tried(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    with Sandbox() as sandbox:
        for key, verdict, status in [
            ("sandbox-free", "valid", 0),
            ("vc-CANARY-wrong", "wrong", 1),
        ]:
            monkeypatch.setattr("sys.stdin", io.StringIO(key + "\n"))
            assert main(["key", "set", "mine", "--base-url", sandbox.url]) == 0
            assert capsys.readouterr().out.startswith(
                f"The key for {sandbox.url} is kept as mine.\n"
            )
            assert main(["key", "test", "mine", "--yes"]) == status
            printed = capsys.readouterr()
            assert printed.out.startswith(f"The key of mine is {verdict}: ")
            assert key not in printed.out + printed.err
    assert main(["key", "test", "mine", "--yes"]) == 1
    assert capsys.readouterr().out.startswith("The key of mine is unreachable: ")


def test_what_cannot_be_a_key_is_not_kept(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("sys.stdin", io.StringIO("two words\n"))
    assert main(["key", "set", "mine"]) == 2
    err = capsys.readouterr().err
    assert "not a VisionCraft key" in err
    assert "two words" not in err
    assert not (home / "profiles.json").exists()


def test_a_name_that_the_server_does_not_list_is_refused_before_anything_is_sent(
    sandbox: Sandbox, home: Path, capsys: pytest.CaptureFixture[str]
):
    graph = written({"1": {**XL, "inputs": {**XL["inputs"], "model": "sdxl-turbp"}}, "2": SAVE})
    Path("rows.csv").write_text("1.prompt\na fox\n", "utf-8")
    for more in ([], ["--rows", "rows.csv"], ["--server", sandbox.url]):
        assert main(["run", graph, *more]) == 2
        err = capsys.readouterr().err
        assert "sdxl-turbp is not in the server's list of models-xl. Did you mean sdxl-turbo" in err
        assert "`visioncraft catalog models-xl" in err
    assert [line for line in sandbox.requests if line.startswith("POST")] == []
    assert f"--server {sandbox.url}`" in err
    with Sandbox(faults=[parse("models-xl=404")]) as other:  # its lists are not known
        assert main(["run", graph, "--server", other.url]) == 1
        Catalogs(home, other.url).save("models-xl", ["sdxl-turbo"])
        capsys.readouterr()
        assert main(["run", graph, "--server", other.url]) == 1
        assert "models-xl, as the server listed it 0 hours ago. Did" in capsys.readouterr().out
    Path(graph).write_text(
        Path(graph).read_text("utf-8").replace("sdxl-turbp", "SDXL-Turbo"), "utf-8"
    )
    assert main(["run", graph]) == 0
    assert "is not in the" not in capsys.readouterr().out


def test_a_stored_result_outlasts_the_name_of_its_model(
    home: Path, capsys: pytest.CaptureFixture[str]
):
    class ChangingEngine(InstantEngine):
        models: tuple[str, ...] = ("openchat-7b", "other")

        def catalogs(self) -> dict[str, Any]:
            return {**super().catalogs(), "models-llm": self.models}

    chat = {"model": "openchat-7b", "prompt": "a fox"}
    show = {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}}
    graph = written({"1": {"class_type": "VisionCraftLLM", "inputs": chat}, "2": show})
    engine = ChangingEngine()
    with Sandbox(engine=engine) as sandbox:
        run = ["run", graph, "--server", sandbox.url]
        assert main(run) == 0
        engine.models = ("other",)
        Catalogs(home, sandbox.url).save("models-llm", engine.models)
        capsys.readouterr()
        assert main(run) == 0
        assert "any more; the result is stored, so nothing is sent" in capsys.readouterr().out
        assert main([*run, "--set", "1.seed=1"]) == 2
        assert sandbox.executions == 1


def test_a_server_without_language_models_is_no_fault(capsys: pytest.CaptureFixture[str]):
    class PictureEngine(InstantEngine):
        def catalogs(self) -> dict[str, Any]:
            return {**super().catalogs(), "models-llm": ()}

    chat = {"class_type": "VisionCraftLLM", "inputs": {"model": "openchat-7b", "prompt": "a"}}
    show = {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}}
    graph = written({"1": chat, "2": show})
    with Sandbox(engine=PictureEngine()) as sandbox:
        for arguments, status, told in [
            (["catalog", "models-llm", "--server"], 0, "offers none."),
            (["doctor", "--server"], 0, "10 of 10 answered in"),
            (["doctor", "--server"], 0, "; the server offers no models-llm\n"),
            (["key", "test", "--yes"], 1, "cannot be tried: http://127.0.0.1"),
            (
                ["run", graph, "--server"],
                2,
                "openchat-7b is not offered; the server's",
            ),
        ]:
            assert main([*arguments, sandbox.url]) == status
            printed = capsys.readouterr()
            assert told in printed.out + printed.err
            assert "Choose another" not in printed.err
        messages = ({"role": "user", "content": "a"},)
        with Client(sandbox.url) as client, pytest.raises(FieldRejected, match="no models-llm at"):
            client.send(Chat(model="openchat-7b", messages=messages))


def test_loras_are_judged_by_the_list_of_the_server_that_gets_them():
    def check(**stack: Any) -> None:
        stack = {"lora": "age_slider_v20", "weight": 1, "enabled": True, **stack}
        sd = {"model": "anything_V5", "sampler": "Euler", "prompt": "a fox", "loras": ["2", 0]}
        behind = {"lora": "x", "enabled": False, "loras": ["1", 0]}
        flow = {
            "1": {"class_type": "VisionCraftLoraStack", "inputs": stack},
            "2": {"class_type": "VisionCraftLoraStack", "inputs": behind},
            "3": {"class_type": "VisionCraftGenerate", "inputs": sd},
        }
        workflow = parsed(flow, NODE_CLASS_MAPPINGS, name="flow")
        ListedNames().check(workflow, NODE_CLASS_MAPPINGS, workflow.nodes)

    told = r"Stack \(#1\): age_slidr is not in the server's list of loras. Did you mean age_slider"
    for wrong in ({"lora": "age_slidr"}, {"text": "<lora:age_slidr:0.5>"}):
        with pytest.raises(WorkflowError, match=told):
            check(**wrong)
    check()
    check(lora="age_slidr", enabled=False)


def test_what_was_noted_before_a_refusal_is_in_the_json(capsys: pytest.CaptureFixture[str]):
    graph = written({"1": {**XL, "inputs": {**XL["inputs"], "odd": 1, "width": 5}}, "2": SAVE})
    assert main(["run", graph, "--json"]) == 2
    printed = capsys.readouterr()
    (note,) = json.loads(printed.out)["notes"]
    assert f"Note: {note}\n" in printed.err


def test_what_no_node_takes_is_noted(capsys: pytest.CaptureFixture[str]):
    inputs = {"source": "hi", "zebra": 1}
    graph = written({"2": {"class_type": "PreviewAny", "inputs": inputs}})
    assert main(["run", graph]) == 0
    assert "PreviewAny (#2) has no input zebra" in capsys.readouterr().out
    assert main(["run", graph, "--json"]) == 0
    assert "has no input zebra" in json.loads(capsys.readouterr().out)["notes"][0]


def test_all_that_is_misspelt_or_missing_is_told_at_once_and_not_called_ignored(
    capsys: pytest.CaptureFixture[str],
):
    words = {"model": "openchat-7b", "promt": "a fox"}
    graph = {
        "1": {"class_type": "VisionCraftLLM", "inputs": words},
        "2": {"class_type": "PreviewAny", "inputs": {"sorce": ["1", 0]}},
        "3": {"class_type": "VisionCraftGenerateXL", "inputs": {"widht": 64}},
        "4": {"class_type": "SaveImage", "inputs": {"images": ["3", 0]}},
    }
    assert main(["run", written(graph), "--json"]) == 2
    printed = capsys.readouterr()
    for told in ("input promt (", "input sorce (", "input widht (", "filename_prefix is"):
        assert told in printed.err
    assert "ignores it" not in printed.err + printed.out
    (error,) = json.loads(printed.out)["errors"]
    assert (error["node"], error["node_class"]) == ("1", "VisionCraftLLM")
    assert main(["run", written(graph), "--set", "3.promt=a fox", "--json"]) == 2
    (error,) = json.loads(capsys.readouterr().out)["errors"]
    assert (error["node"], error["node_class"]) == ("3", "VisionCraftGenerateXL")
