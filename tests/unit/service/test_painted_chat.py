from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from visioncraft.visioncraft_core.service.engines.painted.chat import reply

WRITER = {"role": "system", "content": "You write prompts for image models."}


def ask(*said: str, system: bool = True, seed: int = 1) -> str:
    turns: list[dict[str, str]] = [WRITER] if system else []
    for text in said:
        turns += [{"role": "user", "content": text}, {"role": "assistant", "content": "..."}]
    return reply(turns[:-1], seed)


def test_the_users_own_words_come_first_and_become_a_full_prompt():
    answer = ask("a small robot watering flowers")
    assert answer.startswith("a small robot watering flowers, ")
    assert 15 <= len(answer.split()) <= 60
    assert "\n" not in answer
    assert '"' not in answer


def test_the_same_question_gives_the_same_words_and_another_seed_others():
    assert ask("a fox") == ask("a fox")
    assert len({ask("a fox", seed=seed) for seed in range(8)}) > 5


@pytest.mark.parametrize("change", ["make it night", "Now make it at night", "at night, please"])
def test_a_change_keeps_the_subject_of_the_conversation(change: str):
    answer = ask("a red fox in snow", change)
    assert "red fox in snow" in answer
    assert "night" in answer.partition("snow")[2]


@pytest.mark.parametrize("seed", range(10))
def test_the_light_fits_the_latest_time_that_was_named(seed: int):
    added = ask("a harbour at noon", "make it night", seed=seed).partition("now night")[2]
    assert "night" in added
    assert "noon" not in added
    assert "day" not in added


def test_a_new_idea_leaves_the_old_one():
    answer = ask("a red fox", "two sailing boats")
    assert "fox" not in answer
    assert "two sailing boats" in answer


@pytest.mark.parametrize("text", ["draw me a castle", "Give me a castle", "I want a castle."])
def test_how_it_was_asked_is_not_part_of_the_prompt(text: str):
    assert ask(text).startswith("a castle, ")


@pytest.mark.parametrize("change", ["can you make it night?", "at night?", "what about at night?"])
def test_a_change_may_be_asked_as_a_question(change: str):
    answer = ask("a red fox in snow", change, system=False)
    assert answer.startswith("a red fox in snow, now ")
    assert "night" in answer


def test_a_question_in_between_is_not_part_of_the_picture():
    answer = ask("a red fox", "what is your name?", "now make it night", system=False)
    assert answer.startswith("a red fox, now night, ")


@pytest.mark.parametrize(
    "said", [["x"], ["word " * 300], ["a fox", *["make it " + "odd " * 40] * 6], [""]]
)
def test_a_prompt_has_15_to_60_words_however_much_was_said(said: list[str]):
    for seed in range(40):
        assert 15 <= len(ask(*said, seed=seed).split()) <= 60


@pytest.mark.parametrize("question", ["What is the meaning of life?", "Tell me a joke."])
def test_a_plain_question_gets_an_honest_answer_and_a_picture(question: str):
    answer = ask(question, system=False)
    assert question.rstrip("?.").split()[-1] in answer
    assert "VisionCraft sandbox" in answer
    assert "no language model" in answer


@pytest.mark.parametrize(
    "said", ["Hello, who are you?", "hi!", "Good morning", "Thank you.", "What can you do?"]
)
@pytest.mark.parametrize("system", [False, True])
def test_a_greeting_is_answered_and_is_no_idea_for_a_picture(said: str, *, system: bool):
    assert ask(said, system=system).startswith("Hello! I am the VisionCraft sandbox and have no")
    assert ask(said, "a red fox", system=system).startswith("a red fox, ")


def test_an_idea_may_begin_like_a_greeting():
    assert ask("hi-fi tower in neon light").startswith("hi-fi tower in neon light, ")


def test_a_prompt_writer_turns_even_a_question_into_a_prompt():
    assert "language model" not in ask("What does a dragon dream of?")


@given(
    st.lists(
        st.fixed_dictionaries(
            {"role": st.sampled_from(["system", "user", "assistant"]), "content": st.text()}
        ),
        max_size=5,
    ),
    st.integers(0, 2**64),
)
def test_any_conversation_gets_one_printable_line(messages: list[dict[str, str]], seed: int):
    answer = reply(messages, seed)
    assert answer.strip()
    assert answer.isprintable()
