"""Feeds mutations of the hostile corpus to the container checks and the decoders.

    pip install atheris -e .
    python tests/fuzz/fuzz_media.py -max_total_time=60
    python tests/fuzz/fuzz_media.py crash-0123...  # a file that a run left behind

Any bytes must become a picture, frames or one of our errors, within time and memory.
"""

from __future__ import annotations

import driver

with driver.instrumented():
    from visioncraft.visioncraft_core.errors import InvalidResponse
    from visioncraft.visioncraft_core.media.animations import MOST_FRAMES, decode_animation
    from visioncraft.visioncraft_core.media.images import decode, sniff
    from visioncraft.visioncraft_core.media.integrity import check_integrity

from support.hostile_files import CASES


def target(content: bytes) -> None:
    kind = sniff(content)
    if kind:
        try:
            check_integrity(content, kind)
        except InvalidResponse as error:
            assert len(str(error)) < 300
    # Damaged files, too: the decoders must not lean on the check.
    try:
        picture = decode(content)
        assert picture.rgb.shape == (picture.size.height, picture.size.width, 3)
        assert picture.alpha is None or picture.alpha.shape == picture.rgb.shape[:2]
    except InvalidResponse as error:
        assert len(str(error)) < 300
    try:
        animation = decode_animation(content)
        assert 1 <= len(animation.frames) == len(animation.delays) <= MOST_FRAMES
        assert animation.fps > 0
        assert animation.left_out >= 0
    except InvalidResponse as error:
        assert len(str(error)) < 300


if __name__ == "__main__":
    # The few pictures that are large on purpose would take all the time.
    driver.fuzz(target, (case.make() for case in CASES.values() if case.megabytes <= 300))
