"""When each station sends, and the outcome of each packet at each receiver.

This package has the access schemes, each with the medium that its stations share, and congestion control.
"""
