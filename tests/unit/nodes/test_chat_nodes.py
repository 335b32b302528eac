from __future__ import annotations

import json
from typing import Any

import pytest
from support.hosts import Host, run
from visioncraft.nodes import NODE_CLASS_MAPPINGS, comfy
from visioncraft.nodes.chat import PROMPT_WRITER
from visioncraft.visioncraft_core import errors
from visioncraft.visioncraft_core.sandbox import Sandbox

LLM: Any = NODE_CLASS_MAPPINGS["VisionCraftLLM"]
MODEL = "mistral-7b-instruct"


def test_an_idea_becomes_text_and_a_history_of_both_turns(sandbox: Sandbox):
    comfy.use(Host(sandbox.url))
    text, history, info = run(LLM, model=MODEL, prompt="a red fox")
    assert "fox" in text
    assert [turn["role"] for turn in history] == ["system", "user", "assistant"]
    assert history[0]["content"] == PROMPT_WRITER
    assert history[-1]["content"] == text
    assert json.loads(info)["request"]["model"] == MODEL


def test_a_conversation_goes_on_where_it_stood():
    started = LLM.build(model=MODEL, prompt="a fox", system="")
    history = (*started.messages, {"role": "assistant", "content": "A fox."})
    again = LLM.build(model=MODEL, prompt="at night", history=history)
    assert [t["role"] for t in again.messages] == ["user", "assistant", "user"]


def test_an_empty_system_text_is_not_sent():
    assert [t["role"] for t in LLM.build(model=MODEL, prompt="a", system=" ").messages] == ["user"]


def test_an_empty_prompt_is_refused_whatever_the_history_says():
    history = ({"role": "user", "content": "a fox"},)
    with pytest.raises(errors.InvalidRequest):
        LLM.build(model=MODEL, prompt=" ", history=history)


def test_a_failed_call_adds_no_turn(sandbox: Sandbox):
    comfy.use(Host(sandbox.url))
    history = ({"role": "user", "content": "a fox"},)
    with pytest.raises(errors.FieldRejected):
        run(LLM, model="no-such-model", prompt="a", history=history)
    assert history == ({"role": "user", "content": "a fox"},)


def test_three_in_a_row_send_one_three_and_five_messages(sandbox: Sandbox):
    comfy.use(Host(sandbox.url))
    history: Any = ()
    sent = []
    for prompt in ("a red fox in snow", "make it night", "add two owls"):
        text, history, info = run(LLM, model=MODEL, prompt=prompt, system="", history=history)
        sent.append(len(json.loads(info)["request"]["messages"]))
    assert sent == [1, 3, 5]
    assert "fox" in text
    assert "owls" in text


PREMIUM: Any = NODE_CLASS_MAPPINGS["VisionCraftPremiumLLM"]


def test_two_premium_prompts_continue_one_chat(sandbox: Sandbox):
    comfy.use(Host(sandbox.url))
    first = run(PREMIUM, model="gpt-3-5-turbo", message="a red fox in snow")
    second = run(PREMIUM, model="gpt-3-5-turbo", message="make it night", chat_id=first[1])
    assert first[1] == second[1] != ""
    assert "fox" in second[0]
    assert json.loads(second[2])["chat_id"] == first[1]


def test_a_new_chat_sends_no_chat_id():
    assert "chat_id" not in PREMIUM.build(model="gpt-3-5", message="hi", chat_id=" ").to_json()


def test_a_server_that_names_no_chat_is_noted():
    with Sandbox(response_formats={"premium/llm": "chat"}) as other:
        comfy.use(Host(other.url))
        text, _, info = run(PREMIUM, model="gpt-3-5-turbo", message="a fox")
    assert text
    assert json.loads(info)["request"]["message"] == "a fox"
