"""The settings in force: those of config.json, or the last good ones that were kept beside it."""

from device.compat import forget_module


def load_settings(config_data, kept, limits):
    """(settings, faults, changes); what only reading them needs is let go of again.

    A file with any fault leaves the last good settings in force: kept (store.slots.Slots) holds
    what they change of the defaults. changes: to be kept now, or None.
    """
    from device import config

    settings, faults = config.load(config_data, limits)
    try:
        last_good = kept.read()
    except OSError:
        last_good = None
    defaults = config.defaults()
    changes = {path: settings[path] for path in settings if settings[path] != defaults[path]}
    if config_data is None and last_good:
        faults = ["config.json: there is none"]
    if faults:
        changes = None
        if last_good is not None and not config.validate(last_good, defaults):
            config.limit(defaults, limits)
            settings = defaults
            faults.append("config.json: the last good settings are in force")
    elif changes == last_good or config_data is None:
        changes = None
    forget_module("device.config")
    forget_module("device.config_table")
    return settings, faults, changes
