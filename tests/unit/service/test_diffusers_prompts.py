"""Prompts as the diffusers engine reads them, and the vocabulary of its tokenizers."""

from __future__ import annotations

import pytest
from visioncraft.visioncraft_core.service.engines.diffusers.prompts import PIECE, pieces, weighted
from visioncraft.visioncraft_core.service.engines.diffusers.single_files import vocabulary


def tokens(word: str) -> list[int]:
    return [ord(letter) for letter in word]


@pytest.mark.parametrize(
    ("prompt", "parts"),
    [
        ("a fox", [("a fox", 1)]),
        ("a (red) fox", [("a ", 1), ("red", 1.1), (" fox", 1)]),
        ("((red))", [("red", 1.21)]),
        ("[red]", [("red", 1 / 1.1)]),
        ("(red:1.3) fox", [("red", 1.3), (" fox", 1)]),
        ("(a (red:1.5) fox:0.5)", [("a ", 0.5), ("red", 0.75), (" fox", 0.5)]),
        ("(red:-1)", [("red", -1)]),
        (
            r"\(red\) \[x\]",
            [("(", 1), ("red", 1), (")", 1), (" ", 1), ("[", 1), ("x", 1), ("]", 1)],
        ),
        ("(red", [("(", 1), ("red", 1)]),
        ("red)", [("red", 1), (")", 1)]),
        ("(red]", [("(", 1), ("red", 1), ("]", 1)]),
        ("12:30", [("12:30", 1)]),
        ("(at 12:30)", [("at 12", 30)]),
        ("(:1.2)", []),
        ("()", []),
        ("", []),
        ("a\\b", [("a", 1), ("\\", 1), ("b", 1)]),
    ],
)
def test_brackets_give_weights(prompt: str, parts: list[tuple[str, float]]):
    assert [(text, pytest.approx(weight)) for text, weight in parts] == weighted(prompt)


def test_deep_brackets_are_no_burden():
    assert weighted("(" * 20_000 + "x" + ")" * 20_000)[0][0] == "x"
    assert len(weighted("(" * 20_000)) == 20_000


def test_long_prompts_come_in_pieces_that_split_no_word():
    made = pieces("four " * 40, tokens)
    assert [len(piece) for piece in made] == [72, 72, 16]
    assert pieces("", tokens) == [[]]
    assert [len(piece) for piece in pieces("x" * 200, tokens)] == [PIECE, PIECE, 50]
    assert pieces("a (b:2)", tokens) == [[(97, 1.0), (98, 2.0)]]


def test_the_vocabulary_is_clips():
    """Its numbers are those of openai/CLIP; "a red fox" is 320, 736, 3240."""
    names, merges = vocabulary()
    assert (len(names), len(merges)) == (49408, 48894)
    assert [names[number] for number in (320, 736, 3240)] == ["a</w>", "red</w>", "fox</w>"]
    assert names[-2:] == ["<|startoftext|>", "<|endoftext|>"]
    assert len(set(names)) == len(names)
