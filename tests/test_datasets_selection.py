"""Which datasets are meant, whose people they show, and the account of what is left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from offline.datasets.corpus import LeftOut
from offline.datasets.left_out import commonest_reason, left_out_count, left_out_table, write_left_out
from offline.datasets.registry import people_of, person
from offline.datasets.selection import check_people, default_protocol, select
from realtime.errors import OutputError, UsageError


def test_a_dataset_is_named_with_its_folder() -> None:
    found = select("smic-hs:cropped=some/where")
    assert (found.dataset.name, found.frames, found.root) == ("smic_hs", "cropped", Path("some/where"))
    assert select("samm", Path("x")).root == Path("x")
    with pytest.raises(UsageError, match="which folder"):
        select("samm")


def test_people_are_told_apart_by_dataset() -> None:
    assert person("casme2", "sub01") == person("casme2", "casme2-sub01") == "casme2-sub01"
    assert person("samm_long", "009") == person("samm", "009") == "samm-009"
    assert person("lab", "s1") == "lab-s1"
    assert (people_of("samm_long"), people_of("lab")) == ("samm", "lab")


def test_the_same_people_twice_are_refused() -> None:
    check_people([["casme2"], ["samm", "smic_hs"], ["lab"], ["lab"]])
    with pytest.raises(UsageError, match=r"\(samm\)"):
        check_people([["samm"], ["casme2", "samm_long"]])


def test_default_protocols() -> None:
    assert default_protocol(["casme2"]) == "casme2-4"
    assert default_protocol(["casme2", "samm"]) == "megc-3"


def test_the_account_of_what_is_left_out(tmp_path: Path) -> None:
    reasons = ["no apex"] * 3 + [f"reason, {n}" for n in range(9)]
    items = [LeftOut("samm", "006", f"c{n}", "row 2", reason) for n, reason in enumerate(reasons)]
    lines = left_out_count(items).splitlines()
    assert lines[:2] == ["left out: 12", "  3 × samm: no apex"]
    assert (len(lines), lines[-1]) == (10, "  and 2 for other reasons")
    assert commonest_reason(items) == "no apex (row 2)"
    assert commonest_reason([]) == ""
    write_left_out(tmp_path / "x.csv", items[3:4])
    assert (tmp_path / "x.csv").read_bytes() == left_out_table(items[3:4])
    assert (tmp_path / "x.csv").read_text().splitlines() == [
        "dataset,subject,clip,where,reason",
        'samm,006,c3,row 2,"reason, 0"',
    ]
    with pytest.raises(OutputError):
        write_left_out(tmp_path / "none" / "x.csv", items)
