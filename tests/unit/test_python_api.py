"""What a script sees: `from visioncraft import ...`."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import visioncraft
from PIL import Image
from support.clients import PATIENT, XL
from support.pictures import gradient, png_of
from support.raw_server import raw
from support.timing import HANG
from visioncraft import AsyncClient, Chat, Client, File, Generate, Profile, Result, Secret, errors
from visioncraft.visioncraft_core.api.fields import FieldError
from visioncraft.visioncraft_core.api.sandbox_keys import SANDBOX_PREMIUM_KEY
from visioncraft.visioncraft_core.sandbox import Sandbox
from visioncraft.visioncraft_core.service.faults.rules import parse

FREE = 0.25  # seconds after which a cancelled caller must be free


def run(program: str, folder: Path) -> list[str]:
    """The lines that `program` prints in a Python of its own."""
    (folder / "program.py").write_text(program, "utf-8")
    command = [sys.executable, "-W", "error", "program.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=HANG)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@pytest.fixture
def profile(sandbox: Sandbox) -> Profile:
    return Profile("test", sandbox.url, Secret(SANDBOX_PREMIUM_KEY), PATIENT)


# --- Importing ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import visioncraft", "PIL numpy requests aiohttp torch av visioncraft.nodes"),
        ("from visioncraft import GenerateXL, RateLimited", "PIL numpy requests visioncraft.nodes"),
        ("from visioncraft import Client", "aiohttp torch av visioncraft.nodes"),
    ],
)
def test_a_name_loads_only_what_it_needs(code: str, absent: str, tmp_path: Path):
    print_loaded = f"import sys\nprint([m for m in {absent.split()} if m in sys.modules])"
    assert run(f"{code}\n{print_loaded}", tmp_path) == ["[]"]


def error_classes() -> list[type[errors.VisionCraftError]]:
    found, waiting = [], [errors.VisionCraftError]
    while waiting:
        found.append(waiting.pop())
        waiting += found[-1].__subclasses__()
    # The parts of a server of one's own have errors of their own, which no client meets.
    return [cls for cls in found if hasattr(errors, cls.__name__)]


def test_every_public_name_is_there_and_listed():
    listed = dir(visioncraft)
    assert set(listed) >= {cls.__name__ for cls in error_classes()}
    assert set(listed) >= {"Client", "AsyncClient", "Generate", "NODE_CLASS_MAPPINGS"}
    for name in listed:
        assert getattr(visioncraft, name) is not None
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = visioncraft.nothing_like_it
    with pytest.raises(AttributeError, match="Did you mean Client"):
        _ = visioncraft.Clinet
    with pytest.raises(ImportError, match="its request is ImageToImage"):
        from visioncraft import Img2Img  # noqa: F401


def test_every_class_is_where_it_says_it_is():
    for cls in error_classes():
        assert getattr(sys.modules[cls.__module__], cls.__qualname__) is cls


# --- Finding the server ------------------------------------------------------------------------


def test_a_server_is_given_by_name_by_address_or_as_a_profile(
    sandbox: Sandbox, home: Path, profile: Profile, monkeypatch: pytest.MonkeyPatch
):
    home.mkdir()
    entry = {"base_url": sandbox.url, "key": SANDBOX_PREMIUM_KEY}
    (home / "profiles.json").write_text(json.dumps({"profiles": {"work": entry}}))
    for server in ("work", "auto", sandbox.url, profile):
        with Client(server) as client:
            assert client.describe() == sandbox.url
            assert client.send(XL, seed=None).files
    other = home.parent / "other"
    assert Client(home=other).profile.embedded
    assert Client(home=str(other)).profile.embedded
    monkeypatch.setenv("VISIONCRAFT_BASE_URL", sandbox.url)
    assert Client(home=other).describe() == sandbox.url
    with pytest.raises(errors.ConfigError, match='no server profile called "wrok"'):
        Client("wrok")


def test_the_sandbox_starts_with_the_first_call_only(tmp_path: Path):
    program = """
import threading
from visioncraft import Client, GenerateXL
def running():
    return any(thread.name == "visioncraft-sandbox" for thread in threading.enumerate())
with Client() as client:
    print(client.describe(), running())
    client.send(GenerateXL(prompt="a fox", width=64, height=64))
    print(running())
"""
    assert run(program, tmp_path) == ["the embedded sandbox False", "True"]


def test_a_closed_client_opens_new_connections(profile: Profile):
    client = Client(profile)
    client.close()
    for _ in range(2):
        assert client.catalog("models").source == "live"
        client.close()


# --- Results -----------------------------------------------------------------------------------

PICTURE = png_of(gradient(6, 4))


def result_of(*contents: bytes, text: str = "") -> Result:
    return Result("https://a.test", 1.0, tuple(File(c, "png") for c in contents), text=text)


def test_saving_writes_the_very_bytes_and_overwrites_nothing(tmp_path: Path):
    result = result_of(PICTURE, b"other")
    first = result.save(tmp_path / "new" / "fox")
    assert [path.name for path in first] == ["fox_1.png", "fox_2.png"]
    assert [path.read_bytes() for path in first] == [PICTURE, b"other"]
    first[0].unlink()
    assert [path.name for path in result.save(str(tmp_path / "new" / "fox"))] == [
        "fox_1.png",
        "fox_3.png",
    ]
    assert first[1].read_bytes() == b"other"


@pytest.mark.parametrize("target", ["there", "not-there/"])
def test_saving_to_a_folder_names_the_files_itself(target: str, tmp_path: Path):
    (tmp_path / "there").mkdir()
    (path,) = result_of(PICTURE).save(f"{tmp_path}/{target}")
    assert path == tmp_path / target / "result_1.png"


@pytest.mark.parametrize(
    ("name", "saved"),
    [("a.png", "a_1.png"), ("a.JPG", "a_1.png"), ("v1.5", "v1.5_1.png"), (".png", ".png_1.png")],
)
def test_the_end_of_a_name_to_save_as_follows_from_the_file(name: str, saved: str, tmp_path: Path):
    (path,) = result_of(PICTURE).save(tmp_path / name)
    assert path.name == saved


def test_text_is_saved_as_text(tmp_path: Path):
    (path,) = result_of(text="a sly fox").save(tmp_path / "idea")
    assert (path.name, path.read_text("utf-8")) == ("idea_1.txt", "a sly fox")


def test_what_cannot_be_saved_is_told(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(errors.SaveFailed, match="could not be saved") as caught:
        result_of(PICTURE).save(tmp_path / "file" / "fox")
    assert caught.value.charged == "yes"


def test_images_are_pillow_images_that_are_decoded_on_demand(profile: Profile):
    request = Generate(model="anything_V5", sampler="Euler", prompt="a fox", image_count=2)
    result = Client(profile).send(request)
    assert [type(image) for image in result.images] == [Image.Image] * 2
    assert result.images is result.images
    clear = result_of(png_of(np.dstack([gradient(6, 4), gradient(6, 4)[..., 0]]))).images[0]
    assert (clear.size, clear.mode) == ((6, 4), "RGBA")
    damaged = result_of(b"no picture")
    with pytest.raises(errors.DamagedFile):
        _ = damaged.images


def test_a_result_prints_in_a_line():
    assert repr(result_of(PICTURE)) == "<Result from https://a.test: File(kind='png')>"
    assert len(repr(result_of(text="word " * 10_000))) < 120


# --- Errors ------------------------------------------------------------------------------------


def example(cls: type[errors.VisionCraftError]) -> errors.VisionCraftError:
    if cls is visioncraft.InvalidFields:
        return visioncraft.InvalidFields("/generate", [FieldError("steps", "must be a number")])
    return cls(
        "It happened.", "Do this.", phase="reply", status=418, retry_after=2.5, charged="yes"
    )


@pytest.mark.parametrize("cls", error_classes(), ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("copier", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy])  # noqa: S301
def test_every_error_survives_a_copy_with_all_it_says(cls: type, copier: Any):
    error = example(cls)
    again = copier(error)
    assert type(again) is cls
    assert (str(again), again.args, vars(again)) == (str(error), error.args, vars(error))


def test_an_error_comes_out_of_another_process(tmp_path: Path):
    program = """
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from visioncraft import Client, GenerateXL, PremiumRequired, Profile, Secret
def ask(model):
    with Client(Profile("sandbox", "", Secret("sandbox-free"), embedded=True)) as client:
        return client.send(GenerateXL(prompt="a fox", model=model, width=64, height=64))
if __name__ == "__main__":
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        print(len(pool.submit(ask, "sdxl-turbo").result().files))
        try:
            pool.submit(ask, "sdxl-base").result()
        except PremiumRequired as e:
            print(e.status, e.phase, e.charged)
"""
    assert run(program, tmp_path) == ["1", "413 reply no"]


# --- asyncio -----------------------------------------------------------------------------------


def test_several_awaited_calls_run_at_the_same_time(home: Path):
    barrier = threading.Barrier(3)  # no answer before all three are there
    words = b'{"message": "here"}'

    def talk(connection: Any) -> None:
        connection.recv(65536)
        barrier.wait(30)
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(words)
        connection.sendall(head + words)

    async def main(url: str) -> list[str]:
        profile = Profile("test", url, Secret("sandbox-free"), PATIENT)
        async with AsyncClient(profile) as client:
            asked = [client.send(say(f"idea {number}")) for number in range(3)]
            return [result.text for result in await asyncio.gather(*asked)]

    with raw(talk) as server:
        assert asyncio.run(main(server.url)) == ["here"] * 3


def say(text: str) -> Chat:
    return Chat(model="openchat-7b", messages=({"role": "user", "content": text},))


def test_cancelling_the_task_cancels_the_call(home: Path):
    async def main(url: str, connected: threading.Event) -> float:
        profile = Profile("test", url, Secret("sandbox-free"), PATIENT)
        async with AsyncClient(profile) as client:
            task = asyncio.create_task(client.send(XL))
            while not connected.is_set():
                await asyncio.sleep(0.01)
            asked = time.monotonic()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return time.monotonic() - asked

    connected = threading.Event()

    def talk(connection: Any) -> None:
        connection.recv(65536)
        connected.set()
        while connection.recv(65536):
            pass

    with raw(talk) as server:
        assert asyncio.run(main(server.url, connected)) < FREE
        assert server.left.wait(2.0)  # the call itself has ended, too


def test_progress_is_told_in_the_event_loop(profile: Profile):
    heard: list[tuple[str, bool]] = []
    here = threading.current_thread()

    def on_progress(text: str) -> None:
        heard.append((text, threading.current_thread() is here))

    async def main() -> None:
        async with AsyncClient(profile) as client:
            await client.send(XL, on_progress=on_progress)
            assert (await client.catalog("models")).names
            both = await client.send_all([XL, XL], on_progress=on_progress)
            assert len(both.files) == 2

    asyncio.run(main())
    assert (f"waiting for {profile.base_url}", True) in heard
    assert all(in_loop for _, in_loop in heard)


def test_errors_of_an_awaited_call_are_raised_where_it_is_awaited(home: Path):
    async def main(url: str) -> None:
        await AsyncClient(Profile("test", url, Secret("sandbox-free"), PATIENT)).send(XL)

    with Sandbox(faults=[parse("*=500")]) as sandbox, pytest.raises(errors.ServerFailed):
        asyncio.run(main(sandbox.url))


def test_the_plain_client_works_within_a_running_loop_as_in_a_notebook(profile: Profile):
    async def main() -> Result:
        with Client(profile) as client:
            return client.send(XL)

    assert asyncio.run(main()).files
