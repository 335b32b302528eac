"""visioncraft.toml: what it means, and what is said of each fault."""

from __future__ import annotations

import pickle
import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.clients import body_of
from support.paths import ROOT
from visioncraft.visioncraft_core.api import endpoints as api
from visioncraft.visioncraft_core.errors import ConfigError
from visioncraft.visioncraft_core.serve import configuration
from visioncraft.visioncraft_core.serve.configuration import FaultyConfiguration, read
from visioncraft.visioncraft_core.serve.database import Tier
from visioncraft.visioncraft_core.serve.settings import UpscaleSettings
from visioncraft.visioncraft_core.service.engines.comfyui.settings import ComfyUISettings, Upscaler
from visioncraft.visioncraft_core.service.engines.diffusers.settings import DiffusersSettings
from visioncraft.visioncraft_core.service.engines.openai import OpenAIServer
from visioncraft.visioncraft_core.service.engines.pictures import Checkpoint, GifModel, VideoModel

A = '[[engine]]\nname = "a"\nkind = "comfyui"\nurl = "http://127.0.0.1:8188"\n'
B = '[[engine]]\nname = "b"\nkind = "openai"\nurl = "http://127.0.0.1:11434/v1"\n'
WHOLE = f"""
[server]
host = "::1"
port = 9000
base_url = "https://pictures.test"
data = "kept"
database = "postgresql://vc@db.test/vc"
results_hours = 2
results_mib = 10
stop_seconds = 5
[limits]
body_mib = 8
connections = 100
[tiers.free]
per_minute = 20
at_once = 2
[tiers.premium]
per_day = 1000
{A}at_once = 2
queue = 7
negative_prompt = ""
{A.replace('"a"', '"c"')}
{B}key_env = "LLM_KEY"
silence = 60
[[engine]]
name = "d"
kind = "upscale"
model = "x4plus-anime"
[[engine]]
name = "e"
kind = "diffusers"
folder = "files"
device = "cuda:1"
memory_mib = 9000
negative_prompt = "text"
[models]
"anything_V5" = {{ file = "anything_v5.safetensors", engine = ["a", "c"] }}
"own" = {{ file = "sd15", engine = "e" }}
"mine" = {{ file = "mine.safetensors", size = [640, 512], engine = "c" }}
[models-xl]
"sdxl-turbo" = {{ file = "turbo.safetensors", steps = 4, cfg = 1.0, refiner = "refiner.ckpt" }}
[loras]
"3DMM_V12" = "3dmm.safetensors"
[models-llm]
"mistral-7b-instruct" = "mistral:7b"
[models-llm-premium]
"gpt" = {{ name = "llama3:70b", engine = ["b"] }}
[img2img]
model = "SDXL-turbo"
engine = "a"
[gif]
model = "mine"
motion = "mm.ckpt"
frames = 24
[video]
file = "svd.safetensors"
motion = 90
[upscale]
file = "esrgan.pth"
scale = 2
"""


def faults(path: Path, text: str) -> list[str]:
    path.write_text(text)
    with pytest.raises(FaultyConfiguration) as error:
        read(path, {})
    return list(error.value.faults)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "visioncraft.toml"


def test_a_whole_file_is_understood(path: Path):
    path.write_text(WHOLE)
    found = read(path, {"LLM_KEY": "secret"})
    assert (found.host, found.port, found.base_url) == ("::1", 9000, "https://pictures.test")
    assert found.proxies == ("127.0.0.1", "::1")
    assert found.data == path.parent / "kept"
    assert found.database == "postgresql://vc@db.test/vc"
    assert found.tiers == {False: Tier(20, 0, 2), True: Tier(0, 1000, 0)}
    assert (found.body_mib, found.connections, found.stop_seconds) == (8, 100, 5.0)
    a, c, b, d, e = found.engines
    assert (a.name, a.kind, a.at_once, a.queue) == ("a", "comfyui", 2, 7)
    assert (c.at_once, c.queue, b.at_once) == (1, 100, 8)
    first, turbo = (
        Checkpoint(file="anything_v5.safetensors"),
        Checkpoint(
            file="turbo.safetensors",
            steps=4,
            cfg=1.0,
            size=(1024, 1024),
            refiner="refiner.ckpt",
        ),
    )
    mine = Checkpoint(file="mine.safetensors", size=(640, 512))
    rest = {
        "loras": {"3DMM_V12": "3dmm.safetensors"},
        "models_xl": {"sdxl-turbo": turbo},
        "upscaler": Upscaler(file="esrgan.pth", scale=2),
        "video": VideoModel(file="svd.safetensors", motion=90),
        "gif": GifModel(checkpoint=mine, motion="mm.ckpt", frames=24),
    }
    assert a.settings == ComfyUISettings(models={"anything_V5": first}, img2img=turbo, **rest)
    assert c.settings == ComfyUISettings(models={"anything_V5": first, "mine": mine}, **rest)
    loads = {api.Generate: first, api.GenerateXL: turbo, api.ImageToImage: turbo}
    loads |= {api.GenerateGif: mine, api.ImageToVideo: rest["video"]}
    for kind in api.ENDPOINTS:
        model = "SDXL-turbo" if kind is api.GenerateXL else "Anything_v5"
        asked = kind.from_json({**body_of(kind), "model": model})
        assert a.model_of(asked) == (loads[kind].file if kind in loads else ""), kind
    offered = {
        "models-llm": {"mistral-7b-instruct": "mistral:7b"},
        "models-llm-premium": {"gpt": "llama3:70b"},
    }
    assert b.settings == OpenAIServer("http://127.0.0.1:11434/v1", offered, "secret", 60.0)
    assert d.settings == UpscaleSettings("x4plus-anime")
    assert (e.kind, e.at_once, e.queue) == ("diffusers", 1, 100)
    assert isinstance(e.settings, DiffusersSettings)
    assert list(e.settings.models) == ["own"]
    assert e.settings.folder == str(path.parent / "files")
    assert (e.settings.device, e.settings.memory_mib) == ("cuda:1", 9000)
    assert (e.settings.negative_prompt, e.settings.gif) == ("text", rest["gif"])
    assert pickle.loads(pickle.dumps(found)) == found  # noqa: S301 - it goes to other processes
    assert "secret" not in repr(found)


def test_what_is_left_out_has_its_usual_value(path: Path, home: Path):
    path.write_text('[[engine]]\nname = "p"\nkind = "painted"\n')
    found = read(path)
    assert (found.host, found.port, found.proxies) == ("127.0.0.1", 8787, ())
    assert found.data == home / "server"
    assert found.database == f"sqlite:///{home / 'server' / 'visioncraft.db'}"
    assert found.tiers == {False: Tier(), True: Tier()}


@pytest.mark.parametrize(
    ("text", "place", "advice"),
    [
        ("", "[[engine]]", "Write [[engine]] with name"),
        ("[engine]\nname = 'x'", "[[engine]]", "Write [[engine]]"),
        (f"[sever]\n{A}", "[sever]", "Did you mean server?"),
        (f"server = 5\n{A}", "[server]", "Write its keys in it: host, port"),
        (f"[server]\nprot = 1\n{A}", "[server] prot", "Did you mean port?"),
        (f"[server]\nport = 99999\n{A}", "[server] port", "a whole number from 0 to 65535"),
        (f"[server]\nport = true\n{A}", "[server] port", "a whole number"),
        (f"[server]\nhost = ''\n{A}", "[server] host", "text in quotes"),
        (f"[server]\nbase_url = 'x'\n{A}", "[server] base_url", "Write an address"),
        (f"[server]\nbase_url = 'https://u:p@x'\n{A}", "[server] base_url", "without a user"),
        (f"[server]\nproxies = ['x']\n{A}", "[server] proxies", "a list of IP addresses"),
        (f"[server]\ndatabase = 'mysql://x'\n{A}", "[server] database", "sqlite:///FILE"),
        (f"[server]\ndatabase_env = 'DB'\n{A}", "[server] database_env", "Set it to the address"),
        (f"[server]\nresults_hours = nan\n{A}", "[server] results_hours", "a number from"),
        (f"[tiers.fre]\n{A}", "[tiers] fre", "Did you mean free?"),
        (f"[tiers.free]\nper_day = -1\n{A}", "[tiers.free] per_day", "a whole number from 0"),
        (A.replace("comfyui", "comfy"), "[[engine]] a: kind", "one of comfyui, diffusers"),
        (A.replace('name = "a"', ""), "[[engine]] 1: name", "is missing. Write text in quotes"),
        (A.replace("http", "ftp"), "[[engine]] a: url", "Write an address"),
        (A.replace("8188", "8188/?x=1"), "[[engine]] a: url", "Write an address"),
        (A + "at_once = true", "[[engine]] a: at_once", "cannot be true. Write a whole number"),
        (A + "qeue = 1", "[[engine]] a: qeue", "Did you mean queue?"),
        (A + "at_once = 0", "[[engine]] a: at_once", "a whole number from 1"),
        ("[[engine]]\nname = 'a'\nkind = 'diffusers'", "[[engine]] a: folder", "is missing"),
        (
            "[[engine]]\nname = 'a'\nkind = 'diffusers'\nfolder = '.'\ndevice = 'gpu'",
            *("[[engine]] a: device", '"cuda:1"'),
        ),
        (
            A + "min_replicas = 3\nmax_replicas = 2",
            "[[engine]] a: min_replicas",
            "Write a smaller number.",
        ),
        (A + A, '[[engine]] name = "a"', "Choose another name"),
        (B + "key_env = 'NOPE'", "[[engine]] b: key_env", "Set it to the key"),
        (f"{B}[models]\nx = 'y'", '[models] "x"', "Add an [[engine]] of kind comfyui"),
        (f"{A}[models]\nx = 5", '[models] "x"', "Write its keys in it: file"),
        (f"{A}[models]\nx = {{steps = 4}}", '[models] "x" file', "is missing. Write text"),
        (f"{A}[models]\nx = 'y'\nX = 'z'", '[models] "X"', "Keep one of them"),
        (f"{A}[models]\nx = {{file = 'y', size = 500}}", '[models] "x" size', "multiples of 8"),
        (f"{A}[models]\nx = {{file = 'y', engine = 'z'}}", '[models] "x" engine', "Use a."),
        (f"{A}[models-llm]\nx = 'y'", '[models-llm] "x"', "of kind openai"),
        (f"{A}[models-premium-llm]\nx = 'y'", "[models-premium-llm]", "models-llm-premium"),
        (f"{A}[img2img]\nmodel = 'x'", "[img2img] model", "Write a name from those tables"),
        (f"{A}[img2img]\nsteps = 4", "[img2img]", "Write model = or file ="),
        (f"{A}[gif]\nfile = 'x'", "[gif]", "AnimateDiff"),
        (f"{A}[video]\nframes = 14", "[video] file", "is missing"),
        (f"{A}[upscale]\nfile = 'x'\nscale = 9", "[upscale] scale", "a whole number from 1 to 8"),
        (f"{A}[upscale]\nfile = 'x'\nengine = 4", "[upscale] engine", "the name of an engine"),
    ],
)
def test_each_fault_is_named_with_its_file_its_place_and_what_to_write(
    text: str, place: str, advice: str, path: Path
):
    (fault,) = faults(path, text)
    assert fault.startswith(f"visioncraft.toml, {place} ")
    assert advice in fault


def test_all_faults_are_named_at_once(path: Path):
    found = faults(path, f"[server]\nport = 'x'\nbase_url = 5\n{A}at_once = 0\n[models]\nx = 5\n")
    assert len(found) == 4
    path.write_text("[server]\nport = 'x'\n")
    with pytest.raises(ConfigError, match="has 2 faults: .* See all with"):
        read(path)


def test_a_file_as_windows_saves_it_is_read(path: Path):
    path.write_bytes(b"\xef\xbb\xbf" + A.replace("\n", "\r\n").encode())
    assert [engine.name for engine in read(path).engines] == ["a"]


def test_names_with_control_characters_reach_no_terminal(path: Path):
    (fault,) = faults(path, A.replace('"a"', '"a\\u001b[31m"'))
    assert "\x1b" not in fault


@pytest.mark.parametrize("text", ["a = ", "\ufeff\0", "[[[", "[a]\n[a]", "a" * 10_000])
def test_what_is_no_toml_is_told_with_its_line(text: str, path: Path):
    (fault,) = faults(path, text)
    assert "it is no TOML" in fault
    path.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="no text in UTF-8"):
        read(path)
    with pytest.raises(ConfigError, match="cannot be read .* Name another file"):
        read(path.with_name("none.toml"))


_value = st.recursive(
    st.one_of(st.integers(), st.booleans(), st.text(max_size=5), st.floats()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@given(
    st.sampled_from(sorted({line.split(" = ")[0] for line in WHOLE.splitlines() if " = " in line})),
    _value,
)
@settings(max_examples=40)
def test_a_value_of_any_kind_is_taken_or_named(key: str, value: object):
    """Whatever stands there, nothing is raised."""
    parsed = configuration.tomllib.loads(WHOLE)
    name = key.strip('"')

    def put(table: object) -> None:
        if isinstance(table, dict):
            for each in table:
                put(table[each])
            if name in table:
                table[name] = value
        elif isinstance(table, list):
            for each in table:
                put(each)

    put(parsed)
    with suppress(FaultyConfiguration):
        configuration.judged(Path("visioncraft.toml"), parsed, {"LLM_KEY": "x"})


def test_results_may_be_in_a_folder_or_an_object_store(path: Path):
    for value, found in (
        ("pictures", str(path.parent / "pictures")),
        ("/srv/pictures", "/srv/pictures"),
        ("s3://bucket/pictures", "s3://bucket/pictures"),
    ):
        path.write_text(f'[server]\nresults = "{value}"\n{A}')
        assert read(path).results == found


def test_the_example_of_the_documentation_has_no_fault(path: Path):
    page = (ROOT / "web" / "docs" / "serve.md").read_text("utf-8")
    blocks = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert blocks
    for block in blocks:
        path.write_text(block)
        read(path, {"LLM_KEY": "secret", "VISIONCRAFT_DATABASE": "postgresql://vc@db/vc"})
