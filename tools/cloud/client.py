"""An HTTPS client for the names of the simulation: connects to loopback, verifies in earnest."""

import logging
import ssl

import httpx

_TIMEOUT_S = 30.0


class LoopbackTransport(httpx.HTTPTransport):
    """Connects to 127.0.0.1 whatever the URL's host; SNI, certificate and Host keep the name."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions = {**request.extensions, "sni_hostname": request.url.host}
        request.url = request.url.copy_with(host="127.0.0.1")
        return super().handle_request(request)


def loopback_client(base_url: str, ca_pem: bytes, bearer: str | None = None) -> httpx.Client:
    """A client that trusts only the CA given. The caller closes it.

    Absolute URLs work too: a pre-signed one needs a client without bearer.
    """
    # httpx logs whole URLs at level info, and the pre-signed ones are secrets.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    trust = ssl.create_default_context(cadata=ca_pem.decode("ascii"))
    return httpx.Client(
        base_url=base_url,
        transport=LoopbackTransport(verify=trust, trust_env=False),
        headers={"Authorization": f"Bearer {bearer}"} if bearer else {},
        timeout=_TIMEOUT_S,
        trust_env=False,
    )
