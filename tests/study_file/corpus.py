"""Wrong study files, each with the key (or words) that the message about it must name."""

from dataclasses import dataclass

__all__ = ["GOOD", "WRONG", "Wrong"]

GOOD = """\
[study]
name = "good"
sampler = "tpe"
trials = 10
seeds = 1

[data]
name = "digits"
validation = 0.25

[network]
name = "digits_cnn"
width = 8

[quantiser]
weight_bits = "ternary"

[training]
epochs = 2

[space]
noise = ["uniform", "normal"]
offset = { low = -0.2, high = 0.2, scope = "layer" }

[resources]
workers = 1
"""


@dataclass(frozen=True)
class Wrong:
    """A wrong study file: its bytes, and what the message must hold."""

    name: str
    content: bytes
    named: tuple[str, ...]


def _replaced(name: str, old: str, new: str, *named: str) -> Wrong:
    assert old in GOOD, old
    return Wrong(name, GOOD.replace(old, new, 1).encode(), named)


def _space(name: str, line: str, *named: str) -> Wrong:
    return _replaced(name, 'noise = ["uniform", "normal"]', line, *named)


def _study(name: str, line: str, *named: str) -> Wrong:
    key = line.split(" =", 1)[0]
    kept = [one for one in GOOD.splitlines() if one.split(" =", 1)[0] != key or key in ("name", "width")]
    return Wrong(name, "\n".join(kept).replace("[study]", f"[study]\n{line}", 1).encode(), named)


def _grid(name: str, lines: str, *named: str) -> Wrong:
    text = GOOD.replace('"tpe"', '"grid"').replace("low = -0.2, high = 0.2", "choices = [-0.2, 0.2]")
    return Wrong(name, text.replace('noise = ["uniform", "normal"]', lines, 1).encode(), named)


_LONG = "0x" + "f" * 5000
"""A whole number that Python does not write in decimals."""


_NOISE = 'noise = ["uniform", "normal"]\n'

WRONG = [
    # The file itself.
    Wrong("empty", b"", ("study: missing", "data: missing", "network: missing", "training: missing")),
    Wrong("only_a_comment", b"# nothing\n", ("study: missing",)),
    Wrong("binary", bytes(range(256)) * 8, ("UTF-8",)),
    Wrong("png", b"\x89PNG\r\n\x1a\n" + b"\0" * 100, ("UTF-8",)),
    Wrong("null_bytes", GOOD.encode() + b"\0\0\0", ("TOML",)),
    Wrong("utf16", GOOD.encode("utf-16"), ("UTF-8", "UTF-16")),
    Wrong("latin1", GOOD.replace("digits_cnn", "d\xefgits").encode("latin-1"), ("UTF-8",)),
    Wrong("bom_in_the_middle", GOOD.replace("[data]", "\ufeff[data]").encode(), ("TOML",)),
    Wrong("ten_megabytes", GOOD.encode() + b"# padding\n" * 1_048_576, ("at most 1,048,576 bytes",)),
    Wrong("not_toml", b"this is not TOML at all", ("TOML",)),
    Wrong("json", b'{"study": {"name": "good"}}', ("TOML",)),
    Wrong("unclosed_text", GOOD.replace('"digits_cnn"', '"digits_cnn', 1).encode(), ("TOML",)),
    Wrong("unclosed_table", GOOD.replace("[network]", "[network", 1).encode(), ("TOML",)),
    Wrong("repeated_table", (GOOD + "\n[study]\nseeds = 2\n").encode(), ("TOML", "study")),
    Wrong("repeated_key", GOOD.replace("trials = 10", "trials = 10\ntrials = 11").encode(), ("TOML",)),
    Wrong("deep_arrays", f"{GOOD}\nalpha = {'[' * 5000}{']' * 5000}\n".encode(), ("nested too deep",)),
    Wrong("deep_tables", f"{GOOD}\n[{'.'.join(['space'] + ['a'] * 2000)}]\nb = 1\n".encode(), ("space.a",)),
    Wrong("long_number", GOOD.replace("epochs = 2", f"epochs = {'9' * 6000}").encode(), ("cannot be read",)),
    *(
        _replaced(f"long_hexadecimal_{name}", old, f"{old.split(' = ')[0]} = {_LONG}", named)
        for name, old, named in (
            ("epochs", "epochs = 2", "training.epochs"),
            ("trials", "trials = 10", "study.trials"),
            ("seeds", "seeds = 1", "study.seeds"),
            ("width", "width = 8", "network.width"),
            ("bits", 'weight_bits = "ternary"', "quantiser.weight_bits"),
            ("workers", "workers = 1", "resources.workers"),
            ("validation", "validation = 0.25", "data.validation"),
            ("name", 'name = "good"', "study.name"),
            ("noise", 'noise = ["uniform", "normal"]', "space.noise"),
        )
    ),
    _replaced("long_cpus", "workers = 1", f"cpus_per_trial = {_LONG}", "resources.cpus_per_trial"),
    _replaced("long_fold", "validation = 0.25", f"validation = {{ folds = 5, fold = {_LONG} }}", "data.validation"),
    _space("long_choice", f"noise = [{_LONG}]", "space.noise[0]"),
    _space("long_low", f"batch_size = {{ low = {_LONG}, high = 64 }}", "space.batch_size.low"),
    _space("long_step", f"batch_size = {{ low = 2, high = 64, step = {_LONG} }}", "space.batch_size.step"),
    _space("long_scope", f"noise = {{ choices = ['normal'], scope = {_LONG} }}", "space.noise.scope"),
    _space("long_inside", f"noise = {{ choices = [[{_LONG}]] }}", "space.noise.choices"),
    _space("many_choices", f"epochs = {list(range(1, 60_001))}", "space.epochs", "at most 1,000"),
    _space("many_keys", "\n".join(f"key{n} = 1" for n in range(60_000)), "space", "at most 1,000"),
    _space("many_values", "\n".join(f"key{n} = [{', '.join('1' * 500)}]" for n in range(100)), "at most", "20,000"),
    _space("many_mistakes", "\n".join(f"key{n} = 1" for n in range(900)), "mistakes", "and 850 more"),
    # Tables and keys.
    Wrong(
        "section_as_value",
        b"study = 3\n" + GOOD.replace("[study]\n", "[other]\n").encode(),
        ("study: got 3",),
    ),
    Wrong("section_as_array", GOOD.replace("[network]", "[[network]]").encode(), ("network: got",)),
    _replaced("unknown_table", "[resources]", "[resourses]", "resourses", "did you mean 'resources'"),
    _study("unknown_study_key", 'colour = "red"', "study.colour"),
    _replaced(
        "warmup_of_one_cycle", "epochs = 2", 'epochs = 2\nschedule = "one_cycle"\nwarmup = 0.1', "training.warmup"
    ),
    _replaced("lr_drop_of_cosine", "epochs = 2", 'epochs = 2\nschedule = "cosine"\nlr_drop = 0.1', "training.lr_drop"),
    _replaced("span_of_nothing", "epochs = 2", "epochs = 2\naverage_span = 0.1", "average_span", "average 'ema'"),
    _replaced("temperature_of_nobody", "epochs = 2", "epochs = 2\ntemperature = 2.0", "temperature", "teacher 'float'"),
    _space("searched_span_of_nothing", "average_span = [0.1, 0.2]", "space.average_span", "average 'ema'"),
    _replaced("smoothing_of_all", "epochs = 2", "epochs = 2\nlabel_smoothing = 1.0", "training.label_smoothing"),
    _replaced("clip_of_nothing", "epochs = 2", "epochs = 2\nclip = 0", "training.clip", "none or a number above 0"),
    _replaced("misspelt_key", "epochs = 2", "epochs = 2\nlerning_rate = 0.1", "did you mean 'learning_rate'"),
    _replaced("unknown_data_key", "validation = 0.25", "validaton = 0.25", "data.validaton"),
    _replaced("unknown_resource", "workers = 1", "wrokers = 1", "resources.wrokers"),
    _space("unknown_space_key", 'noize = ["uniform"]', "space.noize", "did you mean 'noise'"),
    # [study]
    _replaced("no_name", 'name = "good"\n', "", "study.name: missing"),
    _replaced("number_as_name", 'name = "good"', "name = 7", "study.name"),
    _replaced("empty_name", 'name = "good"', 'name = ""', "study.name"),
    _replaced("path_as_name", 'name = "good"', 'name = "../../etc/passwd"', "study.name"),
    _replaced("absolute_name", 'name = "good"', 'name = "/tmp/x"', "study.name"),
    _replaced("long_name", 'name = "good"', f'name = "{"x" * 65}"', "study.name"),
    _study("unknown_sampler", 'sampler = "gp"', "study.sampler", "nsga2"),
    _study("unknown_pruner", 'pruner = "median"', "study.pruner", "asha"),
    _study("negative_trials", "trials = -1", "study.trials"),
    _study("no_trials", "trials = 0", "study.trials"),
    _study("fractional_trials", "trials = 1.5", "study.trials"),
    _study("trials_as_text", 'trials = "ten"', "study.trials"),
    _study("boolean_trials", "trials = true", "study.trials"),
    _study("no_seeds", "seeds = 0", "study.seeds"),
    _study("negative_seed", "seed = -5", "study.seed"),
    _study("unknown_objective", 'objective = "loss"', "study.objective", "weight_bits"),
    _study("three_objectives", 'objective = ["val_accuracy", "weight_bits", "loss"]', "study.objective"),
    _study("empty_objective", "objective = []", "study.objective"),
    _study("storage_without_file", 'storage = "sqlite:///"', "study.storage", "a file after sqlite:///"),
    _study("storage_in_memory", 'storage = "sqlite:///:memory:"', "study.storage", "outlive"),
    _study("storage_folder", 'storage = "journal:///logs/"', "study.storage", "a file after journal:///"),
    _study("storage_with_nul", 'storage = "sqlite:///a\\u0000b.db"', "study.storage", "control characters"),
    _study("storage_with_newline", 'storage = "postgresql://host/a\\nb"', "study.storage", "control characters"),
    _study("storage_no_url", 'storage = "my.db"', "study.storage", "sqlite:///"),
    # [data]
    _replaced("unknown_data_set", '"digits"', '"imagenet"', "data.name", "cifar10"),
    _replaced("folder_without_root", '"digits"', '"image_folder"', "data.root"),
    _replaced("missing_folder", '"digits"', '"image_folder"\nroot = "/no/such/folder"', "data.root"),
    _replaced("nobodys_folder", '"digits"', '"image_folder"\nroot = "~nobody_at_all/x"', "data.root", "home folder"),
    _replaced("long_root", '"digits"', f'"image_folder"\nroot = "{"x" * 5000}"', "data.root", "4,096"),
    _replaced("long_part_of_root", '"digits"', f'"image_folder"\nroot = "/tmp/{"x" * 300}"', "data.root"),
    _replaced("root_with_nul", '"digits"', '"image_folder"\nroot = "a\\u0000b"', "data.root", "NUL"),
    _replaced("empty_root", '"digits"', '"image_folder"\nroot = ""', "data.root", "not empty"),
    _replaced("long_root_of_cifar10", '"digits"', f'"cifar10"\nroot = "{"x" * 5000}"', "data.root"),
    _replaced("tiny_validation", "0.25", "1e-12", "data.validation", "at least 1 of each"),
    _replaced("nearly_whole_validation", "0.25", "0.9999", "data.validation", "2 for training"),
    _replaced("more_folds_than_images", "0.25", "{ folds = 900 }\ntrain_size = 500", "data.validation"),
    _replaced("train_size_above", "validation = 0.25", "train_size = 1498", "data.train_size", "1497 images"),
    _replaced("cifar10_train_size", '"digits"', '"cifar10"\ntrain_size = 50_001', "data.train_size", "50000"),
    _replaced("unstratified_text", "0.25", '{ folds = 5, stratified = "no" }', "data.validation", "stratified"),
    _replaced("unstratified_fraction", "0.25", "{ stratified = false }", "data.validation"),
    _replaced("unknown_padding", "0.25", '0.25\naugment = true\npadding = "ones"', "data.padding", "zeros"),
    _replaced("padding_of_nothing", "0.25", '0.25\npadding = "zeros"', "data.padding", "augment = true"),
    _replaced("augment_in_another_order", "0.25", '0.25\naugment = "flip+crop"', "data.augment", "crop"),
    _replaced("augment_twice", "0.25", '0.25\naugment = ["crop", "crop"]', "data.augment", "trivial_augment"),
    _replaced("unknown_augment", "0.25", '0.25\naugment = "rotate"', "data.augment", "mixup"),
    _replaced("augment_as_number", "0.25", "0.25\naugment = 4", "data.augment", "true, false"),
    _replaced("unknown_normalise", "0.25", '0.25\nnormalise = "image"', "data.normalise", "pooled"),
    _replaced("whole_validation", "0.25", "1.0", "data.validation"),
    _replaced("negative_validation", "0.25", "-0.25", "data.validation"),
    _replaced("validation_nan", "0.25", "nan", "data.validation"),
    _replaced("fold_beyond", "0.25", "{ folds = 5, fold = 5 }", "data.validation", "K < N"),
    _replaced("one_fold", "0.25", "{ folds = 1 }", "data.validation"),
    _replaced("fold_without_folds", "0.25", "{ fold = 1 }", "data.validation"),
    _replaced("unknown_fold_key", "0.25", "{ folds = 5, fould = 1 }", "data.validation"),
    _replaced("negative_train_size", "validation = 0.25", "train_size = -100", "data.train_size"),
    _replaced("augment_as_text", "validation = 0.25", 'augment = "yes"', "data.augment"),
    # [network] and [quantiser]
    _replaced("unknown_network", '"digits_cnn"', '"alexnet"', "network.name", "vgg8"),
    _replaced("negative_width", "width = 8", "width = -8", "network.width"),
    _replaced("enormous_width", "width = 8", "width = 10_000_000", "network.width"),
    _replaced("nine_bits", '"ternary"', "9", "quantiser.weight_bits"),
    _replaced("zero_bits", '"ternary"', "0", "quantiser.weight_bits"),
    _replaced("binary_by_name", '"ternary"', '"binary"', "quantiser.weight_bits"),
    _replaced("input_bits", '"ternary"', '"ternary"\ninput_bits = 4', "quantiser.input_bits"),
    _replaced("unknown_classifier", "width = 8", 'classifier = "zeros"', "network.classifier", "normal"),
    _replaced("unknown_coding", '"ternary"', '"ternary"\ninput_coding = "raw"', "quantiser.input_coding", "pixels"),
    _replaced(
        "coding_of_floats",
        '"ternary"',
        '"ternary"\ninput_bits = "float"\ninput_coding = "pixels"',
        "quantiser.input_coding",
        "no effect",
    ),
    _replaced(
        "normalised_pixels",
        'validation = 0.25\n\n[network]\nname = "digits_cnn"\nwidth = 8\n\n[quantiser]',
        'normalise = "pooled"\n\n[network]\nname = "digits_cnn"\nwidth = 8\n\n[quantiser]\ninput_coding = "pixels"',
        "data.normalise",
        "no effect",
    ),
    # [training] and [resources]
    _replaced("one_image_a_step", "epochs = 2", "epochs = 2\nbatch_size = 1", "training.batch_size", "from 2"),
    _replaced("unknown_last_batch", "epochs = 2", 'epochs = 2\nlast_batch = "pad"', "training.last_batch", "keep"),
    _replaced("no_epochs", "epochs = 2\n", "", "training.epochs: missing"),
    _replaced("negative_epochs", "epochs = 2", "epochs = -2", "training.epochs"),
    _replaced("epochs_infinite", "epochs = 2", "epochs = inf", "training.epochs"),
    _replaced("epochs_date", "epochs = 2", "epochs = 2026-01-01", "training.epochs"),
    _replaced("learning_rate_nan", "epochs = 2", "epochs = 2\nlearning_rate = nan", "training.learning_rate"),
    _replaced("no_learning_rate", "epochs = 2", "epochs = 2\nlearning_rate = 0.0", "training.learning_rate"),
    _replaced("anneal_beyond", "epochs = 2", "epochs = 2\nanneal = 1.5", "training.anneal"),
    _replaced("unknown_optimiser", "epochs = 2", 'epochs = 2\noptimiser = "lion"', "training.optimiser", "adamw"),
    _replaced("unknown_precision", "epochs = 2", 'epochs = 2\nprecision = "int8"', "training.precision"),
    _replaced("batch_size", "epochs = 2", "epochs = 2\nbatch_size = 0", "training.batch_size"),
    _replaced("no_workers", "workers = 1", "workers = 0", "resources.workers"),
    _replaced("negative_gpus", "workers = 1", "gpus_per_trial = -1", "resources.gpus_per_trial"),
    _replaced("gpus_and_a_half", "workers = 1", "gpus_per_trial = 1.5", "resources.gpus_per_trial"),
    # [space]
    _space("old_decay", 'shape = ["power", "cosine"]', "space.shape: is called 'decay' now"),
    _space("old_measure", 'width = "interval"', "space.width: is called 'spread_measure' now"),
    _space("unknown_noise", 'noise = "gaussian"', "space.noise", "logistic"),
    _space("one_unknown_noise", 'noise = ["uniform", "cauchy"]', "space.noise[1]"),
    _space("no_choices", "noise = []", "space.noise", "at least one value"),
    _space("repeated_choice", 'noise = ["normal", "normal"]', "space.noise", "more than once"),
    _space("empty_table", "noise = {}", "space.noise"),
    _space("range_of_words", "noise = { low = 0, high = 1 }", "space.noise"),
    _space("low_above_high", "alpha = { low = 4.0, high = 0.5 }", "space.alpha", "low < high"),
    _space("no_high", "alpha = { low = 4.0 }", "space.alpha.high"),
    _space("log_of_zero", "weight_decay = { low = 0.0, high = 0.1, log = true }", "space.weight_decay.low"),
    _space("log_and_step", "alpha = { low = 1.0, high = 2.0, log = true, step = 0.1 }", "space.alpha"),
    _space("step_too_wide", "alpha = { low = 1.0, high = 2.0, step = 3.0 }", "space.alpha.step"),
    _space("step_of_zero", "alpha = { low = 1.0, high = 2.0, step = 0.0 }", "space.alpha.step"),
    _space("uneven_step", "alpha = { low = 1.0, high = 2.0, step = 0.3 }", "space.alpha.step"),
    _space("range_nan", "alpha = { low = nan, high = 2.0 }", "space.alpha.low"),
    _space("range_of_text", 'alpha = { low = "a", high = 2.0 }', "space.alpha.low"),
    _space("unknown_range_key", "alpha = { low = 1.0, high = 2.0, logg = true }", "space.alpha.logg"),
    _space("negative_alpha", "alpha = -1.0", "space.alpha"),
    _space(
        "layer_interval",
        'interval = { choices = ["overlapped", "partition"], scope = "layer" }',
        "space.interval",
    ),
    _space(
        "layer_rate",
        "learning_rate = { low = 0.1, high = 0.2, scope = 'layer' }",
        "space.learning_rate.scope",
    ),
    _space("unknown_scope", 'noise = { choices = ["normal"], scope = "channel" }', "space.noise.scope"),
    _space("too_few_layers", 'noise = { layers = ["normal", "uniform"] }', "space.noise.layers"),
    _space("bits_beyond", "weight_bits = [2, 16]", "space.weight_bits[1]"),
    _space("fractional_bits", "weight_bits = { low = 1.5, high = 4 }", "space.weight_bits.low"),
    _space("boolean_mean", "mean = true", "space.mean"),
    _space("searched_compile", "compile = [true, false]", "space.compile"),
    _space("one_image_among_choices", "batch_size = [1, 32]", "space.batch_size[0]", "from 2"),
    _space("one_image_in_a_range", "batch_size = { low = 1, high = 32 }", "space.batch_size.low", "from 2"),
    _space("minute_step", "alpha = { low = 1.0, high = 2.0, step = 1e-300 }", "space.alpha.step", "100,000 steps"),
    _space("smallest_step", "alpha = { low = 1.0, high = 2.0, step = 5e-324 }", "space.alpha.step", "100,000 steps"),
    _space("step_of_400_digits", f"alpha = {{ low = 1.0, high = 2.0, step = {'9' * 400} }}", "space.alpha.step"),
    _space("infinite_step", "alpha = { low = 1.0, high = 2.0, step = inf }", "space.alpha.step"),
    _space("idle_law", 'decay = "linear"\npower_law = "progressive"', "space.power_law", "no effect", "'power'"),
    _space("idle_searched_law", 'decay = "linear"\npower_law = ["progressive", "regressive"]', "space.power_law"),
    _space(
        "idle_law_of_layers",
        'decay = { choices = ["linear"], scope = "layer" }\npower_law = "progressive"',
        "space.power_law",
    ),
    *(
        _space(f"static_{key}", f'variance = "static"\n{key} = {value}', f"space.{key}", "no effect")
        for key, value in (
            ("decay", '"cosine"'),
            ("interval", '["overlapped", "partition"]'),
            ("power_law", '"progressive"'),
            ("alpha", "2.0"),
            ("activation_offset", "0.1"),
            ("method", '"freezing"'),
            ("anneal", "[0.5, 0.8]"),
        )
    ),
    _space("silent_noise", 'spread = 0.0\nnoise = ["uniform", "normal"]', "space.noise", "spread above 0"),
    _space("silent_strategy", 'spread = 0.0\nstrategy = ["mode", "random"]', "space.strategy", "spread above 0"),
    _space("idle_width", 'spread_measure = ["interval", "deviation"]', "space.spread_measure", "no effect"),
    _space("idle_alpha", 'decay = "cosine"\nalpha = [1.0, 2.0]', "space.alpha", "no effect"),
    _space("idle_backward", 'backward_noise = ["normal", "uniform"]', "space.backward_noise", "no effect"),
    _space("idle_schedule", 'backward = "static"\nbackward_alpha = 2.0', "space.backward_alpha", "annealed"),
    Wrong("space_as_value", b"space = 1\n" + GOOD.replace("[space]", "[other]").encode(), ("space: got 1",)),
    Wrong(
        "pruned_epochs",
        GOOD.replace("seeds = 1", 'pruner = "asha"').replace("[space]", "[space]\nepochs = [2, 4]").encode(),
        ("space.epochs",),
    ),
    Wrong(
        "nothing_searched",
        GOOD.split("[space]")[0].encode(),
        ("study.sampler", "nothing searched"),
    ),
    # Grids.
    _grid("grid_of_reals", "alpha = { low = 1.0, high = 2.0 }", "space.alpha", "step"),
    _grid("grid_of_logs", "batch_size = { low = 2, high = 64, log = true }", "space.batch_size"),
    _grid("endless_grid", "batch_size = { low = 2, high = 100000 }", "space", "cells"),
    Wrong("pruned_grid", GOOD.replace('"tpe"', '"grid"\npruner = "asha"').encode(), ("study.pruner",)),
    _grid("exclude_no_table", _NOISE + "exclude = [3]\n", "space.exclude[0]"),
    _grid(
        "exclude_unknown",
        _NOISE + "exclude = [{ when = { decay = 'power' } }]\n",
        "space.exclude[0].when.decay",
    ),
    _grid(
        "exclude_old_name",
        _NOISE + "exclude = [{ when = { shape = 'power' } }]\n",
        "space.exclude[0].when.shape: is called 'decay' now",
    ),
    _grid(
        "exclude_value",
        _NOISE + "exclude = [{ when = { noise = 'logistic' } }]\n",
        "space.exclude[0].when.noise",
    ),
    _grid("exclude_nothing", _NOISE + "exclude = [{ unless = [] }]\n", "space.exclude[0].when"),
    _grid("exclude_key", _NOISE + "exclude = [{ wen = { noise = 'normal' } }]\n", "space.exclude[0].wen"),
    _grid("exclude_everything", _NOISE + "exclude = [{ when = { noise = ['uniform', 'normal'] } }]\n", "every cell"),
    _grid(
        "exclude_everything_twice",
        _NOISE + "exclude = [{ when = { noise = 'uniform' } }, { when = { noise = 'normal' } }]\n",
        "every cell",
    ),
    _space(
        "exclude_without_grid",
        _NOISE + "exclude = [{ when = { noise = 'normal' } }]\n",
        "space.exclude",
        "grid",
    ),
    # Many mistakes, one message.
    Wrong(
        "five_mistakes",
        GOOD.replace('"normal"]', '"gaussian"]')
        .replace("epochs = 2", "epochs = -2")
        .replace("trials = 10", "trails = 10")
        .replace("low = -0.2, high = 0.2", "low = 0.2, high = -0.2")
        .replace('"digits"', '"imagenet"')
        .encode(),
        ("5 mistakes", "space.noise[1]", "training.epochs", "study.trails", "space.offset", "data.name"),
    ),
]
