"""What one section of a study file asks of another; every check names the keys it looks at."""

from collections.abc import Iterable, Mapping
from importlib.metadata import entry_points

from ana_search.data import DATASETS
from ana_search.errors import NetworkError
from ana_search.networks import argument_problems, arguments_of, imported, is_file_name, is_network_name, network_names
from ana_search.objectives import OBJECTIVES
from ana_search.study_file.messages import did_you_mean
from ana_search.study_file.parameters import Choice, Parameter, PerLayer, Range
from ana_search.study_file.sections import Data, Network, Quantiser, Section, Study, network_plan
from ana_search.study_file.values import shorten

__all__ = ["MOST_CELLS", "check_sections", "check_space"]

MOST_CELLS = 100_000


def check_sections(sections: Mapping[str, Section], arguments: Mapping[str, Parameter]) -> list[str]:
    """Return the mistakes between and beyond the sections' keys; sections that are wrong are missing here.

    ``arguments`` are those of the network's function that are searched.
    """
    mistakes: list[str] = []
    study, data, network = sections.get("study"), sections.get("data"), sections.get("network")
    if isinstance(data, Data):
        mistakes += _check_name("data.name", data.name, DATASETS, "ana_search.datasets")
    if isinstance(network, Network):
        mistakes += _check_network(network, arguments)
    if isinstance(study, Study):
        mistakes += _check_study(study)
        mistakes += _check_exported(study, sections.get("quantiser"))
    return mistakes


def _check_exported(study: Study, quantiser: Section | None) -> list[str]:
    """Return why the figures of the exported network cannot be had."""
    mistakes = []
    for name in study.wanted:
        where = "study.objective" if name in study.objective else "study.constraints"
        if not OBJECTIVES[name].exported:
            continue
        if not study.export:
            mistakes.append(f"{where}: {name} is that of the exported network; allowed: with export = true")
        if isinstance(quantiser, Quantiser) and quantiser.input_bits == "float":
            mistakes.append(f"{where}: {name} is that of the exported network; allowed: with quantiser.input_bits = 8")
    return mistakes


def _check_network(network: Network, arguments: Mapping[str, Parameter]) -> list[str]:
    """Return the mistakes of the network's name and of the arguments that its function is called with."""
    name = network.name
    if not is_file_name(name) and not is_network_name(name):
        allowed = network_names()
        return [
            f"network.name: got {name!r}{did_you_mean(name, allowed)}; allowed: {', '.join(allowed)}, "
            "torchvision:NAME, FILE.py:FUNCTION (or an installed one of the entry point group ana_search.networks)"
        ]
    mistakes = [
        f"network.{key}: got {shorten(value)}; allowed: a number, a text, true or false"
        for key, value in network.arguments.items()
        if not isinstance(value, bool | int | float | str)
    ]
    if mistakes or (is_file_name(name) and imported(name) is None):
        return mistakes
    try:
        problems = argument_problems(network_plan(network, arguments))
    except NetworkError as error:
        text = str(error)
        return [text if text.startswith("network.") else f"network: {text}"]
    return [_with_hint(problem, network) for problem in problems]


def _with_hint(problem: str, network: Network) -> str:
    """Return a mistake about an argument with the key that may have been meant."""
    key = problem.partition(":")[0].removeprefix("network.")
    known = [*Network.model_fields, *arguments_of(network.name)]
    return problem.replace("; allowed: ", f"{did_you_mean(key, known)}; allowed: name, classifier, ", 1)


def _check_name(key: str, name: str, registry: Iterable[str], group: str) -> list[str]:
    allowed = [*registry, *sorted(entry_point.name for entry_point in entry_points(group=group))]
    if name in allowed:
        return []
    return [
        f"{key}: got {name!r}{did_you_mean(name, allowed)}; allowed: {', '.join(allowed)}"
        f" (or an installed one of the entry point group {group})"
    ]


def _check_study(study: Study) -> list[str]:
    mistakes = []
    if study.sampler == "pick_freeze" and study.seeds > 1:
        mistakes.append(
            f"study.seeds: got {study.seeds} with sampler = 'pick_freeze', which runs some points twice itself;"
            " allowed: 1"
        )
    if study.constraints and study.sampler == "pick_freeze":
        mistakes.append(
            "study.constraints: got some with sampler = 'pick_freeze', whose runs are compared with each other, all or "
            "none of a block; allowed: none"
        )
    sides = [(one.objective, one.upper) for one in study.limits]
    for one in study.limits:
        if sides.count((one.objective, one.upper)) > 1:
            mistakes.append(f"study.constraints: got two like {str(one)!r}; allowed: one for each side of a figure")
            break
    if study.pruner == "none":
        return mistakes
    got = f"study.pruner: got {study.pruner!r}"
    if study.sampler == "grid":
        mistakes.append(f"{got} with sampler = 'grid', which trains every cell; allowed: none")
    if study.sampler == "pick_freeze":
        mistakes.append(f"{got} with sampler = 'pick_freeze', whose runs are compared with each other; allowed: none")
    return mistakes


def check_changing_layers(parameters: Mapping[str, Parameter], least: int, most: int) -> list[str]:
    """Return the mistakes of layers with values of their own where the number of layers is searched too."""
    return [
        f"space.{name}: has a value for each layer, and the arguments searched in [network] make networks of {least} "
        f"to {most} quantised layers; allowed: one value for the network as a whole"
        for name, parameter in parameters.items()
        if isinstance(parameter, PerLayer) or getattr(parameter, "scope", "network") == "layer"
    ]


def check_space(
    parameters: Mapping[str, Parameter], excludes: bool, sections: Mapping[str, Section], layers: int | None
) -> list[str]:
    """Return the mistakes of ``[space]`` as a whole.

    ``layers`` is the number of quantised layers, ``None`` where the network is not known.
    """
    mistakes: list[str] = []
    study, network = sections.get("study"), sections.get("network")
    for name, parameter in parameters.items():
        if isinstance(parameter, PerLayer) and layers is not None and len(parameter.values) != layers:
            mistakes.append(
                f"space.{name}.layers: got {len(parameter.values)} values; allowed: {layers}, one for each"
                f" quantised layer of {network.name if isinstance(network, Network) else 'the network'}"
            )
    searched = {n: p for n, p in parameters.items() if isinstance(p, (Choice, Range))}
    if isinstance(study, Study):
        mistakes += _check_sampler(study, searched, excludes)
        if study.sampler == "grid" and not mistakes:
            mistakes += _check_size(searched, layers or 1)
    return mistakes


def _check_sampler(study: Study, searched: Mapping[str, Choice | Range], excludes: bool) -> list[str]:
    sampler, pruner, mistakes = study.sampler, study.pruner, []
    for name, parameter in searched.items():
        if sampler != "grid" or not isinstance(parameter, Range):
            continue
        if parameter.log or (parameter.step is None and not parameter.integer):
            kind = "log range" if parameter.log else "range without step"
            mistakes.append(f"space.{name}: got a {kind} with sampler = 'grid'; allowed: an array or a step")
    if excludes and sampler != "grid":
        mistakes.append(f"space.exclude: got it with sampler = {sampler!r}; allowed: sampler = 'grid' only")
    if pruner != "none" and "epochs" in searched:
        mistakes.append(f"space.epochs: searched with pruner = {pruner!r}; allowed: a fixed number of epochs")
    return mistakes


def _check_size(searched: Mapping[str, Choice | Range], layers: int) -> list[str]:
    """Return a message for a grid that nobody could list, let alone train."""
    cells = 1
    for parameter in searched.values():
        if isinstance(parameter, Choice):
            values = len(parameter.choices)
        else:
            values = round((parameter.high - parameter.low) / (parameter.step or 1)) + 1
        cells *= values ** (layers if parameter.scope == "layer" else 1)
    if cells <= MOST_CELLS:
        return []
    return [f"space: a grid of {cells:,} cells; allowed: at most {MOST_CELLS:,} (tpe and random need no grid)"]
