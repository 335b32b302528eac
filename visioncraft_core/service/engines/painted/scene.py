"""What a prompt asks to see: its subjects with their colours and number, the place, the light.

Reads words and draws nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256

from .cast import KINDS
from .cast.kind import Kind
from .colour import RGB
from .wording import is_number, parted, singular, words_of
from .words import (
    ARTICLES,
    BACKDROPS,
    BREAKS,
    COLOURS,
    FORMLESS,
    HUELESS,
    LIGHTS,
    NATURAL,
    NIGHTLY,
    NUMBERS,
    PLAIN,
    PORTRAITS,
    SETTINGS,
    SHADES,
    SIZES,
    SKY_WORDS,
)

MOST_SUBJECTS = 4
MOST_OF_A_KIND = 12


@dataclass(frozen=True)
class Subject:
    """One thing to draw, `count` times. `colour` is what the words beside it asked for."""

    name: str
    kind: Kind | None
    count: int = 1
    colour: RGB | None = None
    scale: float = 1.0
    near: bool = False  # a portrait: it fills the picture


@dataclass(frozen=True)
class Scene:
    """All that a prompt says. `tints` are colours that belong to no subject.

    The setting is "abstract" where a prompt names nothing but tints. `sky` holds what hangs in the
    sky, `sky_colour` is the colour of sun or moon, `over` that of the sky itself; `banned` are
    colours that no part of the picture may have.
    """

    setting: str
    light: str
    subjects: tuple[Subject, ...] = ()
    tints: tuple[RGB, ...] = ()
    sky: frozenset[str] = frozenset()
    sky_colour: RGB | None = None
    over: RGB | None = None
    banned: tuple[RGB, ...] = ()


def _index(table: dict[str, str]) -> dict[str, str]:
    return {word: name for name, words in table.items() for word in words.split()}


_PLAIN_WORDS, _BREAKS = frozenset(PLAIN.split()), frozenset(BREAKS.split())
_FORMLESS = frozenset(FORMLESS.split())
_ARTICLES, _PORTRAITS = frozenset(ARTICLES.split()), frozenset(PORTRAITS.split())
_SETTING_WORDS, _LIGHT_WORDS = _index(SETTINGS), _index(LIGHTS)
_KIND_WORDS = {word: name for name, kind in KINDS.items() for word in (name, *kind.words.split())}


def read(prompt: str, negative_prompt: str = "") -> Scene:
    """The scene in `prompt`, without what `negative_prompt`, "no ..." or "without ..." name."""
    wanted, unwanted = parted(prompt)
    unwanted |= {form for word in words_of(negative_prompt) for form in singular(word)}
    reader = _Reader()
    for word in wanted:
        if not _refused(word, unwanted):
            reader.take(word)
    return reader.scene(unwanted)


def digest(text: str) -> int:
    """A number that stands for `text`, the same on every computer."""
    return int.from_bytes(sha256(text.encode("utf-8", "replace")).digest()[:8], "big")


def _refused(word: str, unwanted: set[str]) -> bool:
    """By the word itself, or by the name of its kind: "dog" refuses puppies too."""
    forms = set(singular(word))
    return bool(unwanted & (forms | {_KIND_WORDS[form] for form in forms if form in _KIND_WORDS}))


class _Reader:
    """Walks over the words; colour, number and size belong to the next thing that is named."""

    def __init__(self) -> None:
        self._subjects: list[Subject] = []
        self._unknown: list[Subject] = []
        self._sure: list[bool] = []  # whether the unknown one stands behind an article
        self._settings: list[str] = []
        self._lights: list[str] = []
        self._shaded = 0  # how many of the lights may be no more than shades
        self._tints: list[RGB] = []
        self._sky: set[str] = set()
        self._sky_colour: RGB | None = None
        self._over: RGB | None = None
        self._portrait = False
        self._forget()
        self._end_group()

    def take(self, word: str) -> None:
        if word in _BREAKS:
            self._fruit(word)
            self._end_group()
        elif word in _ARTICLES or word in NUMBERS or is_number(word):
            self._determined = True
            self._count(word)
        elif word in SIZES:
            self._scale = SIZES[word]
        elif word in COLOURS:
            self._drop_colour()
            self._colour = COLOURS[word]
        elif word in ("sky", "skies"):
            self._over = self._colour or self._over
            self._forget()
        else:
            self._name(word)

    def scene(self, unwanted: set[str]) -> Scene:
        self._fruit(".")
        self._drop_colour()
        subjects = self._subjects or self._emblems()
        if self._portrait:
            subjects = [replace((subjects or [_SITTER])[0], near=True), *subjects[1:]]
        if abstract := self._names_only_colours(subjects):
            subjects = []
        own = {s.colour for s in subjects}
        setting = "abstract" if abstract else self._setting(subjects)
        return Scene(
            setting=setting,
            light=self._light(setting),
            subjects=tuple(subjects[:MOST_SUBJECTS]),
            tints=tuple(t for t in self._tints if t not in own or self._subjects),
            sky=frozenset(self._sky),
            sky_colour=self._sky_colour,
            over=self._over,
            banned=tuple(COLOURS[c] for c in COLOURS if c in unwanted and c not in HUELESS),
        )

    def _name(self, word: str) -> None:
        forms = [form for form in singular(word) if form in _KIND_WORDS]
        if word in SKY_WORDS:
            self._hang(word)
        elif word in _PORTRAITS:
            self._portrait = True
            self._forget()
        elif forms:
            self._add(forms[0], plural=word not in _KIND_WORDS)
        elif word in _SETTING_WORDS or word in _LIGHT_WORDS:
            self._place(word)
        elif word not in _PLAIN_WORDS and len(word) > 2:
            self._wonder(word)

    def _count(self, word: str) -> None:
        if word in NUMBERS or is_number(word):
            self._number = NUMBERS.get(word) or int(word)

    def _hang(self, word: str) -> None:
        self._drop_adjective()
        self._sky.add(SKY_WORDS[word])
        if word in _LIGHT_WORDS:
            self._lights.append(_LIGHT_WORDS[word])
        self._sky_colour = self._colour or self._sky_colour
        self._forget()

    def _add(self, word: str, *, plural: bool) -> None:
        self._drop_adjective()
        name = _KIND_WORDS[word]
        count = self._number if self._number is not None else 3 if plural else 1
        count = max(1, min(MOST_OF_A_KIND, count))
        colour = self._colour or (COLOURS[NATURAL[word]] if word in NATURAL else None)
        # "a green cup of coffee" is one cup; "a white cat and a black cat" are two.
        known = [s.colour for s in self._subjects if s.name == name]
        if colour not in known and not (known and colour is None):
            self._subjects.append(Subject(name, KINDS[name], count, colour, self._scale))
        self._forget()

    def _wonder(self, word: str) -> None:
        """A word nobody knows. In a row of them the last one is the thing, the others say how."""
        self._drop_adjective()
        if word in NATURAL:
            self._colour = self._colour or COLOURS[NATURAL[word]]
            return
        self._unknown.append(Subject(word, None, self._number or 1, self._colour, self._scale))
        self._sure.append(self._determined)
        self._row = True

    def _drop_adjective(self) -> None:
        if self._row:
            self._unknown.pop()
            self._sure.pop()
        self._row = False

    def _emblems(self) -> list[Subject]:
        placed = bool(self._settings or self._sky)
        named = zip(self._unknown, self._sure, strict=True)
        return [subject for subject, sure in named if sure or not placed][-2:]

    def _fruit(self, word: str) -> None:
        """ "an orange" with nothing behind it is no colour."""
        alone = self._determined and not self._row and word not in ("and", "or", ",")
        if alone and self._colour == COLOURS["orange"]:
            self._add("apple", plural=False)

    def _names_only_colours(self, subjects: list[Subject]) -> bool:
        if not self._tints or self._portrait or any(s.name not in _FORMLESS for s in subjects):
            return False
        if self._settings:
            return self._setting([]) == "studio"
        return not self._sky and not self._over and len(self._lights) == self._shaded

    def _setting(self, subjects: list[Subject]) -> str:
        for name in [*(s for s in self._settings if s not in BACKDROPS), *self._settings]:
            return name
        if self._portrait and not self._sky:
            return "studio"
        homes = (s.kind.setting for s in subjects if s.kind)
        return next(homes, "studio" if subjects and not self._sky else "meadow")

    def _light(self, setting: str) -> str:
        if "neon" in self._lights:
            return "neon"
        nightly = self._sky & NIGHTLY and setting != "space"
        return (self._lights or ["night" if nightly else "day"])[-1]

    def _place(self, word: str) -> None:
        self._drop_adjective()
        if word in _SETTING_WORDS:
            self._settings.append(_SETTING_WORDS[word])
            self._drop_colour()
        if word in _LIGHT_WORDS:
            self._lights.append(_LIGHT_WORDS[word])
            self._shaded += word in SHADES
        self._forget()  # "golden hour" is a light and no golden ground

    def _drop_colour(self) -> None:
        """A colour without a thing of its own: what somebody wears, else a tint of the place."""
        last = self._subjects[-1] if self._subjects else None
        if self._colour and last and last.kind and last.kind.coat and not last.colour:
            self._subjects[-1] = replace(last, colour=self._colour)
        elif self._colour:
            self._tints.append(self._colour)
        self._colour = None

    def _forget(self) -> None:
        self._colour: RGB | None = None
        self._number: int | None = None
        self._scale = 1.0

    def _end_group(self) -> None:
        self._row = self._determined = False


_SITTER = Subject("person", KINDS["person"])
