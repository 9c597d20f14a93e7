"""The unit system: mm, N, MPa, s inside; clinical units only at the edges.

Names carry the unit (``pressure_mpa``, ``volume_ml``); these constants are the only conversions.
World coordinates are RAS+ millimetres: +x points to the patient's right, +y to the front, +z to the head.
"""

MM3_PER_ML = 1000.0
"""Cubic millimetres in a millilitre."""

MGCC_PER_GCC = 1000.0
"""mg/cm³ in a g/cm³."""

MPA_PER_PSI = 0.006894757293168
"""MPa in a pound-force per square inch (exact by definition to the digits given)."""

MPA_PER_ATM = 0.101325
"""MPa in a standard atmosphere."""

MM_PER_INCH = 25.4
"""Millimetres in an inch (exact)."""

M_PER_MM = 1e-3
"""Metres in a millimetre."""

PA_PER_MPA = 1e6
"""Pascals in a megapascal."""

KPA_PER_MPA = 1000.0
"""Kilopascals in a megapascal."""

N_PER_KN = 1000.0
"""Newtons in a kilonewton."""

S_PER_MIN = 60.0
"""Seconds in a minute."""
