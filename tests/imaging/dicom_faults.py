"""The whole matrix of dirty DICOM."""

from __future__ import annotations

import faults_coded
import faults_files
import faults_places
from faults import FAULTS, Fault, Outcome, meet

MODULES = (faults_coded, faults_places, faults_files)
"""Each registers its faults while it is imported."""

__all__ = ["FAULTS", "MODULES", "Fault", "Outcome", "meet"]
