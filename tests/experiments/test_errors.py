"""Sentences about failures: a full disk is named as such, everything else as it is."""

from __future__ import annotations

import errno
from pathlib import Path

from experiments.errors import FailedRunError, describe_failure


def test_a_full_disk_is_named_with_its_file() -> None:
    full = describe_failure(OSError(errno.ENOSPC, "No space left on device", "/data/ledger.sqlite"))
    assert full == "the disk is full (/data/ledger.sqlite); make room, or give another --output"
    assert "(" not in describe_failure(OSError(errno.EDQUOT, "Disk quota exceeded"))


def test_another_error_keeps_its_words() -> None:
    assert "Permission denied" in describe_failure(OSError(errno.EACCES, "Permission denied"))
    assert describe_failure(ValueError("no such zone")) == "no such zone"


def test_a_failed_run_names_its_folder_and_every_reason() -> None:
    error = FailedRunError(Path("run"), ("node n1 is lost", "3 batches unserved"))
    assert error.reasons == ("node n1 is lost", "3 batches unserved")
    assert str(error) == "run: node n1 is lost; 3 batches unserved"
