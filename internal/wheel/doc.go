// Package wheel fetches Python packages as wheels, with the pip or uv of the
// machine:
//
//	got, err := wheel.Fetch(ctx, wheel.Request{Requirement: "onnxruntime==1.31.1"}, dir)
//	got.Wheels // files, which pip leaves packed
//	got.Site   // or the folder into which uv unpacked them
//
// Building a package would run code of its own, so only wheels are taken.
//
// # Whose code runs
//
// The programs that PATH finds run, and nothing of the folder in which fx was
// started: `python3 -m pip` alone would import pip.py or sitecustomize.py from
// there, uv would run its .venv/bin/python and read its uv.toml. So they start in
// an empty folder, Python in isolated mode (-I), or as pip3 where that mode hides
// a pip of the user's own, without PYTHONPATH and the like; uv takes no
// configuration files and no virtual environment. An index of packages is chosen
// by PIP_INDEX_URL or pip's own configuration, and by UV_DEFAULT_INDEX.
package wheel
