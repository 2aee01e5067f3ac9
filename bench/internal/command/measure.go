package command

import (
	"context"
	"time"
)

// Usage is the time and memory of commands, including their children.
type Usage struct {
	WallSeconds float64 `json:"wall_seconds"`
	CPUSeconds  float64 `json:"cpu_seconds"` // user and system, of children that were waited for too
	// PeakMB is the most memory that a command and its children had at once, in 10⁶ bytes; 0 if the system does not
	// report it. Shared pages count once.
	PeakMB float64 `json:"peak_mb"`
	// OthersSeconds is the processor time of other programs meanwhile, and of other
	// machines on the same hardware, which makes a wall time doubtful. 0 if the
	// system does not report it.
	OthersSeconds float64 `json:"others_seconds"`
}

// Measure runs commands one after another as one job and returns the stdout of each.
func Measure(ctx context.Context, commands ...[]string) (printed [][]byte, u Usage, err error) {
	for _, argv := range commands {
		var tree *memoryWatch
		start, busy := time.Now(), busySeconds()
		text, state, err := run(ctx, argv, func(pid int) { tree = watchMemory(pid) })
		wall := time.Since(start).Seconds()
		treePeak := 0.0
		if tree != nil {
			treePeak = tree.stop()
		}
		if err != nil {
			return nil, Usage{}, err
		}
		cpu := (state.UserTime() + state.SystemTime()).Seconds()
		u.WallSeconds += wall
		u.CPUSeconds += cpu
		u.OthersSeconds += max(0, busySeconds()-busy-cpu)
		u.PeakMB = max(u.PeakMB, treePeak, largestMB(state))
		printed = append(printed, text)
	}
	return printed, u, nil
}
