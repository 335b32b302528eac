"""The strip at a picture's foot: the prompt, and where the picture comes from."""

from __future__ import annotations

from PIL import Image, ImageDraw, ImageFont

MARK = "VisionCraft sandbox"

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def sign(picture: Image.Image, prompt: str) -> Image.Image:
    """`picture` with the prompt and the mark in small type on a strip at its foot."""
    width, height = picture.size
    font, letters = _font(width, height)
    strip = strip_of(width, height)
    signed = picture.copy()
    foot = signed.crop((0, height - strip, width, height))
    dark = Image.blend(foot, Image.new("RGB", foot.size, (18, 16, 26)), 0.62)
    signed.paste(dark, (0, height - strip))
    draw = ImageDraw.Draw(signed)
    middle, left = height - strip / 2, letters * 0.8
    draw.text((width - left, middle), MARK, (236, 232, 240), font, anchor="rm")
    space = width - font.getlength(MARK) - 4 * left
    if width >= 128 and (shown := _shortened(prompt, font, space)):
        draw.text((left, middle), shown, (206, 202, 216), font, anchor="lm")
    return signed


def strip_of(width: int, height: int) -> int:
    """The height of the strip on a picture of this size."""
    return min(height, round(_font(width, height)[1] * 1.9))


def _font(width: int, height: int) -> tuple[Font, int]:
    """The largest that suits the picture and lets the mark fit."""
    letters = max(6, min(26, round(5.5 + min(width, height) * 0.0165)))
    font = ImageFont.load_default(size=letters)
    while letters > 4 and font.getlength(MARK) > width - letters:
        letters -= 1
        font = ImageFont.load_default(size=letters)
    return font, letters


def _shortened(prompt: str, font: Font, room: float) -> str:
    text = " ".join(_legible(prompt[:400], font).split())
    if font.getlength(text) <= room:
        return text
    while text and font.getlength(text + "...") > room:
        text = text[: int(len(text) * 0.96) if len(text) > 30 else -1]
    return text.rstrip() + "..." if text else ""


def _legible(text: str, font: Font) -> str:
    """The characters that the font has: it draws a box for every other one."""
    box = _drawn("\U0010fffd", font)
    kept = (c if c.isascii() or _drawn(c, font) != box else " " for c in text if c.isprintable())
    return "".join(kept)


def _drawn(character: str, font: Font) -> bytes:
    side = 32
    sheet = Image.new("L", (side, side), 0)
    ImageDraw.Draw(sheet).text((0, 0), character, 255, font)
    return sheet.tobytes()
