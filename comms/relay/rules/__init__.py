"""The built-in relay rules, one a file.

A new file here is found without further edits; its input is `v2xsim.comms.relay.rule.RelayView`.
"""
