#!/bin/bash
# Extracts by GNU parallel with two processes, undisturbed and while they are killed, and compares with plain fx.
. "$(dirname "$0")/../lib.sh"
trap 'touch "$scratch/calm"; wait; rm -rf "$scratch"' EXIT
command -v parallel >/dev/null || { echo "GNU parallel is not installed" >&2; exit 77; }
photos_and_plain
flags=("${network[@]}" --data "$scratch/photos" --workers 1)

start=$(seconds)
"$here/parallel/extract.sh" 2 "$scratch/calm.jsonl" "${flags[@]}" --out "$scratch/engine"
took=$(awk -v a="$start" -v b="$(seconds)" 'BEGIN { print b - a }')
report parallel "$scratch/engine" "$took"

FX_PART_PHOTOS=$((FX_PART_PHOTOS / 5))
echo "again, with kills"
killer "$scratch/killed" &
setsid "$here/parallel/extract.sh" 2 "$scratch/killed.jsonl" "${flags[@]}" --out "$scratch/killed" &
all=$!
sleep "$(awk -v s="$took" 'BEGIN { print s / 2 }')"
kill -9 -- -$all # the machine is lost: parallel and all its processes
wait $all || true
touch "$scratch/calm"
killer "$scratch/killed" &
"$here/parallel/extract.sh" 2 "$scratch/killed.jsonl" "${flags[@]}" --out "$scratch/killed"
touch "$scratch/calm"
report "parallel with kills" "$scratch/killed" ""
