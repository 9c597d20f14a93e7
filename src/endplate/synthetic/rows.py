"""How the numbers of a phantom are packed for the compiled fields, and the lengths of form that all share.

Each group names the places in one row of float64; lengths mm, densities mg/cm³, CT numbers HU.
"""

from __future__ import annotations

# One row of the spine is one vertebra: the body (B), the canal's tube (C), the laminae (L), what fills them (X), ...
(
    B_HALF_WIDTH,
    B_DEPTH,
    B_EXPONENT,
    B_CONCAVITY,
    B_NARROWING,
    B_WAIST_LATERAL,
    B_WAIST_ANTERIOR,
    B_WAIST_POSTERIOR,
    B_SUP_HEIGHT,
    B_SUP_SLOPE,
    B_SUP_DISH,
    B_INF_HEIGHT,
    B_INF_SLOPE,
    B_INF_DISH,
    B_RETROPULSION,
    B_RETROPULSION_Z,
    B_BOUND,
    C_Y,
    C_HALF_AP,
    C_HALF_WIDTH,
    C_TAPER,
    C_SCALE,
    L_THICKNESS,
    L_TOP,
    L_TOP_SLOPE,
    L_BOTTOM,
    X_CORTEX,
    X_TRABECULAR,
    X_ARCH_CORTEX,
    BODY_SIZE,
) = range(30)

# ... then its place: three axes and origin (O), and the planes (point, normal up) halfway to the neighbours (N), ...
O_AXES = BODY_SIZE
O_ORIGIN = O_AXES + 9
N_ABOVE = O_ORIGIN + 3
N_BELOW = N_ABOVE + 6

# ... then left and right pedicle, each: centre (0–2), axis w forward (3–5), u sideways (6–8), v up (9–11), sizes; ...
(P_RU, P_RV, P_FLARE_U, P_FLARE_V, P_FRONT, P_BACK, PEDICLE_SIZE) = range(12, 19)
P_FIRST = N_BELOW + 6

# ... then the parts of the arch in three groups (left, right, middle), first their counts. One part is a capsule of
# elliptical section, tapered, from its start (0–2) along w (3–5), with the section's axes u (6–8) and v (9–11), its
# radii at both ends, and a bounding sphere; ...
(Q_LENGTH, Q_RU0, Q_RV0, Q_RU1, Q_RV1, Q_CX, Q_CY, Q_CZ, Q_BOUND, PART_SIZE) = range(12, 22)
MAX_PARTS = 6
GROUP_SIZE = MAX_PARTS * PART_SIZE
Q_COUNTS = P_FIRST + 2 * PEDICLE_SIZE
Q_FIRST = Q_COUNTS + 3

# ... and last the collapse profiles over the AP fraction: what each endplate has sunk everywhere, and more in the
# middle of its width.
TABLE_NODES = 65
"""Nodes of the collapse profiles from the AP fraction TABLE_LOW to 1 − TABLE_LOW."""
TABLE_LOW = -0.1
T_SUP = Q_FIRST + 3 * GROUP_SIZE
T_SUP_MIDDLE = T_SUP + TABLE_NODES
T_INF = T_SUP_MIDDLE + TABLE_NODES
T_INF_MIDDLE = T_INF + TABLE_NODES
ROW_SIZE = T_INF_MIDDLE + TABLE_NODES

# Materials of the CT.
(
    M_SLOPE,
    M_INTERCEPT,
    M_CORTEX_MGCC,
    M_ARCH_FACTOR,
    M_ARCH_OFFSET_MGCC,
    M_DISC,
    M_CORD,
    M_CSF,
    M_EPIDURAL_FAT,
    M_BLOOD,
    M_GAS,
    M_TEXTURE_CV,
    M_TEXTURE_STEP_MM,
    MATERIAL_SIZE,
) = range(14)

# What a fracture or a degenerated disc adds to a level, and where in the texture tile it begins.
(
    E_BOTH,
    E_IMPACTED,
    E_CLEFT_X,
    E_CLEFT_Y,
    E_CLEFT_Z,
    E_CLEFT_RX,
    E_CLEFT_RY,
    E_CLEFT_RZ,
    E_VACUUM_Y,
    E_VACUUM_Z,
    E_VACUUM_RX,
    E_VACUUM_RZ,
    E_CORD,
    E_TEXTURE_X,
    E_TEXTURE_Y,
    E_TEXTURE_Z,
    EXTRA_SIZE,
) = range(17)

RIM_ROUNDING_MM = 1.6
"""Width of the rounding between endplate and wall."""
DISH_INNER = 0.15
"""Normalised radius within which the endplate's hollow is flat."""
DISH_OUTER = 0.88
"""Normalised radius beyond which the endplate is its raised rim."""

CANAL_EXPONENT = 2.4
"""Superellipse exponent of the canal's section."""

BLEND_MM = 2.4
"""Width of the fillets between the parts of the arch, and between arch and body."""
CLEAR_OF_ISTHMUS_MM = 3.0
"""No part of the arch but the pedicle comes nearer to the isthmus section than this, more than a fillet's width."""
FLARE_LENGTH_MM = 4.0
"""Distance from the isthmus at which a pedicle has widened by its flare."""
FLARE_MAX = 2.0
"""A pedicle widens by at most this many flares."""
PEDICLE_END_MM = 3.0
"""Rounding of a pedicle's front end inside the body; the end lies further than this from the isthmus."""
L_FRONT = -0.05
"""Front of the laminae behind the canal's middle at their top, in half depths of the canal."""
L_FRONT_LOW = 0.85
"""How much further back it lies at their bottom."""
FACET_GAP_MM = 1.0
"""Joint space that the lower articular processes keep from the vertebra below."""

SAFE_SHARE = 0.45
"""Share of a field's value that is surely no more than the distance to the surface."""
