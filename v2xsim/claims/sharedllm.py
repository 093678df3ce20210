"""SharedLLM on logs with key events: how well it recalls an old event, depending on which parts of the log are kept in detail."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int64
from torch import Tensor, nn

from v2xsim.gpu.sequence.sharedllm import SharedModel
from v2xsim.gpu.sequence.sharedllm_choice import alignment_loss, paths
from v2xsim.gpu.sequence.sharedllm_tree import Alike, Choice, ContextTree

# Sizes of the model: small enough for an experiment of an hour on one thread.
_DIM, _LAYERS, _HEADS, _HIDDEN = 64, 2, 4, 128
TOKENS_A_STEP = 4096
_DEPTH, _KEPT = 4, 1
TRAINED_CHUNKS = 4
# Factor on the usual initial weights N(0, 0.02), which are meant for vectors of 768 entries and more: with 64 entries the
# layers would have almost no effect at first.
_GAIN = 2.0
# Large enough that the first layer distinguishes tokens from the start, since halves of a chunk are compared by its output.
_EMBEDDING_STD = 0.5


@dataclass(frozen=True)
class EventLog:
    """The form of logs in which events, each a key followed by a value, are hidden among filler tokens.

    At the end of a log, the model is asked for the value of one key.

    Attributes:
        chunk: Number of tokens in a chunk.
        events: Number of events in each chunk; no key occurs twice in a log.
        keys: Number of different keys.
        values: Number of different values.
        filler: Number of different filler tokens.
    """

    chunk: int = 32
    events: int = 12
    keys: int = 96
    values: int = 16
    filler: int = 16

    @property
    def vocabulary(self) -> int:
        """Number of different tokens."""
        return self.filler + self.keys + self.values

    def drawn(self, batch: int, chunks: int, generator: torch.Generator) -> "Asked":
        """Return random logs with a given number of chunks, each with one question."""
        log = torch.randint(self.filler, (batch, chunks, self.chunk), generator=generator)
        shape = (batch, chunks, self.events)
        key = torch.rand(batch, self.keys, generator=generator).argsort(1)[:, : chunks * self.events].reshape(shape)
        value = torch.randint(self.values, shape, generator=generator)
        at = 2 * torch.rand(batch, chunks, self.chunk // 2, generator=generator).argsort(2)[:, :, : self.events]
        log.scatter_(2, at, self.filler + key)
        log.scatter_(2, at + 1, self.filler + self.keys + value)
        row, chunk = torch.arange(batch), torch.randint(chunks, (batch,), generator=generator)
        event = torch.randint(self.events, (batch,), generator=generator)
        chosen_event = (row, chunk, event)
        return Asked(
            log.flatten(1),
            self.filler + key[chosen_event][:, None],
            value[chosen_event],
            chunk * self.chunk + at[chosen_event],
        )


@dataclass(frozen=True)
class Asked:
    """Logs with one question each.

    Attributes:
        log: Tokens of each log, a whole number of chunks.
        question: Token of the key whose value is asked for.
        answer: Number of the right value, from 0.
        place: Position in the log of the event that is asked for.
    """

    log: Int64[Tensor, "batch past"]
    question: Int64[Tensor, "batch one"]
    answer: Int64[Tensor, " batch"]
    place: Int64[Tensor, " batch"]


@dataclass(frozen=True)
class Method:
    """A method to choose the parts of a log that are kept in detail.

    Attributes:
        name: Name of the method in the table.
        choice: Rule by which a half of a chunk is chosen for more detail (parameter `choice` of ContextTree).
        alike: How a half is compared with the query (parameter `alike` of ContextTree).
        aligned: Whether the choice is trained, with questions that ask for the position of a token.
        warm: Whether training starts from the trained weights of the first method instead of new ones.
    """

    name: str
    choice: Choice
    alike: Alike = "last"
    aligned: bool = False
    warm: bool = False


METHODS = (
    Method("query, most alike token, aligned", "query", "max", aligned=True),
    Method("query, last token, aligned", "query", aligned=True),
    Method("query, last token", "query"),
    Method("random halves", "random"),
    Method("uniform", "uniform"),
    Method("random halves, warm", "random", warm=True),
    Method("uniform, warm", "uniform", warm=True),
)


@dataclass(frozen=True)
class RecallRow:
    """How well events are recalled.

    Attributes:
        method: Name of the method.
        seed: Seed of the first weights and of the training data.
        ratio: Compression: number of tokens of a chunk for each kept entry.
        chunks: Number of chunks of the log.
        trained: Largest number of chunks of a log in training.
        selected: Share of the asked events that lie in the part kept in most detail, 0 to 1.
        recall: Share of right answers, 0 to 1.
        chance: Share of right answers that a random guess would give.
        by_chunks_back: Recall by the distance of the event in chunks, starting with the last chunk before the question.
    """

    method: str
    seed: int
    ratio: float
    chunks: int
    trained: int
    selected: float
    recall: float
    chance: float
    by_chunks_back: tuple[float, ...]


def recall_rows(
    seeds: int = 3, steps: int = 800, methods: Sequence[Method] = METHODS, log: EventLog | None = None
) -> Iterator[RecallRow]:
    """Train a model for each method and seed, and yield how well it recalls events.

    Compression ratio and number of training steps are the same for all methods. The models are evaluated on logs of the
    length used in training, and on logs twice as long.
    """
    log = log or EventLog()
    for seed in range(seeds):
        learned: dict[str, Tensor] = {}
        for method in methods:
            tree = ContextTree(log.chunk, _DEPTH, _KEPT, method.choice, method.alike, seed)
            model = small_model(log.vocabulary, tree, seed)
            if method.warm:
                model.load_state_dict(learned)
            train_on_events(model, log, method.aligned, steps, TRAINED_CHUNKS, seed)
            learned = learned or {name: weight.clone() for name, weight in model.state_dict().items()}
            for chunks in (TRAINED_CHUNKS, 2 * TRAINED_CHUNKS):
                yield _recalled(model, log, chunks, method.name, seed)


@torch.no_grad()
def _recalled(model: SharedModel, log: EventLog, chunks: int, method: str, seed: int, batches: int = 16) -> RecallRow:
    generator = torch.Generator().manual_seed(77)
    hits, fine, back = [], [], []
    for _ in range(batches):
        questions = log.drawn(128, chunks, generator)
        logits = model.read(questions.log, questions.question)[:, -1, log.filler + log.keys :]
        hits.append(logits.argmax(-1) == questions.answer)
        fine.append(kept_finely(model, questions))
        back.append(chunks - questions.place // log.chunk)
    hit, distance = torch.cat(hits).float(), torch.cat(back)
    by_distance = tuple(float(hit[distance == far].mean()) for far in range(1, chunks + 1))
    selected = float(torch.cat(fine).float().mean())
    return RecallRow(
        method,
        seed,
        model.tree.ratio,
        chunks,
        TRAINED_CHUNKS,
        selected,
        float(hit.mean()),
        1 / log.values,
        by_distance,
    )


def small_model(vocabulary: int, tree: ContextTree, seed: int) -> SharedModel:
    """Return a model with 2 layers of width 64, both of which read the kept keys and values."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = SharedModel(vocabulary, _DIM, _LAYERS, _HEADS, tree, _LAYERS, hidden=_HIDDEN)
        with torch.no_grad():
            nn.init.normal_(model.embedding.weight, std=_EMBEDDING_STD)
            for name, weight in model.named_parameters():
                if weight.ndim == 2 and name.startswith(("upper", "lower")):
                    weight.mul_(_GAIN)
    return model


def train_on_events(
    model: SharedModel, log: EventLog, aligned: bool, steps: int, trained_chunks: int, seed: int
) -> None:
    """Train a model on logs of 1 chunk first, then 2, 4 and so on, up to `trained_chunks`.

    Each training step has the same number of tokens.
    """
    generator = torch.Generator().manual_seed(1000 + seed)
    lengths = [2**i for i in range(trained_chunks.bit_length()) if 2**i <= trained_chunks]
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.01)
    model.train()
    for step in range(steps):
        chunks = lengths[min(len(lengths) - 1, step * (len(lengths) + 1) // steps)]
        questions = log.drawn(TOKENS_A_STEP // (log.chunk * chunks), chunks, generator)
        logits = model.read(questions.log, questions.question)[:, -1]
        loss = F.cross_entropy(logits, log.filler + log.keys + questions.answer)
        if aligned:
            # Training the choice needs no labels: any token of the log serves as a question, and the right answer is its
            # position.
            position = torch.randint(questions.log.shape[1], (len(questions.log),), generator=generator)
            query = model.query_of(questions.log.gather(1, position[:, None]))
            loss = loss + alignment_loss(model, questions.log, query, position)
        training_step(model, optimizer, loss, step, steps)
    model.eval()


def training_step(model: nn.Module, optimizer: torch.optim.Optimizer, loss: Tensor, step: int, steps: int) -> None:
    """Do one training step. The learning rate rises for 50 steps and then falls to a tenth."""
    for group in optimizer.param_groups:
        group["lr"] = 3e-3 * min(1.0, (step + 1) / 50) * (1.0 - 0.9 * step / steps)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()


def kept_finely(model: SharedModel, questions: Asked) -> Bool[Tensor, " batch"]:
    """Return whether each event lies in one of the two leaves of its chunk's tree, which are kept in most detail."""
    tree = model.tree
    if not tree.decisions:
        return torch.zeros(len(questions.log), dtype=torch.bool)
    right = paths(model, questions.log, model.query_of(questions.question))
    right = right[torch.arange(len(questions.log)), questions.place // tree.chunk]
    size = tree.chunk >> torch.arange(1, tree.depth)
    start = (right * size).sum(1)
    within = questions.place % tree.chunk - start
    return (within >= 0) & (within < tree.chunk >> (tree.depth - 1))
