"""`v2xsim train`: training of models, one module for each kind of model."""

from v2xsim.cli.train import sequence

NAME = "train"
HELP = "Train a model."
EXAMPLE = "Example: v2xsim train sequence my_corpus --model hgrn --out models/hgrn"
COMMANDS = (sequence,)
