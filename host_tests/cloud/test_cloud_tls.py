"""What the fronts present, and what their log says of handshakes and closings."""

import ssl

import httpx
import pytest

from tools.cloud import CloudError

REFUSALS = {
    "wrong_host": "Hostname mismatch",
    "expired": "certificate has expired",
    "not_yet_valid": "certificate is not yet valid",
    "other_ca": "unable to get local issuer certificate",
    "self_signed": "self-signed certificate",
}


def closed_connections(cloud, count):
    def closed(log):
        found = [c for c in log.connections if c.closed_s is not None and c.origin != "operator"]
        return found if len(found) >= count else None

    return cloud.log.wait_for(closed)


@pytest.mark.parametrize("case", REFUSALS)
@pytest.mark.parametrize("origin", ["api", "storage"])
def test_a_bad_certificate_is_refused_and_nothing_is_sent(cloud, recorder, origin, case):
    recording_id = recorder.create()
    url = recorder.upload_url(recording_id)
    recorder.close()
    closed_connections(cloud, 1)
    cloud.log.clear()
    cloud.use_certificate(origin, case)
    with cloud.client(recorder.token) as client, pytest.raises(httpx.ConnectError) as refusal:
        if origin == "api":
            client.post("/recordings", json={})
        else:
            client.put(url, content=b"sound")
    assert REFUSALS[case] in str(refusal.value)
    (connection,) = closed_connections(cloud, 1)
    assert (connection.origin, connection.certificate) == (origin, case)
    assert connection.tls not in ("", "ok")
    assert connection.closed_by == "client"
    assert cloud.log.requests == []


def test_the_right_certificate_back_and_all_goes_on(cloud, recorder):
    cloud.use_certificate("api", "other_ca")
    with pytest.raises(httpx.ConnectError):
        recorder.api.post("/recordings", json={})
    cloud.use_certificate("api", "good")
    assert recorder.api.post("/recordings", json={}).status_code == 201


def test_the_operator_is_not_touched_by_bad_certificates(cloud, operator):
    cloud.use_certificate("api", "expired")
    assert operator.get("/recordings").status_code == 200


def test_a_swap_closes_open_connections(cloud, recorder):
    recorder.create()
    cloud.use_certificate("api", "good")
    (connection,) = closed_connections(cloud, 1)
    assert (connection.closed_by, connection.requests, connection.tls) == ("server", 1, "ok")
    recorder.create()
    assert [c.requests for c in cloud.log.connections if c.origin == "api"] == [1, 1]


def test_one_connection_carries_many_requests_until_the_client_leaves(cloud, recorder):
    for _ in range(5):
        recorder.create()
    recorder.close()
    (connection,) = closed_connections(cloud, 1)
    assert (connection.closed_by, connection.requests) == ("client", 5)


def test_an_idle_connection_is_closed_by_the_server(cloud, recorder):
    cloud.switches.keep_alive_s = 0.05
    recorder.create()
    (connection,) = closed_connections(cloud, 1)
    assert connection.closed_by == "server"


def test_an_older_tls_client_is_logged_alike(cloud):
    cloud.use_certificate("api", "other_ca")
    context = ssl.create_default_context(cadata=cloud.ca_pem.decode())
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    port = httpx.URL(cloud.api_origin).port
    with httpx.Client(verify=context) as client, pytest.raises(httpx.ConnectError):
        client.get(
            f"https://127.0.0.1:{port}/health", extensions={"sni_hostname": "api.bota.test"}
        )
    (connection,) = closed_connections(cloud, 1)
    assert "UNKNOWN_CA" in connection.tls


def test_speaking_plain_http_to_a_front_is_a_failed_handshake(cloud):
    port = httpx.URL(cloud.api_origin).port
    with httpx.Client() as client, pytest.raises(httpx.HTTPError):
        client.get(f"http://127.0.0.1:{port}/health")
    (connection,) = closed_connections(cloud, 1)
    assert connection.tls == "HTTP_REQUEST"


def test_der_and_pem_are_the_same_certificate(cloud):
    assert ssl.DER_cert_to_PEM_cert(cloud.ca_der).split() == cloud.ca_pem.decode().split()


def test_unknown_names_get_a_sentence(cloud):
    with pytest.raises(CloudError, match="no certificate called 'rotten'"):
        cloud.use_certificate("api", "rotten")
    with pytest.raises(CloudError, match="no front called 'door'"):
        cloud.use_certificate("door", "good")
