"""The case folder and its conductor: stages, hashes, resume. Nothing else writes a case's files."""
