"""What real lidars do to the ideal ranges of a cast scan: functions on arrays, each off unless a caller applies it.

A program that wants all of them applies them in the order of nature: cast `divergence.sub_rays`, give each ray its power in clear air
(`intensity.received_power`), join sub-rays to returns (`echoes`), put the returns into the air (`weather`), report their intensity, and
place the points of a moving vehicle (`motion`).
"""
