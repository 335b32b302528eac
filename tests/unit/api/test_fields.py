from __future__ import annotations

import base64
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from visioncraft.visioncraft_core.api.fields import (
    BooleanField,
    ChoiceField,
    FieldType,
    ImageField,
    IntegerField,
    InvalidFields,
    MessageField,
    MessagesField,
    NumberField,
    Request,
    TextField,
    WeightsField,
    field,
)
from visioncraft.visioncraft_core.errors import InvalidRequest

KINDS: list[FieldType] = [
    TextField(),
    MessageField(),
    ChoiceField(catalog="models"),
    IntegerField(1, 5),
    NumberField(0.0, 1.0),
    BooleanField(),
    ImageField(),
    WeightsField(catalog="loras"),
    MessagesField(),
]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@dataclass(frozen=True, kw_only=True)
class Sample(Request):
    path: ClassVar[str] = "/sample"
    output: ClassVar[Any] = "images"

    prompt: str = field(TextField(), "what")
    note: str = field(TextField(), "optional", default="")
    count: int = field(IntegerField(1, 5), "how many", default=1)
    weights: dict[str, float] = field(WeightsField(), "by name", default={})
    image: bytes = field(ImageField(), "a picture", default=b"x")


@given(json_values)
def test_a_kind_gives_a_value_it_would_accept_again_or_a_short_complaint(value: Any):
    for kind in KINDS:
        try:
            parsed = kind.parse(value)
        except ValueError as error:
            assert 0 < len(str(error)) < 120, kind
            continue
        assert kind.parse(parsed) == parsed, kind
        wire = json.loads(json.dumps(kind.to_json(parsed), allow_nan=False))
        assert kind.parse(wire) == parsed, kind


@pytest.mark.parametrize(
    ("kind", "given_value", "expected"),
    [
        (IntegerField(0, 20), "8", 8),
        (IntegerField(0, 20), 8.0, 8),
        (IntegerField(0, 20), " 8.0 ", 8),
        (NumberField(0, 1), "0.5", 0.5),
        (BooleanField(), "true", True),
        (BooleanField(), 0, False),
        (ChoiceField(), "  Euler a ", "Euler a"),
        (MessageField(), [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}], "b"),
        (WeightsField(), {"a": "2", "b": 0.5}, {"a": 2.0, "b": 0.5}),
    ],
)
def test_what_the_service_took_is_taken(kind: FieldType, given_value: Any, expected: Any):
    assert kind.parse(given_value) == expected


@pytest.mark.parametrize(
    ("kind", "refused"),
    [
        (IntegerField(1, 5), [0, 6, 1.5, True, None, "", "five", math.inf, math.nan, "9" * 5000]),
        (NumberField(0, 1), [-0.01, 1.01, False, None, "a", math.nan]),
        (TextField(), [None, 1, [], {}]),
        (BooleanField(), [None, 2, "yes", []]),
        (
            ImageField(),
            [None, 1, "", "not base64!", "data:image/png;base64,"],
        ),
        (WeightsField(), [None, [], {"a": None}, {"": 1}, {"a": True}, {1: 1}]),
        (
            MessagesField(),
            [None, [], ["a"], [{"role": "user"}], [{"role": "user", "content": " "}]],
        ),
    ],
)
def test_what_would_be_misread_is_refused(kind: FieldType, refused: list[Any]):
    for value in refused:
        with pytest.raises(ValueError, match=r"must|needs"):
            kind.parse(value)


def test_a_picture_may_carry_a_data_prefix_and_line_breaks():
    encoded = base64.encodebytes(b"\x89PNG" * 40).decode()
    assert ImageField().parse("data:image/png;base64," + encoded) == b"\x89PNG" * 40


def test_integral_weights_travel_as_integers():
    assert json.dumps(WeightsField().parse({"a": 1.0, "b": 0.5})) == '{"a": 1, "b": 0.5}'


def test_blank_optional_fields_are_left_out_and_null_is_never_sent():
    body = Sample(prompt="a fox", note="  ").to_json()
    assert body == {"prompt": "a fox", "count": 1, "image": "eA=="}


def test_every_problem_of_a_body_is_told_at_once():
    with pytest.raises(InvalidFields) as caught:
        Sample.from_json({"note": None, "count": 9})
    problems = {(p.field, p.type) for p in caught.value.problems}
    assert problems == {("prompt", "missing"), ("note", "null"), ("count", "value")}


def test_an_unknown_member_of_a_body_is_ignored():
    assert Sample.from_json({"prompt": "a", "watermark": False}) == Sample(prompt="a")


def test_an_empty_prompt_is_refused_before_anything_is_sent():
    with pytest.raises(InvalidRequest, match="prompt is empty"):
        Sample(prompt=" \n")


def test_a_request_keeps_its_own_copy_of_its_weights():
    weights = {"a": 1.0}
    request = Sample(prompt="x", weights=weights)
    weights["a"] = 9.0
    assert request.weights == {"a": 1.0}
    assert Sample(prompt="x").weights is not Sample(prompt="x").weights


@pytest.mark.parametrize("path", ["nope.png", "~/a b/fox.jpeg", Path("nope.png")])
def test_who_gives_the_path_of_a_picture_is_told_how_to_read_it(path: object):
    with pytest.raises(ValueError, match="read_bytes"):
        ImageField().parse(path)
