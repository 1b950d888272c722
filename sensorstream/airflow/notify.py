"""Telling people: by e-mail and by webhook. Knows nothing of Airflow."""

from __future__ import annotations

import json
import re
import smtplib
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from functools import partial
from html import escape
from typing import Literal
from urllib.parse import urlsplit

from ..errors import ConfigError, SensorStreamError
from ..formatting import printable

PATIENCE_SECONDS = 20
EVERYBODY = re.compile(r"@(?=(everyone|here|channel|all)\b)", re.IGNORECASE)


@dataclass(frozen=True)
class Notice:
    """What happened, in one line; why, in one sentence; and the facts that help to look into it, by name."""

    subject: str
    reason: str
    facts: Mapping[str, str]

    @property
    def text(self) -> str:
        """The notice as plain text, a line for each of its parts whatever they hold."""
        facts = (f"{name}: {printable(value)}" for name, value in self.facts.items())
        return "\n".join((printable(self.reason), "", *facts, ""))


@dataclass(frozen=True)
class MailServer:
    """An SMTP server, and from whom to whom. ``repr`` shows no password."""

    host: str
    port: int
    sender: str
    recipients: tuple[str, ...]
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    security: Literal["none", "starttls", "ssl"] = "starttls"

    def __post_init__(self) -> None:
        if not self.recipients:
            raise ConfigError(f"mail server {self.host} has nobody to write to: name recipients")
        if odd := next((one for one in (self.sender, *self.recipients) if not one.isprintable()), None):
            raise ConfigError(f"mail server {self.host}: {odd!a} is no address: write it without control characters")
        if self.security not in ("none", "starttls", "ssl"):
            raise ConfigError(f'mail server {self.host}: security "{self.security}" is none of none, starttls, ssl')
        if self.password and self.security == "none":
            raise ConfigError(f"mail server {self.host}: no password is sent in the clear: use starttls or ssl")


def mail(server: MailServer, notice: Notice) -> None:
    """Send the notice by SMTP; ``SensorStreamError`` if the server does not take it."""
    message = EmailMessage()
    message["Subject"] = printable(notice.subject)
    message["From"], message["To"] = server.sender, ", ".join(server.recipients)
    message.set_content(notice.text)
    trusted = ssl.create_default_context()
    connect = partial(smtplib.SMTP_SSL, context=trusted) if server.security == "ssl" else smtplib.SMTP
    try:
        with connect(server.host, server.port, timeout=PATIENCE_SECONDS) as session:
            if server.security == "starttls":
                session.starttls(context=trusted)
            if server.user and server.password:
                session.login(server.user, server.password)
            session.send_message(message)
    except (OSError, smtplib.SMTPException) as error:
        raise SensorStreamError(f"mail server {server.host}:{server.port} did not take a notice: {error}") from None


def in_chat(text: str) -> str:
    """``text`` as chat services show it as it is: no link in disguise, and nobody is called by a tag's name. Pure."""
    return EVERYBODY.sub("@\u200b", escape(text, quote=False)).replace("](", "]\u200b(")


def post(url: str, notice: Notice) -> None:
    """POST the notice as JSON: ``text`` as chat services show it, and each fact under its name.

    The address may be a secret; a failure names its host only.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError("the webhook's address is not http:// or https:// with a host: correct its connection")
    body = {"text": in_chat(f"{printable(notice.subject)}\n{notice.text}"), "reason": notice.reason, **notice.facts}
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json", "User-Agent": "sensorstream"}
    )
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS):
            pass
    except urllib.error.HTTPError as error:
        raise SensorStreamError(f"webhook at {parts.hostname} refused a notice: HTTP {error.code}") from None
    except OSError as error:
        raise SensorStreamError(f"webhook at {parts.hostname} cannot be reached: {error}") from None
