"""The virtual procedure: a state, actions, observations and two clocks; whoever drives it plays by the same rules.

``state = begin(world)``, then ``state, seen = act(state, action, world)`` again and again (:mod:`.engine`).
:mod:`.script` drives it by the plan, :mod:`.record` writes it down and plays it again.
"""
