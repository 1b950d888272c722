"""TLS to the historian, held to a private CA by either engine; what is not right is told with its file or host."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensorstream.errors import SourceError
from sensorstream.pipeline.ingest import ingest
from sensorstream.pipeline.preview import plan
from sensorstream.windows import window_of
from tests.historians import small_historian
from tests.oracle import Row
from tests.postgres_tls import PrivateCA, tls_before

DAY = window_of("UTC", day="2026-10-14")


@pytest.fixture(scope="module")
def ours(tmp_path_factory) -> PrivateCA:
    return PrivateCA(tmp_path_factory.mktemp("tls") / "ours")


@pytest.fixture
def behind_tls(sandbox, database, ours, make_config):
    """``behind_tls(sslrootcert, **keys)``: a historian of one reading whose certificate is for ``localhost``."""
    small_historian(database, [Row(1, DAY.start_ms, 7.0)], {1: "a"})
    with tls_before(sandbox.port, ours.certificate("localhost")) as port:

        def config(roots: Path | None, host: str = "localhost", mode: str = "verify-full", **keys: object):
            there = {"host": host, "port": port, "sslmode": mode, "sslrootcert": roots and str(roots)}
            made = make_config(dbname=database.name, **keys)
            return made.model_copy(update={"db": made.db.model_copy(update=there)})

        yield config


@pytest.mark.parametrize("engine", ["packed", "jdbc"])
def test_a_historian_with_a_certificate_of_a_private_ca_is_read(engine, behind_tls, ours):
    assert ingest(behind_tls(ours.roots, engine=engine), DAY).rows_written == 1


@pytest.mark.slow
def test_workers_of_spark_hold_it_to_the_ca_too(behind_tls, ours, spark):
    assert ingest(behind_tls(ours.roots), DAY, spark=spark).rows_written == 1


def test_a_certificate_that_is_not_right_is_told_with_its_file_or_host(behind_tls, ours, tmp_path):
    others, renewed = (PrivateCA(tmp_path / name, name).roots for name in ("another CA", "plant CA"))
    (rubbish := tmp_path / "rubbish.crt").write_text("no certificate")
    for config, says in (
        *(
            (behind_tls(ca), f'certificate is of no CA in "{ca}", or not valid now: name the')
            for ca in (others, renewed)
        ),
        (behind_tls(ours.roots, host="127.0.0.1"), 'does not match host name "127.0.0.1": write a name that stands'),
        (behind_tls(tmp_path / "gone.crt"), f'there is no root certificate file "{tmp_path}/gone.crt": name'),
        (behind_tls(rubbish), f'root certificate file "{rubbish}" holds none'),
    ):
        with pytest.raises(SourceError) as said:
            plan(config, DAY)
        assert says in str(said.value) and str(said.value).endswith('" under "db"')


def test_a_server_without_tls_is_told(make_config, ours):
    plain = make_config()
    asks = {"sslmode": "verify-full", "sslrootcert": str(ours.roots)}
    with pytest.raises(SourceError, match='offers no TLS, which "sslmode": "verify-full" asks for'):
        plan(plain.model_copy(update={"db": plain.db.model_copy(update=asks)}), DAY)
