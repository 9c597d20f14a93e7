"""What implants mean for a level: its document, its findings, and which numbers are left out."""

from __future__ import annotations

from endplate.anatomy.implants import ImplantMap
from endplate.anatomy.model import Density, Implants, Vertebra
from endplate.sources import Finding, finding, value


def with_implants(level: Vertebra, found: ImplantMap) -> Vertebra:
    """The document of a level with what was found there; density is left out beside cement and metal.

    ``treated_before`` is ``None`` where only a dense mass was found that may be cement or bone.
    """
    implants = found.levels.get(level.level, Implants())
    treated: bool | None = implants.cement_ml > 0.0 or implants.metal_in_bone_ml > 0.0
    if not treated and implants.unsure_ml > 0.0:
        treated = None
    return level.model_copy(
        update={
            "implants": implants,
            "treated_before": treated,
            "density": level.density if treated is False else Density(),
            "findings": (*level.findings, *_findings(level.level, implants)),
        }
    )


def _findings(level: str, implants: Implants) -> list[Finding]:
    told = []
    outside = implants.outside
    if implants.cement_ml > 0.0:
        told.append(finding("treated-before", level=level, volume=implants.cement_ml))
    if outside.canal_ml > 0.0:
        told.append(finding("cement-in-canal", level=level, volume=outside.canal_ml))
    places = [
        f"{name} {volume:.2f} ml"
        for name, volume in (
            ("disc", outside.disc_ml),
            ("canal", outside.canal_ml),
            ("vein or soft tissue", outside.elsewhere_ml),
        )
        if volume > 0.0
    ]
    if places:
        told.append(finding("cement-outside-body", level=level, places=", ".join(places)))
    if implants.unsure_ml > 0.0:
        told.append(finding("dense-mass-unsure", level=level, volume=implants.unsure_ml))
    if implants.metal_ml > 0.0:
        told.append(
            finding(
                "metal-present",
                level=level,
                volume=implants.metal_ml,
                screws=implants.screws,
                rods=implants.rods,
            )
        )
    if implants.artefact_share >= float(value("implants.streak_share_report")):
        told.append(finding("metal-artefact", level=level, share=100.0 * implants.artefact_share))
    return told
