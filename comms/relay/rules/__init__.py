"""The built-in relay rules, one a file: a file here is all that a rule takes. What it may read is `v2xsim.comms.relay.rule.RelayView`."""
