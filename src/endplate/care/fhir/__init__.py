"""The case as a FHIR R4 bundle for other systems, with checks of our own beside those of any library.

``resources`` maps, ``check`` tests ranges, value sets and device identifiers, ``write`` puts it in a file. Ids are
computed from the case's pseudonym, so the same case gives the same bytes. No name and no hospital number is in it.
"""
