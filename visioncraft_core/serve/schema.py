"""The tables of the database of a server."""

from __future__ import annotations

import sqlalchemy as sa

TABLES = sa.MetaData()
_number = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # which counts upwards by itself
KEYS = sa.Table(
    "visioncraft_keys",
    TABLES,
    sa.Column("id", _number, primary_key=True),
    sa.Column("name", sa.String(64), nullable=False, unique=True),
    sa.Column("digest", sa.String(64), nullable=False, unique=True),
    sa.Column("ending", sa.String(4), nullable=False),
    sa.Column("premium", sa.Boolean, nullable=False),
    sa.Column("disabled", sa.Boolean, nullable=False),
    sa.Column("created", sa.Double, nullable=False),
    # None is what the tier has.
    sa.Column("per_minute", sa.Integer),
    sa.Column("per_day", sa.Integer),
    sa.Column("at_once", sa.Integer),
)
USES = sa.Table(
    "visioncraft_uses",
    TABLES,
    sa.Column("id", _number, primary_key=True),
    sa.Column("key_id", sa.ForeignKey(KEYS.c.id), nullable=False),
    sa.Column("endpoint", sa.String(64), nullable=False),
    sa.Column("begun", sa.Double, nullable=False),
    sa.Column("status", sa.Integer),  # None: it is worked on, or its server ended meanwhile
    sa.Column("seconds", sa.Double),
    sa.Index("visioncraft_uses_by_key", "key_id", "begun"),
)
TURNS = sa.Table(
    "visioncraft_turns",
    TABLES,
    sa.Column("id", _number, primary_key=True),
    sa.Column("key_id", sa.ForeignKey(KEYS.c.id), nullable=False),
    sa.Column("chat_id", sa.String(100), nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("content", sa.Text, nullable=False),
    sa.Column("said", sa.Double, nullable=False),
    sa.Index("visioncraft_turns_by_chat", "chat_id", "key_id"),
)
LEASES = sa.Table(  # one for each request that is at work of a key that may have few at once
    "visioncraft_leases",
    TABLES,
    sa.Column("id", _number, primary_key=True),
    sa.Column("key_id", sa.ForeignKey(KEYS.c.id), nullable=False),
    sa.Column("server", sa.String(32), nullable=False),
    sa.Column("until", sa.Double, nullable=False),
    sa.Index("visioncraft_leases_by_key", "key_id"),
)
