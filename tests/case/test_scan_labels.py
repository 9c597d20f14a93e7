"""What labels say of themselves stays with the case, and is checked against the CT."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from endplate.case.request import Inputs, Parameters
from endplate.case.scan import Scan, read_scan, restore
from endplate.imaging.fingerprint import ct_fingerprint
from endplate.imaging.label_origin import LabelOrigin, LevelOrigin
from endplate.imaging.label_write import label_names, write_label_nifti
from endplate.imaging.labels import read_labels
from endplate.imaging.read import read_image


@pytest.mark.parametrize("same", [True, False], ids=["of this CT", "of another CT"])
def test_labels_name_their_ct(phantom_files: Any, tmp_path: Path, same: bool) -> None:
    image = read_image(phantom_files.ct)
    origin = LabelOrigin(
        made_by="clicks",
        ct_fingerprint=ct_fingerprint(image) if same else "0" * 64,
        levels=(LevelOrigin(level="L1", quality=0.5, label_error_mm=1.5),),
    )
    file = tmp_path / "clicked.nii.gz"
    given = read_labels(phantom_files.labels, image=image).volume
    write_label_nifti(given, file, label_names(given), origin)
    scan = read_scan(Inputs(ct=phantom_files.ct, labels=file), Parameters())
    assert scan.labels is not None
    codes = {one.code for one in scan.labels.volume.findings}
    assert ("labels-other-ct" in codes) is not same
    kept = restored(scan)
    assert kept.labels is not None
    assert kept.labels.origin == origin


def restored(scan: Scan) -> Scan:
    assert scan.labels is not None
    record = type(scan.record()).model_validate_json(scan.record().model_dump_json(by_alias=True))
    return restore(record, scan.image, scan.labels.volume)
