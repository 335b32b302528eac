"""/openapi.json: every path, field and answer of the service, from the declarations.

It is as lax as the service was: a number may come as text, and names outside the catalogs are for
the endpoint to judge (400).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..api.endpoints import CATALOGS, ENDPOINTS, JOB_STATUS_PATH
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
from ..api.sandbox_keys import SANDBOX_PREMIUM_KEY
from .response_formats import CONTENT_TYPES, FILE_FORMATS

PATH = "/openapi.json"

Schema = dict[str, Any]

# A picture of one pixel.
_DOT = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
)

_TEXT: Schema = {"type": "string"}
_LINKS: Schema = {"type": "array", "items": _TEXT}
_BINARY: Schema = {"type": "string", "format": "binary"}
_REFUSALS = {
    400: "What was sent cannot be understood, or a name is not in its catalog",
    403: "Unknown key, or a request from a foreign web page",
    404: "There is no such thing",
    408: "The body did not arrive in time",
    411: "The body has no Content-Length",
    413: "Needs a premium account, or the body is too large",
    415: "The body is not JSON",
    416: "The file has no such part",
    422: "A value was refused; `detail` names every one, and never repeats what was sent",
    500: "The generation failed; `error` says why",
    503: "Too busy; Retry-After says when to come again",
}


def description(
    formats: Mapping[type[Request], str], catalogs: Mapping[str, Sequence[str]], version: str
) -> Schema:
    """The OpenAPI 3.1 document of a service that answers in `formats`."""
    paths: dict[str, Schema] = {
        f"/{name}": {"get": _listing(listed)} for name, listed in CATALOGS.items()
    }
    for kind in ENDPOINTS:
        paths[kind.path] = {"post": _endpoint(kind, formats[kind], catalogs)}
    paths[JOB_STATUS_PATH] = {"post": _job_status()}
    paths["/results/{name}"] = {"get": _result()}
    paths[PATH] = {"get": _operation("This description", {"application/json": {"type": "object"}})}
    info = {"title": "VisionCraft sandbox", "version": version}
    return {"openapi": "3.1.0", "info": info, "paths": paths}


def _operation(summary: str, answer: Schema, *refusals: int) -> Schema:
    """An operation that answers 200 with `answer`, schemas by content type."""
    content = {kind: {"schema": schema} for kind, schema in answer.items()}
    responses: Schema = {"200": {"description": "Done", "content": content}}
    for status in sorted({400, 403, 413, 415, 503, *refusals}):
        responses[str(status)] = {
            "description": _REFUSALS[status],
            "content": {"application/json": {"schema": _REFUSED if status == 422 else _ERROR}},
        }
    return {"summary": summary, "responses": responses}


def _posted(operation: Schema, properties: Mapping[str, Schema], required: list[str]) -> Schema:
    schema = {"type": "object", "properties": dict(properties), "required": required}
    content = {"application/json": {"schema": schema}}
    return {**operation, "requestBody": {"required": True, "content": content}}


_ERROR: Schema = {
    "type": "object",
    "properties": {"error": _TEXT, "detail": _TEXT},
    "minProperties": 1,
    "additionalProperties": False,
}
_REFUSED: Schema = {
    "type": "object",
    "required": ["detail"],
    "additionalProperties": False,
    "properties": {
        "detail": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["loc", "msg", "type"],
                "additionalProperties": False,
                "properties": {
                    "loc": {"type": "array", "items": _TEXT},
                    "msg": _TEXT,
                    "type": _TEXT,
                },
            },
        }
    },
}


def _listing(summary: str) -> Schema:
    return _operation(summary, {"application/json": _LINKS})


def _endpoint(
    kind: type[Request], response_format: str, catalogs: Mapping[str, Sequence[str]]
) -> Schema:
    words = (kind.__doc__ or "").partition("\n")[0]
    operation = _operation(words, _answer(kind, response_format), 408, 411, 422, 500)
    fields = {field.name: _field(field) for field in kind.fields()}
    token = {**_TEXT, "description": "sandbox-free or sandbox-premium"}
    required = [field.name for field in kind.fields() if field.required]
    described = _posted(operation, {**fields, "token": token}, [*required, "token"])
    described["requestBody"]["content"]["application/json"]["example"] = _example(kind, catalogs)
    return described


def _example(kind: type[Request], catalogs: Mapping[str, Sequence[str]]) -> Schema:
    """A body that is answered, and soon."""
    body: Schema = {"token": SANDBOX_PREMIUM_KEY}
    for field in kind.fields():
        if isinstance(field.kind, IntegerField):
            body[field.name] = max(field.kind.low, 1)
        elif isinstance(field.kind, ChoiceField):
            names = catalogs[field.kind.catalog]
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
        output = {"images": ("png",), "animation": ("gif",), "video": ("mp4",)}
        return {CONTENT_TYPES[name]: _BINARY for name in output.get(kind.output, ())}
    schemas: dict[str, Schema] = {
        "chat": _object(id=_TEXT, model=_TEXT, choices={"type": "array"}, usage={"type": "object"}),
        "premium-chat": _object(message=_TEXT, chat_id=_TEXT),
        "job": _object(job_id=_TEXT),
        "list": _LINKS,
        "error-200": _object(error=_TEXT),
        "codes-200": {"type": "array", "items": {"type": "object"}},
    }
    if response_format in FILE_FORMATS and response_format not in schemas:
        return {"application/json": _object(images=_LINKS)}
    return {"application/json": schemas[response_format]}


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


_MESSAGES: Schema = {"type": "array", "minItems": 1, "items": _object(role=_TEXT, content=_TEXT)}


def _job_status() -> Schema:
    status = {"enum": ["generating", "success"]}
    answer = {"application/json": _object(status=status, image=_TEXT)}
    operation = _operation("Asks whether a job is done", answer, 404, 408, 411, 422)
    return _posted(operation, {"job_id": {}}, [])


def _result() -> Schema:
    files = dict.fromkeys((*CONTENT_TYPES.values(), "application/octet-stream"), _BINARY)
    operation = _operation("A file that was made", files, 404, 416)
    part = {
        "description": "A part of the file",
        "content": operation["responses"]["200"]["content"],
    }
    operation["responses"]["206"] = part
    name = {"name": "name", "in": "path", "required": True, "schema": _TEXT}
    span = {"name": "Range", "in": "header", "schema": _TEXT}
    return {**operation, "parameters": [name, span]}


def _field(field: Field) -> Schema:
    schema = {**_SCHEMAS[type(field.kind)](field.kind), "description": field.help}
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
