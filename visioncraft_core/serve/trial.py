"""What each endpoint of a configuration uses, and one small request to each."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

from ..api import endpoints as api
from ..api.fields import ChoiceField, Request
from ..media.images import sniff
from ..service import openapi
from ..service.engine import Engine, EngineError, Job
from ..service.pixels import png
from ..service.queue import QueuedEngine

PROMPT = "a red fox in the snow"
_SMALL: Mapping[str, Any] = {
    "prompt": PROMPT,
    "message": "Say hello in one line.",
    "messages": ({"role": "user", "content": "Say hello in one line."},),
    "steps": 8,
    "width": 512,
    "height": 512,
}


@dataclass(frozen=True)
class Trial:
    """How one endpoint answered: `said` in words, and the files that were written."""

    path: str
    seconds: float
    said: str
    files: Sequence[Path] = ()
    failed: bool = False


def requests_for(engine: Engine) -> Iterator[tuple[type[Request], Request | None]]:
    """One small request to each endpoint, None where the engine does not serve it."""
    catalogs = engine.catalogs()
    for kind in api.ENDPOINTS:
        request = openapi.example(kind, catalogs)
        if request is None or not engine.serves(request):
            yield kind, None
            continue
        names = {field.name for field in kind.fields()}
        small = {name: value for name, value in _SMALL.items() if name in names}
        yield kind, replace(request, **small, **({"image": _picture()} if "image" in names else {}))


def uses(engine: Engine, queues: Sequence[QueuedEngine]) -> list[str]:
    """What each endpoint will use, a line each."""
    lines = []
    for kind, request in requests_for(engine):
        serving = [queue.name for queue in queues if request and queue.serves(request)]
        what = ", ".join(serving) if serving else "not offered"
        model = next((f.kind for f in kind.fields() if f.name == "model"), None)
        catalog = model.catalog if isinstance(model, ChoiceField) else ""
        names = engine.catalogs().get(catalog, ()) if serving else ()
        models = f": {', '.join(names[:8])}{' ...' if len(names) > 8 else ''}" if names else ""
        lines.append(f"{kind.path:<16}{what}{models}")
    return lines


async def try_all(
    engine: Engine, folder: Path, begins: Callable[[str], None] = lambda path: None
) -> AsyncIterator[Trial]:
    """Makes the requests one after the other; what they give is written to `folder`.

    Tells `begins` the path of each, as some take minutes.
    """
    for kind, request in requests_for(engine):
        if request is None:
            continue
        begins(kind.path)
        begun = time.monotonic()
        try:
            output = await engine.generate(request, Job(seed=1, owner="trial"))
        except EngineError as error:
            yield Trial(kind.path, time.monotonic() - begun, str(error), failed=True)
            continue
        seconds = time.monotonic() - begun
        files = []
        for number, content in enumerate(output.files, 1):
            name = f"{kind.path.strip('/').replace('/', '-')}_{number}.{sniff(content) or 'bin'}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
            files.append(folder / name)
        said = " ".join(output.text.split())[:200]
        yield Trial(kind.path, seconds, said, files)


def _picture() -> bytes:
    """A small landscape: light above, dark below."""
    return png(Image.linear_gradient("L").rotate(180).convert("RGB"))
