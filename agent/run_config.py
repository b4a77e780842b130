"""RUN/config.yaml: what a run was begun with. A resumed run must be the same run, or say that it is not."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from agent.command import CommandError
from agent.profile import Profile, differences
from ditto_models import assets
from ditto_models.settings import first_problem
from ditto_models.yaml_text import from_yaml


class RunConfig(BaseModel):
    """What a run was begun with. Target, caps and concurrency are not of it; where servers are is, and may change."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    profile_name: str
    seed: int
    clips: str
    profile: Profile

    def identity(self) -> dict[str, object]:
        """What samples depend on."""
        return self.model_dump(exclude={"profile"}) | {"profile": self.profile.identity()}


def clips_folder(given: Path | None, run: Path) -> Path:
    """The folder of videos that was given, or that of the sample clips.

    Raises:
        CommandError: it is no folder, or the run's own videos lie in it.
        AssetError: the sample clips cannot be had.
    """
    folder = given or assets.sample_clips()
    if not folder.is_dir():
        raise CommandError(f"--clips {str(folder)!r} is not a folder; give one that holds videos")
    real, out = folder.resolve(), run.resolve()
    if real == out or any(real.is_relative_to(out / part) for part in ("artifacts", "dataset", "uploads")):
        raise CommandError(
            f"--out {str(run)!r} holds --clips {str(folder)!r}: what the run makes would be taken for clips; "
            "give another --out"
        )
    return folder


def make_run_folder(run: Path) -> None:
    """The run's folder, made if there is none.

    Raises:
        CommandError: it cannot be made, for example because `run` is a file.
    """
    try:
        run.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(f"run {str(run)!r} is not a folder and cannot be made one: {error}") from error


def settle_config(run: Path, config: RunConfig, accept_changes: bool) -> None:
    """Save the config of a new run; hold that of a resumed one against what it was begun with.

    Raises:
        CommandError: they differ and `accept_changes` is false (the message shows each difference), the saved one
            cannot be read, or `run` is a file.
    """
    make_run_folder(run)
    path = run / "config.yaml"
    new = config.model_dump(mode="json")
    if path.exists():
        saved = saved_config(run)
        changed = differences(saved.identity(), config.identity())
        if changed and not accept_changes:
            raise CommandError(
                f"run {str(run)!r} was begun with another configuration ({'; '.join(changed)}); "
                "give the same arguments, another --out, or --accept-config to go on with the new one"
            )
        if saved == config:
            return
    temporary = path.with_name(".config.yaml")
    temporary.write_text(yaml.safe_dump(new, sort_keys=False, allow_unicode=True), encoding="utf-8")
    temporary.rename(path)


def saved_config(run: Path) -> RunConfig:
    """What a run was begun with.

    Raises:
        CommandError: there is no such file, or it is damaged.
    """
    path = run / "config.yaml"
    try:
        return RunConfig.model_validate(from_yaml(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, ValueError) as error:
        reason = first_problem(error) if isinstance(error, ValidationError) else str(error).splitlines()[0]
        raise CommandError(
            f"{str(path)!r} is damaged: expected the configuration that the run was begun with; restore it ({reason})"
        ) from error
