"""The cloud's state in one SQLite file (WAL). Tokens and keys are kept as SHA-256 only.

One connection, one lock: the API's worker threads take turns; nobody sees half a transaction.
"""

import contextlib
import pathlib
import sqlite3
import threading
from collections.abc import Iterator
from typing import Any

_SCHEMA = """
CREATE TABLE IF NOT EXISTS api_keys (
    token_hash TEXT PRIMARY KEY, id TEXT NOT NULL, scopes TEXT  -- JSON list; NULL: everything
);
CREATE TABLE IF NOT EXISTS end_users (
    id TEXT PRIMARY KEY, name TEXT, external_id TEXT, metadata TEXT NOT NULL,
    created_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS devices (
    id TEXT PRIMARY KEY, serial_number TEXT UNIQUE NOT NULL, name TEXT, device_type TEXT,
    model TEXT, firmware_version TEXT, metadata TEXT NOT NULL,
    end_user_id TEXT REFERENCES end_users(id),   -- NULL: unbound
    token_hash TEXT UNIQUE,                      -- exactly one valid token, or none
    heartbeat TEXT, last_heartbeat_at TEXT, created_at TEXT NOT NULL, updated_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS recordings (
    id TEXT PRIMARY KEY, device_id TEXT, end_user_id TEXT NOT NULL, name TEXT,
    status TEXT NOT NULL, source TEXT, upload_method TEXT, metadata TEXT NOT NULL,
    started_at TEXT, ended_at TEXT, recorded_at TEXT, duration_ms INTEGER,
    mime_type TEXT, file_size_bytes INTEGER, uploaded_at TEXT,
    declared_sha256 TEXT,                        -- evidence under verification
    verification_polls INTEGER NOT NULL DEFAULT 0,
    content_sha256 TEXT, content_sha256_verified_at TEXT, transcription_id TEXT,
    created_at TEXT NOT NULL, updated_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS media (
    id TEXT PRIMARY KEY,
    recording_id TEXT NOT NULL REFERENCES recordings(id) ON DELETE CASCADE,
    type TEXT NOT NULL, content_type TEXT NOT NULL, object_key TEXT NOT NULL,
    declared_size_bytes INTEGER, captured_at TEXT,
    size_bytes INTEGER, sha256 TEXT,             -- of what storage really holds, once measured
    created_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS streams (            -- recordings that come as chunks
    id TEXT PRIMARY KEY REFERENCES recordings(id) ON DELETE CASCADE,
    finalized TEXT,                              -- parameters of the finalize that counts
    job_id TEXT, polls INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS chunks (
    stream_id TEXT NOT NULL REFERENCES streams(id) ON DELETE CASCADE,
    number INTEGER NOT NULL,                     -- from 1
    content_type TEXT NOT NULL, object_key TEXT NOT NULL,
    PRIMARY KEY (stream_id, number)
);
CREATE TABLE IF NOT EXISTS transcriptions (
    id TEXT PRIMARY KEY,
    recording_id TEXT NOT NULL REFERENCES recordings(id) ON DELETE CASCADE,
    status TEXT NOT NULL, language TEXT, text TEXT, error_code TEXT, error_message TEXT,
    created_at TEXT NOT NULL, completed_at TEXT
);
CREATE TABLE IF NOT EXISTS idempotency (
    key TEXT PRIMARY KEY,                        -- SHA-256 of what the caller sent
    fingerprint TEXT NOT NULL, status INTEGER NOT NULL, body BLOB NOT NULL,
    created_unix_s INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS rate_windows (
    budget TEXT NOT NULL, window INTEGER NOT NULL, used INTEGER NOT NULL,
    PRIMARY KEY (budget, window)
);
"""


class Database:
    """Rows come back as plain dicts. Every method may be called from any thread."""

    def __init__(self, path: pathlib.Path):
        self._lock = threading.RLock()
        self._depth = 0
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.row_factory = _as_dict
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._connection.executescript(_SCHEMA)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; nested ones join the outermost."""
        with self._lock:
            if self._depth == 0:
                self._connection.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                if self._depth == 1:
                    self._connection.execute("ROLLBACK")
                raise
            else:
                if self._depth == 1:
                    self._connection.execute("COMMIT")
            finally:
                self._depth -= 1

    def all(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    def one(self, sql: str, *values: Any) -> dict[str, Any] | None:
        with self._lock:
            return self._connection.execute(sql, values).fetchone()

    def run(self, sql: str, *values: Any) -> int:
        """Execute one statement; how many rows it changed."""
        with self._lock:
            return self._connection.execute(sql, values).rowcount

    def insert(self, table: str, **columns: Any) -> None:
        names, marks = ", ".join(columns), ", ".join("?" * len(columns))
        self.run(f"INSERT INTO {table} ({names}) VALUES ({marks})", *columns.values())

    def update(self, table: str, row_id: str, **columns: Any) -> None:
        changes = ", ".join(f"{name} = ?" for name in columns)
        self.run(f"UPDATE {table} SET {changes} WHERE id = ?", *columns.values(), row_id)

    def close(self) -> None:
        with self._lock:
            self._connection.close()


def _as_dict(cursor: sqlite3.Cursor, row: tuple) -> dict[str, Any]:
    return {column[0]: value for column, value in zip(cursor.description, row, strict=True)}
