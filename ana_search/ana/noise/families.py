"""The register of noise families: one line each."""

from ana_search.ana.noise.base import NoiseFamily
from ana_search.ana.noise.logistic import Logistic
from ana_search.ana.noise.normal import Normal
from ana_search.ana.noise.triangular import Triangular
from ana_search.ana.noise.uniform import Uniform

__all__ = ["NOISE_FAMILIES"]

NOISE_FAMILIES: dict[str, NoiseFamily] = {
    "uniform": Uniform(),
    "triangular": Triangular(),
    "normal": Normal(),
    "logistic": Logistic(),
}
