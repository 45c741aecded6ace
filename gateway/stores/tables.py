"""The tables, as statements are written against them. How they came to be: `schema`."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

METADATA = MetaData()
Serial = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself only under this name

conversations = Table(
    "conversations",
    METADATA,
    Column("key", Serial, primary_key=True, autoincrement=True),
    Column("owner", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("expires_at", Double),
    Column("version", Integer, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("length", Integer, nullable=False),
    Column("turns", Integer, nullable=False),
    Column("weight", BigInteger, nullable=False),
    Column("chain", LargeBinary, nullable=False),
    Column("instructions", LargeBinary),
    Column("metadata", LargeBinary),
    Column("summary", Text),
    Column("summarised", Integer, nullable=False),
    Column("around", Text),
    UniqueConstraint("owner", "name", name="conversations_named"),
    Index("conversations_updated", "updated_at"),
    Index("conversations_expiring", "expires_at"),
    Index("conversations_within", "owner", "around"),
)
"""`around` is the name of the conversation that this one is within.

`length`, `turns`, `weight` (bytes) and `chain` are of the messages that are live; `seq` is the last one given."""

items = Table(
    "items",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("conversation", BigInteger, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("live", Boolean, nullable=False),
    Column("turn", Integer, nullable=False),
    Column("weight", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", Double, nullable=False),
    Index("items_in_order", "conversation", "seq", unique=True),
)
"""`turn` and `weight` are sums over the live messages up to this one; `body` is the message as it came."""

variables = Table(
    "variables",
    METADATA,
    Column("conversation", BigInteger, primary_key=True, autoincrement=False),
    Column("name", String(128), primary_key=True),
    Column("value", LargeBinary, nullable=False),
    Column("updated_at", Double, nullable=False),
)

_RUNNING = text("status = 'running'")
runs = Table(
    "runs",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("owner", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("conversation", Text),
    Column("status", String(16), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("completed_at", Double),
    Column("ms", Double),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    Column("steps", Integer, nullable=False),
    Column("error", LargeBinary),
    Column("events", Integer, nullable=False),
    Column("process", String(32), nullable=False),
    Column("seen_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Index("runs_of_owner", "owner", "id"),
    Index("runs_expiring", "expires_at"),
    Index(
        "runs_running", "seen_at", sqlite_where=text("status = 'running'"), postgresql_where=text("status = 'running'")
    ),
)
"""`events` is how many there are; `seen_at` when `process`, who serves it, last said that it goes on."""

run_events = Table(
    "run_events",
    METADATA,
    Column("run", String(32), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("count", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
"""Events as they were written together, from the number `seq` on: the JSON of each in a line of `body`."""
