"""A VIDEO for where there is no ComfyUI: the part of its VideoInput that core nodes and ours use.

What is written follows ComfyUI 0.3.64's comfy_api/latest/_input_impl/video_types.py. torch and av
are imported at the first video, for the reasons that tensors.py gives.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import tensors

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer
    from torch import Tensor

Metadata = Mapping[str, Any]
Target = Path | io.BytesIO


@dataclass(frozen=True)
class Components:
    """What a video is made of.

    `images` is an IMAGE, frames x height x width x 3 of float32; `frame_rate` is frames a second.
    """

    images: Tensor
    frame_rate: Fraction
    audio: None = None


class Video:
    """Frames and their rate, and the MP4 file that they were decoded from, if any.

    `images` is an IMAGE, frames x height x width x 3, of which values outside 0..1 are clamped;
    `rate` is frames a second.
    """

    def __init__(self, images: Tensor, rate: Fraction, file: bytes = b"") -> None:
        self._images = images
        self._rate = rate
        self._file = file

    def get_dimensions(self) -> tuple[int, int]:
        """Width and height in pixels, of the frames as given: a saved file may be one larger."""
        return self._images.shape[2], self._images.shape[1]

    def get_components(self) -> Components:
        return Components(self._images, self._rate)

    def save_to(
        self, target: Target, metadata: Metadata | None = None, codec: str = "auto"
    ) -> None:
        """Writes an MP4; `metadata` replaces tags of the same name.

        As in ComfyUI the streams of a file are copied, and encoded again only for a `codec` that
        they do not have; the old tags, and here the sound, are lost then. Frames are encoded with
        H.264, the only codec.
        """
        import av

        if self._file:
            # The named format keeps FFmpeg from following playlists and the like.
            with av.open(io.BytesIO(self._file), "r", format="mp4") as given:
                if codec in ("auto", given.streams.video[0].codec.name):
                    with _writing(target) as output:
                        tags = _tags(metadata, quoted=False)
                        output.metadata.update({**given.metadata, **tags})
                        _copy(given, output)
                    return
        with _writing(target) as output:
            output.metadata.update(_tags(metadata, quoted=True))
            self._encode(output)

    def _encode(self, output: OutputContainer) -> None:
        """H.264 requires even sides. ComfyUI fails at odd ones; here the last row or column is
        repeated. With ComfyUI's settings, which are the default ones, x264 does not repeat every
        video to the last bit: two encodings may be a level apart here and there.
        """
        import av

        images = tensors.even(self._images)
        # ComfyUI rounds the rate to thousandths.
        stream: Any = output.add_stream("h264", rate=Fraction(round(self._rate * 1000), 1000))
        stream.width, stream.height = images.shape[2], images.shape[1]
        stream.pix_fmt = "yuv420p"
        for image in images:
            pixels = (image * 255).clamp(0, 255).byte().cpu().numpy()
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            output.mux(stream.encode(frame.reformat(format="yuv420p")))
        output.mux(stream.encode(None))


def _writing(target: Target) -> OutputContainer:
    import av

    file = target if isinstance(target, io.BytesIO) else str(target)
    # Without this option MP4 drops tags that it does not know, such as "workflow".
    return av.open(file, "w", format="mp4", options={"movflags": "use_metadata_tags"})


def _copy(given: InputContainer, output: OutputContainer) -> None:
    """Every stream of pictures, sound and subtitles, packet by packet."""
    kept: list[Any] = [s for s in given.streams if s.type in ("video", "audio", "subtitle")]
    # Opaque: copied even where this FFmpeg has no encoder for it.
    streams = {s.index: output.add_stream_from_template(s, opaque=True) for s in kept}
    for packet in given.demux(kept):
        if packet.dts is not None:  # the empty packet that ends a stream
            packet.stream = streams[packet.stream.index]
            output.mux(packet)


def _tags(metadata: Metadata | None, *, quoted: bool) -> dict[str, str]:
    """Values as JSON; a text only if `quoted`, which in ComfyUI depends on the kind of video."""
    given = (metadata or {}).items()
    return {k: v if isinstance(v, str) and not quoted else json.dumps(v) for k, v in given}
