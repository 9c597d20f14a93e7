"""Elasticity and strength of vertebrae on the voxel grid of the CT."""
