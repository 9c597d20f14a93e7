"""Recognise the label scheme of a map from its ids, their order along the spine and, if need be, their sizes.

Nothing is guessed: where two schemes fit, the sizes of the vertebrae decide only when they leave no doubt;
else the user is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from endplate.errors import InputError
from endplate.imaging.label_stats import LabelStat, by_level
from endplate.imaging.schemes import SCHEMES, SUBREGION_IDS, Scheme
from endplate.imaging.spine_chain import Chain, Step, chain_of
from endplate.sources import value

_ARCH_ID, _BODY_ID = 41, 49


@dataclass(frozen=True)
class Reading:
    """A map read in one scheme.

    Parameters
    ----------
    scheme:
        The scheme.
    chain:
        The vertebrae it names, measured.
    level_ids:
        Ids of the map that name a vertebra.
    unknown_ids:
        Ids of the map to which the scheme gives no meaning.
    rivals:
        Schemes that the numbers fit too, in words; only sizes told them apart.
    """

    scheme: Scheme
    chain: Chain
    level_ids: frozenset[int]
    unknown_ids: tuple[int, ...]
    rivals: tuple[str, ...] = ()

    @property
    def sound(self) -> bool:
        """Order and spacing are those of a spine, sacral pieces included."""
        return bool(self.chain.levels) and not self.chain.inversions and not self.chain.impossible

    def words(self) -> str:
        """The scheme and what it would call the vertebrae: ``"VerSe (T9–L5)"``."""
        names = list(self.chain.levels)
        return f"{self.scheme.title} ({'–'.join(dict.fromkeys((names[0], names[-1])))})"


def read_in(scheme: Scheme, stats: Mapping[int, LabelStat]) -> Reading:
    """Read measured labels in one scheme, right or not."""
    unknown = tuple(sorted(set(stats) - scheme.vocabulary))
    level_ids = frozenset(stats) & frozenset(scheme.level_of_id)
    return Reading(scheme, chain_of(by_level(stats, scheme.level_of_id)), level_ids, unknown)


def detect(stats: Mapping[int, LabelStat], has_canal: Callable[[Chain], bool | None]) -> Reading:
    """Recognise the scheme of a map.

    Parameters
    ----------
    stats:
        Measurements by id (``label_stats.measure_labels``).
    has_canal:
        Says of a chain whether its vertebrae have arches (volumes mean something only then).

    Raises
    ------
    InputError
        A subregion map or mask (``labels-are-subregions``, ``labels-are-a-mask``), ids of no scheme
        (``label-scheme-unknown``), of several (``label-scheme-ambiguous``), or vertebrae in an order that no
        spine has (``labels-out-of-order``).
    """
    readings = [
        read_in(scheme, stats)
        for scheme in SCHEMES.values()
        if not scheme.body_only and (scheme.name != "spineps" or scheme.others & set(stats))
    ]
    sound = [r for r in readings if r.sound and _sacral_order_holds(r.scheme, stats) and _plausible(r)]
    strict = [r for r in sound if not r.unknown_ids]
    # One vertebra, or two, lie in some order by chance: they do not excuse ids without a meaning.
    lenient = [r for r in sound if _is_row(r)]
    _refuse_other_maps(stats, any(_is_row(r) for r in strict))
    candidates = _without_lesser(strict or lenient)
    if not candidates:
        raise _unreadable(stats, readings)
    if len(candidates) == 1:
        return candidates[0]
    return _settle_by_size(candidates, has_canal)


def _is_row(reading: Reading) -> bool:
    """Say whether three or more vertebrae lie in the right order: chance does not do that."""
    return len(reading.chain.levels) > 2


def _plausible(reading: Reading) -> bool:
    """Say whether the sizes could at all be those of vertebrae: an organ read as one vertebra is not."""
    score = reading.chain.size_score(with_volume=True)
    return _is_row(reading) or score is None or score <= value("labels.size_score_absurd")


def _without_lesser(readings: list[Reading]) -> list[Reading]:
    """Leave out readings that take for organs what another reads as a row of vertebrae.

    Organs do not lie in a row, at vertebral distances and of vertebral size, by chance.
    """
    limit = float(value("labels.size_score_absurd"))
    rows = []
    for reading in readings:
        score = reading.chain.size_score(with_volume=True)
        if _is_row(reading) and (score is None or score <= limit):
            rows.append(reading.level_ids)
    return [r for r in readings if not any(r.level_ids < row for row in rows)]


def _settle_by_size(candidates: list[Reading], has_canal: Callable[[Chain], bool | None]) -> Reading:
    """Take the reading whose sizes fit an adult spine clearly best."""
    scored = []
    for reading in candidates:
        score = reading.chain.size_score(with_volume=has_canal(reading.chain) is True)
        scored.append((float("inf") if score is None else score, reading))
    scored.sort(key=lambda pair: (pair[0], pair[1].scheme.name))
    (best, reading), (second, _) = scored[:2]
    if best <= value("labels.size_score_limit") and second - best >= value("labels.size_evidence"):
        return replace(reading, rivals=tuple(r.words() for _, r in scored[1:]))
    names = [r.scheme.name for r in candidates]
    raise InputError(
        "label-scheme-ambiguous",
        f"The numbers of the label map fit {' or '.join(r.words() for r in candidates)}.",
        do=f"Say which it is: {' or '.join(f'--scheme {name}' for name in names)}.",
    )


def _sacral_order_holds(scheme: Scheme, stats: Mapping[int, LabelStat]) -> bool:
    """Say whether sacral pieces and coccyx lie below all vertebrae that the scheme names."""
    pieces = [stats[i].centre_ras_mm[2] for i in scheme.below_s1 if i in stats]
    floor = [
        stat.centre_ras_mm[2]
        for i, stat in stats.items()
        if i in scheme.level_of_id and scheme.level_of_id[i] != "S1"
    ]
    return not pieces or not floor or max(pieces) < min(floor)


def _refuse_other_maps(stats: Mapping[int, LabelStat], row_found: bool) -> None:
    """Refuse maps that name no levels at all, with the words what is needed."""
    ids = set(stats)
    if {_ARCH_ID, _BODY_ID} <= ids <= SUBREGION_IDS and not row_found:
        raise InputError(
            "labels-are-subregions",
            "This is a subregion map (41 arch, 49 and 50 body, ...): its numbers name parts, not levels.",
            do="Give the vertebra map that the same tool wrote (SPINEPS/TPTBox: ..._seg-vert_msk.nii.gz).",
        )
    if ids <= {1, 2}:
        raise InputError(
            "labels-are-a-mask",
            "The label map has one value for all vertebrae (a mask, or vertebrae_body of TotalSegmentator): "
            "its vertebrae have no names.",
            do="Give a map with one number per vertebra, for example that of TotalSegmentator's task total.",
        )


def _unreadable(stats: Mapping[int, LabelStat], readings: list[Reading]) -> InputError:
    """Say why no scheme fits: two neighbours mixed up, or ids of no scheme."""
    mixed = [
        r
        for r in readings
        if not r.unknown_ids and len(r.chain.steps) > 2 and 4 * len(_faults(r.chain)) <= len(r.chain.steps)
    ]
    mixed.sort(key=lambda r: (len(_faults(r.chain)), -len(r.chain.levels)))
    if mixed:
        return out_of_order(mixed[0])
    return InputError(
        "label-scheme-unknown",
        f"The numbers of the label map ({_ranges(sorted(stats))}) and their order along the spine fit no "
        "label scheme that Endplate knows.",
        do=f"Name the scheme with --scheme ({', '.join(SCHEMES)}), or write the map in VerSe numbers "
        "(T12 = 19, L1 = 20).",
    )


def out_of_order(reading: Reading) -> InputError:
    """Build the refusal of a map whose vertebrae are mixed up."""
    faults = _faults(reading.chain)
    said = "; ".join(f"{s.lower} is not below {s.upper} ({s.distance_mm:.0f} mm apart)" for s in faults[:3])
    return InputError(
        "labels-out-of-order",
        f"Read as {reading.words()}, the vertebrae lie in an order that no spine has: {said}.",
        do="Look at these labels in a viewer and correct them, or give the right --scheme.",
    )


def _faults(chain: Chain) -> tuple[Step, ...]:
    return tuple(dict.fromkeys((*chain.inversions, *chain.impossible)))


def _ranges(numbers: list[int]) -> str:
    """Ids in short: ``"1–3, 7"``, at most eight pieces."""
    pieces: list[list[int]] = []
    for number in numbers:
        if pieces and number == pieces[-1][-1] + 1:
            pieces[-1] = [pieces[-1][0], number]
        else:
            pieces.append([number])
    said = [f"{p[0]}–{p[-1]}" if len(p) > 1 else str(p[0]) for p in pieces]
    return ", ".join(said[:8]) + (", ..." if len(said) > 8 else "")
