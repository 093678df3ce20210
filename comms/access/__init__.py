"""When each station sends, and the outcome of each packet at each receiver.

This package has the access schemes, which share one medium, and congestion control.
"""
