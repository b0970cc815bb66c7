"""The loss of a step: cross-entropy, with smoothed or mixed labels, and what a teacher adds."""

from torch import Tensor
from torch.nn import functional

from ana_search.plan import TrainingSettings

__all__ = ["loss_of"]


def loss_of(logits: Tensor, labels: Tensor, settings: TrainingSettings, taught: Tensor | None = None) -> Tensor:
    """Return the mean loss of a batch.

    Args:
        logits: float [N, classes].
        labels: int64 [N], or float [N, classes] where images are mixed.
        settings: ``label_smoothing`` (Szegedy et al., CVPR 2016, section 7); ``distillation`` and ``temperature`` where
            there is a teacher.
        taught: the teacher's logits of the same images, float [N, classes]. The loss is then
            ``(1 - distillation) * cross-entropy + distillation * temperature**2 * KL(teacher, network)``, both softened
            by the temperature (Hinton et al. 2015, arXiv 1503.02531, section 2).
    """
    logits = logits.float()
    loss = functional.cross_entropy(logits, labels, label_smoothing=settings.label_smoothing)
    if taught is None:
        return loss
    temperature, share = settings.temperature, settings.distillation
    known = functional.log_softmax(taught.float() / temperature, dim=1)
    learnt = functional.log_softmax(logits / temperature, dim=1)
    taken_over = functional.kl_div(learnt, known, reduction="batchmean", log_target=True)
    return (1.0 - share) * loss + share * temperature**2 * taken_over
