"""The virtual procedure: a state, what can be done to it, and what is seen."""
