from __future__ import annotations

from visioncraft.visioncraft_core import errors
from visioncraft.visioncraft_core.errors import VisionCraftError


def tree() -> list[type[VisionCraftError]]:
    found, waiting = [], [VisionCraftError]
    while waiting:
        cls = waiting.pop()
        found.append(cls)
        waiting += [c for c in cls.__subclasses__() if c.__init__ is VisionCraftError.__init__]
    return found


def test_every_class_says_when_it_is_raised():
    assert not [cls.__name__ for cls in tree() if not vars(cls).get("__doc__")]


def test_a_message_keeps_its_advice_and_stays_under_300_characters():
    error = VisionCraftError("What happened " * 100, "Do this.")
    assert len(str(error)) < 300
    assert str(error).endswith("Do this.")


def test_a_message_is_one_line_without_control_characters():
    assert str(VisionCraftError("a\x1b[31m\nb\x00", "c")) == "a [31m b c"


def test_no_class_shows_the_path_of_its_module():
    assert {cls.__module__ for cls in tree()} == {"visioncraft"}


def test_what_was_charged_follows_the_class_and_can_be_told_better():
    assert errors.ConnectionFailed("x").charged == "no"
    assert errors.OutcomeUnknown("x").charged == "maybe"
    assert errors.RequestTimeout("x", charged="no").charged == "no"
