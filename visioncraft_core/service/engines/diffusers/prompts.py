"""Prompts of any length and with weights to what CLIP's text encoders make of them.

As AUTOMATIC1111's web UI, whose prompts the API took: (more), [less], (this much:1.3), \\( and \\).
CLIP takes 77 tokens, of which two mark the ends, so longer prompts are encoded in pieces. A weight
moves what stands there away from what the encoder makes of nothing, as ComfyUI does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

PIECE = 75  # tokens
_MORE = 1.1
_LAST_WEIGHT = re.compile(r"^(.*):\s*([+-]?(?:\d+\.?\d*|\.\d+))\s*$", re.DOTALL)
_PARTS = re.compile(r"\\[()\[\]\\]|[()\[\]]|[^()\[\]\\]+|\\")

Piece = Sequence[tuple[int, float]]  # tokens and their weights, at most PIECE


def weighted(prompt: str) -> list[tuple[str, float]]:
    """Its parts and their weights. Brackets without a partner count as text."""
    # For each open bracket its kind and where its contents begin.
    opened: list[tuple[str, int]] = []
    parts: list[tuple[str, float]] = []
    for found in _PARTS.findall(prompt):
        if found in "([":
            opened.append((found, len(parts)))
            parts.append((found, 1.0))  # taken back when it is closed
        elif found in ")]" and opened and opened[-1][0] == {")": "(", "]": "["}[found]:
            _, first = opened.pop()
            factor = _MORE if found == ")" else 1 / _MORE
            inside = parts[first + 1 :]
            if found == ")" and inside and (told := _LAST_WEIGHT.match(inside[-1][0])):
                inside[-1], factor = (told[1], inside[-1][1]), float(told[2])
            parts[first:] = [(text, weight * factor) for text, weight in inside]
        else:
            parts.append((found[-1] if found[0] == "\\" else found, 1.0))
    return [(text, weight) for text, weight in parts if text]


def pieces(prompt: str, tokens: Callable[[str], Sequence[int]]) -> Sequence[Piece]:
    """At least one. A word that does not fit into a piece begins the next one."""
    made: list[list[tuple[int, float]]] = [[]]
    for text, weight in weighted(prompt):
        for word in text.split():
            for start in range(0, len(found := tokens(word)), PIECE):
                part = [(token, weight) for token in found[start : start + PIECE]]
                if len(made[-1]) + len(part) > PIECE:
                    made.append([])
                made[-1] += part
    return made


def encoded(pipe: Any, prompt: str, negative: str) -> dict[str, Tensor]:
    """Both prompts as arguments of a pipeline for Stable Diffusion 1.x, XL or its refiner."""
    import torch

    xl = getattr(pipe, "text_encoder_2", None) is not None
    names = ["tokenizer_2", "text_encoder_2"] if xl else ["tokenizer", "text_encoder"]
    encoders = [(getattr(pipe, names[0]), getattr(pipe, names[1]))]
    if xl and pipe.text_encoder is not None:
        encoders.insert(0, (pipe.tokenizer, pipe.text_encoder))
    made, pooled = [], None
    for tokenizer, encoder in encoders:
        states, pooled = _encoded_by(tokenizer, encoder, (prompt, negative), xl=xl)
        made.append(states)
    states = torch.cat(made, dim=-1)
    arguments = {"prompt_embeds": states[:1], "negative_prompt_embeds": states[1:]}
    if xl and pooled is not None:
        arguments["pooled_prompt_embeds"] = pooled[:1]
        arguments["negative_pooled_prompt_embeds"] = pooled[1:]
    return arguments


def _encoded_by(
    tokenizer: Any, encoder: Any, prompts: Sequence[str], *, xl: bool
) -> tuple[Tensor, Tensor | None]:
    """States (prompts, 77 x pieces, width), and for XL summaries of them (prompts, width)."""
    import torch

    def tokens(text: str) -> Sequence[int]:
        return tokenizer(text, add_special_tokens=False).input_ids

    each = [pieces(prompt, tokens) for prompt in prompts]
    longest = max(map(len, each))
    flat: list[Piece] = [[]]  # nothing, then the pieces of each prompt, as many for each
    for found in each:
        flat += [*found, *([[]] * (longest - len(found)))]
    begin, end, pad = tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id
    rows = [
        [begin, *(token for token, _ in piece), end, *([pad] * (PIECE - len(piece)))]
        for piece in flat
    ]
    weights = torch.tensor(
        [[1.0, *(w for _, w in piece), *([1.0] * (PIECE + 1 - len(piece)))] for piece in flat]
    )
    ids = torch.tensor(rows, device=encoder.device)
    made = encoder(ids, output_hidden_states=xl)
    states = made.hidden_states[-2] if xl else made.last_hidden_state
    weights = weights.to(states)[..., None]
    nothing = states[:1]
    states = torch.where(weights == 1, states, nothing + (states - nothing) * weights)[1:]
    joined = states.reshape(len(prompts), -1, states.shape[-1])
    pooled = getattr(made, "text_embeds", None)
    return joined, None if pooled is None else pooled[1::longest]
