"""Samples of what is uncertain, the work on each of them, and the bands that come of it.

:func:`endplate.ensemble.sampling.sample` lays the members, :func:`endplate.ensemble.spawned.map_spawned` runs them over
processes, :func:`endplate.ensemble.bands.bands` says what they have in common.
"""
