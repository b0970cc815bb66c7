"""A new user with a network and photos of their own: typed from the README in an empty folder."""

import json
import re
from pathlib import Path

import pytest

from ana_search.results import load_results
from tests.cli.test_commands import ana_search
from tests.docs.own_files import README, write_own_files


def typed() -> list[list[str]]:
    """Return the commands that the README shows for them, in words."""
    text = README.read_text(encoding="utf-8").split("## Your own network and data\n")[1].split("\n## ")[0]
    (block,) = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    return [line.split()[1:] for line in block.splitlines()]


@pytest.mark.slow
def test_from_an_empty_folder_to_an_exported_file(tmp_path: Path) -> None:
    write_own_files(tmp_path)
    said = {}
    for words in typed():
        done = ana_search(*words, cwd=tmp_path)
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
        said[words[0]] = done.stderr
    assert list(said) == ["check", "launch", "confirm", "export"]
    for command in ("check", "launch"):
        assert "12 of its 60 images" in said[command]
        assert "`confirm` measures on them" in said[command]
    assert (load_results("photos", runs=tmp_path / "runs")["value"] > 0.6).any()  # chance is 0.5
    manifest = json.loads((tmp_path / "photos-models" / "manifest.json").read_text(encoding="utf-8"))
    (model,) = manifest["models"]
    assert model["verified"]
    assert (tmp_path / "photos-models" / model["file"]).is_file()
    assert model["accuracy"]["test"]["mean"] > 0.6


def test_faults_are_told_before_anything_is_trained(tmp_path: Path) -> None:
    write_own_files(tmp_path)
    code = (tmp_path / "my_net.py").read_text(encoding="utf-8")
    (tmp_path / "my_net.py").write_text(code + "\n\ndef bent(*a):\n    return nn.Sequential(my_network(*a), Bent())\n")
    with (tmp_path / "my_net.py").open("a") as file:
        file.write("\n\nclass Bent(nn.Module):\n    def forward(self, x):\n        return x.sort().values\n")
    study = (tmp_path / "photos.toml").read_text(encoding="utf-8").replace("my_net.py:my_network", "my_net.py:bent")
    (tmp_path / "photos.toml").write_text(study.replace("width = 8\n", ""))
    for command in ("check", "launch"):
        done = ana_search(command, "photos.toml", "--import", cwd=tmp_path)
        assert done.returncode == 2
        assert "could not be exported after the search" in done.stderr
        assert "sort" in done.stderr
        assert "export = false in [study]" in done.stderr
    assert not list((tmp_path / "runs").rglob("*.db"))


def test_without_the_option_nothing_is_imported(tmp_path: Path) -> None:
    write_own_files(tmp_path)
    (tmp_path / "my_net.py").write_text("open('run.txt', 'w').close()\nmy_network = None\n")
    for words in (("check", "photos.toml"), ("launch", "photos.toml")):
        done = ana_search(*words, cwd=tmp_path)
        assert done.returncode == 2
        assert "network.name: 'my_net.py:my_network' is a file of Python code" in done.stderr
        assert "--import" in done.stderr
        assert not (tmp_path / "run.txt").exists()
    done = ana_search("check", "photos.toml", "--import", cwd=tmp_path)
    assert (tmp_path / "run.txt").exists()
    assert done.returncode == 2
    assert "has no function 'my_network'" in done.stderr
