package outpath_test

import (
	"fmt"
	"os"
	"path/filepath"

	"fx/internal/fail"
	"fx/internal/outpath"
)

func ExamplePrepare() {
	dir, err := os.MkdirTemp("", "outpath")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "holiday.jpg"), []byte("photo"), 0o600); err != nil {
		panic(err)
	}
	err = outpath.Prepare(false, outpath.Target{Kind: outpath.Store, Path: dir})
	fmt.Println("exit code", int(fail.KindOf(err)), "-", fail.HintOf(err))
	fmt.Println(outpath.Prepare(false, outpath.Target{Kind: outpath.Store, Path: filepath.Join(dir, "features")}))
	// Output:
	// exit code 2 - Choose another --out, or write there all the same with --force.
	// <nil>
}
