"""An experiment as one zip that can be kept, cited and replayed."""
