from __future__ import annotations

import io
import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from support.pictures import gradient, png_of
from visioncraft.nodes.video_input import VideoFromFile, VideoFromFrames
from visioncraft.visioncraft_core.errors import DamagedFile

RATE = Fraction(30000, 1001)
METADATA = {"workflow": {"nodes": [], "title": "größer"}, "prompt": {"1": {"class_type": "X"}}}


def images(width: int = 64, height: int = 48, amount: int = 5) -> torch.Tensor:
    rolled = [np.roll(gradient(width, height), 4 * n, axis=1) for n in range(amount)]
    return torch.from_numpy(np.stack(rolled).astype(np.float32) / 255.0)


def mp4(codec: str = "h264", *, sound: bool = False, **tags: str) -> bytes:
    buffer = io.BytesIO()
    options = {"movflags": "use_metadata_tags"}
    with av.open(buffer, "w", format="mp4", options=options) as output:
        output.metadata.update(tags)
        video: Any = output.add_stream(codec, rate=RATE)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio: Any = output.add_stream("aac", rate=48000) if sound else None
        for picture in (images().numpy() * 255).round().astype(np.uint8):
            output.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(video.encode(None))
        if audio:
            tone = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), "fltp", "mono")
            tone.sample_rate, tone.pts = 48000, 0
            output.mux(audio.encode(tone))
            output.mux(audio.encode(None))
    return buffer.getvalue()


def saved(film: VideoFromFile | VideoFromFrames, **options: Any) -> bytes:
    buffer = io.BytesIO()
    film.save_to(buffer, **options)
    return buffer.getvalue()


def packets(content: bytes) -> list[tuple[str, bytes, Any]]:
    with av.open(io.BytesIO(content)) as container:
        found = [
            (p.stream.type, bytes(p), p.pts * p.time_base)
            for p in container.demux()
            if p.pts is not None and p.time_base is not None
        ]
    return sorted(found, key=lambda packet: (packet[0], packet[2]))


def tags(content: bytes) -> dict[str, str]:
    with av.open(io.BytesIO(content)) as container:
        return dict(container.metadata)


def shown(content: bytes) -> np.ndarray:
    with av.open(io.BytesIO(content)) as container:
        return np.stack([f.to_ndarray(format="rgb24") for f in container.decode(video=0)])


def alike(content: bytes, other: bytes) -> bool:
    """Whether two encodings show the same: x264 itself does not repeat a film to the last bit."""
    frames, others = shown(content).astype(int), shown(other).astype(int)
    return frames.shape == others.shape and float(np.abs(frames - others).mean()) < 1


def codec_of(content: bytes) -> str:
    with av.open(io.BytesIO(content)) as container:
        return container.streams.video[0].codec.name


def test_a_file_tells_its_size_rate_frames_and_tags():
    film = VideoFromFile(mp4(title="boat"))
    parts = film.get_components()
    assert film.get_dimensions() == (64, 48)
    assert film.rate == parts.frame_rate == RATE
    assert parts.images.shape == (5, 48, 64, 3)
    assert parts.images.dtype == torch.float32
    assert np.array_equal(np.round(parts.images.numpy() * 255), shown(mp4()))
    assert parts.metadata["title"] == "boat"
    assert parts.audio is None


@pytest.mark.parametrize("sound", [True, False])
@pytest.mark.parametrize("codec", ["h264", "mpeg4"])
def test_a_file_is_saved_without_encoding_it_again(codec: str, sound: bool):  # noqa: FBT001
    content = mp4(codec, sound=sound)
    kept = packets(saved(VideoFromFile(content), metadata=METADATA))
    assert kept == packets(content)
    assert {kind for kind, _, _ in kept} == ({"audio", "video"} if sound else {"video"})


def test_a_saved_file_keeps_its_tags_and_takes_new_ones_in_their_place():
    content = mp4(title="boat", workflow="old")
    told = tags(saved(VideoFromFile(content), metadata={**METADATA, "note": "as it is"}))
    assert (told["title"], told["note"]) == ("boat", "as it is")
    assert {name: json.loads(told[name]) for name in METADATA} == METADATA


def test_a_file_is_encoded_again_only_for_a_codec_that_it_has_not():
    other, same = VideoFromFile(mp4("mpeg4")), VideoFromFile(mp4())
    again = saved(other, codec="h264", metadata=METADATA)
    assert codec_of(again) == "h264"
    assert shown(again).shape == (5, 48, 64, 3)
    assert json.loads(tags(again)["workflow"]) == METADATA["workflow"]
    assert packets(saved(same, codec="h264")) == packets(mp4())


@pytest.mark.parametrize(
    "ask", [VideoFromFile.get_dimensions, VideoFromFile.get_components, VideoFromFile.frames]
)
@pytest.mark.parametrize("content", [b"", b"no film", png_of(gradient()), mp4()[:300]])
def test_what_is_no_film_is_refused(content: bytes, ask: Callable[[VideoFromFile], Any]):
    with pytest.raises(DamagedFile):
        ask(VideoFromFile(content))


def test_frames_become_a_film_that_looks_like_them():
    film = VideoFromFrames(images(), RATE)
    content = saved(film, metadata=METADATA)
    assert film.get_dimensions() == (64, 48)
    assert codec_of(content) == "h264"
    assert {name: json.loads(tags(content)[name]) for name in METADATA} == METADATA
    difference = np.abs(shown(content).astype(int) - np.round(images().numpy() * 255))
    assert difference.mean() < 12


@pytest.mark.parametrize("rate", [Fraction(1), Fraction(25, 2), Fraction(24), Fraction(1000)])
def test_frames_keep_their_rate(rate: Fraction):
    content = saved(VideoFromFrames(images(), rate))
    assert VideoFromFile(content).rate == rate


def test_frames_come_back_from_the_film_as_they_were_given():
    given = images()
    parts = VideoFromFrames(given, RATE).get_components()
    assert parts.images is given
    assert (parts.frame_rate, parts.audio) == (RATE, None)


@pytest.mark.parametrize(("width", "height"), [(63, 48), (64, 47), (63, 47), (1, 1)])
def test_frames_of_odd_size_become_a_film_one_larger_with_the_last_line_repeated(
    width: int, height: int
):
    film = VideoFromFrames(images(width, height), RATE)
    assert film.get_dimensions() == (width, height)
    rows = [*range(height), height - 1][: height + height % 2]
    columns = [*range(width), width - 1][: width + width % 2]
    even = images(width, height)[:, rows][:, :, columns]
    assert alike(saved(film), saved(VideoFromFrames(even, RATE)))


def test_values_outside_the_range_are_clamped():
    wild = images() * 3 - 1
    tame = wild.clamp(0, 1)
    assert alike(saved(VideoFromFrames(wild, RATE)), saved(VideoFromFrames(tame, RATE)))


@pytest.mark.parametrize("film", [VideoFromFile(mp4()), VideoFromFrames(images(), RATE)])
def test_a_film_is_saved_to_a_path_as_well(film: VideoFromFile | VideoFromFrames, tmp_path: Path):
    film.save_to(tmp_path / "a.mp4")
    assert alike((tmp_path / "a.mp4").read_bytes(), saved(film))
