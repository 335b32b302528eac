from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.hosts import Host, run
from visioncraft.nodes import NODE_CLASS_MAPPINGS, comfy
from visioncraft.nodes.lora import parse, written
from visioncraft.visioncraft_core import errors
from visioncraft.visioncraft_core.api import endpoints
from visioncraft.visioncraft_core.sandbox import Sandbox

STACK: Any = NODE_CLASS_MAPPINGS["VisionCraftLoraStack"]
names = st.text(st.characters(exclude_characters="<>:"), max_size=12).map(str.strip).filter(bool)
weights = st.floats(allow_nan=False, allow_infinity=False)


def stacked(lora: str = "a", weight: float = 1.0, **more: Any) -> tuple[dict[str, float], str]:
    more.setdefault("enabled", True)
    return STACK().stack(lora=lora, weight=weight, **more)


def test_a_chain_collects_all_and_the_later_weight_counts():
    first, _ = stacked("a", 1.0)
    second, _ = stacked("b", 0.5, loras=first)
    third, text = stacked("a", 2.0, loras=second)
    assert list(third.items()) == [("b", 0.5), ("a", 2.0)]
    assert text == "<lora:b:0.5> <lora:a:2>"
    assert first == {"a": 1.0}


def test_an_entry_that_is_off_is_left_out():
    assert stacked("a", enabled=False, loras={"b": 1.0})[0] == {"b": 1.0}


def test_text_is_read_and_stands_before_the_chosen_one():
    loras, _ = stacked("a", 1.0, text="<lora:b:0.8>, < LoRA : c : -.5 >\n<lora:a:3>")
    assert loras == {"b": 0.8, "c": -0.5, "a": 1.0}


@pytest.mark.parametrize(
    "text",
    [
        *("<lora:a>", "more_details", "<lora:a:x>", "<lora:a:1", "<a:b:1>", "<lora: :1>"),
        *(f"<lora:a:{'9' * 400}>", "<lora:a:-1e999>", "<lora:a:nan>", "<lora:a:1_0>"),
    ],
)
def test_text_that_does_not_parse_is_told_before_the_run(text: str):
    with pytest.raises(errors.InvalidRequest, match=r"Write <lora:name:weight>"):
        parse(text)
    assert "is not understood" in STACK.VALIDATE_INPUTS(text=text)
    assert STACK.VALIDATE_INPUTS(text=None) is True


@given(st.dictionaries(names, weights, max_size=6))
def test_what_is_written_is_read_again(weights: dict[str, float]):
    text = written(weights)
    assert list(parse(text).items()) == list(weights.items())
    assert written(parse(text)) == text


@pytest.mark.parametrize(
    ("weight", "text"),
    [(1e-05, "0.00001"), (99999999.0, "99999999"), (0.12345678, "0.12345678"), (2, "2")],
)
def test_a_weight_is_written_in_plain_decimals(weight: float, text: str):
    assert written({"a": weight}) == f"<lora:a:{text}>"


def test_a_weight_may_have_an_exponent():
    assert parse("<lora:a:1e-05> <lora:b:+2.E+1>") == {"a": 0.00001, "b": 20.0}


@pytest.mark.parametrize("filler", [" ", "9", "9 ", "<", "<lora:"])
def test_a_long_text_takes_no_time(filler: str):
    for text in (filler * 200_000, f"<lora:a:{filler * 200_000}x>"):
        with pytest.raises(errors.InvalidRequest):
            parse(f"<lora:a{text}")


@given(st.text(max_size=40))
def test_any_text_is_a_stack_or_one_sentence(text: str):
    try:
        assert all(isinstance(weight, float) for weight in parse(text).values())
    except errors.InvalidRequest as error:
        assert len(str(error)) < 300


def test_unknown_names_and_more_than_five_get_a_hint_and_pass():
    host = Host("auto")
    comfy.use(host)
    stacked("no-such-lora")
    assert "Not in the list of LoRAs, but sent anyway: no-such-lora" in host.heard[-1]
    stacked("a", loras={f"l{n}": 1.0 for n in range(5)})
    assert "6 LoRAs" in host.heard[-1]


def test_a_known_lora_gets_no_hint():
    host = Host("auto")
    comfy.use(host)
    stacked("more_details_v10")
    assert host.heard == []


def test_a_stack_travels_with_its_weights(sandbox: Sandbox):
    comfy.use(Host(sandbox.url))
    loras, _ = stacked("more_details_v10", 1.0, loras={"3DMM_V12": 0.5})
    request = endpoints.Generate(model="anything_V5", sampler="Euler", prompt="a fox", loras=loras)
    assert str(request.to_json()["loras"]) == "{'3DMM_V12': 0.5, 'more_details_v10': 1}"
    node = NODE_CLASS_MAPPINGS["VisionCraftGenerate"]
    images, _, _ = run(node, model="anything_V5", sampler="Euler", prompt="a fox", loras=loras)
    assert images.shape == (1, 512, 512, 3)
