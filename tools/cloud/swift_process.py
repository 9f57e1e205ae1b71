"""OpenStack Swift with its S3 front (s3api), whole, in this one process and one folder.

    python -m tools.cloud.swift_process FOLDER    # the S3 secret comes in on standard input

Run as a child of the simulated cloud. Proxy, account, container and object server are four WSGI
applications on one eventlet hub, each on a loopback port that the system chose: no port can be
taken between choosing and binding it, one import of Swift serves all four, and there is one pid to
stop. Prints one line, the proxy's port, once all of them accept connections.

Standard input is also the leash: it stays open as long as the parent lives. When it ends, however
the parent died, this process ends too.
"""

import logging
import os
import pathlib
import socket
import sys
import threading
import warnings

ACCESS_KEY = "sim:recorder"  # tempauth's account:user is what s3api takes for an access key
REGION = "us-east-1"

_STORAGE_SERVERS = ("account", "container", "object")
_DEVICE = "disk"
_IDLE_S = 60
_URL_LIMIT_BYTES = 8192

_STORAGE_CONF = """\
[DEFAULT]
devices = {folder}/data
mount_check = false
swift_dir = {folder}/etc
log_level = ERROR
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{egg}
log_requests = false
"""

# No proxy-logging filter: it writes whole request lines, and pre-signed ones are secrets.
_PROXY_CONF = """\
[DEFAULT]
swift_dir = {folder}/etc
log_level = ERROR
[pipeline:main]
pipeline = catch_errors cache listing_formats s3api tempauth copy slo dlo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:{no_port}
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:s3api]
use = egg:swift#s3api
location = {region}
s3_acl = false
dns_compliant_bucket_names = false
[filter:tempauth]
use = egg:swift#tempauth
user_{user} = {secret} .admin
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
"""

_SWIFT_CONF = """\
[swift-hash]
swift_hash_path_prefix = sim
swift_hash_path_suffix = sim
[storage-policy:0]
name = one
default = yes
"""


def die_with_parent(read=os.read, leave=os._exit) -> None:
    """End the process when standard input ends.

    Must be called before eventlet patches anything: a real thread with the real os.read.
    """

    def watch():
        while read(0, 64):
            pass
        leave(0)

    threading.Thread(target=watch, name="leash", daemon=True).start()


def has_extended_attributes(folder: pathlib.Path) -> bool:
    """Whether files in `folder` take user attributes, where Swift's disk server keeps metadata."""
    probe = folder / "attribute-probe"
    probe.touch()
    try:
        os.setxattr(probe, "user.swift.probe", b"1")
    except OSError:
        return False
    finally:
        probe.unlink()
    return True


def write_configuration(folder: pathlib.Path, secret: str, ports: dict[str, int]) -> None:
    """Write all .conf files (0600: the proxy's holds the secret) and the three rings."""
    etc = folder / "etc"
    etc.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / "data" / _DEVICE).mkdir(parents=True, exist_ok=True)
    object_egg = "object" if has_extended_attributes(folder / "data") else "mem_object"
    texts = {"swift": _SWIFT_CONF}
    for kind in _STORAGE_SERVERS:
        egg = object_egg if kind == "object" else kind
        texts[kind] = _STORAGE_CONF.format(folder=folder, kind=kind, egg=egg)
    texts["proxy"] = _PROXY_CONF.format(
        folder=folder,
        region=REGION,
        user=ACCESS_KEY.replace(":", "_"),
        secret=secret,
        no_port=1,  # nobody listens there: Swift then works without a cache
    )
    for name, text in texts.items():
        path = etc / f"{name}.conf"
        path.touch(mode=0o600)
        path.write_text(text)
    _write_rings(etc, ports)


def _write_rings(etc: pathlib.Path, ports: dict[str, int]) -> None:
    from swift.common.ring import RingBuilder

    for kind in _STORAGE_SERVERS:
        builder = RingBuilder(part_power=4, replicas=1, min_part_hours=0)
        address = {"ip": "127.0.0.1", "port": ports[kind]}
        replication = {"replication_" + key: value for key, value in address.items()}
        place = {"id": 0, "region": 1, "zone": 1, "device": _DEVICE, "weight": 1, "meta": ""}
        builder.add_dev({**place, **address, **replication})
        builder.rebalance()
        builder.get_ring().save(str(etc / f"{kind}.ring.gz"))


def serve(folder: pathlib.Path, secret: str) -> None:
    """Bind, configure, and serve until the process is ended."""
    import eventlet
    import eventlet.wsgi

    eventlet.monkey_patch()
    from swift.common import utils, wsgi
    from swift.common.utils import logs

    # Swift insists on syslog, which a laptop may not have and nobody reads: errors go to stderr.
    logs.ThreadSafeSysLogHandler = lambda **_kwargs: logging.StreamHandler(sys.stderr)
    listeners = {kind: _listener(eventlet) for kind in (*_STORAGE_SERVERS, "proxy")}
    ports = {kind: listener.getsockname()[1] for kind, listener in listeners.items()}
    write_configuration(folder, secret, ports)
    utils.set_swift_dir(str(folder / "etc"))
    utils.validate_hash_conf()
    eventlet.hubs.use_hub(utils.get_hub())
    servers = eventlet.GreenPool()
    for kind, listener in listeners.items():
        app = wsgi.loadapp(str(folder / "etc" / f"{kind}.conf"), {"log_name": kind})
        servers.spawn(
            eventlet.wsgi.server,
            listener,
            app,
            log=utils.NullLogger(),
            protocol=wsgi.SwiftHttpProtocol,
            socket_timeout=_IDLE_S,
            capitalize_response_headers=False,  # S3 clients look for "ETag", not "Etag"
            url_length_limit=_URL_LIMIT_BYTES,
        )
    print(ports["proxy"], flush=True)
    servers.waitall()


def _listener(eventlet) -> socket.socket:
    return eventlet.listen(("127.0.0.1", 0), reuse_port=False, backlog=128)


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # eventlet and Swift announce their age on every start
    key = sys.stdin.buffer.readline().decode("ascii").strip()
    die_with_parent()
    serve(pathlib.Path(sys.argv[1]), key)
