"""Quality codes are told by name, whoever wrote them."""

from __future__ import annotations

from sensorstream.transform.quality_names import with_name

TOLD = {
    192: "192 Good",
    500: "500 Stale",
    516: "516 Bad_Stale",
    516 - (1 << 31): "-2147483132 (0x80000204) Bad_Stale",  # as Ignition 8 writes it in full
    (1 << 30) + 257: "1073742081 Uncertain_LastKnownValue",
    0x80310000 - (1 << 32): "-2144272384 (0x80310000) BadNoCommunication",  # OPC UA
    5 - (1 << 31): "-2147483643 (0x80000005)",
    42: "42",
    "None": "None",
}


def test_a_quality_code_has_its_name_beside_it():
    assert {code: with_name(code) for code in TOLD} == TOLD
