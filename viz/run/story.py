"""One sentence about a kept frame: how the data came to the ego, and why not over the direct link."""

import numpy as np

from v2xsim.viz.run.kept_frame import KeptFrame, shortened


def story(frame: KeptFrame) -> list[str]:
    """Return a sentence that tells how the fused data came to the ego, in several lengths: the longest first."""
    links = frame.links
    relays = links.relays(frame.ego)
    if relays:
        relay = max(relays, key=lambda agent: (len(relays[agent]), -agent))
        return _relayed(frame, relay, relays[relay])
    direct = [
        b for b, role, used in zip(links.b.tolist(), links.role.tolist(), links.used.tolist(), strict=True)
        if role == "direct" and used
    ]  # fmt: skip
    if direct:
        return [f"The data of {_named(frame, direct)} came directly.", f"The data of {_counted(direct)} came directly."]
    asked = links.b[links.role != "relay_hop"].tolist()
    if asked:
        return [f"The ego asked {who}, but no data arrived in time." for who in (_named(frame, asked), _counted(asked))]
    if (frame.after.code != frame.before.code).any():
        return ["The ego fused the matrices in announcements."]
    return ["The ego fused no data of other stations."]


def _relayed(frame: KeptFrame, relay: int, helpers: list[int]) -> list[str]:
    """Return the sentence about a relay, or a station that told on reports, with the reason why the direct links were not used."""
    links = frame.links
    replaced = (links.role == "replaced") & np.isin(links.b, helpers)
    many = len(set(helpers)) > 1
    reason = {
        ("NLOSb",): "buildings block their direct links" if many else "a building blocks the direct link",
        ("NLOSv",): "vehicles block their direct links" if many else "a vehicle blocks the direct link",
    }.get(tuple(sorted(set(links.state[replaced].tolist()))), f"the direct link{'s are' if many else ' is'} too weak")
    who = shortened(frame.names.get(relay, str(relay)))
    does = "told on reports of" if relay in links.tellers else "relays for"
    sentences = [f"{who} {does} {named}: {reason}" for named in (_named(frame, helpers), _counted(helpers))]
    expected = links.expected[replaced]
    expected = expected[np.isfinite(expected)]
    if not len(expected):
        return [f"{sentence}." for sentence in sentences]
    share = f"{'at most ' if many else ''}{100 * expected.max():.0f} %"
    return [f"{sentences[0]} (expected delivery {share}).", *(f"{sentence}." for sentence in sentences)]


def _named(frame: KeptFrame, agents: list[int]) -> str:
    """Return the names of stations for a sentence: at most three, then the number of the others."""
    names = [shortened(frame.names.get(agent, str(agent))) for agent in dict.fromkeys(agents)]
    if len(names) > 3:
        return f"{', '.join(names[:2])} and {len(names) - 2} others"
    return " and ".join(names) if len(names) < 3 else f"{names[0]}, {names[1]} and {names[2]}"


def _counted(agents: list[int]) -> str:
    number = len(set(agents))
    return "one helper" if number == 1 else f"{number} helpers"
