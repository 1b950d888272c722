"""The AWS account that a configuration means: the usual chain, or the profile and the file of credentials it names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from botocore.session import Session


@dataclass(frozen=True)
class Aws:
    """Where credentials come from, and the region: the keys ``s3_region`` and ``aws_…``."""

    region: str | None = None
    profile: str | None = None
    credentials_file: str | None = None

    def session(self) -> Session:
        """botocore's. A machine without the file, as a worker of Spark may be, uses its own chain."""
        from botocore.session import get_session

        session = get_session()
        profile = self.profile
        if self.credentials_file and Path(self.credentials_file).is_file():
            session.set_config_variable("credentials_file", self.credentials_file)
            profile = profile or "default"  # named, it counts before the environment's keys
        if profile:
            session.set_config_variable("profile", profile)
        return session

    def client(self, service: str) -> Any:
        """boto3's client of ``service``."""
        import boto3

        return boto3.Session(botocore_session=self.session(), region_name=self.region).client(service)
