"""Which batches a sweep reads: one again and again, those of an iterator, those for validation."""

import itertools

import pytest
import torch
from torch.nn import functional
from torch.optim import SGD

from evidence import differences, seeded, training_with
from lrfinder_widget import LRFinderError, LRFinderWidget, SettingsError, SweepSettings, lr_find
from lrfinder_widget.series import Series
from lrfinder_widget.training.batches import BatchStream
from lrfinder_widget.training.replay import Replay
from lrfinder_widget.training.training import Training
from lrfinder_widget.training.validation import validation_batches
from specimens import Samples, batches_of_4, mlp

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def numbered(count=100):
    """Yield batches of which each is told by its first value."""
    generator = torch.Generator().manual_seed(1)
    for number in range(count):
        inputs = torch.randn(4, 6, generator=generator)
        inputs[0, 0] = number
        yield inputs, torch.randint(3, (4,), generator=generator)


def numbers(batches):
    return [int(inputs[0, 0]) for inputs, _ in batches]


def parts():
    torch.manual_seed(0)
    model = mlp()
    return model, SGD(model.parameters(), lr=0.05)


def find(loader, **settings):
    chosen = {"num_iter": 6, "start_lr": 1e-3, "end_lr": 0.1, "progress": False}
    return lr_find(*parts(), loader, functional.cross_entropy, **{**chosen, **settings})


def test_a_fixed_batch_is_given_again_and_again():
    stream = iter(BatchStream(list(numbered()), fixed=True))
    assert numbers(next(stream) for _ in range(5)) == [0] * 5


def test_a_sweep_on_a_fixed_batch_learns_it_by_heart():
    def losses(**settings):
        return find(list(numbered()), start_lr=0.1, end_lr=0.2, **settings).losses

    fixed, varied = losses(fixed_batch=True), losses()
    assert all(later < earlier for earlier, later in itertools.pairwise(fixed))
    assert fixed[0] == varied[0]
    assert not all(later < earlier for earlier, later in itertools.pairwise(varied))


def test_a_generator_comes_back_with_the_batches_that_were_read_and_then_the_rest():
    result = find(numbered(), replay=True)
    assert numbers(itertools.islice(result.loader, 10)) == list(range(10))
    assert numbers(result.loader) == list(range(10, 100))


def test_training_on_what_comes_back_is_training_on_the_generator():
    def trained(loader):
        model, optimizer = parts()
        for inputs, targets in loader:
            optimizer.zero_grad()
            functional.cross_entropy(model(inputs), targets).backward()
            optimizer.step()
        return torch.cat([parameter.flatten() for parameter in model.parameters()])

    assert torch.equal(trained(numbered(20)), trained(find(numbered(20), replay=True).loader))


def test_every_repeat_reads_the_same_batches_of_a_generator():
    settings = SweepSettings(replay=True, repeats=3, num_iter=5)
    model, optimizer = parts()
    series = Series(
        Training(
            model=model,
            optimizer=optimizer,
            loader=numbered(),
            loss_fn=functional.cross_entropy,
        ),
        settings,
    )
    losses = [point.loss for point in series]
    assert losses[:5] == losses[5:10] == losses[10:]
    assert any("same order each time" in note for note in series.notes)
    assert numbers(series.loader) == list(range(100))


def test_a_generator_that_runs_dry_begins_again_with_what_was_kept():
    result = find(numbered(4), replay=True)
    assert len(result.losses) == 6
    assert numbers(result.loader) == [0, 1, 2, 3]


def test_what_a_generator_raises_loses_no_batch():
    def failing():
        yield from numbered(3)
        raise OSError("the connection was lost")

    replay = Replay(failing())
    with pytest.raises(OSError, match="connection"):
        list(replay)
    assert numbers(replay.remaining) == [0, 1, 2]


def test_another_sweep_after_some_were_taken_back_loses_no_batch():
    replay = Replay(numbered(9))
    assert numbers(itertools.islice(replay, 4)) == [0, 1, 2, 3]
    assert numbers(itertools.islice(replay.remaining, 2)) == [0, 1]
    assert numbers(itertools.islice(replay, 4)) == [2, 3, 4, 5]
    assert numbers(replay.remaining) == [2, 3, 4, 5, 6, 7, 8]


def test_a_loader_that_can_be_read_again_is_handed_back_itself():
    loader = list(numbered(3))
    assert find(loader, replay=True).loader is loader
    assert find(loader).loader is None


def test_without_replay_a_generator_is_refused_unread_and_told_of_it():
    loader = numbered()
    with pytest.raises(SettingsError, match="replay=True to have them back"):
        find(loader)
    assert numbers(itertools.islice(loader, 1)) == [0]


def test_the_runs_of_a_widget_share_what_was_read():
    widget = LRFinderWidget(*parts(), numbered(), functional.cross_entropy, replay=True, num_iter=5)
    widget.run()
    first = widget.wait(60)
    widget.run()
    second = widget.wait(60)
    assert first.losses.tolist() == second.losses.tolist()
    assert numbers(widget.loader) == list(range(100))
    widget.close()


def test_a_widget_keeps_its_loader_while_it_reads_it():
    widget = LRFinderWidget(*parts(), numbered(), functional.cross_entropy, replay=True)
    widget.run()
    widget.pause()
    with pytest.raises(LRFinderError, match="reading the loader"):
        _ = widget.loader
    widget.close()
    assert numbers(widget.loader) == list(range(100))


def test_validation_reads_the_first_batches_of_its_loader():
    assert numbers(validation_batches(list(numbered()), 3)) == [0, 1, 2]
    assert numbers(validation_batches(list(numbered(2)), 3)) == [0, 1]


def test_validation_ends_what_it_began():
    ended = []

    class Batches:
        def __iter__(self):
            try:
                yield from numbered()
            finally:
                ended.append(True)

    validation_batches(Batches(), 2)
    assert ended == [True]


READS = []


@pytest.mark.parametrize("workers", [0, 2])
def test_each_point_is_evaluated_on_the_same_validation_batches(workers):
    READS.clear()

    class Batches(list):
        def __iter__(self):
            READS.append(True)
            return super().__iter__()

    held = batches_of_4(Samples(12), num_workers=workers) if workers else Batches(numbered(9))
    result = find(list(numbered()), val_loader=held, val_batches=2, num_iter=4)
    first_two = list(itertools.islice(held, 2))
    model, _ = parts()
    with torch.no_grad():
        before = [functional.cross_entropy(model(x), y).item() for x, y in first_two]
    assert result.val_losses.shape == (4,)
    # The rate is small: the loss after the first step is nearly that before it.
    assert result.val_losses[0] == pytest.approx(sum(before) / 2, rel=0.01)
    assert len(READS) == (0 if workers else 2)


def test_a_validation_loader_is_left_as_it_was_found():
    def build():
        seeded()
        training = training_with()
        held = batches_of_4(Samples(), shuffle=True, generator=torch.Generator().manual_seed(4))
        return training, held

    training, held = build()
    expected = [x for x, _ in held]
    training, held = build()
    before = training.trace()
    result = lr_find(
        training.model,
        training.optimizer,
        training.loader,
        val_loader=held,
        num_iter=5,
        progress=False,
    )
    assert torch.isfinite(torch.tensor(result.val_losses)).all()
    assert differences(before, training.trace()) == []
    assert all(torch.equal(a, x) for a, (x, _) in zip(expected, held, strict=True))


@pytest.mark.parametrize(
    ("held", "message"),
    [
        (numbered(), "val_loader is a one-shot generator"),
        (7, "val_loader must be a DataLoader or an iterable"),
        ([], "val_loader is empty"),
    ],
    ids=["one-shot", "no loader", "empty"],
)
def test_a_validation_loader_that_cannot_be_used_is_refused(held, message):
    training = training_with()
    before = training.trace()
    with pytest.raises(SettingsError, match=message):
        lr_find(training.model, training.optimizer, training.loader, val_loader=held)
    assert differences(before, training.trace()) == []


class Forwards:
    """An iterator that has nothing but `__next__`."""

    def __init__(self, batches):
        self.next_batch = iter(batches)

    def __next__(self):
        return next(self.next_batch)


class Loader:
    """A loader whose iterators are made by a function."""

    def __init__(self, start):
        self.start = start

    def __iter__(self):
        return self.start()


def test_an_iterator_that_has_only_next_is_read():
    stream = iter(BatchStream(Loader(lambda: Forwards(numbered(3)))))
    assert numbers(next(stream) for _ in range(7)) == [0, 1, 2, 0, 1, 2, 0]


class Afresh:
    """A loader that returns itself from `__iter__`, and starts afresh there."""

    def __init__(self):
        self.starts = []
        self.closed = False

    def __len__(self):
        return 3

    def __iter__(self):
        self.starts.append(True)
        self.batches = numbered(3)
        return self

    def __next__(self):
        return next(self.batches)

    def close(self):
        self.closed = True


def test_a_loader_that_returns_itself_is_started_once_an_epoch():
    loader = Afresh()
    stream = iter(BatchStream(loader))
    assert numbers(next(stream) for _ in range(7)) == [0, 1, 2, 0, 1, 2, 0]
    assert len(loader.starts) == 3


def test_a_loader_that_returns_itself_is_not_closed():
    stream = BatchStream(Afresh())
    batches = iter(stream)
    numbers(next(batches) for _ in range(4))
    stream.close()
    assert numbers([next(iter(stream))]) == [0]
    assert not stream._source.closed


class Tidying(torch.utils.data.IterableDataset):
    """Counts epochs, and draws, when one is over."""

    def __init__(self):
        self.epoch = 0

    def __iter__(self):
        try:
            yield from numbered()
        finally:
            self.epoch += 1
            torch.rand(1)


@pytest.mark.parametrize("ending", ["stopped", "raised"])
def test_what_a_dataset_does_when_it_is_let_go_comes_before_everything_is_put_back(ending):
    model, optimizer = parts()
    data = Tidying()
    loader = torch.utils.data.DataLoader(data, batch_size=None)
    training = Training(model=model, optimizer=optimizer, loader=loader, loss_fn=fails_at_the_fifth)
    state = torch.get_rng_state()
    sweep = Series(training, SweepSettings(num_iter=20, start_lr=1e-3, end_lr=0.1))
    LOSSES.clear()
    if ending == "raised":
        with pytest.raises(ZeroDivisionError) as raised:
            list(sweep)
        assert raised.tb  # which holds on to the frames of the sweep
    else:
        list(itertools.islice(sweep, 3))
        sweep.close()
    assert data.epoch == 0
    assert torch.equal(torch.get_rng_state(), state)


LOSSES = []


def fails_at_the_fifth(output, target):
    LOSSES.append(1)
    return functional.cross_entropy(output, target) * (1 / (5 - len(LOSSES)))
