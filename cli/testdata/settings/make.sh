#!/bin/sh
# Makes the folders beside it with the fx that $1 names. They were made by commit 924ad36, the last one before
# internal/training described the settings: their keys, records and checkpoints must be found and go on for good.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
rm -rf /srv/fx && mkdir -p /srv/fx && cd /srv/fx
export GOMAXPROCS=2 # the number of threads is a setting of a RUN
cp "$here/../../../finetune/artifacts/testdata/tiny.onnx" "$here"/*.yaml .
python3 "$here/../draw.py"
"$1" extract --backbone tiny.onnx --data photos --out store --decoder go
for seed in 0 1; do # val photos drawn by the seed: other class weights
    "$1" fit-head --features store --out balanced$seed --val-fraction 0.3 --class-weights auto --seed $seed --epochs 3
done
"$1" fit-head --features store --out lbfgs --solver lbfgs --l2 0.1
unfinished() { # a training that is killed after its first checkpoint
    out=$1; shift
    "$@" finetune --backbone tiny.onnx --data photos --out "$out" --epochs 40 --batch-size 4 --checkpoint-steps 1 --decoder go \
        --device cpu $flags & pid=$!
    while [ ! -e "$out/checkpoint/last/state.json" ]; do sleep 0.01; done
    kill -TERM $pid; wait $pid || true
    grep -q '"status": "training"' "$out/run.json"
}
flags="--trainable head.* --lr 0.05 --nesterov --weight-decay 0.01 --schedule cosine --warmup-epochs 1 --accumulate 2 --label-smoothing 0.1
    --class-weights auto --clip-grad-norm 1 --ema 0.5 --head-lr-multiplier 2 --frozen-bn --seed 3 --exif apply" unfinished sgd "$1"
flags="--all-params --optimizer adamw --schedule step" unfinished adamw "$1"
"$1" experiment run ways.yaml --out ways --no-report --decoder go --device cpu
"$1" experiment run decays.yaml --out decays --no-report --decoder go --device cpu
"$1" experiment run decays.yaml --out decay-given --no-report --decoder go --device cpu --set weight-decay=0.05
rm -r ways/runs/*/checkpoint # 80 MB each
find . \( -name lock -o -name '*.lock' -o -name statcache \) -prune -exec rm -r {} +
