"""Policy files: found, read and watched."""
