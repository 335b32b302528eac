"""A small grammar in place of a language model: ideas become prompts for image models.

The user's own words are kept; what is added fits them (a night idea gets no noon light). Earlier
turns count: "make it night" keeps the subject of the conversation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from random import Random

LONGEST_IDEA = 40  # words of the user's that a prompt carries
LONGEST_PROMPT = 60
OPENING_IDEA = 20  # words of it that are kept when changes need the room

# A time or weather, the words that mean it, and the light that fits.
LIGHTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "night midnight nighttime nightfall nightly nocturnal moon moonlit moonlight stars starry"
        " starlit dark darkness aurora nacht nuit noche",
        ("silver moonlight", "a deep blue night full of stars", "a warm glow in the dark"),
    ),
    (
        "sunset dusk evening twilight golden sundown",
        ("warm low sun and long shadows", "an amber sky fading to violet", "golden rim light"),
    ),
    (
        "dawn sunrise morning daybreak",
        ("first light through thin mist", "a pale rose sky", "cool shadows and a warm horizon"),
    ),
    (
        "storm stormy rain rainy thunder lightning cloudy",
        ("heavy clouds split by a shaft of light", "wet reflections", "a dramatic grey sky"),
    ),
    (
        "noon midday sunny summer",
        ("bright noon sun and short shadows", "clear daylight", "a high sun in a blue sky"),
    ),
    (
        "fog foggy mist misty haze",
        ("soft light lost in fog", "pale layers of mist", "muted light without shadows"),
    ),
    (
        "snow snowy winter ice frozen",
        ("crisp winter light", "blue shadows on the snow", "a low white sun"),
    ),
    (
        "neon cyberpunk club arcade",
        ("neon reflections in magenta and cyan", "glowing signs", "electric rim light"),
    ),
    (
        "space galaxy planet nebula cosmic astronaut",
        ("starlight and a glowing nebula", "hard sunlight against black", "a distant blue sun"),
    ),
    (
        "underwater ocean reef submarine",
        ("sunbeams falling through the water", "turquoise light", "drifting specks of light"),
    ),
)
ANY_LIGHT = ("soft morning light", "clear daylight", "gentle light from the side", "a bright sky")

MEDIA = (
    "wide-angle photograph",
    "gouache illustration",
    "flat vector illustration",
    "oil painting with visible strokes",
    "detailed digital painting",
    "storybook illustration",
    "cinematic film still",
)
COMPOSITIONS = (
    "centred in a wide scene",
    "seen from a low angle",
    "framed by leaves in the foreground",
    "placed on the left third",
    "small against a large sky",
    "close to the viewer, with a soft background",
)
PALETTES = (
    "a palette of teal and amber",
    "rich saturated colours",
    "muted earth tones",
    "soft pastel colours",
    "deep blues with one warm accent",
    "clean complementary colours",
)
MOODS = ("calm mood", "a sense of wonder", "playful mood", "quiet and intimate", "epic and vast")

# "make it night" speaks about the picture before; so does anything that begins like it.
_CHANGE = re.compile(
    r"^((please|now|and|but|or|so|ok|okay|can you|could you|would you|what about|how about|what if"
    r")[\s,]+)*(make|turn|set|let|put|give|add|remove|change|use|try|same"
    r"|more|less|without|with|at|in|as|only|another|again|brighter|darker|closer|it|them)\b",
    re.IGNORECASE,
)
_LEADING = re.compile(
    r"^((please|now|and|but|so|ok|okay|can you|could you|would you|what about|how about|what if)"
    r"[\s,]+)+(?=\S)",
    re.IGNORECASE,
)
_FILLER = re.compile(
    r"^((make|turn|set|change|let)\s+"
    r"(it|them|this|that|the (picture|scene|image))\s*(be|to|into|look)?|(give|draw|paint|show|"
    r"create|generate|imagine|add)( me| us)?|write (me )?a prompt (for|about|of)|i want"
    r"|i would like)\s+",
    re.IGNORECASE,
)
_QUESTION = re.compile(
    r"^(what|who|whom|whose|which|why|how|when|where|tell|explain|hello|hi|hey|thanks|thank you"
    r"|are you|do you|can you tell)\b",
    re.IGNORECASE,
)
_QUESTION_REST = re.compile(
    r"^\s*((is|are|was|were|do|does|did|can|could|should|to|me|about|i|you)\s+)*", re.IGNORECASE
)
_DRAWN = re.compile(r"prompt|image|picture|draw|paint|scene", re.IGNORECASE)


def reply(messages: Sequence[Mapping[str, str]], *, seed: int) -> str:
    """The answer to the last user message of an OpenAI-like conversation: one line of text.

    The same messages and seed give the same words; another seed gives other ones.
    """
    chance = Random(seed)
    said = [_clean(m.get("content", "")) for m in messages if m.get("role") == "user"]
    system = " ".join(m.get("content", "") for m in messages if m.get("role") == "system")
    last = said[-1] if said else ""
    asked = _is_question(last) and not (len(said) > 1 and _is_change(last))
    if asked and not _DRAWN.search(system):
        return _answered(last, chance)
    return _prompt(_subject(said), chance)


def _clean(text: str) -> str:
    line = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(line.split()).strip("\"'`")


def _is_question(text: str) -> bool:
    return text.rstrip().endswith("?") or bool(_QUESTION.match(text))


def _is_change(text: str) -> bool:
    return bool(_CHANGE.match(text) or re.match(r"(what|how) (about|if)\b", text, re.IGNORECASE))


def _subject(said: Sequence[str]) -> str:
    """What the conversation is about: the last new idea and every change to it since."""
    # A question that was answered is no idea; the last one is all there is to go by.
    told = [
        t for n, t in enumerate(said, 1) if n == len(said) or _is_change(t) or not _is_question(t)
    ]
    start = max((n for n, text in enumerate(told) if not _is_change(text)), default=0)
    ideas = [idea for idea in (_idea(text) for text in told[start:]) if idea]
    return _joined(ideas) if ideas else ""


def _joined(ideas: Sequence[str]) -> str:
    """The first idea and as many of the latest changes as there is room for."""
    opening = ideas[0].split()[: OPENING_IDEA if len(ideas) > 1 else LONGEST_IDEA]
    room = LONGEST_IDEA - len(opening)
    changes: list[str] = []
    for change in reversed(ideas[1:]):
        words = ["now", *change.split()][: room if not changes else None]
        if len(words) > room:
            break
        room -= len(words)
        changes.insert(0, " ".join(words))
    return ", ".join([" ".join(opening), *changes])


def _idea(text: str) -> str:
    words = _FILLER.sub("", _LEADING.sub("", text)).rstrip(".!?,; ").split()
    return " ".join(word[:60] for word in words[:LONGEST_IDEA])


def _light(subject: str, chance: Random) -> str:
    words = re.findall(r"[a-z]+", subject.lower())
    # The latest word wins: "at noon, now at night" is lit as a night.
    for word in reversed(words):
        for names, lights in LIGHTS:
            if word in names.split():
                return chance.choice(lights)
    return chance.choice(ANY_LIGHT)


def _prompt(subject: str, chance: Random) -> str:
    subject = subject or chance.choice(
        ("a quiet lake between mountains", "a lighthouse above the sea", "a fox in a meadow")
    )
    medium, composition = chance.choice(MEDIA), chance.choice(COMPOSITIONS)
    light, palette, mood = _light(subject, chance), chance.choice(PALETTES), chance.choice(MOODS)
    parts = [subject, medium, composition, light, palette, mood]
    # The light counts most; what has no room any more is left away from the end.
    parts.append("fine detail and balanced composition throughout")
    while len(parts) > 4 and sum(len(part.split()) for part in parts) > LONGEST_PROMPT:
        parts.pop()
    return ", ".join(parts)


def _answered(question: str, chance: Random) -> str:
    about = " ".join(question.rstrip("?!. ").split()[:12])[:120]
    picture = _prompt(_idea(_QUESTION_REST.sub("", _QUESTION.sub("", about))), chance)
    opening = chance.choice(
        (
            f'You ask "{about}", which is more than I can answer',
            f'"{about}" is a good question',
            f'I would love to know about "{about}" myself',
        )
    )
    return (
        f"{opening}: I am the VisionCraft sandbox and have no language model inside. "
        f"But here is a picture for it: {picture}."
    )
