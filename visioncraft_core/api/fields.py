"""The types of field that a request can have, and Request, which validates its own values.

A type parses what it is given (from Python, a widget or JSON) into one canonical value or raises
ValueError with a few words. It is lax in the ways the service was (numeric strings, integral
floats) and strict in the others (null, booleans for numbers). Knows no endpoint and no HTTP.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import PurePath
from typing import Any, ClassVar, Literal, TypeVar

from ..base64_text import Base64, b64decode, b64encode
from ..errors import InvalidRequest, clip

OutputKind = Literal["images", "animation", "video", "text"]
AnswerForm = Literal["links", "bytes", "chat", "premium-chat"]

_WITHOUT_BLANKS = dict.fromkeys(map(ord, " \t\r\n\v\f"))


@dataclass(frozen=True)
class FieldType:
    """How one field is validated and written as JSON."""

    def parse(self, value: object) -> Any:
        raise NotImplementedError

    def to_json(self, value: Any) -> Any:
        return value


@dataclass(frozen=True)
class TextField(FieldType):
    multiline: bool = False

    def parse(self, value: object) -> str:
        if not isinstance(value, str):
            raise ValueError("must be text")
        return value


@dataclass(frozen=True)
class MessageField(TextField):
    """Text for one chat turn. The specification's list says "list", its example is a string."""

    def parse(self, value: object) -> str:
        if isinstance(value, list):
            turns = MessagesField().parse(value)
            return next((t["content"] for t in reversed(turns) if t["role"] == "user"), "")
        return super().parse(value)


@dataclass(frozen=True)
class ChoiceField(TextField):
    """A name from a catalog. Other names pass: the catalogs of the specification end in "..."."""

    catalog: str = ""
    suggested: str = ""

    def parse(self, value: object) -> str:
        return super().parse(value).strip()


@dataclass(frozen=True)
class IntegerField(FieldType):
    """`step` is what a widget counts in; any whole number within the limits is taken."""

    low: int = 0
    high: int = 0
    step: int = 1

    def parse(self, value: object) -> int:
        number = _number(value, "must be a whole number")
        if not number.is_integer():
            raise ValueError("must be a whole number")
        return int(_within(number, self.low, self.high))


@dataclass(frozen=True)
class NumberField(FieldType):
    low: float = 0.0
    high: float = 1.0
    step: float = 0.01

    def parse(self, value: object) -> float:
        return _within(_number(value, "must be a number"), self.low, self.high)


@dataclass(frozen=True)
class BooleanField(FieldType):
    def parse(self, value: object) -> bool:
        word = str(value).lower() if isinstance(value, str | int) else ""
        if word not in ("true", "1", "false", "0"):
            raise ValueError("must be true or false")
        return word in ("true", "1")


@dataclass(frozen=True)
class ImageField(FieldType):
    """A picture file as bytes or base64; sent as base64 without prefix or line breaks."""

    def parse(self, value: object) -> bytes:
        if isinstance(value, str):
            encoded = value.partition(",")[2] if value.startswith("data:") else value
            with suppress(ValueError):
                value = b64decode(encoded.translate(_WITHOUT_BLANKS), validate=True)
        if isinstance(value, PurePath) or (
            isinstance(value, str) and PurePath(value[-20:]).suffix[1:].isalnum()
        ):
            raise ValueError("must be the picture, not its path: Path(...).read_bytes() reads it")
        if not isinstance(value, bytes) or not value:
            raise ValueError("must be a picture file as bytes or base64 text")
        return value

    def to_json(self, value: bytes) -> str:
        return Base64(b64encode(value), "ascii")


@dataclass(frozen=True)
class WeightsField(FieldType):
    """Names from a catalog, each with a number. Integral weights travel as integers."""

    catalog: str = ""

    def parse(self, value: object) -> dict[str, float]:
        if not isinstance(value, Mapping):
            raise ValueError("must map names to weights")
        weights: dict[str, float] = {}
        for name, weight in value.items():
            if not isinstance(name, str) or not name.strip():
                raise ValueError("must map names to weights")
            number = _number(weight, f"needs a number for {clip(name, 40)}")
            weights[name] = int(number) if number.is_integer() else number
        return weights


@dataclass(frozen=True)
class MessagesField(FieldType):
    """A conversation: dicts with `role` and `content`, oldest first."""

    def parse(self, value: object) -> tuple[dict[str, str], ...]:
        turns = tuple(value) if isinstance(value, list | tuple) else ()
        if not turns:
            raise ValueError("must be a list with at least one message")
        parsed = tuple(self._turn(turn) for turn in turns)
        if not parsed[-1]["content"].strip():
            raise ValueError("must not end with an empty message")
        return parsed

    @staticmethod
    def _turn(turn: object) -> dict[str, str]:
        role = turn.get("role") if isinstance(turn, Mapping) else None
        content = turn.get("content") if isinstance(turn, Mapping) else None
        if not isinstance(role, str) or not role or not isinstance(content, str):
            raise ValueError("must hold messages with role and content as text")
        return {"role": role, "content": content}


def _number(value: object, message: str) -> float:
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        with suppress(ValueError, OverflowError):
            number = float(value)
            if math.isfinite(number):
                return number
    raise ValueError(message)


def _within(number: float, low: float, high: float) -> float:
    if not low <= number <= high:
        raise ValueError(f"must be {low:g} to {high:g}, got {number:g}")
    return number


def _is_blank(value: object) -> bool:
    return value == {} or (isinstance(value, str) and not value.strip())


@dataclass(frozen=True)
class Field:
    """One field of a request as the documentation, the widgets and the sandbox see it."""

    name: str
    kind: FieldType
    help: str
    default: Any
    required: bool


@dataclass(frozen=True)
class FieldError:
    """One value that was rejected. `type` is a word for programs: missing, null or value."""

    field: str
    message: str
    type: str = "value"


class InvalidFields(InvalidRequest):
    """Values that an endpoint does not accept; `problems` lists every one of them."""

    def __init__(self, path: str, problems: list[FieldError]) -> None:
        first, more = problems[0], len(problems) - 1
        others = f" (and {more} more)" if more else ""
        super().__init__(
            f"{first.field} {first.message}{others}; nothing was sent to {path}.",
            "Change the value and run again.",
            phase="check",
        )
        self.problems = tuple(problems)


R = TypeVar("R", bound="Request")


def field(kind: FieldType, help_text: str, *, default: Any = dataclasses.MISSING) -> Any:
    """One field of a request class. Without a default the field is required."""
    required = default is dataclasses.MISSING
    metadata = {
        "kind": kind,
        "help": help_text,
        "default": None if required else default,
        "required": required,
    }
    if isinstance(default, dict):
        return dataclasses.field(default_factory=default.copy, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Request:
    """One call of one endpoint. Built means valid: an instance can always be sent.

    A subclass carries all that is particular to its endpoint: `id` and `title` are those of its
    node, and workflow files hold the id; `answer_form` is how the service answered it at the date
    of the specification; `expected_seconds` is what a server may need before it begins to answer;
    `free` lists the values of a field that need no premium account, where all others do.
    """

    path: ClassVar[str]
    id: ClassVar[str]
    title: ClassVar[str]
    output: ClassVar[OutputKind]
    answer_form: ClassVar[AnswerForm]
    expected_seconds: ClassVar[float] = 300.0
    premium: ClassVar[bool] = False
    free: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    def __post_init__(self) -> None:
        problems: list[FieldError] = []
        for field in self.fields():
            value = getattr(self, field.name)
            if value is dataclasses.MISSING:
                problems.append(FieldError(field.name, "is required", "missing"))
            elif value is None:
                problems.append(FieldError(field.name, "needs a value", "null"))
            else:
                try:
                    value = field.kind.parse(value)
                    if field.required and _is_blank(value):
                        raise ValueError("is empty")
                    object.__setattr__(self, field.name, value)
                except ValueError as error:
                    problems.append(FieldError(field.name, str(error)))
        if problems:
            raise InvalidFields(self.path, problems)

    @classmethod
    @cache
    def fields(cls) -> tuple[Field, ...]:
        return tuple(Field(member.name, **member.metadata) for member in dataclasses.fields(cls))

    @classmethod
    def from_json(cls: type[R], body: Mapping[str, Any]) -> R:
        """The request a JSON body asks for. Unknown members are ignored, as the service does.

        Raises InvalidFields with every problem of the body.
        """
        names = [f.name for f in cls.fields() if f.required or f.name in body]
        return cls(**{name: body.get(name, dataclasses.MISSING) for name in names})

    def to_json(self) -> dict[str, Any]:
        """The body without the token. Blank optional fields are left out: absent is not ""."""
        body: dict[str, Any] = {}
        for field in self.fields():
            value = getattr(self, field.name)
            if field.required or not _is_blank(value):
                body[field.name] = field.kind.to_json(value)
        return body

    def needs_premium(self) -> bool:
        """Whether a server rejects this request of a free account."""
        # Servers take names in any case.
        paid = any(
            str(getattr(self, field)).lower() not in map(str.lower, names)
            for field, names in self.free.items()
        )
        return self.premium or paid
