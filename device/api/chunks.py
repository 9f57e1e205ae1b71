"""The dialect of the chunk flow: one URL a chunk, then finalize (docs/uploads.md).

Apart from dialect.py, because only recorders whose settings ask for chunks load it.
"""

import json

from device.api.dialect import error_code, plain
from device.compat import const
from device.errors import Permanent, Transient

# The documentation names the flow and the finalize route, not the route of a chunk's URL. What is
# assumed here: it is asked for like upload-url (same body, same answer), chunks count from 1.
CHUNK_URL = "/recordings/%s/chunks/%d/upload-url"
FINALIZE = "/recordings/%s/finalize"

ACCEPTED = const(1)  # the recording holds all chunks; proof when a repeat says it again
STITCHING = const(2)  # the same request again, later
FAILED = const(3)  # the cloud could not make one recording of the chunks
FINALIZED = const(4)  # refused as already finalized: perhaps an earlier answer was lost

_ACCEPTED_STATUSES = ("uploaded", "processing", "completed")
# What says of a chunk's URL that this cloud does not offer it: no such route, in whatever form a
# verified server says so; or a refusal by the API itself.
_NO_ROUTE = (404, 405, 410, 501)
_REFUSED = (400, 403, 409, 422)


def is_refusal(response):
    """True if an answer means that chunks are not taken here, rather than "not now"."""
    status = response.status_code
    return status in _NO_ROUTE or status in _REFUSED and error_code(response) is not None


def finalize_body(total_chunks, duration_ms, md5_hex):
    """md5_hex: of the bytes of all chunks in order; "" where it cannot be made."""
    body = {"total_chunks": total_chunks, "final_duration_ms": duration_ms}
    if md5_hex:
        body["checksum_md5"] = md5_hex
    return json.dumps(body).encode()


def read_finalized(response, rid, total_chunks):
    """ACCEPTED, STITCHING, FAILED, FINALIZED, or None where api.verdict has to judge the status.

    Raises Permanent(conflict) where the cloud counts other chunks, Transient(bad_answer, portal)
    for a 2xx of another form.
    """
    status = response.status_code
    if status == 425:
        return STITCHING
    if status in (400, 409, 422):
        return _refused(error_code(response))
    if status >= 300:
        return None
    answer = response.json()
    if answer.get("id") != rid:
        raise Transient("bad_answer", "finalize for another id")
    state = answer.get("status")
    if state == "stitching":
        return STITCHING
    if state in ("failed", "integrity_failure"):
        return FAILED
    if state not in _ACCEPTED_STATUSES:
        raise Transient("bad_answer", "finalize with status %s" % plain(str(state)))
    received = answer.get("chunks_received")
    if str(received) != str(total_chunks):  # numbers may come as text
        raise Permanent("conflict", "chunks=%s of %d" % (plain(str(received)), total_chunks))
    return ACCEPTED


def _refused(code):
    """What a refusal of finalize means; its codes are not documented, so words are looked for."""
    if code is None:
        return None
    if "count" in code or "missing" in code:
        raise Permanent("conflict", code)
    if "checksum" in code or "integrity" in code or "not_streaming" in code:
        return FAILED
    return FINALIZED
