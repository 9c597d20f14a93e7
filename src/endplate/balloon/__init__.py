"""Balloon kyphoplasty: inflation, the cavity in crushed bone, endplates lifted and lost again."""
