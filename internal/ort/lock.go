package ort

import (
	"context"

	"fx/internal/durable"
	"fx/internal/fail"
)

// lockFile waits for the lock on path, which it makes. It calls waiting once,
// where it has to wait. The system frees the lock with the process.
func lockFile(ctx context.Context, path string, waiting func()) (release func(), err error) {
	release, err = durable.WaitLock(ctx, path, waiting)
	if err != nil && ctx.Err() == nil {
		const hint = "Set FX_CACHE_DIR to a folder that fx may write and whose disk has locks."
		return nil, fail.Wrap(fail.Device, err, hint, "the lock of fx's cache")
	}
	return release, err
}
