"""Start and stop the object store that a simulation brings along: OpenStack Swift, on loopback."""

import importlib.util
import os
import pathlib
import secrets
import select
import subprocess
import sys
import time

from tools.cloud import swift_process
from tools.cloud.errors import CloudError
from tools.cloud.storage import Endpoint

_START_S = 30.0  # about 0.5 s on a laptop; a loaded CI machine gets time
_STOP_S = 5.0
_ROOT = pathlib.Path(__file__).resolve().parents[2]


class SwiftServer:
    """One child process that serves S3 from `folder`; `endpoint` says where, with which keys."""

    def __init__(self, process: subprocess.Popen, endpoint: Endpoint):
        self._process = process
        self.endpoint = endpoint

    @classmethod
    def start(cls, folder: pathlib.Path) -> "SwiftServer":
        """Start Swift; return when it accepts connections. CloudError carries its last words."""
        if importlib.util.find_spec("swift") is None:
            raise CloudError(
                "OpenStack Swift, the simulated cloud's object store, does not exist for this "
                "platform: name any S3 server with the option storage_endpoint instead."
            )
        folder.mkdir(parents=True, exist_ok=True)
        secret = secrets.token_hex(20)
        log_path = folder / "swift.log"
        with open(os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", swift_process.__name__, str(folder.resolve())],
                cwd=_ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C is ours to handle: it must not reach the child
            )
        try:
            process.stdin.write(secret.encode("ascii") + b"\n")
            process.stdin.flush()
            port = _read_port(process, log_path)
        except BaseException:
            _end(process)
            raise
        endpoint = Endpoint(
            url=f"http://127.0.0.1:{port}",
            access_key=swift_process.ACCESS_KEY,
            secret_key=secret,
            region=swift_process.REGION,
        )
        return cls(process, endpoint)

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        _end(self._process)


def _read_port(process: subprocess.Popen, log_path: pathlib.Path) -> int:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if select.select([process.stdout], [], [], 0.1)[0]:
            line = process.stdout.readline()
            if line:
                return int(line)
            break
    words = log_path.read_text(errors="replace").strip().splitlines()
    raise CloudError(
        "The object store did not start: "
        + (words[-1] if words else f"it said nothing for {_START_S:.0f} seconds")
        + f" (all of it is in {log_path})."
    )


def _end(process: subprocess.Popen) -> None:
    """Closing its standard input asks the child to go; what does not go is killed."""
    try:
        process.stdin.close()
    except BrokenPipeError:
        pass
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()
