"""What the API needs from an object store, spoken in S3: sign, look, hash, delete.

Two boto3 clients, because two addresses: URLs are signed for the public origin that recorders see
(Host is part of the signature), objects are read at the store's own address.
"""

import dataclasses
import hashlib
import os
import tempfile
from collections.abc import Iterator

import boto3
import boto3.s3.transfer
import botocore.config
import botocore.exceptions

from tools.cloud.errors import CloudError

_PIECE_BYTES = 256 * 1024
_SPOOL_BYTES = 4 * 1024 * 1024
_ONE_PUT = boto3.s3.transfer.TransferConfig(multipart_threshold=5 * 1024**3, use_threads=False)


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """An S3 server: `url` without a path, keys, and the bucket that the cloud may use alone."""

    url: str
    access_key: str
    secret_key: str = dataclasses.field(repr=False)
    region: str = "us-east-1"
    bucket: str = "recordings"

    @classmethod
    def from_environment(cls, url: str) -> "Endpoint":
        """The endpoint at `url` with keys and bucket from AWS_* and CLOUD_S3_BUCKET."""
        missing = [
            name
            for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "CLOUD_S3_BUCKET")
            if not os.environ.get(name)
        ]
        if missing:
            raise CloudError(f"To use the S3 server at {url}, set {' and '.join(missing)}.")
        return cls(
            url=url,
            access_key=os.environ["AWS_ACCESS_KEY_ID"],
            secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
            region=os.environ.get("AWS_REGION", "us-east-1"),
            bucket=os.environ["CLOUD_S3_BUCKET"],
        )


@dataclasses.dataclass(frozen=True)
class Stored:
    """What the store really holds under one key."""

    size_bytes: int
    sha256: str


class ObjectStore:
    """The recordings' bucket. Methods block; each raises botocore's ClientError on refusal."""

    def __init__(self, endpoint: Endpoint, public_origin: str):
        self._bucket = endpoint.bucket
        self._inner = _client(endpoint, endpoint.url)
        self._public = _client(endpoint, public_origin)

    def ensure_bucket(self) -> None:
        """Create the bucket unless it is there. Raises CloudError if the server is no use."""
        try:
            self._inner.create_bucket(Bucket=self._bucket)
        except botocore.exceptions.ClientError as error:
            code = error.response["Error"]["Code"]
            if code not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                raise CloudError(
                    f"The S3 server refused the bucket {self._bucket!r} with {code}: "
                    "check its keys and its name."
                ) from None
        except botocore.exceptions.BotoCoreError as error:
            raise CloudError(f"The S3 server does not answer: {type(error).__name__}.") from None

    def sign_put(self, key: str, content_type: str, life_s: int) -> str:
        """A URL that takes one PUT of exactly this content type for `life_s` seconds."""
        what = {"Bucket": self._bucket, "Key": key, "ContentType": content_type}
        return self._public.generate_presigned_url("put_object", what, ExpiresIn=life_s)

    def sign_get(self, key: str, life_s: int) -> str:
        what = {"Bucket": self._bucket, "Key": key}
        return self._public.generate_presigned_url("get_object", what, ExpiresIn=life_s)

    def exists(self, key: str) -> bool:
        try:
            self._inner.head_object(Bucket=self._bucket, Key=key)
        except botocore.exceptions.ClientError as error:
            if error.response["Error"]["Code"] in ("404", "NoSuchKey"):
                return False
            raise
        return True

    def pieces(self, key: str) -> Iterator[bytes]:
        """The object's bytes, read back from the store."""
        body = self._inner.get_object(Bucket=self._bucket, Key=key)["Body"]
        try:
            yield from body.iter_chunks(_PIECE_BYTES)
        finally:
            body.close()

    def measure(self, key: str) -> Stored:
        """Read the whole object back; its true size and hash."""
        digest, size = hashlib.sha256(), 0
        for piece in self.pieces(key):
            digest.update(piece)
            size += len(piece)
        return Stored(size, digest.hexdigest())

    def join(self, keys: list[str], key: str, content_type: str) -> tuple[Stored, str]:
        """Make one object of several, in order; what it holds, and its MD5 in hex."""
        digest = hashlib.md5(usedforsecurity=False)
        with tempfile.SpooledTemporaryFile(_SPOOL_BYTES) as spool:
            for part in keys:
                for piece in self.pieces(part):
                    spool.write(piece)
                    digest.update(piece)
            spool.seek(0)
            self._inner.upload_fileobj(
                spool, self._bucket, key, ExtraArgs={"ContentType": content_type}, Config=_ONE_PUT
            )
        return self.measure(key), digest.hexdigest()

    def delete(self, key: str) -> None:
        self._inner.delete_object(Bucket=self._bucket, Key=key)


def _client(endpoint: Endpoint, url: str):
    return boto3.client(
        "s3",
        endpoint_url=url,
        aws_access_key_id=endpoint.access_key,
        aws_secret_access_key=endpoint.secret_key,
        region_name=endpoint.region,
        config=botocore.config.Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            retries={"max_attempts": 2},
            connect_timeout=5,
            read_timeout=60,
            proxies={},  # a proxy of the environment must never see loopback traffic
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
