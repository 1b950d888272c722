"""The keys of the configuration: their kinds, defaults and limits. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Discriminator, Field, SecretStr, Tag, model_validator
from typing_extensions import TypeAliasType

from ..formatting import cut
from .aws import Aws
from .layouts.description import Description
from .layouts.known import names
from .masking import shown
from .parts import Name, Part, Text, Zone, text_of

Engine = Literal["packed", "jdbc"]
WriteMode = Literal["overwrite", "append"]
OVERRIDES = ("engine", "write_mode", "allow_loss")  # keys that a single run may set

MASTER = r"local(\[(\*|[1-9]\d{0,3})(, *\d+)?\])?|local-cluster\[\d+, *\d+, *\d+\]|yarn|spark://\S+:\d+|k8s://\S+"
SCHEME = re.compile(r"\w+://")
SIZE = re.compile(r"\d{1,9}[kmgtp]?b?", re.IGNORECASE)  # of memory, as Spark and Java have it
# Of a quality code: 32 bits, with a sign or (OPC UA) without one.
LEAST_CODE, MOST_CODE, CODES = -(1 << 31), (1 << 32) - 1, 1 << 32


def _secret(password: SecretStr) -> SecretStr:
    text_of(password.get_secret_value())
    return password


def _like(form: str, otherwise: str) -> Callable[[str], str]:
    """A check that a text has the ``form``, a regular expression; ``otherwise`` says what one is that has not."""

    def like(text: str) -> str:
        if not re.fullmatch(form, text):
            raise ValueError(f'"{text}" is {otherwise}')
        return text

    return like


def prefix_of(directory: str) -> str:
    """``directory`` as what keys of S3 begin with; ``ValueError`` where a client would refuse or change it. Pure."""
    directory = directory.strip("/")
    for segment in directory.split("/") if directory else ():
        if segment in ("", ".", ".."):
            raise ValueError(f'"{directory}" has a segment "{segment}", which is no name of a folder: leave it out')
    if odd := next((c for c in directory if not c.isprintable() or c == "\\"), None):
        raise ValueError(f"has the character {odd!a}, which not every client of S3 keeps: leave it out")
    return f"{directory}/" if directory else ""


bucket_of = _like(
    r"(?![\d.]+$)[a-z0-9](?!.*\.\.)[a-z0-9.-]{1,61}[a-z0-9]",
    "no bucket: write its name alone, 3 to 63 small letters, digits, points and hyphens",
)
_folder = _like(r"(?s)(?!\w+://).*", 'no folder of this machine: name its bucket in "bucket_name"')
_master = _like(MASTER, "no master of Spark: write local[*], local[4], spark://host:7077 or yarn")
_table = _like(r"[a-z0-9_]+(\.[a-z0-9_]+)+", "no name of a table: write its namespace and name, like plant.readings")


def _hosts(hosts: str) -> str:
    if not all(host.strip() for host in hosts.split(",")):
        raise ValueError(f'"{hosts}" names a host that is empty: write one, or several with a comma between')
    return hosts.replace(" ", "")


def _address(url: str) -> str:
    try:
        known = re.fullmatch(r"https?://[^/?#\s@]+(/[^?#\s]*)?", url) and urlsplit(url)
        whole = known and known.hostname and known.port != 0
    except ValueError:  # a port beyond 65535, half an IPv6 address
        whole = False
    if not whole:
        raise ValueError("not http:// or https:// with a host: write it like https://s3.example.com:9000")
    return url.rstrip("/")


def _place_of_reports(path: str) -> str:
    if path.startswith("s3://"):
        bucket, _, directory = path.removeprefix("s3://").partition("/")
        bucket_of(bucket)
        prefix_of(directory)
    elif SCHEME.match(path):
        raise ValueError(f'"{path}" is neither a folder of this machine nor s3://bucket/reports')
    return path


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError(f'"{text}" is no day: write it like 2024-01-31') from None


def _layout(layout: str | Description) -> str | Description:
    if isinstance(layout, str) and layout != "auto" and not layout.endswith(".json") and layout not in names():
        raise ValueError(
            f'"{layout}" is none of auto, {", ".join(names())}: name one, a file that ends with .json, or write the'
            " description here"
        )
    return layout


def _prefixes(prefixes: dict[str, str]) -> dict[str, str]:
    for name, prefix in prefixes.items():
        if not prefix.isprintable():
            raise ValueError(f'"{name}" has the prefix {prefix!a}: write one without control characters')
    return prefixes


def _sizes(settings: dict[str, str]) -> dict[str, str]:
    for name, value in settings.items():
        if name.endswith((".memory", ".memoryOverhead")) and not SIZE.fullmatch(value):
            raise ValueError(f'"{name}" is "{value}", which is no size: write it like 2g or 512m')
    return settings


def _connections(most: int) -> int:
    if most < 3:
        raise ValueError(
            f"{most} is too few: of the connections one plans and counts, one sees that nobody waits for the run,"
            " and one at least reads: write 3 or more"
        )
    return most


def _two(roles: tuple[str, str]) -> tuple[str, str]:
    if len(set(roles)) < 2:
        raise ValueError("the two roles are one: name another, so that one keeps its password while the other changes")
    return roles


# Aliases with a name, by which help() calls them.
Address = TypeAliasType("Address", Annotated[Name, AfterValidator(_address)])
Bucket = TypeAliasType("Bucket", Annotated[Name, AfterValidator(bucket_of)])
Code = TypeAliasType("Code", Annotated[int, Field(ge=LEAST_CODE, le=MOST_CODE)])
Connections = TypeAliasType("Connections", Annotated[int, Field(le=10_000), AfterValidator(_connections)])
Day = TypeAliasType("Day", Annotated[Text, AfterValidator(_day)])
Directory = TypeAliasType("Directory", Annotated[Text, AfterValidator(prefix_of)])
Folder = TypeAliasType("Folder", Annotated[Name, AfterValidator(_folder)])
Layout = TypeAliasType(
    "Layout",
    Annotated[
        Annotated[Name, Tag("name")] | Annotated[Description, Tag("description")],
        Discriminator(lambda value: "name" if isinstance(value, str) else "description"),
        AfterValidator(_layout),
    ],
)
Master = TypeAliasType("Master", Annotated[Name, AfterValidator(_master)])
Place = TypeAliasType("Place", Annotated[Name, AfterValidator(_place_of_reports)])
Prefixes = TypeAliasType("Prefixes", Annotated[dict[Text, Text], AfterValidator(_prefixes)])
Region = TypeAliasType("Region", Annotated[str, Field(pattern=r"^[\w-]+$")])
Settings = TypeAliasType("Settings", Annotated[dict[Text, Text], AfterValidator(_sizes)])
Secret = Annotated[SecretStr, AfterValidator(_secret), Field(strict=False)]


class Database(Part):
    """Where the historian is: one host, or several with commas between, a standby of which is read first. The password
    is never shown."""

    host: Annotated[Name, AfterValidator(_hosts)] = "127.0.0.1"
    port: int = Field(5432, ge=1, le=65535)
    dbname: Name = "historian"
    user: Name = "reader"
    password: Secret | None = None
    sslmode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] = "prefer"
    sslrootcert: Name | None = None

    @model_validator(mode="after")
    def _roots_are_looked_at(self) -> Database:
        # Elsewhere PostgreSQL's clients differ: one holds the server to the file, one goes on without.
        if self.sslrootcert and not self.sslmode.startswith("verify-"):
            raise ValueError(f'"sslrootcert" needs "sslmode": "verify-full" (or "verify-ca"), not "{self.sslmode}"')
        return self


class Rotation(Part):
    """How the historian's login is changed by two roles in turn (see ``historian.password_rotation``)."""

    admin_secret_id: Name
    group: Name
    roles: Annotated[tuple[Name, Name], Field(strict=False), AfterValidator(_two)]


class Iceberg(Part):
    """The table that a lake is as well (see ``docs/iceberg.md``)."""

    table: Annotated[str, AfterValidator(_table)]
    # Any of its properties may be a password.
    catalog: dict[Text, Secret] | None = None
    keep_days: int = Field(0, ge=0, le=36_500)


class Config(Part):
    """Everything that a run needs to know; ``docs/configuration.md`` says what each key means.

    ``load`` makes it of a file. Frozen: ``config.model_copy(update={...})`` is another one.
    """

    db: Database
    db_secret_id: Name | None = None
    db_rotation: Rotation | None = None
    db_schema: Name = "public"
    layout: Layout = "auto"
    tags_table: Name = "tags"
    gateway_prefixes: Prefixes = Field(default_factory=dict)
    tag_details: Name | None = None

    bucket_name: Bucket | None = None
    s3_directory: Directory = "sensor_data/"
    s3_endpoint_url: Address | None = None
    s3_region: Region | None = None
    s3_path_style: bool | None = None
    aws_profile: Name | None = None
    aws_credentials_file: Name | None = None
    s3_encryption: Literal["AES256", "aws:kms"] | None = None
    s3_kms_key_id: Name | None = None
    s3_conditional_writes: Literal["probed", "assumed"] = "probed"
    s3_connections: int = Field(64, ge=1, le=10_000)
    s3_patience_seconds: float = Field(60.0, gt=0, le=86_400, strict=False)
    local_path: Folder | None = None
    reports_path: Place = "reports"

    sensor_patterns: tuple[Name, ...] = Field((".*",), min_length=1, strict=False)
    patterns_url: Address | None = None
    good_quality: tuple[Code, ...] | None = Field(None, min_length=1, strict=False)
    bad_quality: tuple[Code, ...] | None = Field(None, min_length=1, strict=False)
    timezone: Zone = "UTC"
    default_start_date: Day = "2024-01-01"
    lookback_days: int = Field(30, ge=0, le=36_500)
    late_detector: Literal["auto", "fingerprint"] = "auto"

    write_mode: WriteMode = "overwrite"
    allow_loss: bool = False
    engine: Engine = "packed"
    jdbc_fetch_size: int = Field(10_000, ge=1, le=10_000_000)
    jdbc_num_partitions: Connections = 8
    jdbc_jar: Name | None = None
    max_records_per_file: int = Field(5_000_000, ge=1, le=1_000_000_000)
    readings_per_second: int | None = Field(None, ge=1, le=1_000_000_000)
    readings_per_slice: int = Field(1_000_000, ge=1, le=1_000_000_000)
    compact_target_mb: int = Field(128, ge=1, le=100_000)
    compact_over_files: int = Field(50, ge=1, le=1_000_000)

    iceberg: Iceberg | None = None

    use_aqe: bool = True
    enable_skew_handling: bool = True
    spark_master: Master | None = None
    spark_conf: Settings = Field(default_factory=dict)

    @model_validator(mode="after")
    def _fits_together(self) -> Config:
        if bool(self.bucket_name) == bool(self.local_path):
            raise ValueError('one of "bucket_name" (S3) and "local_path" (a folder) is needed, not both')
        # Codes of 32 bits are the same with a sign and without.
        good, bad = ({code % CODES: code for code in codes or ()} for codes in (self.good_quality, self.bad_quality))
        if both := good.keys() & bad.keys():
            raise ValueError(f'code {good[min(both)]} stands in "good_quality" and in "bad_quality": leave one out')
        if self.db_rotation and not self.db_secret_id:
            raise ValueError('"db_rotation" needs "db_secret_id", the secret that is rotated')
        if self.s3_kms_key_id and self.s3_encryption != "aws:kms":
            raise ValueError('"s3_kms_key_id" needs "s3_encryption": "aws:kms"')
        return self

    @property
    def lake(self) -> str:
        """Where the lake is, for messages: ``s3://bucket/directory/`` or the folder."""
        return f"s3://{self.bucket_name}/{self.s3_directory}" if self.bucket_name else str(self.local_path)

    @property
    def aws(self) -> Aws:
        """Where credentials of AWS come from."""
        return Aws(self.s3_region, self.aws_profile, self.aws_credentials_file)

    @property
    def prefix(self) -> str | None:
        """What every key of the lake begins with in its bucket; ``None`` where the lake is a folder."""
        return self.s3_directory if self.bucket_name else None

    def patterns(self, asked: str | Sequence[str] | None) -> tuple[str, ...]:
        """The patterns that are asked for, a text being one; else ``sensor_patterns``."""
        return ((asked,) if isinstance(asked, str) else tuple(asked or ())) or self.sensor_patterns

    def masked(self) -> dict[str, Any]:
        """The values as plain JSON, secrets as dots, those in Spark's settings too."""
        return {name: shown(name, value) for name, value in self.model_dump(mode="json").items()}

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        defaults = {name: one.default for name, one in type(self).model_fields.items()}
        told = ((name, value) for name, value in super().__repr_args__() if value != defaults.get(name or ""))
        return ((name, cut(shown(name or "", value))) for name, value in told)
