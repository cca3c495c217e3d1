"""The settings as readers of pages may see them: without secrets, also inside URLs."""

from otel_jcmc.config.fields import show_url
from otel_jcmc.config.settings import Settings, in_order, name_of, to_text
from otel_jcmc.config.sources import is_secret


def shown_settings(settings: Settings) -> dict[str, str]:
    """Return the settings by name, without secrets, as texts of environment variables."""
    found = {}
    for field in in_order():
        value = getattr(settings, field)
        if value is not None and not is_secret(Settings.model_fields[field]):
            text = to_text(value)
            # The query of a URL may hold a key.
            found[name_of(field)] = show_url(text).partition("?")[0] if "://" in text else text
    return found
