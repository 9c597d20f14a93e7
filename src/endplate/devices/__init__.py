"""Cannulas, balloons and cements: frozen, sourced."""
