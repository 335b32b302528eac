"""Accounts in a database, SQLite or PostgreSQL: keys as digests, what was used, premium chats.

Every server and command looks into the database itself, so a change is seen at once by all. Limits
are therefore exact where several servers share one, if their clocks agree to a second.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ..errors import ConfigError
from ..service.accounts import (
    DAY,
    DONE,
    LEFT,
    MINUTE,
    MOST_TURNS,
    Account,
    AccountsUnavailable,
    LimitReached,
    Turn,
)
from .database_engine import PATIENCE, open_engine, reason_of
from .schema import KEYS, LEASES, TABLES, TURNS, USES

log = logging.getLogger("visioncraft.service")

PREFIX = "vc-"  # of a key
KEY_BYTES = 32
SOON = 0.05  # seconds until what need not be written at once is written, together
AGAIN = 1.0  # seconds until it is tried again, where that failed
LEASE = 30.0  # seconds after which work counts as ended whose server no longer says that it goes on
DAYS_OF_USE, DAYS_OF_CHATS = 400, 90  # older ones are removed when a server starts
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@+-]{0,63}")

T = TypeVar("T")

# Made once: to build a statement takes longer than SQLite needs for it.
_END = (
    sa.update(USES)
    .where(USES.c.id == sa.bindparam("use"))
    .values(status=sa.bindparam("how"), seconds=sa.bindparam("took"))
)
_FORGET = sa.delete(USES).where(USES.c.id == sa.bindparam("use"))
_GIVE_BACK = sa.delete(LEASES).where(LEASES.c.id == sa.bindparam("lease"))
_FIND = sa.select(KEYS).where(KEYS.c.digest == sa.bindparam("digest"))
_LOCK = sa.select(KEYS.c.id).where(KEYS.c.name == sa.bindparam("name")).with_for_update()
_BEGIN = sa.insert(USES)
_counted = USES.c.status.is_(None) | USES.c.status.in_((DONE, LEFT))
_NTH_LATEST = (  # when the request was begun that is the nth latest of those that count
    sa.select(USES.c.begun)
    .where((USES.c.key_id == sa.bindparam("key_id")) & _counted)
    .where(USES.c.begun.between(sa.bindparam("first"), sa.bindparam("last")))
    .order_by(USES.c.begun.desc())
    .offset(sa.bindparam("before"))
    .limit(1)
)
_TAKE = sa.insert(LEASES)
_TAKEN = (
    sa.select(sa.func.count())
    .where(LEASES.c.key_id == sa.bindparam("key_id"))
    .where(LEASES.c.until.between(sa.bindparam("first"), sa.bindparam("last")))
)
_EXTEND = (
    sa.update(LEASES)
    .where(LEASES.c.server == sa.bindparam("whose"))
    .values(until=sa.bindparam("later"))
)


@dataclass(frozen=True)
class Tier:
    """What each key may use that has no limits of its own. 0 is no limit."""

    per_minute: int = 0
    per_day: int = 0
    at_once: int = 0


@dataclass(frozen=True)
class Key:
    """A key as it can be shown: its last characters only. A limit of None is the tier's."""

    name: str
    ending: str
    premium: bool
    disabled: bool
    created: float
    per_minute: int | None
    per_day: int | None
    at_once: int | None


@dataclass(frozen=True)
class Usage:
    """What one key used of one endpoint. `seconds` are those of all requests together."""

    key: str
    endpoint: str
    done: int
    left: int  # by the client, while it was worked on
    failed: int
    unfinished: int
    seconds: float


class Database:
    """Accounts for a service, and what is done with them from the command line.

    `address` is SQLAlchemy's URL, or sqlite:///FILE; `tiers` are those of free and premium keys.
    Raises ConfigError where there is no such database.
    """

    def __init__(self, address: str, tiers: Mapping[bool, Tier] | None = None) -> None:
        self.tiers = dict(tiers or {})
        self._engine = open_engine(address)
        self._where = self._engine.url.render_as_string(hide_password=True)
        self._unwritten: list[tuple[Any, Mapping[str, Any]]] = []
        self._unwritten_lock = threading.Lock()
        self._failed = False  # to read or to write, before it was tried again
        self._server = secrets.token_hex(16)
        self._held: set[int] = set()  # leases
        self._extending: asyncio.Task[None] | None = None
        self._writing: asyncio.Task[None] | None = None
        sqlite = self._engine.dialect.name == "sqlite"
        # SQLite lets one write at a time, and threads of ours need not fight for it.
        self._threads = ThreadPoolExecutor(
            1 if sqlite else 4, thread_name_prefix="visioncraft-database"
        )
        # Of single statements no others are to be undone, which spares PostgreSQL two messages.
        single = {"single": True} if sqlite else {"isolation_level": "AUTOCOMMIT"}
        self._options = {True: single, False: {"single": False}}
        try:
            self._prepare()
            # SQLite answers sooner than a thread wakes, unless it must wait for another program.
            self._direct = open_engine(address, patience=0).connect() if sqlite else None
        except SQLAlchemyError as error:
            self._engine.dispose()
            raise ConfigError(
                f"The database {self._where} cannot be used ({reason_of(error)}).",
                "Start it, or correct `database` in [server].",
            ) from None

    async def find(self, key: str) -> Account | None:
        return await self._run(self._find, key)

    async def begin(self, account: Account, endpoint: str) -> int:
        return await self._run(self._begin, account, endpoint, undo=self.forget)

    def end(self, use: int, status: int, seconds: float) -> None:
        self._soon(_END, {"use": use, "how": status, "took": seconds})

    def forget(self, use: int) -> None:
        self._soon(_FORGET, {"use": use})

    async def take(self, owner: str, most: int) -> int | None:
        lease = await self._run(self._take, owner, most, undo=self.give_back)
        if lease is not None:
            self._held.add(lease)
            if not self._extending or self._extending.done():
                self._extending = asyncio.ensure_future(self._extend_leases())
        return lease

    def give_back(self, lease: int) -> None:
        self._held.discard(lease)
        self._soon(_GIVE_BACK, {"lease": lease})

    async def chat(self, account: Account, chat_id: str) -> Sequence[Turn] | None:
        return await self._run(self._chat, account, chat_id)

    async def continue_chat(self, account: Account, chat_id: str, turns: Sequence[Turn]) -> None:
        await self._run(self._continue_chat, account, chat_id, turns)

    async def close(self) -> None:
        for task in (self._extending, self._writing):
            if task:
                task.cancel()
        await asyncio.to_thread(self.close_now)

    def close_now(self) -> None:
        """Waits for what is still to be written."""
        self._threads.shutdown()
        self._write_now()
        if self._direct:
            self._direct.close()
            self._direct.engine.dispose()
        self._engine.dispose()

    async def check(self) -> None:
        """Raises AccountsUnavailable where the database does not answer, or takes nothing."""
        if self._failed:
            await self._run(self._write_nothing)
            self._failed = False
        await self._run(self._rows, sa.select(sa.literal(1)))

    def add_key(self, name: str, *, premium: bool = False, limits: Mapping[str, int] = {}) -> str:
        """A new key, which is never shown again. Raises ConfigError where the name is taken."""
        if not _NAME.fullmatch(name):
            raise ConfigError(
                f"{name[:60]} cannot be the name of a key.",
                "Use 1 to 64 letters, digits and - _ . @ +, such as the name of a person or team.",
            )
        key, values = _new_key()
        now = time.time()
        row = {**values, "name": name, "premium": premium, "disabled": False, "created": now}
        try:
            self._change(sa.insert(KEYS).values(**row, **limits))
        except IntegrityError:
            raise ConfigError(
                f"There is a key called {name} already.",
                f"Choose another name, or replace it with: visioncraft serve key rotate {name}.",
            ) from None
        return key

    def rotate_key(self, name: str) -> str:
        """Another key for the same account; the old one is no longer valid. Raises ConfigError."""
        key, values = _new_key()
        self._change_key(name, **values, disabled=False)
        return key

    def disable_key(self, name: str) -> None:
        """Raises ConfigError where there is no such key."""
        self._change_key(name, disabled=True)

    def list_keys(self) -> list[Key]:
        columns = [KEYS.c[name] for name in Key.__dataclass_fields__]
        return [Key(*row) for row in self._all(sa.select(*columns).order_by(KEYS.c.name))]

    def usage(self, days: float) -> list[Usage]:
        """By key and endpoint, of the last `days`."""
        status = USES.c.status

        def count(condition: Any) -> Any:
            return sa.func.count(sa.case((condition, 1)))

        columns = (
            count(status == DONE),
            count(status == LEFT),
            count(status.not_in((DONE, LEFT))),
            count(status.is_(None)),
            sa.func.coalesce(sa.func.sum(USES.c.seconds), 0.0),
        )
        by = (KEYS.c.name, USES.c.endpoint)
        found = sa.select(*by, *columns).select_from(USES.join(KEYS))
        found = found.where(USES.c.begun > time.time() - days * DAY)
        return [Usage(*row) for row in self._all(found.group_by(*by).order_by(*by))]

    def _prepare(self) -> None:
        try:
            TABLES.create_all(self._engine)
        except SQLAlchemyError:  # another server may be making them in this moment
            TABLES.create_all(self._engine)
        now = time.time()
        with self._engine.begin() as connection:
            old = USES.c.begun < now - DAYS_OF_USE * DAY
            connection.execute(sa.delete(USES).where(old))
            old = TURNS.c.said < now - DAYS_OF_CHATS * DAY
            connection.execute(sa.delete(TURNS).where(old))
            connection.execute(sa.delete(LEASES).where(LEASES.c.until < now - DAY))

    async def _run(
        self, work: Callable[..., T], *arguments: Any, undo: Callable[[Any], None] | None = None
    ) -> T:
        """What `work` gives for a connection and `arguments`; `undo` takes it back where nobody
        waits for it any more."""
        if self._direct:
            with suppress(SQLAlchemyError):  # it is locked, or fails again
                return work(self._direct, *arguments)
        latest = time.monotonic() + PATIENCE

        def do() -> T:
            if time.monotonic() > latest:  # those before it waited for a database that is away
                raise PoolTimeout
            return self._do(work, *arguments)

        def take_back(done: asyncio.Future[T]) -> None:
            if not done.cancelled() and not done.exception() and undo and done.result():
                undo(done.result())

        working = asyncio.get_running_loop().run_in_executor(self._threads, do)
        try:
            return await asyncio.shield(working)
        except asyncio.CancelledError:
            working.add_done_callback(take_back)
            raise
        except SQLAlchemyError as error:
            log.error("The database %s failed (%s).", self._where, reason_of(error))
            self._failed = True
            raise AccountsUnavailable from None

    def _do(self, work: Callable[..., T], *arguments: Any) -> T:
        with self._engine.connect() as connection:
            return work(connection, *arguments)

    def _write_nothing(self, connection: sa.Connection) -> None:
        """Tries whether something could be noted: a full disk can still be read."""
        row = sa.select(KEYS.c.id, sa.literal(self._server), sa.literal(0.0)).limit(1)
        with self._transaction(connection):
            connection.execute(sa.insert(LEASES).from_select(["key_id", "server", "until"], row))
            connection.execute(sa.delete(LEASES).where(LEASES.c.until == 0.0))

    def _transaction(self, connection: sa.Connection, *, single: bool = False) -> Any:
        """For several statements, or a `single` one."""
        return connection.execution_options(**self._options[single]).begin()

    def _soon(self, statement: Any, values: Mapping[str, Any]) -> None:
        with self._unwritten_lock:
            self._unwritten.append((statement, values))
        if not self._writing or self._writing.done():
            self._writing = asyncio.ensure_future(self._write_soon())

    async def _write_soon(self) -> None:
        """Not at once: it would take time from the answer that is being sent."""
        pause = SOON
        while self._unwritten:
            await asyncio.sleep(pause)
            try:
                await self._run(self._write)
            except AccountsUnavailable:  # meanwhile they go on counting against the limits
                pause = AGAIN

    def _write_now(self) -> None:
        try:
            self._do(self._write)
        except SQLAlchemyError as error:
            log.error("Uses could not be noted in the database (%s).", reason_of(error))

    def _write(self, connection: sa.Connection) -> None:
        """Writes what was to be written soon; what fails is to be written still."""
        with self._unwritten_lock:
            changes, self._unwritten = self._unwritten, []
        if not changes:
            return
        try:
            with self._transaction(connection):
                for statement in (_END, _FORGET, _GIVE_BACK):
                    if rows := [values for kind, values in changes if kind is statement]:
                        connection.execute(statement, rows)
        except SQLAlchemyError:
            with self._unwritten_lock:
                self._unwritten[:0] = changes
            raise

    def _find(self, connection: sa.Connection, key: str) -> Account | None:
        digest = _digest(key)
        found = self._rows(connection, _FIND, {"digest": digest})
        if not found or found[0].disabled or not hmac.compare_digest(found[0].digest, digest):
            return None
        row = found[0]
        tier = self.tiers.get(row.premium, Tier())

        def limit(name: str) -> int:
            own = getattr(row, name)
            return getattr(tier, name) if own is None else own

        limits = {name: limit(name) for name in ("per_minute", "per_day", "at_once")}
        return Account(row.name, row.premium, **limits, id=row.id)

    def _begin(self, connection: sa.Connection, account: Account, endpoint: str) -> int:
        limits = [(account.per_minute, MINUTE), (account.per_day, DAY)]
        limits = [(most, seconds) for most, seconds in limits if most]
        if limits:
            self._write(connection)  # what failed meanwhile does not count
        now = time.time()
        with self._transaction(connection, single=not limits):
            if limits and not self._direct:  # SQLite has one writer anyway
                # Locked until the request is counted, or two at once would both be the last.
                connection.execute(_LOCK, {"name": account.name})
            for most, seconds in limits:
                # Those of the future are of a clock that was wrong.
                within = {"first": now - seconds, "last": now + 1, "before": most - 1}
                first = connection.execute(_NTH_LATEST, {"key_id": account.id, **within}).scalar()
                if first is not None:
                    raise LimitReached(account, most, seconds, first + seconds - now)
            row = {"key_id": account.id, "endpoint": endpoint, "begun": now}
            return connection.execute(_BEGIN, row).inserted_primary_key[0]  # type: ignore[index]

    def _take(self, connection: sa.Connection, owner: str, most: int) -> int | None:
        self._write(connection)  # what was given back meanwhile
        with self._transaction(connection):
            key_id = connection.execute(_LOCK, {"name": owner}).scalar_one()
            now = time.time()
            within = {"first": now, "last": now + LEASE + 1}
            if connection.execute(_TAKEN, {"key_id": key_id, **within}).scalar_one() >= most:
                return None
            row = {"key_id": key_id, "server": self._server, "until": now + LEASE}
            return connection.execute(_TAKE, row).inserted_primary_key[0]  # type: ignore[index]

    async def _extend_leases(self) -> None:
        """Says again and again that the work goes on, while there is some."""
        while self._held:
            await asyncio.sleep(LEASE / 3)
            with suppress(AccountsUnavailable):
                await self._run(self._extend)

    def _extend(self, connection: sa.Connection) -> None:
        with self._transaction(connection, single=True):
            connection.execute(_EXTEND, {"whose": self._server, "later": time.time() + LEASE})

    def _chat(
        self, connection: sa.Connection, account: Account, chat_id: str
    ) -> Sequence[Turn] | None:
        if not chat_id.isascii() or not chat_id.isprintable():
            return None
        belongs = (TURNS.c.chat_id == chat_id) & (TURNS.c.key_id == account.id)
        found = sa.select(TURNS.c.role, TURNS.c.content).where(belongs)
        rows = self._rows(connection, found.order_by(TURNS.c.id.desc()).limit(MOST_TURNS))
        return [{"role": row.role, "content": row.content} for row in rows][::-1] or None

    def _continue_chat(
        self, connection: sa.Connection, account: Account, chat_id: str, turns: Sequence[Turn]
    ) -> None:
        row = {"key_id": account.id, "chat_id": chat_id, "said": time.time()}
        said = [{"role": turn["role"], "content": _storable(turn["content"])} for turn in turns]
        with self._transaction(connection):
            connection.execute(sa.insert(TURNS), [{**row, **each} for each in said])

    def _change_key(self, name: str, **values: Any) -> None:
        if not self._change(sa.update(KEYS).where(KEYS.c.name == name).values(**values)):
            raise ConfigError(
                f"There is no key called {name[:60]}.", "See them with: visioncraft serve key list."
            )

    def _change(self, statement: Any) -> int:
        def change(connection: sa.Connection) -> int:
            with self._transaction(connection, single=True):
                return connection.execute(statement).rowcount

        return self._do(change)

    def _all(self, statement: Any) -> Sequence[Any]:
        return self._do(self._rows, statement)

    def _rows(
        self, connection: sa.Connection, statement: Any, values: Mapping[str, Any] | None = None
    ) -> Sequence[Any]:
        with self._transaction(connection, single=True):
            return connection.execute(statement, values).all()


@contextmanager
def opened(address: str) -> Iterator[Database]:
    """The database for a command. Raises ConfigError, also where it fails later."""
    database = Database(address)
    try:
        yield database
    except SQLAlchemyError as error:
        raise ConfigError(
            f"The database failed ({reason_of(error)}).", "Try again when it answers."
        ) from None
    finally:
        database.close_now()


def _new_key() -> tuple[str, dict[str, str]]:
    key = PREFIX + secrets.token_urlsafe(KEY_BYTES)
    return key, {"digest": _digest(key), "ending": key[-4:]}


def _digest(key: str) -> str:
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _storable(text: str) -> str:
    """Without what PostgreSQL or UTF-8 has no place for."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()
