"""Result files in an object store, such as s3://BUCKET/FOLDER, by fsspec.

Where the store is and who may use it is told by the environment, as its own tools read it:
AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and so on.
"""

# pyright: reportMissingImports=false

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from ..errors import ConfigError
from ..service.result_files import Stored, check

# When a file was written, in the words of the stores: S3, Google, Azure, and fsspec's own.
_TIMES = ("LastModified", "updated", "last_modified", "mtime", "created")
_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "s3": {
        "config_kwargs": {"connect_timeout": 5, "read_timeout": 30, "retries": {"max_attempts": 2}}
    }
}


class ObjectStore:
    """Raises ConfigError where nothing can be written to `address`, a URL that fsspec knows."""

    def __init__(self, address: str) -> None:
        try:
            from fsspec.core import url_to_fs

            options = _OPTIONS.get(address.partition("://")[0], {})
            # A listing that is remembered would not show what other servers wrote.
            self._files, self._root = url_to_fs(address, use_listings_cache=False, **options)
        except (ImportError, ValueError) as error:
            raise ConfigError(
                f"The store of results cannot be used ({str(error)[:80]}).",
                'Install it with: pip install "visioncraft[s3]", or correct `results` in [server].',
            ) from None
        try:
            check(self)
        except OSError as error:
            raise ConfigError(
                f"Results cannot be written to {address[:80]} ({error.strerror}).",
                "Correct `results` in [server], or the environment's address and credentials.",
            ) from None

    def write(self, name: str, content: bytes) -> None:
        with _as_os_error():
            self._files.pipe_file(f"{self._root}/{name}", content)

    def read(self, name: str, most_age: float) -> bytes | None:
        path = f"{self._root}/{name}"
        try:
            with _as_os_error():
                if _age(self._files.info(path)) > most_age:
                    return None
                return self._files.cat_file(path)
        except FileNotFoundError:
            return None

    def files(self) -> Iterable[Stored]:
        with _as_os_error():
            listed = self._files.find(self._root, detail=True).items()
        return [
            Stored(_age(told), told["size"] or 0, path.rpartition("/")[2]) for path, told in listed
        ]

    def remove(self, name: str) -> None:
        with _as_os_error():
            self._files.rm_file(f"{self._root}/{name}")


def _age(told: Mapping[str, Any]) -> float:
    """Seconds; 0 where the store does not tell."""
    when = next((told[name] for name in _TIMES if told.get(name)), None)
    when = datetime.fromisoformat(when) if isinstance(when, str) else when
    when = when.timestamp() if isinstance(when, datetime) else when
    return time.time() - when if when else 0.0


@contextmanager
def _as_os_error() -> Iterator[None]:
    try:
        yield
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 - each store has exceptions of its own
        raise OSError(0, type(error).__name__) from None
