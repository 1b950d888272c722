"""The file with units and descriptions of tags: read as Excel and people write it, else refused with a sentence."""

from __future__ import annotations

import re

import pytest

from sensorstream.config.tag_details import tag_details
from sensorstream.errors import ConfigError

WANTED = {"a/p": {"unit": "bar", "description": "oil, before the filter"}, "a/t": {"unit": "°C"}, "a/x": {}}


@pytest.mark.parametrize(
    "text",
    [
        'tagpath,unit,description\na/p,bar,"oil, before the filter"\na/t,°C,\na/x,,\n',
        "\ufefftagpath;area;description;unit\r\na/p;1;oil, before the filter; bar\r\na/t;2;;°C\r\na/x\r\n;;;\r\n",
        'tagpath, unit, description\ra/p, bar, "oil, before the filter"\ra/t,°C\ra/x\r',
        "unit\tdescription\ttagpath\nbar\toil, before the filter\ta/p\n\n°C\t\ta/t\n\t\ta/x",
    ],
)
def test_units_and_descriptions_are_read_as_excel_and_people_write_them(tmp_path, text):
    file = tmp_path / "tags.csv"
    file.write_text(text, encoding="utf-8", newline="")
    assert tag_details(str(file)) == WANTED


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"path,unit\na/p,bar\n", " needs the columns tagpath and unit or description in its first line, not path, un"),
        (b"", " needs the columns tagpath and unit or description in its first line, not nothing"),
        (b"tagpath,area\n", " needs the columns tagpath and unit or description in its first line, not tagpath, area"),
        (b"tagpath,unit\na,bar\nb,bar\na,mbar\n", ' has tag path "a" twice, again in line 4: leave one'),
        (b"tagpath,unit,unit\na,bar,mbar\n", ' has the column "unit" twice in its first line: leave one'),
        (b"tagpath,unit\n,bar\n", " line 2 names no tag path: fill it, or remove the line"),
        (b"tagpath,description\na,oil, hot\n", " line 2 has more cells than its first: put \"\" around one with ','"),
        (b'tagpath,unit\na,"bar\n', " line 2 is no CSV: unexpected end of data"),
        (b"tagpath,unit\na,\xb0C\n", ' is not UTF-8: save it as "CSV UTF-8"'),
        (None, " does not exist: correct it, or leave the key out"),
    ],
)
def test_another_file_is_refused_with_what_to_do(tmp_path, content, said):
    file = tmp_path / "tags.csv"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=re.escape(f'"tag_details": {file}{said}')):
        tag_details(str(file))
