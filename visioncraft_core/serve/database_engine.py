"""From the address of a database to SQLAlchemy's engine for it: SQLite or PostgreSQL."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from ..errors import ConfigError

PATIENCE = 5  # seconds for a connection, and for another program that writes
MOST_SILENCE = 10_000  # milliseconds


def check_address(address: str) -> None:
    """Raises ConfigError where it is no address of a database that can be used."""
    _url(address)


def _url(address: str) -> sa.URL:
    try:
        url = sa.make_url(address)
    except ArgumentError:
        url = None
    if url is not None and url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    if url is None or url.get_backend_name() not in ("sqlite", "postgresql"):
        raise ConfigError(
            "The address of the database is not understood.",
            "Write sqlite:///FILE or postgresql://USER@HOST/NAME.",
        )
    return url


def open_engine(address: str, patience: float | None = None) -> sa.Engine:
    """`patience` is how many seconds SQLite waits for another program that writes."""
    url = _url(address)
    if url.get_backend_name() != "sqlite":
        try:
            # A database that fell silent must not hold requests for ever.
            silence = {"tcp_user_timeout": MOST_SILENCE, "connect_timeout": PATIENCE}
            limits = {**silence, "options": f"-c statement_timeout={MOST_SILENCE}"}
            # Each connection is tried before it is used: the database may have started anew.
            return sa.create_engine(url, connect_args=limits, pool_pre_ping=True)
        except (ImportError, NoSuchModuleError):
            raise ConfigError(
                "The driver for this database is not installed.",
                'Install it with: pip install "visioncraft[serve]".',
            ) from None
    if url.database:
        _own_file(Path(url.database))
    timeout = PATIENCE if patience is None else patience
    engine = sa.create_engine(url, connect_args={"timeout": timeout, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions begin below, not in the driver
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        if not connection.get_execution_options().get("single"):
            # One that reads first and then writes could not wait for another one's end.
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _own_file(path: Path) -> None:
    """Makes the file before SQLite does: only its owner may read what is said in chats."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise ConfigError(
            f"The database cannot be written: {path} ({error.strerror}).",
            "Choose another `data` folder or `database` in [server].",
        ) from None


def reason_of(error: SQLAlchemyError) -> str:
    """In a few words, without the statement and its values."""
    words = str(getattr(error, "orig", None) or type(error).__name__)
    return words.strip().splitlines()[0][:120] if words.strip() else type(error).__name__
