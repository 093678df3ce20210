"""Who sends when, and what becomes of each packet at each receiver: access schemes over one medium, congestion control."""
