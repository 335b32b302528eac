"""/openapi.json: every path, field and answer of the service, from the declarations.

It is as lax as the service was: a number may come as text, and names outside the catalogs are for
the endpoint to judge (400).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from ..api.endpoints import CATALOGS, JOB_STATUS_PATH
from ..api.extensions import ACCEPT_HEADER, ACCEPTS_SEED, LARGEST_SEED, SEED_HEADER
from ..api.fields import (
    BooleanField,
    ChoiceField,
    Field,
    FieldType,
    ImageField,
    IntegerField,
    MessageField,
    MessagesField,
    NumberField,
    Request,
    TextField,
    WeightsField,
)
from .response_formats import CONTENT_TYPES

PATH = "/openapi.json"

Schema = dict[str, Any]

# A picture of one pixel.
_DOT = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
)

_TEXT: Schema = {"type": "string"}
_LINKS: Schema = {"type": "array", "items": _TEXT}
_BINARY: Schema = {"type": "string", "format": "binary"}
_OBJECT: Schema = {"type": "object"}
_SEED: Schema = {
    "name": SEED_HEADER,
    "in": "header",
    "schema": {"type": "integer", "minimum": 0, "maximum": LARGEST_SEED},
    "description": "The same request with the same seed gives the same result. Beyond the "
    f"specification; every answer has {ACCEPTS_SEED} in {ACCEPT_HEADER}.",
}


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


_MESSAGES: Schema = {"type": "array", "minItems": 1, "items": _object(role=_TEXT, content=_TEXT)}
_ERROR: Schema = {
    "type": "object",
    "properties": {"error": _TEXT, "detail": _TEXT},
    "minProperties": 1,
    "additionalProperties": False,
}
# It names every value that was refused, and never repeats what was sent.
_PROBLEM = _object(loc=_LINKS, msg=_TEXT, type=_TEXT)
_REFUSED = _object(detail={"type": "array", "minItems": 1, "items": _PROBLEM})


def description(
    formats: Mapping[type[Request], str],
    catalogs: Mapping[str, Sequence[str]],
    version: str,
    title: str,
    key: str,
) -> Schema:
    """The OpenAPI 3.1 document of a service that answers in `formats`; `key` is for examples,
    "" where keys are secrets."""
    paths: dict[str, Schema] = {
        f"/{name}": {"get": _operation(listed, _json(_LINKS))} for name, listed in CATALOGS.items()
    }
    for kind, response_format in formats.items():
        paths[kind.path] = {"post": _endpoint(kind, response_format, catalogs, key)}
    paths[JOB_STATUS_PATH] = {"post": _job_status()}
    paths["/results/{name}"] = {"get": _result()}
    paths[PATH] = {"get": _operation("This description", _json(_OBJECT))}
    info = {"title": title, "version": version}
    return {"openapi": "3.1.0", "info": info, "paths": paths}


def _json(schema: Schema, **more: Any) -> Schema:
    return {"application/json": {"schema": schema, **more}}


def _operation(summary: str, content: Schema, *refusals: int) -> Schema:
    """An operation that answers 200 with `content`, by content type."""
    responses: Schema = {"200": {"description": "OK", "content": content}}
    for status in (400, 403, 413, 415, 503, *refusals):
        responses[str(status)] = {
            "description": HTTPStatus(status).phrase,
            "content": _json(_REFUSED if status == 422 else _ERROR),
        }
    return {"summary": summary, "responses": responses}


def _posted(operation: Schema, content: Schema) -> Schema:
    return {**operation, "requestBody": {"required": True, "content": content}}


def _endpoint(
    kind: type[Request], response_format: str, catalogs: Mapping[str, Sequence[str]], key: str
) -> Schema:
    words = (kind.__doc__ or "").partition("\n")[0]
    operation = _operation(words, _answer(kind, response_format), 408, 411, 422, 500)
    token = {**_TEXT, "description": f"Your key, such as {key}" if key else "Your key"}
    schema = {
        "type": "object",
        "properties": {**{field.name: _field(field) for field in kind.fields()}, "token": token},
        "required": [*(field.name for field in kind.fields() if field.required), "token"],
    }
    posted = _posted(operation, _json(schema, example=_example(kind, catalogs, key)))
    shown = {"x-title": kind.title, "x-premium": kind.premium}  # for the page at /
    return {**posted, "parameters": [_SEED], **shown}


def example(kind: type[Request], catalogs: Mapping[str, Sequence[str]]) -> Request | None:
    """A request that is answered where the catalogs have what it needs, else None."""
    needed = (field.kind.catalog for field in kind.fields() if isinstance(field.kind, ChoiceField))
    if not all(catalogs.get(catalog) for catalog in needed):
        return None
    body = _example(kind, catalogs, "")
    return kind.from_json({name: value for name, value in body.items() if name != "token"})


def _example(kind: type[Request], catalogs: Mapping[str, Sequence[str]], key: str) -> Schema:
    """A body that is answered, and soon."""
    body: Schema = {"token": key or "YOUR-KEY"}
    for field in kind.fields():
        if isinstance(field.kind, IntegerField):
            body[field.name] = max(field.kind.low, 1)
        elif isinstance(field.kind, ChoiceField):
            names = catalogs.get(field.kind.catalog, ())
            preferred = field.kind.suggested or field.default
            body[field.name] = preferred if preferred in names else next(iter(names), "")
        elif isinstance(field.kind, ImageField):
            body[field.name] = _DOT
        elif isinstance(field.kind, MessagesField):
            body[field.name] = [{"role": "user", "content": "A word about foxes."}]
        elif isinstance(field.kind, TextField) and field.required:
            body[field.name] = "a red fox"
    return body


def _answer(kind: type[Request], response_format: str) -> Schema:
    if response_format == "bytes":
        name = {"images": "png", "animation": "gif", "video": "mp4"}[kind.output]
        return {CONTENT_TYPES[name]: {"schema": _BINARY}}
    schemas: dict[str, Schema] = {
        "chat": _object(id=_TEXT, model=_TEXT, choices={"type": "array"}, usage=_OBJECT),
        "premium-chat": _object(message=_TEXT, chat_id=_TEXT),
        "job": _object(job_id=_TEXT),
        "list": _LINKS,
    }
    return _json(schemas.get(response_format, _object(images=_LINKS)))


def _job_status() -> Schema:
    answer = _object(status={"enum": ["generating", "success"]}, image=_TEXT)
    operation = _operation("Asks whether a job is done", _json(answer), 404, 408, 411, 422)
    return _posted(operation, _json({**_OBJECT, "properties": {"job_id": {}}}))


def _result() -> Schema:
    types = (*CONTENT_TYPES.values(), "application/octet-stream")
    files = {content_type: {"schema": _BINARY} for content_type in types}
    operation = _operation("A file that was made", files, 404, 416)
    operation["responses"]["206"] = {"description": "A part of the file", "content": files}
    name = {"name": "name", "in": "path", "required": True, "schema": _TEXT}
    span = {"name": "Range", "in": "header", "schema": _TEXT}
    return {**operation, "parameters": [name, span]}


def _field(field: Field) -> Schema:
    schema = {**_SCHEMAS[type(field.kind)](field.kind), "description": field.help}
    if catalog := getattr(field.kind, "catalog", ""):
        schema["x-catalog"] = catalog
    if getattr(field.kind, "multiline", False) or isinstance(field.kind, MessageField):
        schema["x-multiline"] = True
    if not field.required:
        schema["default"] = field.kind.to_json(field.default)
    return schema


# One entry a kind of field; a test holds it complete.
_SCHEMAS: dict[type[FieldType], Callable[[Any], Schema]] = {
    TextField: lambda _kind: _TEXT,
    MessageField: lambda _kind: {"anyOf": [_TEXT, _MESSAGES]},
    ChoiceField: lambda kind: {**_TEXT, "examples": [kind.suggested]} if kind.suggested else _TEXT,
    IntegerField: lambda kind: {
        "anyOf": [{"type": "integer", "minimum": kind.low, "maximum": kind.high}, _TEXT]
    },
    NumberField: lambda kind: {
        "anyOf": [{"type": "number", "minimum": kind.low, "maximum": kind.high}, _TEXT]
    },
    BooleanField: lambda _kind: {"anyOf": [{"type": "boolean"}, {"enum": [0, 1]}, _TEXT]},
    ImageField: lambda _kind: {**_TEXT, "contentEncoding": "base64"},
    WeightsField: lambda _kind: {
        "type": "object",
        "additionalProperties": {"type": ["number", "string"]},
    },
    MessagesField: lambda _kind: _MESSAGES,
}
