"""The suite judged by implementations that are broken on purpose."""
