# A recorder as it is usually written with the frozen `requests`: each of the four requests of a
# clip makes its own connection, and verifies nothing. Delivers FILE so many times and prints
# {"clips": …}.
#   clips_by_requests.py API_URL FILE TIMES    the device token is in BENCH_TOKEN
import hashlib
import json
import os
import socket
import sys

import requests

API_URL, FILE, TIMES = sys.argv[1:4]
SIZE = os.stat(FILE)[6]


class Loopback:
    """The module socket, for which every name is this machine's."""

    SOCK_STREAM = socket.SOCK_STREAM
    socket = socket.socket

    @staticmethod
    def getaddrinfo(host, port, *rest):
        return socket.getaddrinfo("127.0.0.1", port, *rest)


def pieces(digest):
    buffer = memoryview(bytearray(4096))
    with open(FILE, "rb") as f:
        while True:
            n = f.readinto(buffer)
            if not n:
                return
            digest.update(buffer[:n])
            yield buffer[:n]


def post(path, value):
    headers = {"Authorization": "Bearer " + os.getenv("BENCH_TOKEN")}
    response = requests.post(API_URL + "/v1" + path, json=value, headers=headers)
    if response.status_code >= 300:
        raise SystemExit("%s: %d" % (path, response.status_code))
    answer = response.json()
    response.close()
    return answer


def deliver(number):
    metadata = {"clip": number, "sample_rate_hz": 16000, "codec": "wav"}
    made = post("/recordings", {"name": "clip", "source": "device", "metadata": metadata})
    path = "/recordings/" + made["id"]
    form = {"content_type": "audio/wav", "file_size_bytes": SIZE, "type": "audio"}
    target = post(path + "/upload-url", form)
    digest = hashlib.sha256()
    headers = dict(target.get("headers") or {"Content-Type": "audio/wav"})
    headers["Content-Length"] = str(SIZE)
    # It would leave the port away, which is signed.
    headers["Host"] = target["upload_url"].split("/")[2]
    response = requests.put(target["upload_url"], data=pieces(digest), headers=headers)
    if response.status_code >= 300:
        raise SystemExit("PUT: %d" % response.status_code)
    response.close()
    sha256 = "".join(["%02x" % byte for byte in digest.digest()])
    post(path + "/upload-complete", {"content_sha256": sha256})


requests.socket = Loopback
for number in range(int(TIMES)):
    deliver(number + 1)
print(json.dumps({"clips": int(TIMES)}))
