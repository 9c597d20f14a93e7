"""What the treatment changes: height, strength, leaks, heat, with their bands."""
