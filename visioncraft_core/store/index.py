"""The file of SQLite that names what a store holds: how it is opened, made and shared.

A store that is at work holds it open: opening it anew for each question took longer than asking.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import StoreUnreadable

WRITE = "BEGIN IMMEDIATE"  # waits for other writers, where a later change of mind would fail
_NO_LOCKS_TIMEOUT = 0.2  # seconds; a drive without locks seems to be busy for ever

_CONNECT = (
    # Not WAL, which needs memory that all processes share: a network drive has none. Nor DELETE,
    # which survives a power cut only if the folder is synced, too. TRUNCATE takes half as long
    # again, because the file system has to note each change of its length.
    "PRAGMA journal_mode = PERSIST",
    "PRAGMA synchronous = FULL",  # the default, but not of every build
    "PRAGMA foreign_keys = ON",
    # An object goes with the last record that names it.
    """CREATE TEMP TRIGGER remove_object AFTER DELETE ON records
        WHEN NOT EXISTS (SELECT * FROM records WHERE object = old.object)
        BEGIN SELECT remove_object(old.object); END""",
)
_VERSION = 1  # of the tables
_TABLES = (
    """CREATE TABLE IF NOT EXISTS requests (key TEXT PRIMARY KEY, made REAL, used REAL,
        server TEXT, path TEXT, about TEXT)""",
    "CREATE INDEX IF NOT EXISTS requests_by_use ON requests (used)",
    # A name is reply, job (the answer of a job that ended), unparsed (an answer that gave no
    # result, for people) or the sha256 of the URL of a file.
    """CREATE TABLE IF NOT EXISTS records (
        key TEXT REFERENCES requests ON DELETE CASCADE, name TEXT, object TEXT, size INTEGER,
        status INTEGER, origin TEXT, PRIMARY KEY (key, name))""",
    "CREATE INDEX IF NOT EXISTS records_by_object ON records (object, size)",
    """CREATE TABLE IF NOT EXISTS durations (
        key TEXT PRIMARY KEY REFERENCES requests ON DELETE CASCADE,
        server TEXT, path TEXT, model TEXT, made REAL, seconds REAL)""",
    "CREATE INDEX IF NOT EXISTS durations_by_work ON durations (server, path, model, made)",
    f"PRAGMA user_version = {_VERSION}",
)
_of_parents: list[sqlite3.Connection] = []  # which a fork of a process must not even close
_ADD_REQUEST = """INSERT INTO requests VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (key) DO UPDATE SET used = excluded.used"""
_ADD_RECORD = "INSERT OR IGNORE INTO records VALUES (?, ?, ?, ?, ?, ?)"


class Index:
    """The index at `path`, for all threads of this process, one at a time. A file that is damaged
    is moved to `damaged` and another one begun.

    `remove_object` is called with the name of each object that no record names any more, and
    `take_over` with each new connection.
    """

    def __init__(
        self,
        path: Path,
        damaged: Path,
        busy_timeout: float,
        remove_object: Callable[[str], None],
        take_over: Callable[[sqlite3.Connection], None],
    ) -> None:
        self._path = path
        self._damaged = damaged
        self._timeout = self._busy_timeout = busy_timeout
        self._remove_object = remove_object
        self._take_over = take_over
        self._lock = threading.Lock()
        self._holders = 0
        self._db: sqlite3.Connection | None = None
        self._file: tuple[int, ...] = ()  # that is open, and in which process

    @contextmanager
    def held(self) -> Iterator[None]:
        """Meanwhile what was once opened stays open."""
        with self._lock:
            self._holders += 1
        try:
            yield
        finally:
            with self._lock:
                self._holders -= 1
                self._close_unless_held()

    @contextmanager
    def opened(self, *, create: bool = False) -> Iterator[sqlite3.Connection]:
        """The connection, which is committed at the end.

        Raises OSError, also where there is no index, and StoreUnreadable where there is one that
        this user may not read: whoever took it for none would pay for everything again.
        """
        with self._lock:
            try:
                with self._connection(create=create) as db:
                    yield db
                if self._timeout != self._busy_timeout:
                    self._timeout = self._busy_timeout
                    db.execute(f"PRAGMA busy_timeout = {1000 * self._timeout:.0f}")
            except sqlite3.Error as error:
                self._timeout = _NO_LOCKS_TIMEOUT
                self._close()
                if type(error) is sqlite3.DatabaseError:  # the file is damaged: begin another one
                    with suppress(OSError):
                        os.replace(self._path, self._damaged)
                raise OSError(errno.EIO, str(error)) from error
            finally:
                self._close_unless_held()

    def _connection(self, *, create: bool) -> sqlite3.Connection:
        if create:
            # Nothing but SQLite may open and close it: that would end the locks of this process.
            with suppress(FileExistsError):
                self._path.touch(0o600, exist_ok=False)
        file = (*self._readable(), os.getpid())
        if self._db and file == self._file:
            return self._db
        if self._db and file[-1] != self._file[-1]:
            _of_parents.append(self._db)
            self._db = None
        self._close()  # somebody removed the file meanwhile
        db = sqlite3.connect(
            self._path, self._timeout, isolation_level=None, check_same_thread=False
        )
        try:
            db.create_function("remove_object", 1, self._remove_object)
            if db.execute("PRAGMA user_version").fetchone() != (_VERSION,):
                for statement in _TABLES:
                    db.execute(statement)
            for statement in _CONNECT:
                db.execute(statement)
            self._take_over(db)
        except BaseException:
            db.close()
            raise
        self._db, self._file = db, file
        return db

    def _readable(self) -> tuple[int, int]:
        """Which file it is."""
        try:
            found = self._path.stat()
            if stat.S_ISREG(found.st_mode) and os.access(self._path, os.R_OK):
                return found.st_dev, found.st_ino
            reason = os.strerror(errno.EACCES)
        except (FileNotFoundError, NotADirectoryError):
            raise  # nothing was ever kept here
        except OSError as error:
            reason = error.strerror or "unknown error"
        raise StoreUnreadable(
            f"The stored results cannot be read ({reason}), and one of them may be what is asked "
            "for.",
            f"Make {self._path.parent} readable for this user, or move it away.",
        )

    def _close_unless_held(self) -> None:
        if not self._holders:
            self._close()

    def _close(self) -> None:
        db, self._db = self._db, None
        if db:
            db.close()


def add(db: sqlite3.Connection, request: Iterable[object], *records: Iterable[object]) -> None:
    db.execute(_ADD_REQUEST, storable(request))
    db.executemany(_ADD_RECORD, map(storable, records))


def storable(row: Iterable[object]) -> list[object]:
    """`row` without half characters, for which SQLite has no bytes."""
    return [v.encode("utf-8", "replace").decode() if isinstance(v, str) else v for v in row]
