"""One upload by each of the compared clients, to the sink: what M1, M2, M3 and M12 measure."""

import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import wave
import zlib

from tools.bench import callgrind
from tools.bench.rows import NotMeasured
from tools.bench.sink import HOST, Sink, Visit
from tools.sim.board import find_micropython
from tools.sim.build import ROOT, build

MIB = 1024 * 1024
CLIENTS = pathlib.Path(__file__).with_name("clients")
# Where a user keeps a checkout of micropython-lib: its aiohttp is in no package.
LIBRARY_VARIABLE = "MICROPYTHON_LIB"
_LIMIT_S = 120
_WAV_HEADER_BYTES = 44


@dataclasses.dataclass(frozen=True)
class Client:
    """name: as the tables call it; hashes: it can hash what it sends."""

    name: str
    script: str
    hashes: bool = True
    heap_kb: int = 256


DEVICE = Client("device", "recorder.py")
RAW = Client("raw socket", "raw.py")
STREAMS = Client("asyncio streams", "streams.py")
REQUESTS = Client("requests", "with_requests.py")
AIOHTTP = Client("aiohttp", "with_aiohttp.py", heap_kb=8 * 1024)
CURL = Client("curl", "", hashes=False)


class Uploads:
    """A sink, files of random bytes, and the clients that send them. Use as a context."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self._folder.name)
        self._sink = Sink(self.folder / "sink")
        self._code = build(ROOT / "build" / "device")
        self._library = os.environ.get(LIBRARY_VARIABLE)
        self._target = ""  # of the upload in hand
        self._uploads = 0

    def __enter__(self) -> "Uploads":
        self._sink.__enter__()
        return self

    def __exit__(self, *details) -> None:
        self._sink.__exit__(*details)
        self._folder.cleanup()

    def file(self, size_bytes: int) -> pathlib.Path:
        """A WAV of random samples (nothing on the way can make them fewer), or no bytes at all."""
        path = self.folder / f"{size_bytes}.wav"
        if not path.exists() and size_bytes:
            with wave.open(str(path), "wb") as f:
                f.setparams((1, 2, 16000, 0, "NONE", ""))
                f.writeframes(os.urandom(size_bytes - _WAV_HEADER_BYTES))
        path.touch()
        return path

    def why_not(self, client: Client) -> str:
        """Why this client cannot be compared here; empty if it can."""
        if client is AIOHTTP:
            if not self._library:
                return f"{LIBRARY_VARIABLE} names no checkout of micropython-lib"
            if not (self._aiohttp() / "aiohttp" / "__init__.py").exists():
                return f"{self._aiohttp()} holds no aiohttp"
        if client is CURL and shutil.which("curl") is None:
            return "curl is not installed"
        if client is not CURL and find_micropython() is None:
            return "there is no MicroPython unix port"
        return ""

    def present(self, clients) -> list[Client]:
        return [client for client in clients if not self.why_not(client)]

    def instructions(self, client: Client, size_bytes: int, scheme: str, hashed: str) -> int:
        """Instructions of one upload, start-up and handshake included."""
        path = self.file(size_bytes)
        words = self._words(scheme, path, hashed)
        count = callgrind.instructions(
            CLIENTS / client.script, *words, heap_kb=client.heap_kb, path=self._path()
        )
        self.check(path)
        return count

    def seconds(self, client: Client, size_bytes: int, scheme: str, hashed: str = "-") -> float:
        """Wall clock of one upload, from before the connection until the answer."""
        path = self.file(size_bytes)
        if client is CURL:
            took_s = self._curl(path, scheme)
        else:
            took_s = self.run(client, path, scheme, hashed)["us"] / 1e6
        self.check(path)
        return took_s

    def run(self, client: Client, path: pathlib.Path, scheme: str, *words, heap_kb=None) -> dict:
        """The last line that a client prints. Raises RuntimeError if it fails."""
        command = [find_micropython(), "-X", f"heapsize={heap_kb or client.heap_kb}K"]
        command += [CLIENTS / client.script, *self._words(scheme, path, *words)]
        done = subprocess.run(
            [str(word) for word in command],
            env={"MICROPYPATH": self._path(), "PATH": os.defpath},
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
        )
        if done.returncode:
            raise RuntimeError(f"{client.name}: {(done.stdout + done.stderr)[-300:]}")
        return json.loads(done.stdout.strip().splitlines()[-1])

    def smallest_heap_kb(self, client: Client, size_bytes: int, scheme: str) -> int:
        """The least heap in which an upload of that size works."""
        path = self.file(size_bytes)
        low, high = 4, client.heap_kb
        while high - low > 1:
            middle = (low + high) // 2
            try:
                self.run(client, path, scheme, "-", heap_kb=middle)
                high = middle
            except RuntimeError:
                low = middle
        return high

    def check(self, path: pathlib.Path) -> Visit:
        """Raises RuntimeError if the sink did not get that file last, whole, in one request."""
        visit = self._sink.visit_of(self._target)
        data = path.read_bytes()
        if (visit.requests, visit.body_bytes) != (1, len(data)) or (
            visit.body_crc != zlib.crc32(data)
        ):
            raise RuntimeError(f"the sink got {visit}, not {len(data)} bytes in one request")
        return visit

    def _words(self, scheme, path, *more):
        port, root = self._sink.ports[scheme], self._sink.root_der_path
        return [scheme, port, root, path, self._new_target(), *more]

    def _new_target(self) -> str:
        self._uploads += 1
        self._target = f"/bench/{self._uploads}"
        return self._target

    def _path(self) -> str:
        parts = [str(self._code)]
        if self._library:
            parts.append(str(self._aiohttp()))
        return ":".join([*parts, ".frozen"])

    def _aiohttp(self) -> pathlib.Path:
        return pathlib.Path(self._library) / "python-ecosys" / "aiohttp"

    def _curl(self, path: pathlib.Path, scheme: str) -> float:
        port = self._sink.ports[scheme]
        command = ["curl", "-sS", "-o", os.devnull, "-w", "%{time_total} %{http_code}"]
        command += ["--cacert", self._sink.root_pem_path, "--http1.1", "-H", "Expect:"]
        command += ["--resolve", f"{HOST}:{port}:127.0.0.1", "-T", path]
        command += [f"{scheme}://{HOST}:{port}{self._new_target()}"]
        done = subprocess.run(
            [str(word) for word in command], capture_output=True, text=True, timeout=_LIMIT_S
        )
        took_s, _, status = done.stdout.partition(" ")
        if done.returncode or status != "200":
            raise RuntimeError(f"curl: {done.stderr[-300:]}")
        return float(took_s)


def baselines(uploads: Uploads, clients, figure) -> tuple[dict[str, float], str]:
    """({name: figure(client)} of the clients that are here, why others are not)."""
    missing = [f"no {c.name}: {uploads.why_not(c)}" for c in clients if uploads.why_not(c)]
    return {c.name: figure(c) for c in uploads.present(clients)}, "; ".join(missing)


def need_micropython() -> None:
    if find_micropython() is None:
        raise NotMeasured("there is no MicroPython unix port: set MICROPYTHON")


__all__ = ["AIOHTTP", "CURL", "DEVICE", "RAW", "REQUESTS", "STREAMS", "Client", "Uploads"]
