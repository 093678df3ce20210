"""When each station sends, and the outcome of each packet at each receiver: access schemes over one medium, and congestion control."""
