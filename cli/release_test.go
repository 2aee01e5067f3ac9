package cli

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"fx/internal/nativelib"
)

// release is the scripts' command `release`: it packs the machine's ONNX Runtime into release/$ARCHIVE as the official
// archive for Linux on amd64 does, and serves it as a mirror of the releases. RUNTIME is the folder of fx's cache in
// which LIBRARY will be installed. From here on the script has neither ONNX Runtime nor another program than fx.
func release(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: release")
	}
	library, err := nativelib.Find("")
	ts.Check(err)
	archive := "onnxruntime-linux-x64-" + nativelib.Version + ".tgz"
	folder := ts.MkAbs("release")
	ts.Check(os.Mkdir(folder, 0o777))
	ts.Check(packRelease(filepath.Join(folder, archive), library.Path))
	server := httptest.NewServer(http.StripPrefix("/v"+nativelib.Version, http.FileServer(http.Dir(folder))))
	ts.Defer(server.Close)
	ts.Setenv("FX_ORT_MIRROR", server.URL)
	ts.Setenv("FX_ORT_LIB", "")
	ts.Setenv("ARCHIVE", archive)
	ts.Setenv("LIBRARY", "libonnxruntime.so."+nativelib.Version)
	ts.Setenv("RUNTIME", "cache/runtime/onnxruntime-"+nativelib.Version+"-cpu")
	for _, folder := range filepath.SplitList(ts.Getenv("PATH")) {
		if _, err := os.Stat(filepath.Join(folder, "fx")); err == nil {
			ts.Setenv("PATH", folder)
			break
		}
	}
}

func packRelease(file, library string) error {
	content, err := os.ReadFile(library)
	if err != nil {
		return err
	}
	root := strings.TrimSuffix(filepath.Base(file), ".tgz")
	name := "libonnxruntime.so." + nativelib.Version
	var packed bytes.Buffer
	compressed, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if err != nil {
		return err
	}
	archive := tar.NewWriter(compressed)
	add := func(inside string, content []byte, link string) {
		h := &tar.Header{Name: path.Join(root, inside), Mode: 0o755, Size: int64(len(content)), Linkname: link,
			ModTime: time.Unix(0, 0)}
		if link != "" {
			h.Typeflag = tar.TypeSymlink
		}
		headerErr := archive.WriteHeader(h)
		_, contentErr := archive.Write(content)
		err = errors.Join(err, headerErr, contentErr)
	}
	add("LICENSE", []byte("MIT"), "")
	add("VERSION_NUMBER", []byte(nativelib.Version), "")
	add("include/onnxruntime_c_api.h", []byte("/* the API */"), "")
	add("lib/libonnxruntime.so", nil, "libonnxruntime.so.1")
	add("lib/libonnxruntime.so.1", nil, name)
	add("lib/"+name, content, "")
	if err := errors.Join(err, archive.Close(), compressed.Close()); err != nil {
		return err
	}
	return os.WriteFile(file, packed.Bytes(), 0o666)
}
