"""How long a store's failures are endured, which of them pass, and what is said of those that last.

The S3 client itself tries a request again after 5xx and a connection that failed; a read, a copy or a plain write
also after silence or a broken connection; and goes on where the body of an object broke off. ``patiently`` does the
rest: silence and broken connections in conditional writes and bulk deletes, answers of a listing, a copy or a
delete that broke off, 409, and all of it again, newly signed, while there is patience.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from obstore import exceptions as refusals
from tenacity import Retrying, retry_if_exception, stop_before_delay, wait_random_exponential

FAILURES = (refusals.BaseError, OSError, NotImplementedError)
ABSENT = (FileNotFoundError, refusals.NotFoundError)
LOST = (refusals.PreconditionError, refusals.AlreadyExistsError)  # 412, 409: of a conditional write

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0

PASSING = ("408", "409", "412", "429")
# Where the same answer comes again: all of 4xx but time-out, conflicts, throttling; a redirect to another region.
LASTING = (
    refusals.PermissionDeniedError,
    refusals.UnauthenticatedError,
    refusals.InvalidPathError,
    refusals.NotSupportedError,
    *ABSENT,
    NotImplementedError,
)
# What S3 and servers like it answer to a key, a signature or a policy that does not fit.
REFUSED = "InvalidAccessKey|SignatureDoesNotMatch|AccessDenied|ExpiredToken|InvalidToken|TooSkewed|403 Forbidden"
REDIRECTED = "redirect without LOCATION|PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraint"

# How a connection by TLS ends before anything is asked of the store.
UNTRUSTED = r"InvalidCertificate\(\s*(Other\w*|\w+)"
NO_TLS = "InvalidContentType"

# What is said where the store's own words hold one of these; the first counts.
SENTENCES = {
    NO_TLS: 'the store does not speak TLS there: write http:// in "s3_endpoint_url", or the port that does',
    "NoSuchBucket": 'there is no such bucket: check "bucket_name" or create it',
    r"KMS\.|kms:": 'the encryption key is refused: check "s3_kms_key_id" and that the role may use it'
    " (kms:GenerateDataKey, kms:Decrypt)",
    "TooSkewed": "the clocks of this machine and the store differ by more than 15 minutes: set them right",
    "ExpiredToken": "the credentials have expired: log in again, or use a role, whose credentials are renewed",
    REFUSED: "the credentials are refused: check the role or profile and its policy",
    REDIRECTED: 'the bucket is in another region: check "s3_region"',
    "status code: 501": "the store does not know this kind of request: use one that does",
    "KeyTooLong": 'the name is longer than the 1,024 bytes that S3 allows: shorten the tag path or "s3_directory"',
    "SlowDown|status code: (503|429)|TooManyRequests": "the store still asks to slow down after {seconds:g} s of"
    ' patience: lower "s3_connections" or raise "s3_patience_seconds"',
    "TimedOut|timed out|RequestTimeout|status code: 408": "no answer in time within {seconds:g} s of patience: check"
    ' the network or raise "s3_patience_seconds"',
    "body error|Decode|IncompleteMessage|UnexpectedEof": "the store's answers break off: check the network and what"
    " stands between",
    "Connect|error sending request|connection": 'the store cannot be reached: check "s3_endpoint_url" and the network',
}

# Where an error's text repeats the name of an object.
NAMES = r'https?://\S+|<(Key|Resource)>.*?</\1>|(?<=path: )"(\\.|[^"\\])*"|(?<=for key )\S+'

Result = TypeVar("Result")


def patiently(action: Callable[[], Result], seconds: float) -> Result:
    """What ``action`` returns, tried again with growing pauses while its failures may pass.

    No attempt begins later than ``seconds`` after the first; then the last failure is raised.
    """
    retrying = Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, FAILURES) and not lasts(error)),
        # At random, so that tasks that were throttled together do not come back together.
        wait=wait_random_exponential(min(FIRST_PAUSE_SECONDS, seconds / 20), LONGEST_PAUSE_SECONDS),
        stop=stop_before_delay(seconds),
        reraise=True,
    )
    return retrying(action)


def lasts(error: BaseException) -> bool:
    """Whether another attempt would be answered the same."""
    if isinstance(error, LASTING):
        return True
    text = said(error)
    status = re.search(r"status code: (\d{3})", text)
    refused = status is not None and (status[1] == "501" or status[1][0] == "4") and status[1] not in PASSING
    # RequestTimeout has status 400: the body did not come in time.
    return (refused and "<Code>RequestTimeout</Code>" not in text) or bool(
        re.search(f"{REFUSED}|{REDIRECTED}|{UNTRUSTED}|{NO_TLS}", text)
    )


def absent(error: BaseException) -> bool:
    """Whether the object does not exist; a bucket that does not is another matter."""
    return isinstance(error, ABSENT) and "NoSuchBucket" not in said(error)


def why(error: BaseException, seconds: float, bundle: str | None = None) -> str:
    """The store's own words, cut to the clause that helps, with the remedy.

    ``bundle`` is the file of certificate authorities that are trusted beside those of this machine.
    """
    text = said(error)
    if untrusted := re.search(UNTRUSTED, text):
        return _untrusted(untrusted[1], text, bundle)
    denied = isinstance(error, refusals.PermissionDeniedError | refusals.UnauthenticatedError)
    for clause, sentence in SENTENCES.items():
        if re.search(clause, text) or (denied and clause == REFUSED):
            return sentence.format(seconds=seconds)
    if status := re.search(r"status code: (\d{3})", text):
        named = [found[1] for tag in ("Code", "Message") if (found := re.search(f"<{tag}>(.*?)</{tag}>", text, re.S))]
        return f"the store answers {' '.join([status[1], *named])}"
    return text.split("Debug source")[0].strip()


def _untrusted(kind: str, text: str, bundle: str | None) -> str:
    """What is wrong with the store's certificate. Pure."""
    if kind.startswith("NotValidForName"):
        names = ", ".join(re.findall(r'"\w+\((?:\\")?([^"\\)]+)', text[text.find("presented") :])) or "no host"
        return f'the store\'s certificate is for {names}: write a name in "s3_endpoint_url" that it is for'
    if kind.startswith(("Expired", "NotValidYet")):
        return "the store's certificate is not valid now: renew it, or set this machine's clock right"
    trusts = f"neither this machine nor {bundle} trusts" if bundle else "this machine does not trust"
    return (
        f"the store's certificate is signed by an authority that {trusts} ({kind}): name the file of its certificate"
        " in AWS_CA_BUNDLE"
    )


def said(error: BaseException) -> str:
    """The error's text without names of objects, which may hold any word."""
    text = str(error)
    text = text[max(text.find("Error performing"), 0) :]
    return re.sub(NAMES, "…", text, flags=re.S)
