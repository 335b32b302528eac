"""A VIDEO for where there is no ComfyUI: the part of its VideoInput that core nodes and ours use.

torch and av are imported at the first film, for the reasons that tensors.py gives.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..visioncraft_core.animations import decode_animation
from . import tensors

if TYPE_CHECKING:
    from torch import Tensor

Metadata = Mapping[str, Any]


@dataclass(frozen=True)
class Components:
    """What a video is made of. `images` is an IMAGE, frames x height x width x 3."""

    images: Tensor
    frame_rate: Fraction
    audio: None = None


class FilmFromBytes:
    """An MP4 file as it came; saving copies its stream without encoding it again."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def get_dimensions(self) -> tuple[int, int]:
        import av

        with av.open(io.BytesIO(self._content), format="mp4") as container:
            context = container.streams.video[0].codec_context
            return context.width, context.height

    def get_components(self) -> Components:
        """Raises UnsafeContent for a file that does not decode."""
        animation = decode_animation(self._content)
        return Components(tensors.frames(animation.frames), animation.rate)

    def save_to(self, target: Path | io.BytesIO, metadata: Metadata | None = None) -> None:
        """Writes an MP4 with the same stream, its tags joined with `metadata` as JSON."""
        import av

        options = {"movflags": "use_metadata_tags"}
        with (
            av.open(io.BytesIO(self._content), format="mp4") as given,
            av.open(_writable(target), "w", format="mp4", options=options) as output,
        ):
            output.metadata.update({**given.metadata, **_tags(metadata)})
            streams = {s: output.add_stream_from_template(s) for s in given.streams.video}
            for packet in given.demux(*streams):
                if packet.dts is not None:  # the empty packet that ends a stream
                    packet.stream = streams[packet.stream]  # type: ignore[index]
                    output.mux(packet)


class FilmFromFrames:
    """Frames and their rate; saving encodes them with H.264 as ComfyUI does."""

    def __init__(self, images: Tensor, rate: Fraction) -> None:
        self._images = images
        self._rate = rate

    def get_dimensions(self) -> tuple[int, int]:
        return self._images.shape[2], self._images.shape[1]

    def get_components(self) -> Components:
        return Components(self._images, self._rate)

    def save_to(self, target: Path | io.BytesIO, metadata: Metadata | None = None) -> None:
        """Writes an MP4. Odd sides, at which ComfyUI fails, are made even."""
        import av

        images = tensors.even(self._images)
        options = {"movflags": "use_metadata_tags"}
        with av.open(_writable(target), "w", format="mp4", options=options) as output:
            output.metadata.update(_tags(metadata))
            # ComfyUI rounds the rate to thousandths.
            stream: Any = output.add_stream("h264", rate=Fraction(round(self._rate * 1000), 1000))
            stream.width, stream.height = images.shape[2], images.shape[1]
            stream.pix_fmt = "yuv420p"
            for image in images:
                pixels = (image * 255).clamp(0, 255).byte().cpu().numpy()
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                output.mux(stream.encode(frame.reformat(format="yuv420p")))
            output.mux(stream.encode(None))


def _writable(target: Path | io.BytesIO) -> str | io.BytesIO:
    return target if isinstance(target, io.BytesIO) else str(target)


def _tags(metadata: Metadata | None) -> dict[str, str]:
    given = (metadata or {}).items()
    return {key: v if isinstance(v, str) else json.dumps(v) for key, v in given}
