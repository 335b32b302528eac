from __future__ import annotations

import json
from typing import Any

import pytest
from visioncraft.nodes import widgets
from visioncraft.visioncraft_core.api.catalogs import bundled
from visioncraft.visioncraft_core.api.endpoints import ENDPOINTS
from visioncraft.visioncraft_core.api.fields import Field, MessagesField

SHOWN = [
    (endpoint, field)
    for endpoint in ENDPOINTS
    for field in endpoint.fields()
    if not isinstance(field.kind, MessagesField)
]


def names(catalog: str) -> list[str]:
    return bundled()[catalog]


@pytest.mark.parametrize(("endpoint", "field"), SHOWN, ids=lambda x: getattr(x, "path", x))
def test_every_field_becomes_an_input_that_explains_itself(endpoint: Any, field: Field):
    type_name, options = widgets.of(field, names)
    assert options["tooltip"] == field.help
    assert isinstance(type_name, list) or type_name.isupper()
    json.dumps(options, allow_nan=False)


def test_limits_and_defaults_are_those_of_the_declaration():
    for _, field in SHOWN:
        _, options = widgets.of(field, names)
        for ours, theirs in (("low", "min"), ("high", "max"), ("step", "step")):
            assert getattr(field.kind, ours, None) == options.get(theirs)
        if not field.required and "default" in options:
            assert options["default"] == field.default


def test_a_choice_starts_with_its_default_or_with_the_first_name_there_is():
    assert widgets.choice(["a", "b"], "b", "x.")[1]["default"] == "b"
    assert widgets.choice(["a", "b"], "gone", "x.")[1]["default"] == "a"


def test_the_seed_is_exact_in_javascript_and_has_comfyuis_control():
    _, options = widgets.SEED
    assert options["max"] == 9_007_199_254_740_991
    assert options["control_after_generate"] is True
    assert "not sent" in options["tooltip"]


def test_a_choice_of_a_catalog_takes_any_name_and_any_text_link():
    """As ComfyUI asks: `in` for a value, `!=` for the type of a link."""
    names, options = widgets.open_choice(["a", "b"], "b", "x.")
    assert names == ["a", "b"]
    assert json.dumps(names) == '["a", "b"]'
    assert options["default"] == "b"
    assert "gone" in names
    for no_name in ("", " ", None, 3):
        assert no_name not in names
    for fits in ("STRING", "COMBO,STRING", "COMBO", "*", ["x"]):
        assert (fits != names) is False
    for wrong in ("IMAGE", "INT"):
        assert wrong != names


def test_prompts_take_alternatives_and_what_is_said_to_a_language_model_does_not():
    dynamic = {
        (endpoint.id, field.name)
        for endpoint, field in SHOWN
        if widgets.of(field, names)[1].get("dynamicPrompts")
    }
    assert {name for _, name in dynamic} == {"prompt", "negative_prompt"}
    assert ("VisionCraftPremiumLLM", "message") not in dynamic
