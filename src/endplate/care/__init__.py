"""Care from referral to follow-up: a site's rules, one case and its plan give cards, dates, risks and papers.

``pack`` loads a site's protocol, ``case`` reads the patient's way, ``planview`` reads the plan; ``evaluate`` puts them
together by one rule module a feature. ``audit`` keeps the record. The room reads plan and outcome as JSON and needs no
server, network or image.
"""
