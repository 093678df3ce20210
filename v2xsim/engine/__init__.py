"""The discrete-event engine: it holds the clock, the identities of stations, the random streams and the result tables.

No other package of v2xsim uses SimPy.
"""
