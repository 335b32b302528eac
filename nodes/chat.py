"""Nodes that talk to language models."""

from __future__ import annotations

from typing import Any

from ..visioncraft_core.api import endpoints
from ..visioncraft_core.api.fields import Request
from ..visioncraft_core.generation.results import Result
from . import comfy, widgets
from .base import INFO_HELP, ApiNode

PROMPT_WRITER = (
    "You write prompts for image models. Turn the user's idea into one vivid prompt: subject, "
    "setting, composition, light, colours, medium. Answer with the prompt only, in one line."
)

PROMPT_HELP = (
    "What you say to the model. With the default system text, an idea in a few words is enough."
)

History = tuple[dict[str, str], ...]


class ChatNode(ApiNode):
    """A node whose result is text, which it shows (web/js/results.js)."""

    CATEGORY = "VisionCraft/Text"

    def shown_on_node(self, result: Result) -> dict[str, list[Any]]:
        return {"text": [result.text]} if comfy.host().has_canvas else {}


class LLMPrompt(ChatNode):
    """The request takes messages; this node makes them from its texts."""

    REQUEST = endpoints.Chat
    DESCRIPTION = (
        "Asks a language model. By default, it turns an idea into a prompt for an image node: "
        "connect text to its prompt. Connect history to another LLM Prompt to continue the "
        "conversation."
    )
    SEARCH_ALIASES = ["llm", "chat", "prompt writer", "text generation", "visioncraft"]
    RETURN_TYPES = ("STRING", widgets.HISTORY, "STRING")
    RETURN_NAMES = ("text", "history", "info")
    OUTPUT_TOOLTIPS = (
        "What the model answered.",
        "The conversation so far, for the next LLM Prompt.",
        INFO_HELP,
    )

    @classmethod
    def own_inputs(cls) -> dict[str, dict[str, widgets.Input]]:
        return {
            "required": {
                "prompt": widgets.text(
                    PROMPT_HELP, multiline=True, placeholder="prompt: an idea, or what you say"
                )
            },
            "optional": {
                "system": widgets.text(
                    "How the model should behave: its role, and the form and length of its "
                    "answers. It starts a new conversation. Leave it empty to send none.",
                    PROMPT_WRITER,
                    multiline=True,
                    placeholder="system: how the model should behave",
                ),
                "history": widgets.socket(
                    widgets.HISTORY, "The conversation to continue, from another LLM Prompt."
                ),
            },
        }

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
        info = self.info(request, result, notes)
        return result.text, (*getattr(request, "messages", ()), answered), info


class PremiumLLMPrompt(ChatNode):
    REQUEST = endpoints.PremiumChat
    DESCRIPTION = (
        "Asks a premium language model, which remembers the conversation: connect chat_id to the "
        "chat_id of another Premium LLM Prompt to continue it."
    )
    SEARCH_ALIASES = ["llm", "chat", "gpt", "claude", "premium", "visioncraft"]
    RETURN_TYPES = ("STRING", "STRING", "STRING")
    RETURN_NAMES = ("text", "chat_id", "info")
    OUTPUT_TOOLTIPS = (
        "What the model answered.",
        "The id of the chat at the server, for the next Premium LLM Prompt.",
        INFO_HELP,
    )

    def output(self, request: Request, result: Result, notes: list[str]) -> tuple[str, str, str]:
        if not result.chat_id:
            notes.append("The server sent no chat id, so this chat cannot be continued.")
        info = self.info(request, result, notes, chat_id=result.chat_id)
        return result.text, result.chat_id, info


NODES = (LLMPrompt, PremiumLLMPrompt)
