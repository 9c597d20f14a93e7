"""Simulated C-arm fluoroscopy: where the C-arm stands, what the beam passes, what the detector shows."""
