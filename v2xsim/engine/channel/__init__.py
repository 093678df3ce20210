"""The links of a tick (module `links`), and the channels that carry messages: the radio (`radio`) or an ideal channel (`air`)."""
