"""What the sandbox's pictures promise: the words are seen, and nothing else decides."""

from __future__ import annotations

import asyncio
import colorsys
import io
import itertools
import subprocess
import sys
from hashlib import sha256
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageColor
from support.pictures import gradient, png_of
from visioncraft.visioncraft_core.api.endpoints import Generate, GenerateXL, ImageToImage, Upscale
from visioncraft.visioncraft_core.api.fields import Request
from visioncraft.visioncraft_core.media.images import DecodedImage, decode
from visioncraft.visioncraft_core.service.engine import InputRejected, Job
from visioncraft.visioncraft_core.service.engines.painted.engine import PaintedEngine
from visioncraft.visioncraft_core.service.engines.painted.painter import sign
from visioncraft.visioncraft_core.service.engines.painted.scene import (
    LIGHTS,
    PLACES,
    SUBJECTS,
    read,
    unknown_words,
)


def made(request: Request, seed: int = 1) -> tuple[bytes, ...]:
    return asyncio.run(PaintedEngine().generate(request, Job(seed))).files


def drawn(prompt: str, seed: int = 1, **fields: Any) -> np.ndarray:
    request = GenerateXL(prompt=prompt, **{"width": 160, "height": 128, **fields})
    return decode(made(request, seed)[0]).rgb.astype(int)


def apart(first: np.ndarray, second: np.ndarray) -> float:
    """Mean difference of two pictures, in levels."""
    return float(np.abs(first.astype(int) - second).mean())


def share_of(pixels: np.ndarray, colour: str) -> float:
    """The share of pixels whose hue is near the colour's, and that are colourful."""
    wanted = colorsys.rgb_to_hsv(*(c / 255 for c in ImageColor.getrgb(colour)[:3]))[0]
    hsv = np.asarray(Image.fromarray(pixels.astype(np.uint8)).convert("HSV"), int)
    away = np.abs((hsv[..., 0] / 255 - wanted + 0.5) % 1 - 0.5)
    return float(((away < 0.07) & (hsv[..., 1] > 70)).mean())


@pytest.mark.parametrize("size", [(64, 64), (1024, 64), (64, 1024), (512, 512), (1000, 568)])
def test_a_picture_has_exactly_the_size_that_was_asked_for(size: tuple[int, int]):
    assert drawn("a fox", width=size[0], height=size[1]).shape == (size[1], size[0], 3)


def test_the_same_request_and_seed_give_the_same_bytes_in_another_process():
    code = (
        "import asyncio\n"
        "from hashlib import sha256\n"
        "from visioncraft.visioncraft_core.api.endpoints import GenerateXL\n"
        "from visioncraft.visioncraft_core.service.engine import Job\n"
        "from visioncraft.visioncraft_core.service.engines.painted.engine import PaintedEngine\n"
        "request = GenerateXL(prompt='two cats, a quantum zeitgeist', width=160, height=128)\n"
        "output = asyncio.run(PaintedEngine().generate(request, Job(1)))\n"
        "print(sha256(output.files[0]).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    request = GenerateXL(prompt="two cats, a quantum zeitgeist", width=160, height=128)
    assert done.stdout.strip() == sha256(made(request)[0]).hexdigest()


def test_prompts_seeds_models_and_settings_give_pictures_of_their_own():
    pictures = [
        drawn("a red fox in the snow"),
        drawn("a red fox in the snow", seed=2),
        drawn("a blue boat on a lake"),
        drawn("a red fox in the snow", model="playground-V2"),
        drawn("a red fox in the snow", refiner=True),
        drawn("zeitgeist"),
        drawn("weltschmerz"),
    ]
    for first, second in itertools.combinations(pictures, 2):
        assert apart(first, second) > 3
    assert apart(pictures[0], pictures[2]) > 15


def test_steps_and_cfg_scale_are_seen():
    fields = {"model": "anything_V5", "sampler": "Euler", "prompt": "a green meadow in the snow"}
    plain, few, strict = (
        decode(made(Generate(**fields, **setting))[0]).rgb.astype(int)
        for setting in ({}, {"steps": 2}, {"cfg_scale": 20})
    )
    assert apart(plain, few) > 0.3
    assert apart(plain, strict) > 1
    assert strict.std(axis=2).mean() > plain.std(axis=2).mean()  # more colourful


def test_several_pictures_of_one_call_differ():
    request = Generate(model="anything_V5", sampler="Euler", prompt="a fox", image_count=3)
    assert len(set(made(request))) == 3


@pytest.mark.parametrize("colour", ["red", "green", "blue", "purple", "orange"])
@pytest.mark.parametrize("thing", ["fox", "house", "boat"])
def test_a_named_colour_is_on_the_thing_that_follows_it(thing: str, colour: str):
    others = [c for c in ("red", "green", "blue", "purple") if c != colour]
    asked = share_of(drawn(f"a {colour} {thing} in the fog"), colour)
    other = max(share_of(drawn(f"a {o} {thing} in the fog"), colour) for o in others)
    assert asked > 0.02
    assert asked > other + 0.015


@pytest.mark.parametrize("colour", ["red", "green", "blue", "purple"])
@pytest.mark.parametrize("prompt", ["{}", "an abstract painting in {}", "a {} zorblax"])
def test_a_colour_without_a_thing_fills_the_picture(prompt: str, colour: str):
    assert share_of(drawn(prompt.format(colour)), colour) > 0.3


def test_two_colours_without_a_thing_share_the_picture():
    pixels = drawn("green sky, purple sea")
    assert share_of(pixels[:40], "green") > 0.2 > 0.1 > share_of(pixels[:40], "purple")
    assert share_of(pixels, "purple") > 0.05


def test_what_the_negative_prompt_names_is_left_out():
    prompt = "a red fox and a tree in the fog"
    assert apart(drawn(prompt, negative_prompt="foxes, text"), drawn(prompt)) > 3
    assert [s.words[0] for s, _ in read(prompt, "foxes")[3]] == ["tree"]


def test_night_is_darker_than_noon():
    assert drawn("a meadow at night").mean() < drawn("a meadow at noon").mean() - 40


@pytest.mark.parametrize(
    ("prompt", "things"),
    [
        ("a red fox", "fox"),
        ("three blue boats", "boat boat boat"),
        ("two cats and a green house", "cat cat house"),
        ("foxes", "fox fox fox"),
        ("ninety owls, many owls", "owl owl owl owl owl owl"),
        ("a meadow", ""),
    ],
)
def test_things_are_counted(prompt: str, things: str):
    assert [subject.words[0] for subject, _ in read(prompt)[3]] == things.split()


@pytest.mark.parametrize(
    ("prompt", "light", "place"),
    [
        ("a fox in a forest at dawn", "dawn", "forest"),
        ("a purple sea in a storm", "storm", "water"),
        ("neon city at night", "neon", "city"),
        ("a boat", "day", "water"),
        ("a fish", "underwater", "underwater"),
        ("Beautiful landscape", "day", "land"),
        ("a harbour at noon, now night", "night", "land"),
    ],
)
def test_light_and_place_come_from_the_words_or_from_what_is_shown(
    prompt: str, light: str, place: str
):
    assert [names.split()[0] for names in read(prompt)[:2]] == [light, place]


@pytest.mark.parametrize("names", [*LIGHTS, *PLACES, *(" ".join(s.words) for s in SUBJECTS)])
def test_every_word_that_is_known_can_be_painted(names: str):
    for word in names.split():
        assert drawn(f"a {word}", width=64, height=64).std() > 4


@settings(max_examples=40)
@given(st.text(max_size=80), st.text(max_size=20), st.integers(0, 2**64 - 1))
def test_any_text_can_be_painted(text: str, negative: str, seed: int):
    prompt = f"a {text}"
    pixels = drawn(prompt, seed, negative_prompt=negative, width=72, height=64)
    assert pixels.shape == (64, 72, 3)


def test_a_prompt_of_any_length_is_painted_at_once():
    assert drawn("red fox " * 10_000, negative_prompt="blue boats " * 10_000).std() > 4


def redrawn(given_picture: np.ndarray, strength: float, prompt: str = "a red fox") -> DecodedImage:
    request = ImageToImage(prompt=prompt, image=png_of(given_picture), strength=strength)
    return decode(made(request, 4)[0])


@pytest.mark.parametrize("size", [(160, 128), (1, 1), (3, 2), (300, 9)])
def test_redrawing_keeps_the_picture_at_0_and_leaves_nothing_of_it_at_1(size: tuple[int, int]):
    first, second = gradient(*size), 255 - gradient(*size)
    assert np.array_equal(redrawn(first, 0).rgb, first)
    whole = [
        decode(made(ImageToImage(prompt="a fox", image=png_of(p), strength=1), 4)[0]).rgb
        for p in (first, second)
    ]
    assert np.array_equal(*whole)


@pytest.mark.parametrize("prompt", ["a castle", "a castle at night", "zeitgeist"])
def test_the_stronger_a_picture_is_redrawn_the_farther_it_gets(prompt: str):
    start = drawn(prompt).astype(np.uint8)
    distances = [
        apart(redrawn(start, s, "a fish").rgb, start) for s in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    ]
    assert distances == sorted(distances)
    assert distances[1] > 0.3


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P"])
def test_upscaling_is_four_times_lanczos_and_keeps_transparency(mode: str):
    buffer = io.BytesIO()
    picture = Image.fromarray(gradient(20, 10)).convert(mode)
    if mode == "RGBA":
        picture.putalpha(Image.fromarray(gradient(20, 10)[..., 0]))
    picture.save(buffer, "PNG")
    large = Image.open(io.BytesIO(made(Upscale(image=buffer.getvalue()))[0]))
    plain = picture if mode == "RGBA" else picture.convert("RGB")
    expected = plain.resize((80, 40), Image.Resampling.LANCZOS)
    assert (large.mode, large.size) == (expected.mode, expected.size)
    assert large.tobytes() == expected.tobytes()


@pytest.mark.parametrize("content", [b"AAAA", b"", png_of(gradient())[:60]])
def test_a_file_that_is_no_picture_is_rejected(content: bytes):
    with pytest.raises(InputRejected, match="image is not a picture that can be opened"):
        made(Upscale(image=content or b"\0"))


@pytest.mark.parametrize("size", [(1024, 1024), (256, 256), (64, 64), (16, 16), (1, 1)])
def test_every_picture_says_at_its_foot_where_it_comes_from(size: tuple[int, int]):
    plain = Image.new("RGB", size, (120, 160, 200))
    signed = np.asarray(sign(plain.copy(), "a prompt " * 40), int)
    rows = np.flatnonzero((signed != np.asarray(plain)).any(axis=(1, 2)))
    assert rows.max() == size[1] - 1
    assert rows.min() >= size[1] * 0.35 or size[1] < 16
    if size[1] >= 16:
        assert len(np.unique(signed[rows].reshape(-1, 3), axis=0)) > 4  # there are letters


def test_the_caption_leaves_out_characters_that_its_font_has_not():
    plain = Image.new("RGB", (512, 64), (120, 160, 200))
    words = sign(plain.copy(), "a fox \U0001f98a漢"), sign(plain.copy(), "a fox")
    assert words[0].tobytes() == words[1].tobytes()


def test_words_that_change_nothing_are_named():
    assert unknown_words("a Red fox and three zebras in the snow, gouache, calm mood") == ["zebra"]
    assert unknown_words("a red fox in the snow") == []
    plain = Image.new("RGB", (512, 64), (120, 160, 200))
    assert sign(plain.copy(), "a zebra").tobytes() != sign(plain.copy(), "a fox").tobytes()


def test_neighbouring_seeds_share_no_picture():
    three = Generate(model="anything_V5", sampler="Euler", prompt="a fox", image_count=3)
    sets = [set(made(three, seed)) for seed in (1, 2)]
    assert len(sets[0] | sets[1]) == 6
