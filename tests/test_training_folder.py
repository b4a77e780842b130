"""Where a training may lie, and what is said of a folder that is no trained editor."""

from pathlib import Path

import pytest

from ditto_models.command import CommandError
from ditto_models.gpu.editto_card import read_card
from ditto_models.gpu.tensor_file import WeightsError
from ditto_models.train.claim import check_place, claimed
from ditto_models.train.random_base import save_random_base
from ditto_models.train.recipe import RecipeError, load_recipe
from ditto_models.train.whole_file import unfinished, write_whole


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of agent.run, as far as it shows that it is one."""
    (tmp_path / "run" / "dataset" / "shard-00000").mkdir(parents=True)
    (tmp_path / "run" / "ledger.sqlite").touch()
    return tmp_path / "run"


@pytest.mark.parametrize("data", ["run", "run/dataset"])
@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("run/dataset", "lies in the data"),
        ("run/dataset/editto", "lies in the data"),
        ("elsewhere/../run/dataset/editto", "lies in the data"),
        ("run", "data|is a run of agent.run"),
        ("run/ledger.sqlite", "is a file; expected a folder"),
    ],
)
def test_a_training_becomes_no_part_of_a_dataset_or_a_run(run: Path, data: str, out: str, said: str) -> None:
    with pytest.raises(CommandError, match=said):
        check_place(run.parent / out, run.parent / data)


@pytest.mark.parametrize("out", ["new", "run/training/job-0001", "run/datasets", "run"])
def test_a_training_may_lie_anywhere_else(run: Path, out: str) -> None:
    (run / "ledger.sqlite").unlink()
    check_place(run.parent / out, run / "dataset")


def test_what_a_killed_training_left_unfinished_is_removed_by_the_next(tmp_path: Path) -> None:
    (unfinished(tmp_path / "base") / "vae").mkdir(parents=True)
    unfinished(tmp_path / "editto.safetensors").touch()
    (tmp_path / ".gitignore").touch()
    (tmp_path / "base").mkdir()
    with claimed(tmp_path):
        assert sorted(path.name for path in tmp_path.iterdir()) == [".gitignore", ".lock", "base"]


def test_a_cache_is_a_folder(run: Path) -> None:
    with pytest.raises(CommandError, match=r"--cache .* is a file"):
        check_place(run / "training", run, run / "ledger.sqlite")


def test_a_cache_becomes_no_part_of_a_dataset(run: Path) -> None:
    with pytest.raises(CommandError, match=r"--cache .* lies in the data"):
        check_place(run / "training", run, run / "dataset" / "latents")
    check_place(run / "training", run, run / "latents")


def test_a_file_that_a_full_disk_does_not_take_is_named(small_disk: Path) -> None:
    with pytest.raises(OSError, match=r"No space left on device: '.*/snapshot.jsonl'"):
        write_whole(small_disk / "snapshot.jsonl", [bytes(1_000_000)] * 7)
    assert not list(small_disk.iterdir())


def test_the_card_names_a_base_beside_the_person_wherever_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ditto_models.train.preparation import _base_of
    from ditto_models.train.processes import Processes
    from ditto_models.train.result import card_of

    save_random_base(tmp_path / "weights", "tiny", 0)
    monkeypatch.chdir(tmp_path)
    recipe = load_recipe("tiny", ["base={kind: weights, repo: weights}"])
    base = _base_of(recipe, tmp_path / "out", Processes("cpu"))
    assert card_of(recipe, base, "", 0).base.repo == str(tmp_path / "weights")


def test_a_recipe_extends_one_that_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("extends: tiny\nsteps: 3\n")
    (tmp_path / "other.yaml").write_text("extends: mine.yaml\nseed: 4\n")
    recipe = load_recipe(str(tmp_path / "other.yaml"))
    assert (recipe.steps, recipe.seed, recipe.optimizer.batch_size) == (3, 4, 2)


def test_recipes_that_extend_each_other_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(f"extends: ../{tmp_path.name}/b.yaml\n")
    (tmp_path / "b.yaml").write_text(f"extends: ../{tmp_path.name}/a.yaml\n")
    with pytest.raises(RecipeError, match="extends itself"):
        load_recipe(str(tmp_path / "a.yaml"))


def test_a_recipe_that_holds_itself_is_told(tmp_path: Path) -> None:
    (tmp_path / "loop.yaml").write_text("extends: tiny\ndata: &data {buckets: [*data]}\n")
    with pytest.raises(RecipeError, match="holds itself"):
        load_recipe(str(tmp_path / "loop.yaml"))


def test_a_recipe_that_holds_no_settings_is_told(tmp_path: Path) -> None:
    (tmp_path / "list.yaml").write_text("- a\n")
    with pytest.raises(RecipeError, match="expected settings, as `name: value` each, got"):
        load_recipe(str(tmp_path / "list.yaml"))


@pytest.mark.slow
@pytest.mark.usefixtures("quick_torch")
def test_a_random_base_that_cannot_be_put_in_its_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "in the way").touch()
    with pytest.raises(OSError, match="not empty"):
        save_random_base(tmp_path / "base", "tiny")
    assert [path.name for path in tmp_path.iterdir()] == ["base"]


@pytest.mark.slow
@pytest.mark.usefixtures("quick_torch")
def test_a_random_base_on_a_full_disk_is_told_and_leaves_nothing(small_disk: Path) -> None:
    (small_disk / "full").write_bytes(bytes(5_900_000))
    with pytest.raises(OSError, match=r"No space left on device.*make room"):
        save_random_base(small_disk / "base", "tiny")
    assert [path.name for path in small_disk.iterdir()] == ["full"]


def test_a_training_that_has_not_ended_is_told_from_what_is_none(tmp_path: Path) -> None:
    (tmp_path / "begun" / "checkpoints" / "step-000500").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    for name, said in (("begun", "has steps to make"), ("other", "expected the --out"), ("none", "is not there")):
        with pytest.raises(WeightsError, match=said):
            read_card(tmp_path / name)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("optimzer.learning_rate=1", r"optimzer: there is no setting of this name; .*'learning_rate': 1"),
        ("data.edit_types=duotone", r"data.edit_types: expected a list, for example \[a, b\], got 'duotone'"),
        ("seed=-1", "seed: Input should be greater than or equal to 0, got -1"),
        ("optimizer.betas=[0.9, 1]", "optimizer.betas.1: Input should be less than 1, got 1"),
        ("optimizer.learning_rate=.inf", "optimizer.learning_rate: Input should be a finite number, got inf"),
        ("noise.logit_mean=.nan", "noise.logit_mean: Input should be a finite number, got nan"),
    ],
)
def test_a_wrong_setting_is_told_in_words_for_people(setting: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        load_recipe("tiny", [setting])
