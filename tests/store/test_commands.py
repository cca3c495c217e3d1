"""store/commands.py: Redis's answers to a script that fails."""

from otel_jcmc.store.commands import without_script


def test_an_error_is_told_without_the_line_of_the_script() -> None:
    """A leave fails in another line than a push, but in the log both are one fault."""
    error = (
        "OOM command not allowed when used memory > 'maxmemory'."
        " script: 4ffa1bd8f1, on @user_script:{}."
    )
    assert without_script(error.format(12)) == without_script(error.format(150))
    assert without_script(error.format(12)).startswith("OOM command not allowed")
