"""What makes `ana_search.ana.regularise` fast, behind one function: `regularised`.

It computes the formula of `ana_search.ana.reference`, but for rounding, and knows everything about machines that the
rest of the package need not know. The way of a tensor under the strategy "expectation" in eager code: `autograd.py`
(value and gradient) -> `expectation.py` (block by block) -> the family's kernel. Beside that:

- `mode.py`: the most probable level, from thresholds that are solved for once a scale;
- `sampling.py`: random levels, from tables of noise (`tables.py`) or random numbers (`hashing.py`);
- `stair.py`: the exact stair; `blocks.py`: work in blocks that stay in the cache;
- `family.py`: a kernel for any noise family, from its functions, as a sum over the noisy thresholds; `uniform.py`,
  `triangular.py`, `normal.py` and `logistic.py`: what is faster for these;
- `scaled.py`: both ends of a stair with a scale that is learned;
- `numbers.py`: whether a noise's numbers are Python's or tensors.

**Eager code** on a CPU pays for every pass over memory and for every call; it gets plain numbers. **Compiled code**
(``torch.compiler.is_compiling()``) fuses the formula by itself, but is compiled anew whenever a plain number changes:
its numbers are 0-d tensors. **On a GPU** nothing may wait for the device.

Every trick is here because taking it out costs a training step 5 % or more somewhere; `benchmarks/README.md` has the
table, `benchmarks/step.py --ablation` measures it again.
"""

from ana_search.ana.kernels.autograd import regularised

__all__ = ["regularised"]
