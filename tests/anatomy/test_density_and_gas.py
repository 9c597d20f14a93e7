"""What the CT says inside a body, on phantoms of known density and gas."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from endplate.anatomy.density import cleft_gas_ml, disc_gas_ml, trabecular_sample
from endplate.anatomy.locate import Located
from endplate.anatomy.model import Spine
from endplate.imaging.volume import Volume
from endplate.synthetic import Phantom


def _flat(like: Volume, hu: float) -> Volume:
    return replace(like, data=np.full(like.shape, hu, np.float32))


def test_a_known_hu_is_read_back(broken_spine: Phantom, broken_located: dict[str, Located]) -> None:
    assert broken_spine.volume is not None
    sample = trabecular_sample(broken_located["L2"].vertebra, _flat(broken_spine.volume, 137.0))
    assert sample is not None
    assert (sample.mean_hu, sample.sd_hu) == (pytest.approx(137.0), pytest.approx(0.0, abs=1e-3))


def test_a_ramp_is_read_at_the_middle_of_the_sample(
    broken_spine: Phantom, broken_located: dict[str, Located]
) -> None:
    # HU equal to the height in the world: the mean must lie at the body's own height, whatever the grid.
    assert broken_spine.volume is not None
    vertebra = broken_located["L2"].vertebra
    index = np.stack(np.meshgrid(*(np.arange(n) for n in broken_spine.volume.shape), indexing="ij"), axis=-1)
    ramp = broken_spine.volume.to_world(index)[..., 2].astype(np.float32)
    sample = trabecular_sample(vertebra, replace(broken_spine.volume, data=ramp))
    assert sample is not None
    assert sample.mean_hu == pytest.approx(vertebra.axes.origin_ras_mm[2], abs=1.5)


@pytest.mark.parametrize("level", ["T12", "L2"])
def test_trabecular_hu_of_the_phantom(level: str, broken_spine: Phantom, broken_assessed: Spine) -> None:
    found = broken_assessed.find(level)
    assert found is not None
    true = broken_spine.truth.levels[level].density
    assert found.density.mean_hu == pytest.approx(true.trabecular_hu, abs=4.0)
    assert found.density.vbmd_mgcc == pytest.approx(0.8 * found.density.mean_hu - 4.0, abs=1e-3)  # type: ignore[operator]
    assert found.density.calibration == "line"
    assert found.density.voi_ml is not None
    assert found.density.voi_ml > 2.0


def test_too_small_a_body_gives_no_density(broken_spine: Phantom, broken_located: dict[str, Located]) -> None:
    assert broken_spine.volume is not None
    vertebra = broken_located["L2"].vertebra
    shell = np.zeros_like(vertebra.body.mask)
    middle = shell.shape[0] // 2
    shell[middle - 1 : middle + 2] = vertebra.body.mask[middle - 1 : middle + 2]
    assert trabecular_sample(
        replace(vertebra, body=replace(vertebra.body, mask=shell)), _flat(broken_spine.volume, 100.0)
    ) is None  # fmt: skip


def test_the_cleft_and_the_vacuum_disc(broken_spine: Phantom, broken_assessed: Spine) -> None:
    by_level = {v.level: v for v in broken_assessed.levels}
    assert by_level["L1"].cleft_ml == pytest.approx(broken_spine.truth.levels["L1"].cleft_ml, rel=0.35)
    assert by_level["T12"].vacuum_disc_below_ml == pytest.approx(0.6, rel=0.5)
    assert by_level["T12"].cleft_ml == by_level["L2"].cleft_ml == 0.0
    assert by_level["L1"].vacuum_disc_below_ml == 0.0
    # Nothing is labelled below L2, so nothing is said of its disc.
    assert by_level["L2"].vacuum_disc_below_ml is None
    assert "cleft-gas" in [f.code for f in by_level["L1"].findings]
    assert "vacuum-disc" in [f.code for f in by_level["T12"].findings]
    assert not {"cleft-gas", "vacuum-disc"} & {f.code for f in by_level["L2"].findings}


def test_gas_counts_below_its_threshold_only(
    broken_spine: Phantom, broken_located: dict[str, Located]
) -> None:
    assert broken_spine.volume is not None
    vertebra = broken_located["T12"].vertebra
    warm, cold = _flat(broken_spine.volume, -190.0), _flat(broken_spine.volume, -210.0)
    assert cleft_gas_ml(vertebra, warm) == 0.0
    body_ml = vertebra.body.mask.sum() * vertebra.grid.step_mm**3 / 1000.0
    assert 0.7 * body_ml < cleft_gas_ml(vertebra, cold) < body_ml
    disc = disc_gas_ml(vertebra, cold, broken_spine.labels)
    assert disc_gas_ml(vertebra, warm, broken_spine.labels) == 0.0
    assert disc is not None
    # The disc's middle: some 8 mm high, its rim left out.
    assert 2.0 < disc < 14.0
