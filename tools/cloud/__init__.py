"""The simulated cloud: a real API, a real database, a real S3 server, TLS, faults on request."""

__all__ = ["Cloud", "CloudError"]


def __getattr__(name: str):
    """Import on first use: the S3 client alone takes half a second."""
    if name == "Cloud":
        from tools.cloud.cloud import Cloud

        return Cloud
    if name == "CloudError":
        from tools.cloud.errors import CloudError

        return CloudError
    raise AttributeError(name)
