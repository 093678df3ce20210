"""The built-in link forecasts, one per file.

A new forecast only needs a new file in this folder; its input is `v2xsim.comms.relay.foresight.model.ForesightView`.
"""
