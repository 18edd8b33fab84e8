"""Keras on its PyTorch backend: the sweep takes the steps of ``fit``, and leaves no trace."""

import random
import re
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from evidence import differences, flat
from lrfinder_widget import (
    LossInferenceError,
    LRFinderWidget,
    SettingsError,
    SweepInProgressError,
    SweepSettings,
    seed_everything,
)
from lrfinder_widget.adapters.keras import FindLearningRate, from_keras
from lrfinder_widget.optimizer_lr import change_lr
from lrfinder_widget.sweep import Sweep

pytestmark = [
    pytest.mark.usefixtures("one_torch_thread"),
    # Keras's own, with NumPy 2.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

FEATURES, CLASSES, SAMPLES, BATCH = 6, 3, 64, 16
SEED = 11
GENERATOR = np.random.default_rng(5)
X = GENERATOR.normal(size=(SAMPLES, FEATURES))
Y = GENERATOR.integers(0, CLASSES, SAMPLES)
WEIGHTS = GENERATOR.uniform(0.1, 3, SAMPLES)
_BY_IDENTITY = re.compile(r"/\d{9,}")
QUICK = {"start_lr": 1e-4, "end_lr": 1.0, "num_iter": 8, "diverge_threshold": None}


def restless():
    """Layers that draw, keep running statistics and add to the loss."""
    return keras.Sequential(
        [
            keras.Input((FEATURES,)),
            keras.layers.Dense(8, "relu", kernel_regularizer="l2"),
            keras.layers.ActivityRegularization(l2=0.01),
            keras.layers.Dropout(0.2),
            keras.layers.GaussianNoise(0.1, seed=7),
            keras.layers.BatchNormalization(momentum=0.9),
            keras.layers.Dense(CLASSES),
        ]
    )


class Nested(keras.Model):
    """A model of the user's with another one in it."""

    def __init__(self):
        super().__init__()
        self.body = restless()

    def call(self, inputs, training=None):
        return self.body(inputs, training=training)

    @classmethod
    def called(cls):
        model = cls()
        model(X[:1])
        return model


class OwnStep(Nested):
    """A training step of the user's: another loss, and a metric beside it."""

    def __init__(self):
        super().__init__()
        self.tracker = keras.metrics.Mean(name="loss")

    def train_step(self, data):
        x, y = data
        self.zero_grad()
        scores = self(x, training=True)
        loss = 2 * keras.ops.mean(
            keras.losses.sparse_categorical_crossentropy(y, scores, from_logits=True)
        )
        loss.backward()
        with torch.no_grad():
            self.optimizer.apply(
                [v.value.grad for v in self.trainable_weights], self.trainable_weights
            )
        self.tracker.update_state(loss)
        return {"loss": self.tracker.result()}


def cross_entropy():
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def compiled(build=restless, optimizer=None, seed=3):
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(seed)
    model = build()
    model.compile(optimizer or keras.optimizers.Adam(1e-3), cross_entropy(), metrics=["accuracy"])
    return model


def sweep(model, x_or_dataset=X, y=Y, **more):
    data = {"y": y} if y is not None else {}
    training, settings = from_keras(model, x_or_dataset, **{"batch_size": BATCH, **data, **more})
    return Sweep(training, SweepSettings(**{**QUICK, **settings}))


def points(*args, **more):
    with sweep(*args, **more) as running:
        return list(running)


def losses(*args, **more):
    return [point.loss for point in points(*args, **more)]


def fit(model):
    return model.fit(X, Y, batch_size=BATCH, verbose=0).history


def trace(model):
    """Return all that can be told of a Keras training, random generators included.

    Keras's tables by the identity of a variable differ between two models.
    """
    variables = (*model.variables, *model.optimizer.variables, *model.metrics_variables)
    told = {
        "model": model,
        "variables": [variable.value for variable in variables],
        "Python's generator": random.getstate(),
        "NumPy's generator": np.random.get_state(),
        "torch's generator": torch.get_rng_state(),
    }
    return {path: value for path, value in flat(told).items() if not _BY_IDENTITY.search(path)}


# --- as if it had never run ---------------------------------------------------------------------

OPTIMIZERS = {
    "Adam": lambda: keras.optimizers.Adam(1e-3),
    "SGD with momentum and clipping": lambda: keras.optimizers.SGD(
        0.01, momentum=0.9, nesterov=True, clipnorm=1.0
    ),
    "Nadam with weight decay": lambda: keras.optimizers.Nadam(1e-3, weight_decay=0.01),
    "averaged weights": lambda: keras.optimizers.RMSprop(
        1e-3, use_ema=True, ema_overwrite_frequency=3
    ),
    "accumulated gradients": lambda: keras.optimizers.Adam(1e-3, gradient_accumulation_steps=2),
    "scaled loss": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(1e-3)),
}


@pytest.mark.parametrize(
    ("build", "optimizer", "epochs_before"),
    [
        (restless, "Adam", 0),
        *((restless, optimizer, 1) for optimizer in OPTIMIZERS),
        (OwnStep.called, "Adam", 0),
        (OwnStep.called, "scaled loss", 1),
    ],
)
def test_fit_after_a_sweep_is_fit_without_one(build, optimizer, epochs_before):
    outcomes = []
    for swept in (False, True):
        model = compiled(build, OPTIMIZERS[optimizer]())
        for _ in range(epochs_before):
            fit(model)
        if swept:
            assert len(points(model)) == QUICK["num_iter"]
        history = fit(model)
        outcomes.append({**trace(model), "history": repr(history)})
    without, after = outcomes
    assert differences(without, after) == []


@pytest.mark.parametrize("build", [restless, OwnStep.called])
def test_a_sweep_puts_everything_back(build):
    model = compiled(build)
    fit(model)
    model.train()
    running = sweep(model)
    before = trace(model)
    assert len(set(map(repr, running))) == QUICK["num_iter"]
    assert differences(before, trace(model)) == []


def test_the_state_of_an_optimizer_of_hundreds_of_weights_is_put_back():
    class Counting(keras.layers.Layer):
        """Scales by many numbers, each a weight of its own."""

        def build(self, shape):
            self.factors = [self.add_weight(shape=(), initializer="ones") for _ in range(260)]

        def call(self, inputs):
            return inputs * keras.ops.mean(keras.ops.stack(self.factors))

    model = keras.Sequential([keras.Input((FEATURES,)), Counting(), keras.layers.Dense(CLASSES)])
    model.compile(keras.optimizers.Adam(1e-3), cross_entropy())
    running = sweep(model, num_iter=2)
    before = [variable.numpy() for variable in model.optimizer.variables]
    list(running)
    after = [variable.numpy() for variable in model.optimizer.variables]
    assert len(after) > 520
    assert all(map(np.array_equal, before, after))


def test_an_error_in_a_layer_ends_the_sweep_with_everything_put_back():
    class Fuse(keras.layers.Layer):
        left = 5

        def call(self, inputs):
            Fuse.left -= 1
            if not Fuse.left:
                raise ArithmeticError
            return inputs

    model = keras.Sequential([keras.Input((FEATURES,)), *restless().layers, Fuse()])
    model.compile(keras.optimizers.Adam(1e-3), cross_entropy())
    Fuse.left = 5
    running = sweep(model)
    before = trace(model)
    with pytest.raises(ArithmeticError):
        list(running)
    assert differences(before, trace(model)) == []


def test_fit_in_another_thread_is_refused_while_a_sweep_runs():
    model = compiled()
    fit(model)
    variables = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    before = [variable.numpy() for variable in variables]
    with sweep(model) as running, ThreadPoolExecutor() as pool:
        next(running)
        with pytest.raises(SweepInProgressError, match="wait"):
            pool.submit(fit, model).result()
    assert all(map(np.array_equal, before, [variable.numpy() for variable in variables]))


def test_a_model_in_the_eval_mode_that_fit_leaves_is_trained_with_dropout():
    fresh, fitted, partly = (compiled(Nested.called) for _ in range(3))
    fitted.eval()
    partly.eval()
    partly.body.train()
    assert losses(fresh, seed=SEED) == losses(fitted, seed=SEED) == losses(partly, seed=SEED)


# --- the steps of fit ---------------------------------------------------------------------------


def batches(*arrays):
    """Return batches in a fixed order, with Keras's types."""
    tensors = [torch.as_tensor(array) for array in arrays]
    tensors = [each.float() if each.is_floating_point() else each for each in tensors]
    return DataLoader(TensorDataset(*tensors), batch_size=BATCH)


def trained_by_keras(model, loader, rates):
    """Return the losses of the first batches, each trained at one of `rates` by Keras itself."""
    seed_everything(SEED)
    found = []
    for rate, batch in zip(rates, loader, strict=True):
        model.optimizer.learning_rate = rate
        found.append(float(model.train_on_batch(*batch, return_dict=True)["loss"]))
    return found


def one_epoch(model, loader):
    """Return the points of a sweep that reads `loader` once."""
    return points(model, loader, None, num_iter=len(loader), seed=SEED, start_lr=0.001)


@pytest.mark.parametrize("optimizer", [name for name in OPTIMIZERS if "accumulated" not in name])
def test_the_losses_are_those_of_keras_at_the_same_rates(optimizer):
    found = one_epoch(compiled(optimizer=OPTIMIZERS[optimizer]()), batches(X, Y))
    trained = compiled(optimizer=OPTIMIZERS[optimizer]())
    expected = trained_by_keras(trained, batches(X, Y), [point.lr for point in found])
    assert [point.loss for point in found] == pytest.approx(expected, rel=1e-6)


def test_sample_weights_count():
    found = one_epoch(compiled(), batches(X, Y, WEIGHTS))
    expected = trained_by_keras(compiled(), batches(X, Y, WEIGHTS), [point.lr for point in found])
    assert [point.loss for point in found] == pytest.approx(expected, rel=1e-6)
    shuffled = losses(compiled(), sample_weight=WEIGHTS)
    assert shuffled != losses(compiled())


def test_gradients_that_the_optimizer_accumulates_make_one_point_together():
    model = compiled(optimizer=keras.optimizers.SGD(0.1, gradient_accumulation_steps=3))
    training, settings = from_keras(model, X, Y, batch_size=BATCH)
    assert settings == {"accumulation_steps": 3}
    before = model.get_weights()
    gradients = [torch.ones_like(v.value) for v in model.trainable_variables]
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        variable.value.grad = gradient
    training.optimizer.step()
    assert int(model.optimizer.iterations) == 1
    np.testing.assert_allclose(model.get_weights()[0], before[0] - 0.1, atol=1e-6)


def test_a_step_of_the_models_own_is_taken_and_its_loss_recorded():
    found = one_epoch(compiled(OwnStep.called), batches(X, Y))
    model, expected = compiled(OwnStep.called), []
    seed_everything(SEED)
    for point, batch in zip(found, batches(X, Y), strict=True):
        model.optimizer.learning_rate = point.lr
        model.reset_metrics()
        expected.append(float(model.train_step(batch)["loss"]))
    assert [point.loss for point in found] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_policies_are_followed(policy):
    seen = []

    class Spy(keras.layers.Layer):
        def call(self, inputs):
            seen.append(inputs.dtype)
            return inputs

    keras.config.set_dtype_policy(policy)
    try:
        last = keras.layers.Dense(CLASSES, dtype="float32")
        model = keras.Sequential([keras.Input((FEATURES,)), keras.layers.Dense(8), Spy(), last])
    finally:
        keras.config.set_dtype_policy("float32")
    model.compile(keras.optimizers.Adam(1e-3), cross_entropy())
    running = sweep(model)
    before = trace(model)
    point = next(running)
    assert seen[-1] == getattr(torch, policy.removeprefix("mixed_"))
    assert np.isfinite([point.loss, *(later.loss for later in running)]).all()
    assert differences(before, trace(model)) == []


def test_a_validation_set_is_evaluated_as_keras_does():
    model = compiled()
    with sweep(model, validation_data=(X, Y), batch_size=SAMPLES) as running:
        val_loss = next(running).val_loss
        evaluated = model.evaluate(X, Y, batch_size=SAMPLES, verbose=0)[0]
        assert val_loss == pytest.approx(evaluated, rel=1e-6)


# --- data ---------------------------------------------------------------------------------------


class Batches(keras.utils.PyDataset):
    def __init__(self):
        super().__init__()
        self.epochs = []
        self.order = np.arange(SAMPLES)

    def __len__(self):
        return SAMPLES // BATCH

    def __getitem__(self, index):
        rows = self.order[index * BATCH : (index + 1) * BATCH]
        return X[rows], Y[rows]

    def on_epoch_begin(self):
        self.epochs.append("begin")

    def on_epoch_end(self):
        self.epochs.append("end")
        np.random.shuffle(self.order)


@pytest.mark.parametrize(
    "data",
    [
        (X, Y),
        (X.astype("float32"), Y.astype("int32")),
        (torch.as_tensor(X), torch.as_tensor(Y)),
        (X, Y[:, None]),
    ],
    ids=["float64", "float32", "torch", "column"],
)
def test_arrays_of_any_kind_give_the_same_curve(data):
    assert losses(compiled(), *data) == pytest.approx(losses(compiled()), rel=1e-5)


def test_arrays_come_shuffled_and_in_the_float_type_of_keras():
    training, _ = from_keras(compiled(), X, Y, batch_size=BATCH)
    assert {x.dtype for x, _ in training.loader} == {torch.float32}
    first, second = (torch.cat([y for _, y in training.loader]) for _ in range(2))
    assert not torch.equal(first, second)
    assert torch.equal(first.sort().values, torch.as_tensor(Y).sort().values)


def test_a_py_dataset_is_read_epoch_by_epoch_and_put_back():
    dataset, model = Batches(), compiled()
    running = sweep(model, dataset, None)
    before = flat(dataset)
    calls = dataset.epochs
    list(running)
    assert differences(before, flat(dataset)) == []
    assert dataset.epochs is calls
    assert np.isfinite(losses(model, dataset, None)).all()


def test_a_py_dataset_is_told_of_its_epochs():
    dataset = Batches()
    training, _ = from_keras(compiled(), dataset)
    assert len(list(training.loader)) == len(dataset)
    assert dataset.epochs == ["begin", "end"]


def test_the_batches_of_a_py_dataset_come_in_another_order_each_time_but_for_validation():
    class Numbered(keras.utils.PyDataset):
        def __len__(self):
            return 50

        def __getitem__(self, index):
            return index

    random.seed(SEED)
    training, _ = from_keras(compiled(), Numbered(), validation_data=Numbered())
    first, second = list(training.loader), list(training.loader)
    assert first != second
    assert sorted(first) == sorted(second) == list(range(50))
    assert list(training.val_loader) == list(range(50))


def two_inputs():
    left, right = keras.Input((2,), name="left"), keras.Input((FEATURES - 2,), name="right")
    hidden = keras.layers.Concatenate()([left, right])
    return keras.Model({"left": left, "right": right}, keras.layers.Dense(CLASSES)(hidden))


def test_inputs_in_a_dict_go_to_the_inputs_of_those_names():
    inputs = {"left": X[:, :2], "right": X[:, 2:]}
    whole = losses(compiled(two_inputs), inputs)
    assert np.isfinite(whole).all()
    swapped = {"left": X[:, 2:4], "right": np.hstack([X[:, :2], X[:, 4:]])}
    assert losses(compiled(two_inputs), swapped) != whole


def test_inputs_in_a_list_and_several_outputs_are_swept():
    def build():
        left, right = keras.Input((2,)), keras.Input((FEATURES - 2,))
        hidden = keras.layers.Concatenate()([left, right])
        return keras.Model([left, right], [keras.layers.Dense(1)(hidden) for _ in range(2)])

    keras.utils.set_random_seed(1)
    model = build()
    model.compile("sgd", ["mse", "mae"], loss_weights=[1.0, 0.5])
    running = sweep(model, [X[:, :2], X[:, 2:]], [X[:, :1], X[:, 1:2]])
    before = trace(model)
    assert np.isfinite([point.loss for point in running]).all()
    assert differences(before, trace(model)) == []


# --- the learning rate --------------------------------------------------------------------------


class Rates(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_begin(self, batch, logs=None):
        self.seen.append(float(self.model.optimizer.learning_rate))


def test_apply_assigns_the_variable_that_fit_trains_at_and_undo_takes_it_back():
    model, rates = compiled(), Rates()
    variable = model.optimizer.learning_rate
    widget = LRFinderWidget.from_keras(model, X, Y, batch_size=BATCH, **QUICK)
    widget.run()
    result = widget.wait()
    assert len(result.lrs) == QUICK["num_iter"]
    assert float(variable) == pytest.approx(1e-3)
    widget.apply(0.02)
    assert model.optimizer.learning_rate is variable
    model.fit(X, Y, verbose=0, callbacks=[rates])
    assert rates.seen == pytest.approx([0.02] * len(rates.seen))
    widget.undo()
    assert float(variable) == pytest.approx(1e-3)
    widget.close()


def test_apply_reaches_the_optimizer_inside_a_loss_scaling_one():
    inner = keras.optimizers.Adam(1e-3)
    model = compiled(optimizer=keras.optimizers.LossScaleOptimizer(inner))
    training, _ = from_keras(model, X, Y)
    change_lr(training.optimizer, 0.05)
    assert float(inner.learning_rate) == pytest.approx(0.05)


def test_the_optimizer_is_called_what_keras_calls_it():
    training, _ = from_keras(compiled(optimizer=keras.optimizers.SGD(0.1, momentum=0.9)), X, Y)
    assert type(training.optimizer).__name__ == "SGD"
    assert training.optimizer.param_groups[0]["momentum"] == 0.9


def test_the_callback_trains_at_what_its_sweep_suggests():
    finder, rates = FindLearningRate(X, Y, batch_size=BATCH, num_iter=40, rule="steepest"), Rates()
    model = compiled()
    model.fit(X, Y, verbose=0, epochs=2, callbacks=[finder, rates])
    assert finder.result.settings.num_iter == 40
    assert rates.seen == pytest.approx([finder.result.suggestion] * len(rates.seen), rel=1e-6)
    assert rates.seen[0] != pytest.approx(1e-3)


def test_the_callback_leaves_nothing_but_the_rate():
    finder = FindLearningRate(X, Y, batch_size=BATCH, num_iter=40, rule="steepest")
    swept, plain = compiled(), compiled()
    keras.utils.set_random_seed(8)
    after = swept.fit(X, Y, verbose=0, callbacks=[finder]).history
    plain.optimizer.learning_rate = finder.result.suggestion
    keras.utils.set_random_seed(8)
    assert plain.fit(X, Y, verbose=0).history == after


def test_the_callback_tells_a_slip_in_its_settings_at_once():
    with pytest.raises(SettingsError, match="num_iter"):
        FindLearningRate(X, Y, num_iters=10)


# --- what cannot be swept -----------------------------------------------------------------------


def uncompiled():
    return keras.Sequential([keras.Input((FEATURES,)), keras.layers.Dense(CLASSES)])


def without_weights():
    model = keras.Sequential([keras.layers.Dense(CLASSES)])
    model.compile("sgd", "mse")
    return model


def frozen():
    model = uncompiled()
    model.trainable = False
    model.compile("sgd", "mse")
    return model


def scheduled():
    model = uncompiled()
    model.compile(keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 5, 0.9)))
    return model


def accumulating_on_its_own():
    return compiled(OwnStep.called, keras.optimizers.SGD(0.1, gradient_accumulation_steps=2))


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: torch.nn.Linear(2, 2), "must be a keras.Model"),
        (uncompiled, r"model.compile\("),
        (without_weights, "call it once on a batch"),
        (frozen, "no trainable weight"),
        (scheduled, "compile with a number"),
        (accumulating_on_its_own, "gradient_accumulation_steps"),
    ],
)
def test_a_model_that_cannot_be_swept_is_refused_with_the_remedy(build, says):
    model = build()
    with pytest.raises(SettingsError, match=says):
        LRFinderWidget.from_keras(model, X, Y)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ((X, Y[:-1]), "same number of samples"),
        ((X, [1, 2, 3]), "a row for each sample"),
        ((np.array([["a"]] * SAMPLES), Y), "must hold numbers"),
        ((batches(X, Y), Y), "leave out y"),
        (((batch for batch in [(X, Y)]), None), "one-shot"),
    ],
)
def test_data_that_do_not_fit_are_refused(data, says):
    with pytest.raises(SettingsError, match=says):
        sweep(compiled(), *data)


def test_a_step_that_reports_no_loss_is_refused_and_everything_put_back():
    class Silent(OwnStep):
        def train_step(self, data):
            return {"score": super().train_step(data)["loss"]}

    model = compiled(Silent.called)
    running = sweep(model)
    before = trace(model)
    with pytest.raises(LossInferenceError, match="returns score, but no 'loss'"):
        list(running)
    assert differences(before, trace(model)) == []


def test_another_backend_is_refused(monkeypatch):
    # No other backend is installed beside this one.
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(SettingsError, match=r"runs on jax.*KERAS_BACKEND=torch"):
        LRFinderWidget.from_keras(compiled(), X, Y)
