"""`fastgw completion`: what a shell needs to complete verbs, options and files."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell.

    \b
    bash: fastgw completion bash > ~/.local/share/bash-completion/completions/fastgw
    zsh:  fastgw completion zsh > a folder of $fpath, as _fastgw
    fish: fastgw completion fish > ~/.config/fish/completions/fastgw.fish
    """
    from fastgw.cli.main import main

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(main, {}, "fastgw", "_FASTGW_COMPLETE").source())
