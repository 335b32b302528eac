"""A small grammar in place of a language model: ideas become prompts for image models."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from random import Random

from .scene import read

# A medium, a composition, a light and a mood; {} is the light that the idea itself names.
ADDED = (
    "wide-angle photograph|gouache illustration|oil painting with visible strokes|film still",
    "centred in a wide scene|seen from a low angle|on the left third|small against a large sky",
    "the soft light of {}|the deep colours of {}|long shadows and the glow of {}",
    "a calm mood and fine detail|a sense of wonder and rich textures|a quiet, balanced composition",
)
MOST_TURNS, LONGEST_TURN = 1000, 4000  # messages, and characters of each, that are looked at
ASIDE = r"(?:(?:please|now|and|but|so|ok|can you|could you|what about|how about)\b[\s,]*)*"
VERB = r"(?:make|turn|set|put|give|add|change|use|draw|paint|show|create|i want)\b"
CHANGE = re.compile(rf"{ASIDE}({VERB} (it|them|the|that)|add|remove|more|less|with|at|in)\b", re.I)
QUESTION = re.compile(r"(what|who|which|why|how|when|where|tell|explain|hello|hi)\b|.*\?$", re.I)
GREETING = re.compile(
    r"(hello|hi|hey|good (morning|evening)|thanks?|thank you)\b[\s,.!]*(there|sandbox)?[\s,.!]*$"
    r"|.*\b((who|what) are you|how are you|your name|what can you do)\b",
    re.I,
)
GREETED = (
    "Hello! I am the VisionCraft sandbox: a small grammar, not a language model. Give me an idea "
    "for a picture, such as a red fox in the snow, and I write a prompt for it."
)
WRAPPING = re.compile(rf"{ASIDE}(?:{VERB}\s*)?(?:(?:me|it|them)\b\s*)?", re.I)


def reply(messages: Sequence[Mapping[str, str]], seed: int) -> str:
    """One line that answers the last user message of an OpenAI-like conversation.

    The user's words are kept, and "make it night" keeps the subject of the turns before.
    """
    messages = messages[-MOST_TURNS:]
    system = " ".join(m["content"][:LONGEST_TURN] for m in messages if m["role"] == "system")
    *before, last = [
        _line(m["content"][:LONGEST_TURN]) for m in messages if m["role"] == "user"
    ] or [""]
    if GREETING.match(last):
        return GREETED
    before = [text for text in before if not GREETING.match(text)]
    ideas = [text for text in before if CHANGE.match(text) or not QUESTION.match(text)] + [last]
    start = max((n for n, text in enumerate(ideas) if not CHANGE.match(text)), default=0)
    subject = ", now ".join(WRAPPING.sub("", text, count=1).strip(" .!?") for text in ideas[start:])
    words = [word[:60] for word in subject.split()] or ["a", "quiet", "lake"]
    kept = words if len(words) <= 36 else words[:18] + words[-18:]  # the idea, the last changes
    chance, light = Random(seed), read(" ".join(kept))[0].split()[0]
    added = [chance.choice(choices.split("|")).format(light) for choices in ADDED]
    prompt = ", ".join([" ".join(kept), *added])
    changed = before and CHANGE.match(last)
    if changed or not QUESTION.match(last) or re.search("prompt|image|picture", system, re.I):
        return prompt
    return (
        f'"{last[:120]}" is more than I can answer: I am the VisionCraft sandbox and have no '
        f"language model inside. But here is a picture for it: {prompt}."
    )


def _line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split()).strip("\"'")
