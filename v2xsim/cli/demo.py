"""`v2xsim demo`: run the packaged demo and draw its pictures."""

from v2xsim.cli.arguments import OnDevice, Out, Overrides, Seed
from v2xsim.cli.run import draw, simulate

NAME = "demo"
EXAMPLE = "Example: v2xsim demo --out runs/first-look"


def command(overrides: Overrides = None, seed: Seed = None, out: Out = None, device: OnDevice = None) -> None:
    """Run the packaged demo and draw its pictures: a truck and a corner building hide a crossing car from the ego."""
    from v2xsim.cli.run_summary import print_paths, print_summary

    chosen = [*(overrides or []), *([f"run.device={device}"] if device else [])]
    results, folder = simulate("demo", chosen, seed, out)
    print_summary(results, folder)
    print_paths("pictures", draw(folder))
