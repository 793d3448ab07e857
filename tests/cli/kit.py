"""The command line in the test's process."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

from fastgw.cli.main import main


def fastgw(
    *words: str | Path, env: dict[str, str] | None = None, cwd: Path | None = None
) -> Result:
    """Run a verb; what it raises but SystemExit is raised here."""
    runner = CliRunner(env={"FASTGW_CONFIG": None, **(env or {})})
    arguments = [str(word) for word in words]
    if cwd is None:
        return runner.invoke(main, arguments, catch_exceptions=False)
    with runner.isolated_filesystem(temp_dir=cwd):
        return runner.invoke(main, arguments, catch_exceptions=False)
