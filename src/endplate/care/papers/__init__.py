"""The papers of the pathway: each a self-contained HTML page made from one evaluation.

``make`` writes what a case calls for and refuses what is held back; one module a paper has its content,
``language`` translates or refuses, ``readability`` measures, ``icons`` and ``drawings`` draw.
"""
