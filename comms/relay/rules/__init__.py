"""The built-in relay rules, one per file.

A new rule only needs a new file in this folder; its input is `v2xsim.comms.relay.rule.RelayView`.
"""
