"""Endplate: planning and rehearsal of vertebral augmentation from a spine CT.

A research and planning aid, not a medical device.
"""

__version__ = "0.1.0"
