from __future__ import annotations

from typing import Any

import pytest
from support import spec
from support.clients import body_of
from visioncraft.visioncraft_core.api.catalogs import bundled
from visioncraft.visioncraft_core.api.endpoints import CATALOGS, ENDPOINTS, GenerateXL
from visioncraft.visioncraft_core.api.fields import (
    ChoiceField,
    Field,
    IntegerField,
    InvalidFields,
    NumberField,
    Request,
    WeightsField,
)

FIELDS = [(endpoint, field) for endpoint in ENDPOINTS for field in endpoint.fields()]
LIMITED = [(e, f) for e, f in FIELDS if isinstance(f.kind, IntegerField | NumberField)]


def test_the_declarations_are_the_specification():
    declared = []
    for endpoint, field in FIELDS:
        low = getattr(field.kind, "low", spec.NONE)
        high = getattr(field.kind, "high", spec.NONE)
        default = spec.NONE if field.required else field.default
        declared.append((endpoint.path, field.name, field.required, default, low, high))
    assert declared == spec.ROWS


def test_every_choice_names_its_catalog():
    declared = {
        (endpoint.path, field.name): field.kind.catalog
        for endpoint, field in FIELDS
        if isinstance(field.kind, ChoiceField | WeightsField)
    }
    assert declared == spec.CHOICES
    assert set(declared.values()) <= set(CATALOGS)


def test_the_bundled_catalogs_begin_with_the_names_of_the_specification():
    assert {f"/{name}" for name in CATALOGS} == set(spec.CATALOGS)
    assert set(bundled()) == set(CATALOGS)
    for catalog in CATALOGS:
        names = spec.CATALOGS[f"/{catalog}"]
        assert bundled()[catalog][: len(names)] == names
        assert len(set(bundled()[catalog])) == len(bundled()[catalog])


def test_defaults_and_suggestions_are_in_their_catalogs():
    for _, field in FIELDS:
        if isinstance(field.kind, ChoiceField):
            assert (field.default or field.kind.suggested) in bundled()[field.kind.catalog]


@pytest.mark.parametrize(
    ("endpoint", "field"), LIMITED, ids=lambda x: getattr(x, "path", None) or x.name
)
def test_both_edges_are_taken_and_one_step_outside_is_refused(
    endpoint: type[Request], field: Field
):
    kind: Any = field.kind
    for value in (kind.low, kind.high):
        assert getattr(
            endpoint.from_json({**body_of(endpoint), field.name: value}), field.name
        ) == (value)
    for value in (kind.low - kind.step, kind.high + kind.step):
        with pytest.raises(InvalidFields, match=f"{field.name} must be"):
            endpoint.from_json({**body_of(endpoint), field.name: value})


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: e.path)
def test_a_request_survives_the_wire(endpoint: type[Request]):
    request = endpoint.from_json(body_of(endpoint))
    assert endpoint.from_json(request.to_json()) == request


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: e.path)
def test_every_required_field_is_missed(endpoint: type[Request]):
    for name in body_of(endpoint):
        body = {k: v for k, v in body_of(endpoint).items() if k != name}
        with pytest.raises(InvalidFields, match=f"{name} is required"):
            endpoint.from_json(body)


def test_only_what_the_specification_names_needs_a_paid_account():
    assert {e.path for e in ENDPOINTS if e.premium} == spec.PREMIUM_PATHS
    free = {
        m for m in bundled()["models-xl"] if not GenerateXL(prompt="a", model=m).needs_premium()
    }
    assert free == spec.FREE_XL_MODELS
    for name in spec.FREE_XL_MODELS:  # the server takes names in any case
        for written in (name.upper(), name.lower(), f" {name.title()} "):
            assert not GenerateXL(prompt="a", model=written).needs_premium()


def test_every_endpoint_and_field_explains_itself():
    for endpoint, field in FIELDS:
        assert endpoint.__doc__
        assert field.help.endswith(".")
