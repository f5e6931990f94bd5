"""Streams in the database of `--database`: the real server keeps them in files beside it."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Engine, Table, and_, delete, insert, select, update

from electric_agents_simulator.storage.tables import Tables
from electric_agents_simulator.wakes.streams import Message, StoredStream


class DatabaseStreams:
    """A `StreamStore` of one tenant, in two tables that the real server does not have."""

    def __init__(self, engine: Engine, tables: Tables, tenant: str) -> None:
        self._engine = engine
        self._streams = tables.streams
        self._messages = tables.messages
        self._tenant = tenant

    def load(self) -> Iterator[StoredStream]:
        """Read all streams."""
        with self._engine.connect() as connection:
            streams = connection.execute(
                select(self._streams).where(self._here(self._streams))
            ).all()
            rows = connection.execute(
                select(self._messages)
                .where(self._here(self._messages))
                .order_by(self._messages.c.path, self._messages.c.end)
            ).all()
        messages = {
            path: [Message(row.end, row.json.encode()) for row in those]
            for path, those in groupby(rows, key=lambda row: str(row.path))
        }
        for stream in streams:
            yield StoredStream(stream.path, stream.closed, messages.get(stream.path, []))

    def create(self, path: str) -> None:
        """Add an empty stream."""
        self._insert(self._streams, path=path, closed=False)

    def append(self, path: str, message: Message) -> None:
        """Add a message."""
        self._insert(self._messages, path=path, end=message.end, json=message.json.decode())

    def close(self, path: str) -> None:
        """Mark a stream as closed."""
        with self._engine.begin() as connection:
            table = self._streams
            connection.execute(update(table).where(self._at(table, path)).values(closed=True))

    def delete(self, path: str) -> None:
        """Remove a stream and its messages."""
        with self._engine.begin() as connection:
            for table in (self._messages, self._streams):
                connection.execute(delete(table).where(self._at(table, path)))

    def _insert(self, table: Table, **values: Any) -> None:  # noqa: ANN401  (a row's columns)
        with self._engine.begin() as connection:
            connection.execute(insert(table).values(tenant_id=self._tenant, **values))

    def _here(self, table: Table) -> ColumnElement[bool]:
        return table.c.tenant_id == self._tenant

    def _at(self, table: Table, path: str) -> ColumnElement[bool]:
        return and_(self._here(table), table.c.path == path)
