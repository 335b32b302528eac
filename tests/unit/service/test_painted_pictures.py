from __future__ import annotations

import colorsys
import itertools
import subprocess
import sys
from hashlib import sha256
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.pictures import gradient
from visioncraft.visioncraft_core.service.engines.painted.pictures import (
    Brief,
    compose,
    restyle,
    sign,
    upscale,
)
from visioncraft.visioncraft_core.service.engines.painted.scene import (
    COLOURS,
    KINDS,
    LIGHTS,
    SETTINGS,
    read,
)

SIZE = {"width": 160, "height": 128}


def drawn(prompt: str, seed: int = 1, **brief: Any) -> np.ndarray:
    return np.asarray(compose(Brief(prompt=prompt, **brief), **SIZE, seed=seed), int)


def apart(first: np.ndarray, second: np.ndarray) -> float:
    """Mean difference of two pictures, in levels."""
    return float(np.abs(first - second).mean())


def share_of(pixels: np.ndarray, colour: str) -> float:
    """The share of pixels whose hue is near the colour's, and that are colourful."""
    wanted = colorsys.rgb_to_hsv(*(c / 255 for c in COLOURS[colour]))[0]
    hsv = np.asarray(Image.fromarray(pixels.astype(np.uint8)).convert("HSV"), int)
    away = np.abs((hsv[..., 0] / 255 - wanted + 0.5) % 1 - 0.5)
    return float(((away < 0.05) & (hsv[..., 1] > 110) & (hsv[..., 2] > 60)).mean())


@pytest.mark.parametrize(
    ("prompt", "colours"),
    [
        ("red", "red"),
        ("dark blue", "blue"),
        ("a vibrant red gradient", "red"),
        ("an abstract painting in red", "red"),
        ("an abstract painting in purple and orange", "purple orange"),
        ("orange abstract pattern", "orange"),
        ("geometric shapes in red, yellow and blue", "red yellow blue"),
        ("abstract, teal, gold, purple, magenta", "teal gold purple magenta"),
    ],
)
@pytest.mark.parametrize("style", ["", "sdxl-turbo"])
def test_colours_without_a_thing_fill_the_picture(prompt: str, colours: str, style: str):
    pictures = [drawn(prompt, seed=seed, style=style) for seed in range(8)]
    for colour, pixels in itertools.product(colours.split(), pictures):
        assert share_of(pixels, colour) > 0.15
    for first, second in itertools.combinations(pictures, 2):
        assert apart(first, second) > 5


@pytest.mark.parametrize(
    "prompt",
    ["a red fox", "abstract red fox", "a red zorblax", "a red meadow", "red sunset", "a red moon"],
)
def test_a_colour_of_something_makes_no_abstract_picture(prompt: str):
    assert read(prompt).setting != "abstract"


def test_the_moon_of_a_prompt_is_seen_from_a_room():
    seen = drawn("black cat at night under the moon")
    assert (seen.min(axis=2) > 170).mean() > (drawn("black cat at night").min(axis=2) > 170).mean()


@pytest.mark.parametrize("size", [(64, 64), (1024, 576), (37, 91), (512, 512), (1, 1)])
def test_a_picture_has_exactly_the_size_that_was_asked_for(size: tuple[int, int]):
    picture = compose(Brief(prompt="a fox"), width=size[0], height=size[1], seed=1)
    assert picture.size == size
    assert picture.mode == "RGB"


def test_the_same_words_give_the_same_bytes_in_another_process():
    code = (
        "from hashlib import sha256\n"
        "from visioncraft.visioncraft_core.service.engines.painted.pictures import Brief, compose\n"
        "brief = Brief(prompt='two cats, a quantum zeitgeist')\n"
        "p = compose(brief, width=160, height=128, seed=1)\n"
        "print(sha256(p.tobytes()).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    here = compose(Brief(prompt="two cats, a quantum zeitgeist"), **SIZE, seed=1)
    assert done.stdout.strip() == sha256(here.tobytes()).hexdigest()


def test_different_prompts_seeds_models_and_settings_give_different_pictures():
    pictures = [
        drawn("a red fox in the snow"),
        drawn("a red fox in the snow", seed=2),
        drawn("a blue boat on a lake"),
        drawn("a red fox in the snow", style="anything_V5"),
        drawn("a red fox in the snow", style="absolutereality_v1.6"),
        drawn("a red fox in the snow", guidance=0.0),
        drawn("a red fox in the snow", refined=True),
    ]
    for first, second in itertools.combinations(pictures, 2):
        assert apart(first, second) > 0.5
    assert apart(pictures[0], pictures[2]) > 15


@pytest.mark.parametrize("colour", ["red", "green", "blue", "purple", "orange"])
@pytest.mark.parametrize("thing", ["fox", "house", "car", "circle"])
def test_a_named_colour_is_on_the_thing_that_follows_it(thing: str, colour: str):
    others = [c for c in ("red", "green", "blue", "purple") if c != colour]
    asked = share_of(drawn(f"a {colour} {thing} in the snow"), colour)
    other = max(share_of(drawn(f"a {o} {thing} in the snow"), colour) for o in others)
    assert asked > 0.03
    assert asked > other + 0.02


def test_what_the_negative_prompt_names_is_left_out():
    plain = share_of(drawn("a red car and a green tree in the snow"), "red")
    without = share_of(
        drawn("a red car and a green tree in the snow", negative_prompt="car"), "red"
    )
    assert without < plain / 2


def test_night_is_darker_than_noon():
    assert drawn("a meadow at night").mean() < drawn("a meadow at noon").mean() - 40


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a red fox", [("fox", 1, "red")]),
        ("three blue boats", [("boat", 3, "blue")]),
        ("two cats and a green dragon", [("cat", 2, None), ("dragon", 1, "green")]),
        ("a lady in a red dress", [("person", 1, "red")]),
        ("ponies", [("horse", 3, None)]),
        ("99 owls", [("owl", 12, None)]),
        ("seven yellow ducks", [("duck", 7, "yellow")]),
        ("a white cat and a black cat", [("cat", 1, "white"), ("cat", 1, "black")]),
        ("portrait of an old wizard", [("wizard", 1, None)]),
        ("an orange", [("apple", 1, "orange")]),
        ("a green cup of coffee", [("cup", 1, "green")]),
        ("an orange cat", [("cat", 1, "orange")]),
        ("two wolves without a moon", [("wolf", 2, None)]),
        ("a fox, no trees", [("fox", 1, None)]),
        ("pink flamingo", [("swan", 1, "pink")]),
        ("a raven", [("bird", 1, "black")]),
        ("a planet with rings", [("planet", 1, None)]),
        ("a meadow", []),
    ],
)
def test_words_bind_to_the_thing_they_describe(prompt: str, expected: list[tuple[str, int, str]]):
    found = [(s.name, s.count, s.colour) for s in read(prompt).subjects]
    assert found == [(n, c, COLOURS[k] if k else None) for n, c, k in expected]


@pytest.mark.parametrize(
    ("prompt", "setting", "light"),
    [
        ("a fox in a forest at dawn", "forest", "dawn"),
        ("a purple sea in a storm", "sea", "storm"),
        ("neon city at night", "city", "neon"),
        ("a boat", "sea", "day"),
        ("an astronaut", "space", "day"),
        ("Beautiful landscape", "meadow", "day"),
        ("a field at golden hour", "meadow", "gold"),
        ("mountain lake at dawn", "lake", "dawn"),
        ("a house under a yellow moon", "meadow", "night"),
        ("rain in the city", "city", "storm"),
        ("portrait of a lady", "studio", "day"),
    ],
)
def test_place_and_light_come_from_the_words_or_from_what_is_shown(
    prompt: str, setting: str, light: str
):
    scene = read(prompt)
    assert (scene.setting, scene.light) == (setting, light)


@pytest.mark.parametrize("word", [*KINDS, *SETTINGS, *LIGHTS])
def test_every_word_of_the_cast_and_the_stage_can_be_drawn(word: str):
    picture = compose(Brief(prompt=word, style="anime"), width=96, height=96, seed=3, phase=0.3)
    assert np.asarray(picture).std() > 4


@settings(max_examples=40)
@given(st.text(max_size=80), st.text(max_size=20), st.integers(0, 2**64 - 1))
def test_any_text_can_be_drawn(prompt: str, style: str, seed: int):
    brief = Brief(prompt=prompt, style=style, detail=0.0)
    assert compose(brief, width=72, height=64, seed=seed).size == (72, 64)


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a quixotic zorblax", ["zorblax"]),
        ("a zorblax in the forest", ["zorblax"]),
        ("a zorblax and a frumious bandersnatch", ["zorblax", "bandersnatch"]),
        ("a quiet lake", []),
        ("misty forest, ethereal", []),
    ],
)
def test_an_emblem_is_drawn_for_an_unknown_thing_and_not_for_how_it_is(
    prompt: str, expected: list[str]
):
    assert [s.name for s in read(prompt).subjects] == expected


def test_a_giant_is_larger_than_a_tiny_one():
    scales = [read(f"a {word} red fox").subjects[0].scale for word in ("tiny", "plain", "giant")]
    assert scales == sorted(set(scales))
    tiny, giant = (share_of(drawn(f"a {w} red fox in snow"), "red") for w in ("tiny", "giant"))
    assert giant > 2 * tiny


def test_a_colour_that_the_negative_prompt_names_is_nowhere():
    meadow = "a boat on the sea in a garden"
    assert share_of(drawn(meadow), "blue") > 0.1
    assert share_of(drawn(meadow, negative_prompt="blue"), "blue") < 0.01


def test_sky_and_sea_take_colours_of_their_own():
    pixels = drawn("green sky, purple sea")
    assert share_of(pixels[:40], "green") > 0.5
    assert share_of(pixels[90:110], "purple") > share_of(drawn("a sea")[90:110], "purple") + 0.3


@pytest.mark.parametrize(
    ("first", "second"),
    list(itertools.combinations(["", "anime-v5", "realistic-vision", "dreamshaper", "sdxl"], 2)),
)
def test_each_model_has_a_hand_of_its_own(first: str, second: str):
    one, other = (drawn("a red fox in snow", style=style, seed=3) for style in (first, second))
    assert apart(one, other) > 3


def test_the_strip_leaves_out_characters_that_the_font_has_not():
    plain = Image.new("RGB", (512, 64), (120, 160, 200))
    assert sign(plain, "a fox \U0001f98a\u6f22").tobytes() == sign(plain, "a fox").tobytes()


def test_unknown_words_have_an_emblem_of_their_own():
    assert apart(drawn("zeitgeist"), drawn("weltschmerz")) > 3


def test_a_loop_closes_and_moves():
    frames = [
        np.asarray(compose(Brief(prompt="a cat by the sea"), **SIZE, seed=1, phase=p), int)
        for p in (0.0, 0.5, 1.0)
    ]
    assert apart(frames[0], frames[1]) > 0.3
    assert apart(frames[0], frames[2]) < 0.1


def test_redrawing_keeps_the_picture_at_0_and_leaves_nothing_of_it_at_1():
    given_picture, brief = Image.fromarray(gradient(160, 128)), Brief(prompt="a red fox")
    kept = restyle(given_picture, brief, strength=0.0, seed=4)
    gone = restyle(given_picture, brief, strength=1.0, seed=4)
    assert kept.tobytes() == given_picture.tobytes()
    assert gone.tobytes() == compose(brief, **SIZE, seed=4).tobytes()


def test_the_stronger_a_picture_is_redrawn_the_farther_it_gets():
    given_picture = compose(Brief(prompt="a castle"), **SIZE, seed=1)
    start = np.asarray(given_picture, int)
    distances = [
        apart(
            np.asarray(restyle(given_picture, Brief(prompt="a fish"), strength=s, seed=4), int),
            start,
        )
        for s in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    ]
    assert distances == sorted(distances)
    assert distances[1] > 1


def test_redrawn_by_a_third_a_picture_keeps_its_light_and_dark():
    given_picture = compose(Brief(prompt="a castle"), **SIZE, seed=1)
    brief = Brief(prompt="a cat in a neon city at night")
    redone = restyle(given_picture, brief, strength=0.35, seed=4)
    fresh = compose(brief, **SIZE, seed=4)
    grey = [np.asarray(p.convert("L"), float)[:110].ravel() for p in (given_picture, redone, fresh)]
    assert np.corrcoef(grey[0], grey[1])[0, 1] > 0.75
    assert abs(np.corrcoef(grey[2], grey[1])[0, 1]) < 0.75


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P"])
def test_upscaling_is_four_times_lanczos(mode: str):
    picture = Image.fromarray(gradient(20, 10)).convert(mode)
    large = upscale(picture)
    assert large.size == (80, 40)
    assert large.mode == ("RGBA" if mode == "RGBA" else "RGB")
    plain = picture.convert(large.mode).resize((80, 40), Image.Resampling.LANCZOS)
    assert large.tobytes() == plain.tobytes()


@pytest.mark.parametrize("size", [(1024, 1024), (256, 256), (64, 64), (16, 16)])
def test_every_picture_says_at_its_foot_where_it_comes_from(size: tuple[int, int]):
    plain = Image.new("RGB", size, (120, 160, 200))
    signed = np.asarray(sign(plain, "a prompt " * 40), int)
    changed = np.abs(signed - np.asarray(plain, int)).sum(axis=2) > 0
    rows = np.flatnonzero(changed.any(axis=1))
    assert rows.max() == size[1] - 1
    assert rows.min() > size[1] * 0.4
    assert len(np.unique(signed[-len(rows) :].reshape(-1, 3), axis=0)) > 4  # there are letters
