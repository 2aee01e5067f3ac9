package extract

import (
	"cmp"
	"strconv"
	"strings"

	"fx/internal/fail"
	"fx/internal/store"
)

// parseShard reads "i/n"; "auto" takes index and count from the array task of
// Slurm, "auto/n" the index from Slurm or an indexed Kubernetes job.
func parseShard(text string, env func(string) string) (store.Shard, error) {
	count, auto := strings.CutPrefix(text, "auto")
	if !auto {
		return store.ParseShard(text)
	}
	count = strings.TrimPrefix(count, "/")
	if count == "" {
		count = env("SLURM_ARRAY_TASK_COUNT")
	}
	const hint = "Write --shard i/n, or --shard auto/n inside a Slurm array from 0 to n-1 or an indexed Kubernetes job."
	index := arrayIndex(env)
	if index == "" || count == "" {
		return store.Shard{}, fail.New(fail.Usage, hint, "--shard %s: no array task is known from the environment",
			text)
	}
	if first, err := strconv.Atoi(env("SLURM_ARRAY_TASK_MIN")); err == nil && env("SLURM_ARRAY_TASK_ID") != "" {
		if i, err := strconv.Atoi(index); err == nil {
			index = strconv.Itoa(i - first)
		}
	}
	shard, err := store.ParseShard(index + "/" + count)
	return shard, fail.Wrap(fail.Usage, err, hint, "--shard %s", text)
}

// arrayIndex returns the index of an array task of Slurm or of an indexed Kubernetes job, or "".
func arrayIndex(env func(string) string) string {
	return cmp.Or(env("SLURM_ARRAY_TASK_ID"), env("JOB_COMPLETION_INDEX"))
}
