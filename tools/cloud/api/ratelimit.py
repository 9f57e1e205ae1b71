"""Budgets per project and fixed window, told in three headers on every answer under /v1."""

import dataclasses
import re
import time

from tools.cloud.db import Database
from tools.cloud.switches import Switches

_UPLOAD_URL = re.compile(r"/v1/recordings/[^/]+/(chunks/[^/]+/)?upload-url")
_TRANSCRIBE = re.compile(r"/v1/transcriptions|/v1/recordings/[^/]+/transcribe")


@dataclasses.dataclass(frozen=True)
class Verdict:
    limit: int
    remaining: int  # negative: this request is over the limit
    reset_unix_s: int

    def headers(self) -> dict[str, str]:
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(max(self.remaining, 0)),
            "X-RateLimit-Reset": str(self.reset_unix_s),
        }

    def retry_after_s(self, now_unix_s: float) -> int:
        return max(1, round(self.reset_unix_s - now_unix_s))


class RateLimiter:
    def __init__(self, db: Database, switches: Switches):
        self._db = db
        self._switches = switches

    def take(self, method: str, path: str, now_unix_s: float | None = None) -> Verdict:
        """Count one request; the verdict of the tightest of its budgets."""
        now = time.time() if now_unix_s is None else now_unix_s
        length = self._switches.rate_window_s
        window = int(now // length)
        verdicts = []
        with self._db.transaction():
            self._db.run("DELETE FROM rate_windows WHERE window < ?", window - 1)
            for budget, limit in self._budgets(method, path):
                used = self._count(budget, window)
                verdicts.append(Verdict(limit, limit - used, (window + 1) * length))
        return min(verdicts, key=lambda verdict: verdict.remaining)

    def reset(self) -> None:
        """Give every budget back."""
        self._db.run("DELETE FROM rate_windows")

    def _budgets(self, method: str, path: str) -> list[tuple[str, int]]:
        budgets = [("all", self._switches.rate_all)]
        if method == "POST" and _UPLOAD_URL.fullmatch(path):
            budgets.append(("upload_urls", self._switches.rate_upload_urls))
        elif method == "POST" and _TRANSCRIBE.fullmatch(path):
            budgets.append(("transcriptions", self._switches.rate_transcriptions))
        return budgets

    def _count(self, budget: str, window: int) -> int:
        row = self._db.one(
            "INSERT INTO rate_windows VALUES (?, ?, 1) "
            "ON CONFLICT (budget, window) DO UPDATE SET used = used + 1 RETURNING used",
            budget,
            window,
        )
        return row["used"]
