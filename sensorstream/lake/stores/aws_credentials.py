"""Credentials of AWS for obstore, asked for again before they end."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from ...config.aws import Aws
from ...errors import LakeError

if TYPE_CHECKING:
    from obstore.store import S3Credential

# botocore renews what ends within ten minutes; obstore asks again five minutes before the time that it was told.
GOOD_FOR = timedelta(minutes=10)

Provider = Callable[[], "S3Credential"]


def credentials(place: str, aws: Aws) -> tuple[Provider, str | None]:
    """What provides credentials for the lake at ``place``, and the region that goes with them.

    Raises ``LakeError`` where there are none.
    """
    from botocore.exceptions import BotoCoreError, NoCredentialsError

    try:
        return _chain(aws, tuple(sorted(item for item in os.environ.items() if item[0].startswith("AWS_"))))
    except NoCredentialsError:
        raise LakeError(
            f"lake {place}: no AWS credentials found: use an IAM role, a profile or the AWS_ environment variables, or "
            'name a profile in "aws_profile", a file in "aws_credentials_file"'
        ) from None
    except BotoCoreError as error:
        raise LakeError(f"lake {place}: no AWS credentials found: {error}") from None


@lru_cache
def _chain(aws: Aws, environment: tuple[tuple[str, str], ...]) -> tuple[Provider, str | None]:
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

    return provide, session.get_config_variable("region")
