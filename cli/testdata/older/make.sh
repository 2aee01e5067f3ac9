#!/bin/sh
# Makes the folders beside it with the fx that $1 names, of a network of 1262 parameters. They were made by
# commit 38f8afb, the last one before the files of fx carried checksums of themselves: they must open for good.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
rm -rf /srv/fx && mkdir -p /srv/fx && cd /srv/fx
cp "$here/../../../finetune/artifacts/testdata/tiny.onnx" "$here/two.yaml" .
python3 "$here/../draw.py"
"$1" extract --backbone tiny.onnx --data photos --out store
"$1" fit-head --features store --out model --epochs 5 --lr 0.5
"$1" finetune --backbone tiny.onnx --data photos --out run --epochs 2 --batch-size 4 --all-params --lr 0.05
timeout --signal TERM 0.7 "$1" finetune --backbone tiny.onnx --data photos --out unfinished --epochs 2000 --batch-size 4 --all-params --lr 0.05 || [ $? = 130 ] || [ $? = 124 ]
"$1" experiment run two.yaml --out experiment
find . \( -name lock -o -name '*.lock' -o -name statcache -o -name 'report*' \) -prune -exec rm -r {} +
