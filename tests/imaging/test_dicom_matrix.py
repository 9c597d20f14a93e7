"""Each fault of a hospital's files ends in the right volume to 0.1 mm, or in the right refusal."""

from __future__ import annotations

from pathlib import Path

import pytest
from dicom_faults import FAULTS, meet


@pytest.mark.filterwarnings("ignore:Unknown encoding")  # pydicom's own, while the file is written
@pytest.mark.parametrize("name", FAULTS)
def test_fault(name: str, tmp_path: Path) -> None:
    assert meet(FAULTS[name], tmp_path).wrong == ""
