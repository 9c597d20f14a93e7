"""Elasticity and strength of vertebrae on the voxel grid of the CT."""

import os

# Threads that spin while they wait take the time of those that work wherever the machine is not idle. The library that
# runs the threads reads this once, before the first loop on all of them.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
