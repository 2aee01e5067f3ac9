#!/bin/bash
# Extracts features by an array job of Slurm and waits for it:
#
#     extract.sh TASKS PLAN FLAGS...
#
# TASKS is the number of array tasks (the cluster allows at most its MaxArraySize). PLAN is the file for the parts, on a
# disk that all nodes share; FLAGS are those of fx extract. SBATCH_FLAGS are those of sbatch, such as
# --cpus-per-task=8. What is missing after the job, because tasks were killed, is planned again.
set -eu
fx=${FX:-fx} tasks=$1 plan=$2 here=$(cd "$(dirname "$0")" && pwd)
shift 2
for round in 1 2 3 4 5; do
	"$fx" extract "$@" --plan "$plan" ${FX_PART_PHOTOS:+--part-photos "$FX_PART_PHOTOS"}
	parts=$(wc -l <"$plan")
	[ "$parts" -gt 0 ] || break
	job=$(sbatch --parsable ${SBATCH_FLAGS:-} --array=0-$(((parts < tasks ? parts : tasks) - 1)) \
		"$here/extract.sbatch" "$plan" "$@")
	while squeue --noheader --jobs "$job" 2>/dev/null | grep -q .; do sleep 1; done # sbatch --wait looks every 32 s
done
"$fx" extract "$@" # takes the parts into the store's files
