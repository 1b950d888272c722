"""Notices by e-mail and webhook, to servers on the loopback."""

import pytest

from sensorstream.airflow.notify import MailServer, Notice, mail, post
from sensorstream.errors import ConfigError, SensorStreamError
from tests.dags.listeners import http_server, mail_server

NOTICE = Notice("night failed", "no such bucket: make it", {"run": "r1", "report": "http://airflow/r1"})


def server(port, **more):
    values = {"sender": "lake@plant.example", "recipients": ("a@plant.example", "b@plant.example"), "security": "none"}
    return MailServer("127.0.0.1", port, **{**values, **more})


def test_a_mail_arrives_with_the_reason_and_the_facts():
    with mail_server() as (port, kept):
        mail(server(port), NOTICE)
    (got,) = kept
    assert got["Subject"] == "night failed" and got["To"] == "a@plant.example, b@plant.example"
    assert got.get_payload().splitlines()[0] == NOTICE.reason and "report: http://airflow/r1" in got.get_payload()


def test_a_mail_that_is_refused_or_finds_no_server_says_so_in_one_sentence():
    with mail_server() as (port, _), pytest.raises(SensorStreamError, match="did not take a notice"):
        mail(server(port, recipients=("c@nowhere.example",)), NOTICE)
    with pytest.raises(SensorStreamError, match=r"127\.0\.0\.1:1 did not take"):
        mail(server(1), NOTICE)


def test_names_in_a_notice_call_nobody_link_nowhere_and_add_no_header():
    said = "tag <!channel> @everyone [bill](http://evil) <http://evil|bill>\r\nBcc: all@plant.example\x1b[2J"
    notice = Notice(f"failed: {said}", said, {"tag": said})
    with http_server() as (url, kept):
        post(url, notice)
    text = kept[0]["text"]
    assert (
        not set("<>\r\x1b") & set(text) and "@everyone" not in text and "](" not in text and "&lt;!channel&gt;" in text
    )
    assert text.count("\n") == 4 and kept[0]["reason"] == said
    with mail_server() as (port, kept):
        mail(server(port), notice)
    assert kept[0]["Bcc"] is None and "\\r\\nBcc" in kept[0]["Subject"]
    with pytest.raises(ConfigError, match="is no address"):
        server(25, recipients=("a@plant.example\nBcc: b@plant.example",))


def test_no_password_goes_over_the_wire_in_the_clear():
    with pytest.raises(ConfigError, match="in the clear"):
        server(25, user="u", password="hunter2")
    with mail_server() as (port, kept):
        with pytest.raises(SensorStreamError, match="STARTTLS"):
            mail(server(port, user="u", password="hunter2", security="starttls"), NOTICE)
        assert not kept
    assert "hunter2" not in repr(server(25, password="hunter2", security="ssl"))


def test_a_webhook_gets_the_text_and_the_facts_and_its_address_stays_secret():
    with http_server() as (url, kept):
        post(f"{url}/t0ken", NOTICE)
        with pytest.raises(SensorStreamError, match="HTTP 403") as refused:
            post(f"{url}/refused", NOTICE)
    assert kept[0]["text"].startswith("night failed\nno such bucket") and kept[0]["run"] == "r1"
    with pytest.raises(SensorStreamError, match="cannot be reached") as away:
        post(f"{url}/t0ken", NOTICE)
    with pytest.raises(ConfigError) as none:
        post("t0ken", NOTICE)
    said = f"{refused.value} {away.value} {none.value}"
    assert "t0ken" not in said and "/refused" not in said
