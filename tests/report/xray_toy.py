"""The toy spine planned for X-ray: true views, and stops on the way of each needle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import toy_spine

from endplate.case.documents import document_bytes
from endplate.case.files import write_whole
from endplate.case.folder import create_case
from endplate.case.hashing import sha256_file
from endplate.case.manifest import InputRecord, StageRecord
from endplate.case.names import (
    IMAGE,
    LABELS,
    PLAN,
    SCAN,
    SPINE,
)
from endplate.case.scan import Scan
from endplate.imaging.volume import LabelMap, Volume
from endplate.imaging.write import write_nifti
from endplate.planning.checkpoints import checkpoints, sight
from endplate.planning.model import Plan
from endplate.planning.room_geometry import PathPoints
from endplate.planning.views import bulls_eye, level_views


def xray_plan() -> Plan:
    """The toy's plan with views and checkpoints."""
    plan = toy_spine.toy_plan()
    level = plan.plans[0]
    vertebra = toy_spine.toy_spine().find(level.level)
    assert vertebra is not None
    assert vertebra.frame is not None
    paths = []
    for path in level.paths:
        points = PathPoints.of(path)
        seen = sight(points, vertebra.frame, getattr(vertebra.pedicles, path.side))
        paths.append(
            path.model_copy(
                update={
                    "carm": bulls_eye(np.array(path.entry_ras_mm), np.array(path.tip_ras_mm)),
                    "checkpoints": checkpoints(points, seen, 30.0),
                }
            )
        )
    views = level_views(vertebra.frame, vertebra.endplates)
    return Plan(plans=(level.model_copy(update={"paths": tuple(paths), "views": views}),))


def write_case(folder: Path, image: Volume, labels: LabelMap, plan: Plan) -> Path:
    """A case of the toy as if its stages had run."""
    scan = Scan(image, labels)
    with create_case(folder, {"image": InputRecord(kind="nifti", sha256="ab" * 32)}, force=False) as case:
        documents = {SCAN: scan.record(), SPINE: toy_spine.toy_spine(), PLAN: plan}
        for name, document in documents.items():
            content = document_bytes(document)
            write_whole(folder / name, lambda part, content=content: part.write_bytes(content))
        write_nifti(image, folder / IMAGE)
        write_nifti(labels.volume, folder / LABELS)
        outputs = {name: sha256_file(folder / name) for name in (*documents, IMAGE, LABELS)}
        record = StageRecord(key="", code="", inputs={}, parameters={}, outputs=outputs)
        case.save(stages={"plan": record})
    return folder
