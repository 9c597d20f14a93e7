"""Bone cement in a vertebra: how it flows, sets, leaks and warms."""
