// Package wheel fetches Python packages as wheels, with the machine's pip or uv. pip leaves the wheels packed
// (Fetched.Wheels), uv unpacks them into a folder (Fetched.Site).
//
// Building a package would run its code, so only wheels are accepted.
//
// # Which code runs
//
// Fetch runs the programs that PATH finds, and nothing from the folder in which fx was started: a plain `python3 -m
// pip` would import pip.py or sitecustomize.py from there, and uv would run its .venv/bin/python and read its uv.toml.
// So they start in an empty folder, without PYTHONPATH and the like. Python runs in isolated mode (-I), or as pip3 if
// that mode hides the user's own pip. uv uses no configuration files and no virtual environment. PIP_INDEX_URL or
// pip's configuration, and UV_DEFAULT_INDEX, choose the package index.
package wheel
