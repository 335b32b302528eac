"""What a node says about its work: one line, however many items of a list it runs at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args
from weakref import WeakValueDictionary

from ..visioncraft_core.errors import Cancelled, VisionCraftError
from ..visioncraft_core.generation.progress import Delay, Queued, Step, Working

Severity = Literal["progress", "info", "warn", "error"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
MOST = 0.95  # of a progress bar before the end


@dataclass(frozen=True)
class Line:
    """What stands on a node. "progress" is a passing text; all others are the last word."""

    text: str
    severity: Severity = "progress"


@dataclass(frozen=True)
class Ended:
    """How one call of a node ended; `seconds` is how long it took where it was done."""

    severity: Severity
    notes: Sequence[str]
    seconds: float | None = None


class CallStatus:
    """One call of a node. Call it with a text for each step."""

    def __init__(self, node: NodeStatus) -> None:
        self._node = node
        self._text = ""
        self._since = self._looked = time.monotonic()
        self._worked = 0.0  # seconds of the current step that were no pause
        self._usual: float | None = None
        self._told: float | None = None  # by the server: how much is done
        self._requests = self._files = 1
        self._arrived = 0
        self._lock = threading.Lock()
        self.ended: Ended | None = None

    def __call__(self, text: str) -> None:
        # A cancelled thread may go on for a while; what it reports must not stay on the node.
        if self.ended is None:
            goes_on = isinstance(text, Queued | Working) and type(text) is type(self._text)
            self._since = self._since if goes_on else time.monotonic()
            self._text = text
            if isinstance(text, Step):
                self._usual, self._worked, self._told = text.usual_seconds, 0.0, None
            elif isinstance(text, Working):
                self._told = text.fraction
            self._node.report(text)

    def preview(self, picture: object) -> None:
        """Shows a picture of the unfinished result; the host knows what kind of object it is."""
        if self.ended is None:
            self._node.preview = picture

    def expect(self, requests: int, files: int) -> None:
        """How many requests were made, and how many files they are to bring in all."""
        self._requests, self._files = requests, files

    def file_arrived(self) -> None:
        with self._lock:  # several are decoded at once
            self._arrived += 1

    def done(self, seconds: float, notes: Sequence[str], *, incomplete: bool) -> None:
        """The work is done; `incomplete` tells that a part of it failed."""
        if not self._node.stays:
            for note in notes:
                self._node.report(note)
        self._end(Ended("warn" if incomplete else "info", notes, seconds))

    def failed(self, error: BaseException) -> None:
        if isinstance(error, Cancelled):
            self.stopped()
        else:  # others may hold anything, and ComfyUI shows them
            why = f": {error}" if isinstance(error, VisionCraftError) else "."
            self._end(Ended("error", [f"Failed{why}"]))
            self._node.clear_progress()

    def stopped(self) -> None:
        self._end(Ended("info", ["Stopped."]))

    def close(self) -> None:
        """The call is over: what was said last stays."""
        self._end(Ended("info", [self._text] if self._text else []))

    def _end(self, ended: Ended) -> None:
        if self.ended is None:
            self.ended = ended
            self._node.refresh()

    def line(self) -> str:
        """The text of the current step, with the seconds that it has taken or that are left."""
        text, seconds = self._text, int(time.monotonic() - self._since)
        if isinstance(text, Delay) and text.seconds is not None:
            left = text.seconds - (time.monotonic() - self._since)
            return f"{text.reason}, again in {left:.0f} s" if left >= 1 else str(text.reason)
        if self._arrived and self._files > 1:
            text = f"{text}, {self._arrived} of {self._files} here"
        if seconds < 1 or not text:
            return str(text)
        if isinstance(self._text, Step) and self._usual and seconds <= self._usual:
            return f"{text} ({seconds} of about {self._usual:.0f} s)"
        return f"{text} ({seconds} s)"

    def fraction(self) -> float | None:
        """How much of the work is done, 0..1; None where nobody knows."""
        now = time.monotonic()
        if not isinstance(self._text, Delay):
            self._worked += now - self._looked
        self._looked = now
        if self.ended:
            return 1.0
        if self._requests > 1:
            return max(self._arrived / self._files, self._told or 0.0)
        if self._told is not None:
            return self._told
        return self._worked / self._usual if self._usual else None


class NodeStatus:
    """All calls that a node makes at once: one, or one for each item of a list."""

    def __init__(
        self,
        show: Callable[[Line], None],
        show_progress: Callable[[float, object], None],
        *,
        stays: bool,
    ) -> None:
        self._show = show
        self._show_progress = show_progress
        self.preview: object = None  # the latest picture that is not shown yet
        self.stays = stays  # the last text stays on the node: times are counted, ends reported
        self._calls: list[CallStatus] = []
        self._shown = Line("")
        self._percent = 0
        self._lock = threading.RLock()

    def call(self) -> CallStatus:
        with self._lock:
            self._calls.append(CallStatus(self))
            return self._calls[-1]

    def report(self, text: str) -> None:
        if self.stays:
            self.refresh()
        else:
            self._show(Line(text))

    def refresh(self) -> None:
        """Shows what changed."""
        with self._lock:
            line = self._line() if self.stays else self._shown
            if line.text and line != self._shown:
                self._shown = line
                self._show(line)

    def refresh_progress(self) -> None:
        """Shows how much is done, which never goes back, and the latest picture of it."""
        known = [call.fraction() for call in self._calls]
        mean = sum(fraction or 0.0 for fraction in known) / len(known)
        percent = max(self._percent, int(100 * min(MOST, mean)))
        preview, self.preview = self.preview, None
        if percent > self._percent or preview is not None:
            self._percent = percent
            self._show_progress(percent / 100, preview)

    def clear_progress(self) -> None:
        """ComfyUI ends the bar of a node that is done, not of one that failed."""
        if self._percent:
            self._show_progress(0.0, None)

    def _line(self) -> Line:
        ends = [call.ended for call in self._calls if call.ended]
        working = [call for call in self._calls if not call.ended]
        if working:
            text = next((line for line in (call.line() for call in working) if line), "")
            if len(self._calls) == 1 or not text:
                return Line(text)
            return Line(f"{len(ends)} of {len(self._calls)} done; {text}")
        return _last_word(ends)


def _last_word(ends: Sequence[Ended]) -> Line:
    """What stays on a node when all its calls have ended."""
    severity = SEVERITIES[max(SEVERITIES.index(end.severity) for end in ends)]
    notes = dict.fromkeys(note for end in ends for note in end.notes)
    if severity == "error":  # the others are lost to ComfyUI, too
        notes = dict.fromkeys(end.notes[0] for end in ends if end.severity == "error")
        return Line(next(iter(notes)), "error")
    took = [end.seconds for end in ends if end.seconds is not None]
    head = f"{len(took)} runs done" if len(took) > 1 else "Done"
    words = [f"{head} in {max(took):.1f} s."] if took else []
    return Line(" ".join([*words, *notes]), severity)


_nodes: WeakValueDictionary[object, NodeStatus] = WeakValueDictionary()


def shared(key: object, make: Callable[[], NodeStatus]) -> NodeStatus:
    """The status of the node with this `key` as long as one of its calls goes on; always a new one
    where `key` is None."""
    if key is None:
        return make()
    # Only the loop that runs the nodes comes here.
    status = _nodes.get(key)
    if status is None:
        status = _nodes[key] = make()
    return status
