"""Stacking vertebrae on discs: where each vertebra stands in the RAS world.

The posterior walls line up along the curve, as they do along the posterior longitudinal ligament; the discs'
angles add to the bodies' own wedging. The stack is then turned and shifted so that its mean axis is the world's
vertical and the mean of its bodies lies at the origin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from endplate.imaging.geometry import FloatArray
from endplate.synthetic import rows as r
from endplate.synthetic import sampling
from endplate.synthetic.body import BodyModel
from endplate.synthetic.spec import DiscSpec


@dataclass(frozen=True)
class Placement:
    """Poses of all vertebrae.

    ``poses[i]``: rows 0–2 the local axes in RAS, row 3 the local origin. ``planes[i]`` (point, normal toward the
    head) lies in the middle of the disc between vertebra i − 1 and i; row 0 and a last row close the stack half a
    disc beyond its ends.
    """

    poses: FloatArray
    planes: FloatArray

    def to_world(self, i: int, local_mm: FloatArray) -> FloatArray:
        """Local points of vertebra i, shape (..., 3) → RAS mm."""
        world: FloatArray = local_mm @ self.poses[i, :3] + self.poses[i, 3]
        return world

    def to_local(self, i: int, ras_mm: FloatArray) -> FloatArray:
        """RAS mm, shape (..., 3) → local points of vertebra i."""
        local: FloatArray = (ras_mm - self.poses[i, 3]) @ self.poses[i, :3].T
        return local

    def direction(self, i: int, local: FloatArray) -> FloatArray:
        """A local direction of vertebra i in RAS."""
        world: FloatArray = local @ self.poses[i, :3]
        return world


def _rim_line(model: BodyModel, plate: int) -> tuple[FloatArray, FloatArray]:
    """Posterior rim point and forward direction of an endplate's rim in the mid-plane, local coordinates."""
    half = 0.5 * float(model.row[r.B_DEPTH])
    y = np.array([-half, half])
    z = sampling.endplates_at(np.column_stack([np.zeros(2), y]), model.row)[:, plate]
    points = np.column_stack([np.zeros(2), y, z])
    along = points[1] - points[0]
    return points[0], along / np.linalg.norm(along)


def _turn(disc: DiscSpec) -> FloatArray:
    """Rotation of the upper against the lower vertebra, local axes x right, y forward, z up."""
    angles = [-disc.kyphosis_deg, disc.coronal_deg, disc.axial_deg]
    matrix: FloatArray = Rotation.from_euler("XYZ", angles, degrees=True).as_matrix()
    return matrix


def _tilt(forward: FloatArray) -> FloatArray:
    """Rotation about x that turns the y axis onto a forward direction of the mid-plane."""
    angle = float(np.arctan2(forward[2], forward[1]))
    matrix: FloatArray = Rotation.from_rotvec([angle, 0.0, 0.0]).as_matrix()
    return matrix


def stack(models: list[BodyModel], discs: tuple[DiscSpec, ...]) -> Placement:
    """Place all vertebrae; see the head of this module."""
    count = len(models)
    rotations = [np.eye(3)] * count
    origins = [np.zeros(3)] * count
    middles = np.zeros((count + 1, 6))
    for i in range(count - 1, -1, -1):
        low_point, low_forward = _rim_line(models[i], 1)
        disc = discs[i]
        if i == count - 1:
            rotations[i] = _tilt(low_forward).T
            origins[i] = np.zeros(3)
            base = origins[i] + rotations[i] @ low_point
            up = rotations[i] @ _tilt(low_forward)[:, 2]
            depth = float(models[i].row[r.B_DEPTH])
            forward = rotations[i] @ low_forward
            middles[count] = np.concatenate([base + 0.5 * depth * forward - 0.5 * disc.height_mm * up, up])
            continue
        top_point, top_forward = _rim_line(models[i + 1], 0)
        lower, upper = models[i + 1], models[i]
        plate = rotations[i + 1] @ _tilt(top_forward)
        turned = plate @ _turn(disc)
        rotations[i] = turned @ _tilt(low_forward).T
        normal = plate[:, 2] + turned[:, 2]
        normal /= np.linalg.norm(normal)
        depth = 0.5 * float(lower.row[r.B_DEPTH] + upper.row[r.B_DEPTH])
        # The gap at the posterior wall that leaves the wanted height in the middle of the disc.
        gap = disc.height_mm + 0.5 * depth * float((plate[:, 1] - turned[:, 1]) @ normal)
        corner = origins[i + 1] + rotations[i + 1] @ top_point
        origins[i] = corner + gap * normal - rotations[i] @ low_point
        centre = corner + 0.25 * depth * (plate[:, 1] + turned[:, 1]) + 0.5 * gap * normal
        middles[i + 1] = np.concatenate([centre, normal])
    point, forward = _rim_line(models[0], 0)
    tilt = rotations[0] @ _tilt(forward)
    start = origins[0] + rotations[0] @ point + 0.5 * float(models[0].row[r.B_DEPTH]) * tilt[:, 1]
    middles[0] = np.concatenate([start + 0.5 * discs[0].height_mm * tilt[:, 2], tilt[:, 2]])
    return _centred(np.array(rotations), np.array(origins), middles)


def _centred(rotations: FloatArray, origins: FloatArray, middles: FloatArray) -> Placement:
    up = rotations[:, :, 2].mean(axis=0)
    up /= np.linalg.norm(up)
    right = rotations[:, :, 0].mean(axis=0)
    right -= (right @ up) * up
    right /= np.linalg.norm(right)
    world = np.array([right, np.cross(up, right), up])
    centre = origins.mean(axis=0)
    poses = np.zeros((len(origins), 4, 3))
    for i in range(len(origins)):
        poses[i, :3] = (world @ rotations[i]).T
        poses[i, 3] = world @ (origins[i] - centre)
    planes = np.column_stack([(middles[:, :3] - centre) @ world.T, middles[:, 3:] @ world.T])
    return Placement(poses, planes)
