"""A transformers.Trainer: the sweep takes its steps, leaves it alone, and sets its rate."""

import gc
import math
from collections import defaultdict

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.optim import AdamW
from torch.utils.data import DataLoader

from evidence import differences, flat, seeded
from lrfinder_widget import LRFinderWidget, SettingsError, lr_find
from lrfinder_widget.adapters.transformers import from_trainer
from lrfinder_widget.settings import SweepSettings, learning_rates
from lrfinder_widget.sweep import Sweep

pytest.importorskip("transformers")

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DataCollatorWithPadding,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    default_data_collator,
)

pytestmark = pytest.mark.usefixtures("one_torch_thread")

STEPS, WORDS, KINDS = 6, 32, 3
SHORT = {"start_lr": 1e-3, "end_lr": 0.1, "num_iter": STEPS, "diverge_threshold": None}
BERT = {
    "vocab_size": WORDS,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": 16,
    "num_labels": KINDS,
}
GPT2 = {
    "vocab_size": WORDS,
    "n_positions": 16,
    "n_embd": 16,
    "n_layer": 1,
    "n_head": 2,
    "bos_token_id": 0,
    "eos_token_id": 0,
}
LLAMA = {name: value for name, value in BERT.items() if name != "num_labels"}


@pytest.fixture(scope="module", autouse=True)
def _little_garbage():
    # ``train`` collects garbage each time, which takes longer than these trainings.
    gc.freeze()
    yield
    gc.unfreeze()


def bert(dropout=0.0):
    chances = {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    return BertForSequenceClassification(BertConfig(**BERT, **chances))


def gpt2(dropout=0.0):
    chances = dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), dropout)
    return GPT2LMHeadModel(GPT2Config(**GPT2, **chances))


def llama():
    return LlamaForCausalLM(LlamaConfig(**LLAMA))


def sentences(labels, count=24):
    """Samples for classification, or texts of which a part, long or short, is to be predicted."""
    generator = torch.Generator().manual_seed(3)
    samples = []
    for index in range(count):
        words = torch.randint(WORDS, (8,), generator=generator)
        target = torch.tensor(index % KINDS)
        if labels == "text":
            target = words.clone()
            target[: index % 7] = -100
        samples.append({"input_ids": words, "labels": target})
    return samples


def trainer_of(folder, build=bert, kind=Trainer, dataset=None, parts=None, **arguments):
    """Build a trainer on freshly seeded generators."""
    chosen = {
        "output_dir": str(folder),
        "use_cpu": True,
        "report_to": [],
        "save_strategy": "no",
        "disable_tqdm": True,
        "logging_steps": 1,
        "per_device_train_batch_size": 4,
        "max_steps": STEPS,
        "learning_rate": 1e-3,
    }
    seeded()
    data = sentences("class" if build is bert else "text") if dataset is None else dataset
    return kind(
        model=build(),
        args=TrainingArguments(**{**chosen, **arguments}),
        train_dataset=data,
        **(parts or {}),
    )


def points_of(trainer, **settings):
    training, chosen = from_trainer(trainer, **{**SHORT, **settings})
    return list(Sweep(training, SweepSettings(**chosen)))


class RatesOfTheSweep(TrainerCallback):
    """Lets ``train`` take its steps at the rates of a sweep."""

    def on_step_begin(self, args, state, control, optimizer=None, **_):
        for group in optimizer.param_groups:
            group["lr"] = learning_rates(SweepSettings(**SHORT))[state.global_step]


def logged(trainer, name):
    return [entry[name] for entry in trainer.state.log_history if "loss" in entry]


def summed(outputs, labels, num_items_in_batch=None):
    loss = functional.cross_entropy(outputs["logits"], labels, reduction="sum")
    return loss / num_items_in_batch


class Focused(Trainer):
    """Computes a loss of its own, on each batch by itself."""

    loss_is_scaled_for_ga = False

    def compute_loss(self, model, inputs, return_outputs=None, num_items_in_batch=None):
        labels = inputs.pop("labels")
        outputs = model(**inputs)
        right = outputs.logits.softmax(-1).gather(1, labels[:, None])
        loss = (-((1 - right) ** 2) * right.log()).mean()
        return (loss, outputs) if return_outputs else loss


TRAINERS = {
    "BERT": {},
    "GPT-2": {"build": gpt2},
    "Llama": {"build": llama},
    "accumulation over texts of different lengths": {
        "build": gpt2,
        "gradient_accumulation_steps": 3,
    },
    "clipping and weight decay": {"max_grad_norm": 0.1, "weight_decay": 0.5},
    "no clipping": {"max_grad_norm": 0.0},
    "label smoothing": {"build": gpt2, "label_smoothing_factor": 0.1},
    "label smoothing, accumulated": {
        "label_smoothing_factor": 0.1,
        "gradient_accumulation_steps": 2,
    },
    "bfloat16": {"bf16": True},
    "bfloat16 and label smoothing": {"build": gpt2, "bf16": True, "label_smoothing_factor": 0.1},
    "checkpointing": {"build": llama, "activation_checkpointing": True},
    "reentrant checkpointing": {
        "build": gpt2,
        "activation_checkpointing": True,
        "activation_checkpointing_kwargs": {"use_reentrant": True},
    },
    "a loss function": {
        "parts": {"compute_loss_func": summed},
        "gradient_accumulation_steps": 2,
    },
    "a compute_loss of its own": {"kind": Focused, "gradient_accumulation_steps": 2},
    "another optimizer": {"optim": "adafactor"},
}


@pytest.mark.parametrize("about", TRAINERS.values(), ids=TRAINERS)
def test_a_sweep_takes_the_steps_that_the_trainer_takes(tmp_path, about):
    points = points_of(trainer_of(tmp_path, **about), grad_norms=True)
    trainer = trainer_of(tmp_path, **about)
    trainer.add_callback(RatesOfTheSweep())
    trainer.train()
    # Other roundings of a norm may round another way in bfloat16.
    near = 1e-3 if "bf16" in about else 1e-5
    assert [point.loss for point in points] == pytest.approx(logged(trainer, "loss"), rel=near)
    norms = [point.grad_norm for point in points]
    assert norms == pytest.approx(logged(trainer, "grad_norm"), rel=10 * near)


def with_dropout():
    return bert(dropout=0.2)


def gpt2_with_dropout():
    return gpt2(dropout=0.2)


RESTLESS = {
    "dropout": {"build": with_dropout, "dataset": sentences("class")},
    "accumulation": {"build": gpt2_with_dropout, "gradient_accumulation_steps": 2},
    "bfloat16": {"build": with_dropout, "dataset": sentences("class"), "bf16": True},
    "checkpointing": {"build": gpt2_with_dropout, "activation_checkpointing": True},
    "persistent workers": {
        "build": with_dropout,
        "dataset": sentences("class"),
        "dataloader_num_workers": 1,
        "dataloader_persistent_workers": True,
    },
}


def trained(trainer, *, sweep=False):
    """Train twice, with a sweep before and between or without, and tell everything."""
    for _ in range(2):
        if sweep:
            assert len(points_of(trainer)) == STEPS
        trainer.train()
    entries = [
        {name: value for name, value in entry.items() if name in ("loss", "grad_norm", "epoch")}
        for entry in trainer.state.log_history
    ]
    told = {
        "model": trainer.model.state_dict(),
        "optimizer": trainer.optimizer.state_dict(),
        "scheduler": trainer.lr_scheduler.state_dict(),
        "entries": entries,
        "torch's generator": torch.get_rng_state(),
    }
    return flat(told)


@pytest.mark.parametrize("about", RESTLESS.values(), ids=RESTLESS)
def test_training_after_a_sweep_is_bit_for_bit_training_without_one(tmp_path, about):
    expected = trained(trainer_of(tmp_path, **about))
    assert differences(expected, trained(trainer_of(tmp_path, **about), sweep=True)) == []


def attributes(model):
    """Return what modules hold beside tensors: flags, functions, hooks."""
    names = ("_parameters", "_buffers", "_modules")
    return {
        name: {key: repr(value) for key, value in vars(module).items() if key not in names}
        for name, module in model.named_modules()
    }


@pytest.mark.parametrize("about", TRAINERS.values(), ids=TRAINERS)
def test_a_sweep_leaves_the_trainer_as_it_is(tmp_path, about):
    trainer = trainer_of(tmp_path, **about)
    held = dict(vars(trainer))
    arguments = trainer.args.to_dict()
    modules = attributes(trainer.model)
    told = flat({"state": trainer.state, "control": trainer.control})
    points_of(trainer)
    assert {
        name for name, value in vars(trainer).items() if held.get(name, 0) is not value
    } == set()
    assert trainer.optimizer is None
    assert trainer.args.to_dict() == arguments
    assert attributes(trainer.model) == modules
    assert differences(told, flat({"state": trainer.state, "control": trainer.control})) == []


class Talkative(Focused):
    """Counts, collects and logs in compute_loss, and asks a teacher with a state of its own."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.calls = 0
        self.collected = {"train": defaultdict(list)}
        self.teacher = nn.BatchNorm1d(KINDS)
        self.mean = torch.zeros(())

    def compute_loss(self, model, inputs, return_outputs=None, num_items_in_batch=None):
        self.calls += 1
        loss, outputs = super().compute_loss(model, inputs, return_outputs=True)
        taught = self.teacher(outputs.logits).pow(2).mean()
        self.mean.lerp_(loss.detach(), 0.1)
        self.collected["train"]["loss"].append(loss.item())
        self.log({"mine": len(self.collected["train"]["loss"])})
        return loss + taught / self.calls + self.mean


class Listening(TrainerCallback):
    heard = 0

    def on_log(self, args, state, control, **_):
        type(self).heard += 1


def test_what_a_compute_loss_counts_collects_and_logs_does_not_reach_the_trainer(tmp_path):
    trainer = trainer_of(tmp_path, kind=Talkative, parts={"callbacks": [Listening()]})
    told = flat([trainer.teacher, trainer.mean, trainer.calls, trainer.collected, trainer.state])
    training, chosen = from_trainer(trainer, **SHORT)
    first, second = (list(Sweep(training, SweepSettings(**chosen))) for _ in range(2))
    now = flat([trainer.teacher, trainer.mean, trainer.calls, trainer.collected, trainer.state])
    assert differences(told, now) == []
    assert [point.loss for point in first] == [point.loss for point in second]
    assert Listening.heard == 0


def test_repeats_see_the_data_in_different_orders(tmp_path):
    training, settings = from_trainer(trainer_of(tmp_path), **SHORT)
    orders = []
    for repeat in range(2):
        sweep = Sweep(training, SweepSettings(**settings), repeat=repeat)
        orders.append([point.loss for point in sweep])
    assert orders[0] != orders[1]


def test_the_training_arguments_are_the_settings_unless_the_user_passes_them(tmp_path):
    arguments = {"gradient_accumulation_steps": 2, "max_grad_norm": 0.3, "bf16": True}
    trainer = trainer_of(tmp_path, **arguments)
    _, settings = from_trainer(trainer)
    assert settings == {"accumulation_steps": 2, "clip_grad_norm": 0.3, "amp": "bf16"}
    chosen = {"accumulation_steps": 1, "clip_grad_norm": None, "amp": None}
    assert from_trainer(trainer, **chosen)[1] == chosen


def test_an_optimizer_of_the_users_is_the_one_that_is_swept(tmp_path):
    seeded()
    model = bert()
    optimizer = AdamW(model.parameters(), lr=0.5)
    trainer = trainer_of(tmp_path, build=lambda: model, parts={"optimizers": (optimizer, None)})
    assert from_trainer(trainer)[0].optimizer is optimizer


class Strict(Trainer):
    def compute_loss(self, model, inputs, **options):
        assert all(module.training for module in model.modules())
        return super().compute_loss(model, inputs, **options)


def test_every_module_is_trained_in_train_mode_as_the_trainer_does(tmp_path):
    trainer = trainer_of(tmp_path, kind=Strict)
    trainer.model.bert.eval()
    assert len(points_of(trainer)) == STEPS
    assert [part.training for part in (trainer.model.bert, trainer.model.classifier)] == [0, 1]


class Moded(AdamW):
    """Trains in a mode of its own, as optimizers without a schedule do."""

    trains = False

    def train(self):
        self.trains = True

    def step(self, closure=None):
        assert self.trains
        return super().step(closure)


def test_an_optimizer_with_modes_is_put_in_train_mode_and_back(tmp_path):
    parts = {"optimizer_cls_and_kwargs": (Moded, {"lr": 1e-3})}
    training, settings = from_trainer(trainer_of(tmp_path, parts=parts), **SHORT)
    assert len(list(Sweep(training, SweepSettings(**settings)))) == STEPS
    assert not training.optimizer.trains


def test_the_trainers_parameter_groups_decay_what_its_own_training_decays(tmp_path):
    trainer = trainer_of(tmp_path, weight_decay=0.5)
    training, _ = from_trainer(trainer)
    trainer.create_optimizer()
    groups = training.optimizer.param_groups
    assert [group["weight_decay"] for group in groups] == [0.5, 0.0]
    assert [[id(parameter) for parameter in group["params"]] for group in groups] == [
        [id(parameter) for parameter in group["params"]] for group in trainer.optimizer.param_groups
    ]


def widget_for(trainer):
    widget = LRFinderWidget.from_trainer(trainer, **SHORT)
    widget.run()
    widget.wait(60)
    return widget


def rates(trainer):
    trainer.train()
    return logged(trainer, "learning_rate")


def test_training_starts_from_the_applied_rate(tmp_path):
    trainer = trainer_of(tmp_path, lr_scheduler_type="constant")
    widget = widget_for(trainer)
    widget.apply(0.02)
    widget.close()
    assert trainer.args.learning_rate == 0.02
    assert rates(trainer) == [0.02] * STEPS


def test_a_schedule_starts_from_the_applied_rate(tmp_path):
    trainer = trainer_of(tmp_path, lr_scheduler_type="linear", warmup_steps=2)
    widget = widget_for(trainer)
    widget.apply(0.02)
    widget.close()
    assert rates(trainer) == pytest.approx([0, 0.01, 0.02, 0.015, 0.01, 0.005])


def test_training_that_goes_on_goes_on_at_the_applied_rate(tmp_path):
    trainer = trainer_of(tmp_path)
    assert rates(trainer)[0] == 1e-3
    widget = widget_for(trainer)
    widget.apply(0.02)
    widget.close()
    assert {group["lr"] for group in trainer.optimizer.param_groups} == {0.02}
    assert rates(trainer)[0] == 0.02


def test_an_optimizer_that_train_has_made_since_gets_the_applied_rate_too(tmp_path):
    trainer = trainer_of(tmp_path)
    widget = widget_for(trainer)
    rates(trainer)
    widget.apply(0.02)
    assert {group["lr"] for group in trainer.optimizer.param_groups} == {0.02}
    widget.undo()
    assert trainer.args.learning_rate == 1e-3
    widget.close()
    assert rates(trainer)[0] == 1e-3


def test_the_rate_of_an_optimizer_class_of_the_users_is_set(tmp_path):
    parts = {"optimizer_cls_and_kwargs": (AdamW, {"lr": 1e-3})}
    trainer = trainer_of(tmp_path, parts=parts, lr_scheduler_type="constant")
    widget = widget_for(trainer)
    widget.apply(0.02)
    widget.close()
    assert rates(trainer) == [0.02] * STEPS


def test_a_frozen_body_stays_frozen(tmp_path):
    def build():
        model = bert()
        model.bert.requires_grad_(requires_grad=False)
        return model

    trainer = trainer_of(tmp_path, build=build, dataset=sentences("class"))
    before = flat(trainer.model)
    training, settings = from_trainer(trainer, **SHORT)
    swept = {id(each) for group in training.optimizer.param_groups for each in group["params"]}
    assert swept == {id(parameter) for parameter in trainer.model.classifier.parameters()}
    assert len(list(Sweep(training, SweepSettings(**settings)))) == STEPS
    assert differences(before, flat(trainer.model)) == []


def tokenizer():
    words = {"[PAD]": 0, "[UNK]": 1, **{f"w{index}": index for index in range(2, WORDS)}}
    plain = Tokenizer(WordLevel(words, unk_token="[UNK]"))
    plain.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=plain, pad_token="[PAD]", unk_token="[UNK]")


def test_texts_of_different_lengths_are_padded_by_the_trainers_collator(tmp_path):
    take_apart = tokenizer()
    texts = [
        " ".join(f"w{2 + (index * 7 + i) % 30}" for i in range(1 + index % 6))
        for index in range(24)
    ]
    dataset = [{**take_apart(text), "label": index % KINDS} for index, text in enumerate(texts)]
    collator = DataCollatorWithPadding(take_apart)
    points = points_of(trainer_of(tmp_path, dataset=dataset, parts={"data_collator": collator}))
    assert all(math.isfinite(point.loss) for point in points)


def test_a_model_of_transformers_needs_no_trainer():
    seeded()
    model = bert(dropout=0.1)
    loader = DataLoader(
        sentences("class"), batch_size=4, shuffle=True, collate_fn=default_data_collator
    )
    optimizer = AdamW(model.parameters(), lr=1e-3)
    before = flat([model, optimizer, torch.get_rng_state()])
    result = lr_find(model, optimizer, loader, progress=False, **SHORT)
    assert result.losses[0] == pytest.approx(math.log(KINDS), rel=0.1)
    assert differences(before, flat([model, optimizer, torch.get_rng_state()])) == []


def test_what_is_no_trainer_is_refused():
    with pytest.raises(SettingsError, match=r"must be a transformers.Trainer \(got Linear\)"):
        LRFinderWidget.from_trainer(nn.Linear(2, 2))


@pytest.mark.parametrize("engine", ["DeepSpeed", "FSDP"])
def test_an_engine_that_takes_the_steps_itself_is_refused(tmp_path, engine):
    trainer = trainer_of(tmp_path)
    setattr(trainer, f"is_{engine.lower()}_enabled", True)
    with pytest.raises(SettingsError, match=f"whose steps {engine} takes"):
        LRFinderWidget.from_trainer(trainer)
