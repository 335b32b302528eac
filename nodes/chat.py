"""Nodes that talk to language models."""

from __future__ import annotations

from typing import Any

from ..visioncraft_core.api import endpoints
from ..visioncraft_core.api.fields import Request
from ..visioncraft_core.generation.results import Result
from . import widgets
from .base import ApiNode

PROMPT_WRITER = (
    "You write prompts for image models. Turn the user's idea into one vivid prompt: subject, "
    "setting, composition, light, colours, medium. Answer with the prompt only, in one line."
)

History = tuple[dict[str, str], ...]


class LLMPrompt(ApiNode):
    """Inputs are words; the request wants messages, so this node fills that field itself."""

    REQUEST = endpoints.Chat
    HIDDEN_FIELDS = ("messages",)
    CATEGORY = "VisionCraft/Text"
    DESCRIPTION = (
        "Asks a language model. As it comes, it turns an idea into a prompt for an image node: "
        "connect text to its prompt. Connect history to another LLM Prompt to go on talking."
    )
    SEARCH_ALIASES = ["llm", "chat", "prompt writer", "text generation", "visioncraft"]
    RETURN_TYPES = ("STRING", widgets.HISTORY, "STRING")
    RETURN_NAMES = ("text", "history", "info")
    OUTPUT_TOOLTIPS = (
        "What the model answered.",
        "The conversation so far, for the next LLM Prompt.",
        "Who answered and how long it took, as JSON text.",
    )

    @classmethod
    def own_inputs(cls) -> dict[str, dict[str, widgets.Input]]:
        return {
            "required": {
                "prompt": widgets.text("What you say to the model.", multiline=True),
            },
            "optional": {
                "system": widgets.text(
                    "How the model should behave. It comes first in a new conversation; leave it "
                    "empty to send none.",
                    PROMPT_WRITER,
                    multiline=True,
                ),
                "history": widgets.socket(
                    widgets.HISTORY, "The conversation to go on with, from another LLM Prompt."
                ),
            },
        }

    @classmethod
    def VALIDATE_INPUTS(cls, model=None, prompt=None, input_types=None):
        return cls.check(input_types, model=model, prompt=prompt)

    @classmethod
    def build(
        cls, *, prompt: str, system: str = PROMPT_WRITER, history: History = (), **values: Any
    ) -> Request:
        opening = ({"role": "system", "content": system},) if system.strip() else ()
        turn = {"role": "user", "content": prompt}
        return endpoints.Chat(messages=(*(history or opening), turn), **values)

    def output(
        self, request: Request, result: Result, notes: list[str]
    ) -> tuple[str, History, str]:
        answered = {"role": "assistant", "content": result.text}
        told = self.info(request, result, notes)
        return result.text, (*getattr(request, "messages", ()), answered), told


class PremiumLLMPrompt(ApiNode):
    REQUEST = endpoints.PremiumChat
    CATEGORY = "VisionCraft/Text"
    DESCRIPTION = (
        "Asks a premium language model, which remembers the conversation: connect chat_id to the "
        "chat_id of another Premium LLM Prompt to go on talking."
    )
    SEARCH_ALIASES = ["llm", "chat", "gpt", "claude", "premium", "visioncraft"]
    RETURN_TYPES = ("STRING", "STRING", "STRING")
    RETURN_NAMES = ("text", "chat_id", "info")
    OUTPUT_TOOLTIPS = (
        "What the model answered.",
        "The name of the conversation at the server, for the next Premium LLM Prompt.",
        "Who answered and how long it took, as JSON text.",
    )

    @classmethod
    def VALIDATE_INPUTS(cls, model=None, message=None, input_types=None):
        return cls.check(input_types, model=model, message=message)

    def output(self, request: Request, result: Result, notes: list[str]) -> tuple[str, str, str]:
        if not result.chat_id:
            notes.append("The server named no chat, so it cannot be continued.")
        told = self.info(request, result, notes, chat_id=result.chat_id)
        return result.text, result.chat_id, told
