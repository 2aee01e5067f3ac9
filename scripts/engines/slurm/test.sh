#!/bin/bash
# Starts a Slurm cluster of two nodes on this machine, extracts by an array job, undisturbed and while workers are
# killed and a node is lost, and compares with plain fx. It needs root, slurm-wlm and munge.
. "$(dirname "$0")/../lib.sh"
. "$here/slurm/cluster.sh"
trap 'touch "$scratch/calm"; cluster_stop; wait; rm -rf "$scratch"' EXIT
command -v slurmctld slurmd munged sbatch >/dev/null || { echo "slurm-wlm or munge is not installed" >&2; exit 77; }
[ "$(id -u)" = 0 ] || { echo "slurmctld and slurmd need root here" >&2; exit 77; }
photos_and_plain
cluster_start "$scratch/cluster"
export SBATCH_FLAGS="--chdir=$scratch --output=$scratch/task-%A_%a.log"
flags=("${network[@]}" --data "$scratch/photos" --workers 1)

start=$(seconds)
"$here/slurm/extract.sh" 2 "$scratch/calm.jsonl" "${flags[@]}" --out "$scratch/engine"
took=$(awk -v a="$start" -v b="$(seconds)" 'BEGIN { print b - a }')
report slurm "$scratch/engine" "$took"

FX_PART_PHOTOS=$((FX_PART_PHOTOS / 5))
echo "again, with kills and a lost node"
killer "$scratch/killed" &
"$here/slurm/extract.sh" 2 "$scratch/killed.jsonl" "${flags[@]}" --out "$scratch/killed" &
job=$!
sleep "$(awk -v s="$took" 'BEGIN { print s / 3 }')"
echo "node n2 is lost"
kill -9 "$(cat "$cluster/n2.started")"
sleep 20
cluster_node n2
touch "$scratch/calm" # enough were killed
wait $job
report "slurm with kills" "$scratch/killed" ""
