"""The text of a small study on digits, to which a test adds what it is about."""


def study_text(*, quantiser: str = "", training: str = "", space: str = "") -> str:
    """Return a study file: lines for three of its tables are given, the learning rate is searched."""
    return f"""\
[study]
name = "mine"
trials = 2
sampler = "random"
[data]
name = "digits"
[network]
name = "digits_cnn"
width = 4
[training]
epochs = 2
{training}
[space]
learning_rate = [1e-3, 2e-3]
{space}
[quantiser]
{quantiser}
"""
