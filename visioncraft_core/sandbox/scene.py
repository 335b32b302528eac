"""What a prompt asks to see: its subjects with their colours and number, the place, the light.

Reads words and draws nothing. Every table here can be extended with one entry.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256

from .cast import KINDS
from .cast.kind import Kind
from .colour import RGB

MOST_SUBJECTS = 4
MOST_OF_A_KIND = 5

COLOURS: dict[str, RGB] = {
    "red": (214, 52, 48),
    "scarlet": (214, 52, 48),
    "crimson": (176, 28, 52),
    "orange": (240, 130, 40),
    "amber": (246, 176, 56),
    "golden": (240, 188, 64),
    "gold": (224, 172, 56),
    "yellow": (250, 212, 64),
    "lime": (168, 216, 64),
    "green": (62, 160, 84),
    "emerald": (28, 146, 104),
    "olive": (128, 134, 62),
    "mint": (152, 220, 186),
    "teal": (32, 140, 142),
    "turquoise": (56, 192, 188),
    "cyan": (64, 200, 224),
    "blue": (48, 106, 214),
    "navy": (36, 54, 112),
    "indigo": (74, 62, 160),
    "violet": (138, 84, 206),
    "purple": (134, 70, 178),
    "magenta": (214, 56, 158),
    "pink": (242, 130, 176),
    "coral": (250, 124, 102),
    "brown": (132, 88, 58),
    "beige": (226, 206, 170),
    "white": (246, 244, 240),
    "silver": (190, 198, 208),
    "grey": (136, 140, 150),
    "gray": (136, 140, 150),
    "black": (44, 42, 52),
}

NUMBERS = {
    **dict.fromkeys(("a", "an", "one", "single"), 1),
    **dict.fromkeys(("two", "pair", "couple", "twin"), 2),
    "three": 3,
    "four": 4,
    **dict.fromkeys(("five", "six", "seven", "many", "several", "flock", "herd", "dozen"), 5),
}

# Each place and light with the words that mean it.
SETTINGS: dict[str, str] = {
    "mountains": "mountain mountains alps peak peaks hill hills valley canyon volcano",
    "sea": "sea seas ocean waves coast harbour harbor bay island cliff sailing",
    "beach": "beach shore seaside sand lagoon tropical palm",
    "lake": "lake pond reflection",
    "river": "river stream waterfall creek",
    "forest": "forest woods jungle woodland grove rainforest",
    "desert": "desert dunes dune sahara oasis cactus",
    "city": "city street skyline town downtown skyscraper skyscrapers urban cyberpunk balcony",
    "meadow": "meadow field fields grass countryside farm landscape prairie savanna park",
    "snow": "snow snowy winter ice frozen arctic glacier christmas",
    "space": "space galaxy nebula cosmos cosmic universe orbit planet planets moonbase",
    "room": "room interior kitchen table desk indoors studio-room bedroom library window cafe",
    "underwater": "underwater reef coral-reef aquarium seabed",
    "garden": "garden flowers blossoms greenhouse bouquet",
    "studio": "abstract pattern geometric logo icon minimal poster",
}
LIGHTS: dict[str, str] = {
    "night": "night midnight moonlit moonlight nocturnal dark",
    "sunset": "sunset dusk evening twilight sundown",
    "dawn": "dawn sunrise morning daybreak",
    "gold": "hour autumn fall sunny warm",
    "storm": "storm stormy thunder lightning rain rainy tempest",
    "fog": "fog foggy mist misty haze hazy",
    "neon": "neon cyberpunk synthwave vaporwave",
    "day": "day noon daylight bright summer spring",
}

# Words that say how, not what: an emblem is drawn for none of them.
_PLAIN = """
    a an the of and or with in on at by for to from under over above below behind beside near into
    is are be very big small tiny large huge little old young new beautiful lovely cute pretty
    great detailed quality best masterpiece photo photograph picture image painting drawing style
    illustration art high low resolution realistic render digital cinematic portrait wide angle
    shot view light lighting soft hard colours colors palette mood composition detail fine
    balanced centred seen framed placed left right third against close viewer background sky
    foreground scene full deep clear pale first thin through long shadows gentle side rim glow
    horizon
"""


@dataclass(frozen=True)
class Subject:
    """One thing to draw, `count` times. `colour` is what the words beside it asked for."""

    name: str
    kind: Kind | None
    count: int = 1
    colour: RGB | None = None


@dataclass(frozen=True)
class Scene:
    """All that a prompt says. `tints` are colours that belong to no subject."""

    setting: str
    light: str
    subjects: tuple[Subject, ...] = ()
    tints: tuple[RGB, ...] = ()
    sky: frozenset[str] = frozenset()
    sky_colour: RGB | None = None


def _index(table: dict[str, str]) -> dict[str, str]:
    return {word: name for name, words in table.items() for word in words.split()}


_PLAIN_WORDS = frozenset(_PLAIN.split())
_SETTING_WORDS, _LIGHT_WORDS = _index(SETTINGS), _index(LIGHTS)
_KIND_WORDS = {word: name for name, kind in KINDS.items() for word in (name, *kind.words.split())}
_SKY_WORDS = {
    **dict.fromkeys(("moon", "crescent"), "moon"),
    **dict.fromkeys(("sun", "sunshine"), "sun"),
    **dict.fromkeys(("stars", "starry", "starlight"), "stars"),
    **dict.fromkeys(("cloud", "clouds", "cloudy"), "clouds"),
    "rainbow": "rainbow",
}


def read(prompt: str, negative_prompt: str = "") -> Scene:
    """The scene in `prompt`, without what `negative_prompt` names."""
    unwanted = set(_words(negative_prompt))
    reader = _Reader()
    for word in _words(prompt):
        if word not in unwanted:
            reader.take(word)
    return reader.scene(unwanted)


def digest(text: str) -> int:
    """A number that stands for `text`, the same on every computer."""
    return int.from_bytes(sha256(text.encode("utf-8", "replace")).digest()[:8], "big")


def _words(text: str) -> Iterator[str]:
    return (match[0] for match in re.finditer(r"[^\W\d_]+|\d+", text.lower()))


def _singular(word: str) -> Iterable[str]:
    yield word
    if word.endswith("ies"):
        yield word[:-3] + "y"
    if word.endswith("es"):
        yield word[:-2]
    if word.endswith("s") and not word.endswith("ss"):
        yield word[:-1]


class _Reader:
    """Walks over the words; a colour or a number belongs to the next thing that is named."""

    def __init__(self) -> None:
        self._colour: RGB | None = None
        self._number: int | None = None
        self._subjects: list[Subject] = []
        self._unknown: list[Subject] = []
        self._settings: list[str] = []
        self._lights: list[str] = []
        self._tints: list[RGB] = []
        self._sky: set[str] = set()
        self._sky_colour: RGB | None = None

    def take(self, word: str) -> None:
        if word in COLOURS:
            self._drop_colour()
            self._colour = COLOURS[word]
        elif word in NUMBERS or (word.isascii() and word.isdigit() and len(word) < 3):
            self._number = NUMBERS.get(word) or int(word)
        elif word in _SKY_WORDS:
            self._sky.add(_SKY_WORDS[word])
            self._sky_colour = self._colour or self._sky_colour
            self._forget()
        elif kind := next((_KIND_WORDS[w] for w in _singular(word) if w in _KIND_WORDS), ""):
            self._add(kind, plural=word not in _KIND_WORDS)
        elif word in _SETTING_WORDS or word in _LIGHT_WORDS:
            self._place(word)
        elif word not in _PLAIN_WORDS and len(word) > 2:
            # An adjective stays between a colour and its noun: "red fluffy fox".
            self._unknown.append(Subject(word, None, 1, self._colour))

    def scene(self, unwanted: set[str]) -> Scene:
        self._drop_colour()
        subjects = self._subjects
        if not subjects and not self._settings and not self._sky:
            subjects = self._unknown[-2:]
        home = next(
            (s.kind.setting for s in subjects if s.kind), "studio" if subjects else "meadow"
        )
        settings = [s for s in self._settings if s not in unwanted]
        return Scene(
            setting=settings[0] if settings else home,
            light="neon" if "neon" in self._lights else (self._lights or ["day"])[-1],
            subjects=tuple(subjects[:MOST_SUBJECTS]),
            tints=tuple(self._tints),
            sky=frozenset(self._sky),
            sky_colour=self._sky_colour,
        )

    def _add(self, name: str, *, plural: bool) -> None:
        count = self._number if self._number is not None else 3 if plural else 1
        count = max(1, min(MOST_OF_A_KIND, count))
        if all(subject.name != name for subject in self._subjects):
            self._subjects.append(Subject(name, KINDS[name], count, self._colour))
        self._forget()

    def _place(self, word: str) -> None:
        if word in _SETTING_WORDS:
            self._settings.append(_SETTING_WORDS[word])
            self._drop_colour()
        if word in _LIGHT_WORDS:
            self._lights.append(_LIGHT_WORDS[word])
        self._forget()  # "golden hour" is a light and no golden ground

    def _drop_colour(self) -> None:
        """A colour without a thing of its own: what somebody wears, else a tint of the place."""
        last = self._subjects[-1] if self._subjects else None
        if self._colour and last and last.kind and last.kind.coat and not last.colour:
            self._subjects[-1] = replace(last, colour=self._colour)
        elif self._colour:
            self._tints.append(self._colour)
        self._forget()

    def _forget(self) -> None:
        self._colour = self._number = None
