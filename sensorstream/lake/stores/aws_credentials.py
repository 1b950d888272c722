"""What the AWS chain (role, profile, environment) tells obstore: credentials, region, whom to trust."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ...config.aws import Aws
from ...errors import ConfigError, LakeError

if TYPE_CHECKING:
    from obstore.store import S3Credential

# botocore renews what ends within ten minutes; obstore asks again five minutes before the time that it was told.
GOOD_FOR = timedelta(minutes=10)

Provider = Callable[[], "S3Credential"]
BUNDLE = "REQUESTS_CA_BUNDLE"  # where boto3 looks after AWS_CA_BUNDLE and the profile's ca_bundle


@dataclass(frozen=True)
class Chain:
    """What provides credentials, the region that goes with them, and the file of certificate authorities that are to be
    trusted beside those of this machine."""

    provide: Provider
    region: str | None
    bundle: str | None

    def authorities(self) -> bytes | None:
        """What the file holds; ``ConfigError`` where it holds no certificate."""
        if self.bundle is None:
            return None
        import ssl

        try:
            ssl.create_default_context(cafile=self.bundle)
            return Path(self.bundle).read_bytes()
        except OSError as error:
            raise ConfigError(
                f"the CA bundle {self.bundle} cannot be used ({error.strerror or error}): correct AWS_CA_BUNDLE,"
                f" {BUNDLE}, or ca_bundle of the AWS profile"
            ) from None


def chain(place: str, aws: Aws) -> Chain:
    """The chain for the lake at ``place``; ``LakeError`` where it has no credentials."""
    from botocore.exceptions import BotoCoreError, NoCredentialsError

    try:
        return _chain(aws, tuple(sorted((k, v) for k, v in os.environ.items() if k.startswith("AWS_") or k == BUNDLE)))
    except NoCredentialsError:
        raise LakeError(
            f"lake {place}: no AWS credentials found: use an IAM role, a profile or the AWS_ environment variables, or "
            'name a profile in "aws_profile", a file in "aws_credentials_file"'
        ) from None
    except BotoCoreError as error:
        raise LakeError(f"lake {place}: no AWS credentials found: {error}") from None


@lru_cache
def _chain(aws: Aws, environment: tuple[tuple[str, str], ...]) -> Chain:
    """One session serves as long as the ``environment`` that it looks at stays: to make it takes 20 ms.

    obstore's own provider needs all of boto3 (0.07 s of each worker), and holds credentials for half an hour, which
    those of a role need not last.
    """
    from botocore.exceptions import NoCredentialsError

    session = aws.session()
    held = session.get_credentials()
    if held is None:
        raise NoCredentialsError

    def provide() -> S3Credential:
        now = held.get_frozen_credentials()
        return {
            "access_key_id": now.access_key,
            "secret_access_key": now.secret_key,
            "token": now.token,
            "expires_at": datetime.now(UTC) + GOOD_FOR,
        }

    bundle = session.get_config_variable("ca_bundle") or dict(environment).get(BUNDLE)
    return Chain(provide, session.get_config_variable("region"), bundle or None)
