package nativelib

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"fx/internal/dynlib"
	"fx/internal/filehash"
	"fx/internal/progress"
)

// turboNames returns the names of TurboJPEG for the system's loader.
func turboNames() []string {
	switch runtime.GOOS {
	case "darwin":
		return []string{"libturbojpeg.dylib", "/opt/homebrew/opt/jpeg-turbo/lib/libturbojpeg.dylib"}
	case "windows":
		return []string{"turbojpeg.dll"}
	}
	return []string{"libturbojpeg.so.0", "libturbojpeg.so"}
}

// installTurboJPEG provides TurboJPEG, which decodes JPEG files exactly as Pillow does. If the system has none, it
// unpacks Debian's or Ubuntu's package into fx's cache, which needs no root. It reports a failure as a note, because
// fx decodes without it too.
func installTurboJPEG(ctx context.Context, root string, force bool, report progress.Reporter) {
	for _, name := range turboNames() {
		if opened, err := dynlib.Open(name, false); err == nil {
			opened.Close()
			return
		}
	}
	target := filepath.Join(root, "turbojpeg")
	if r, err := readRecord(target); err == nil && !force && r.verify(ctx, target) == nil {
		return
	}
	if err := fetchTurboJPEG(ctx, root, target); err != nil && ctx.Err() == nil {
		report.Note(fmt.Sprintf("no TurboJPEG (%v): Go decodes JPEG files instead, "+
			"within a level or two of Pillow; %s gives the exact decoder", err, turboAdvice()))
		return
	}
	if ctx.Err() == nil {
		report.Note("TurboJPEG: " + target)
	}
}

func turboAdvice() string {
	switch runtime.GOOS {
	case "darwin":
		return "`brew install jpeg-turbo`"
	case "windows":
		return "libjpeg-turbo's installer"
	}
	return "installing libturbojpeg0 (Debian), libturbojpeg (Ubuntu) or turbojpeg (Fedora)"
}

func fetchTurboJPEG(ctx context.Context, root, target string) error {
	if runtime.GOOS != "linux" {
		return errors.New("fx fetches it on Debian and Ubuntu only")
	}
	for _, program := range []string{"apt-get", "dpkg-deb"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%s, which fetches it, is missing", program)
		}
	}
	staging, err := os.MkdirTemp(root, stagingPrefix)
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(staging) }() // what stays is removed by the next Install
	r := record{FetchedBy: "apt-get"}
	for _, r.Requirement = range []string{"libturbojpeg0", "libturbojpeg"} { // Debian's name, Ubuntu's
		if err = runIn(ctx, staging, "apt-get", "download", r.Requirement); err == nil {
			break
		}
	}
	if err != nil {
		return err
	}
	debs, err := filepath.Glob(filepath.Join(staging, "*.deb"))
	if err != nil || len(debs) != 1 {
		return fmt.Errorf("apt-get left %d packages", len(debs))
	}
	sum, size, err := filehash.Sum(ctx, debs[0])
	if err != nil {
		return err
	}
	r.Packages = []recordedFile{{Name: filepath.Base(debs[0]), Bytes: size, SHA256: sum}}
	if err := runIn(ctx, staging, "dpkg-deb", "-x", debs[0], "tree"); err != nil {
		return err
	}
	finished := filepath.Join(staging, "unpacked")
	if err := takeTurboJPEG(ctx, filepath.Join(staging, "tree"), finished); err != nil {
		return err
	}
	if err := r.hash(ctx, finished); err != nil {
		return err
	}
	if err := r.write(finished); err != nil {
		return err
	}
	return swap(finished, target)
}

// takeTurboJPEG copies the one library of the package and tries to open it.
func takeTurboJPEG(ctx context.Context, tree, finished string) error {
	var files []string
	err := filepath.WalkDir(tree, func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() && strings.HasPrefix(entry.Name(), "libturbojpeg.so") {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return errors.New("the package contains no libturbojpeg.so")
	}
	slices.Sort(files)
	from, err := os.Open(files[0])
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }() // only read
	info, err := from.Stat()
	if err != nil {
		return err
	}
	path := filepath.Join(finished, "libturbojpeg.so.0")
	if err := writeNew(ctx, path, from, info.Size()); err != nil {
		return err
	}
	opened, err := dynlib.Open(path, false)
	if err != nil {
		return err
	}
	opened.Close()
	return nil
}

// runIn runs a program in a folder. Its error contains the program's last line of output.
func runIn(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.WaitDelay = dir, 5*time.Second
	output, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	lines := strings.Split(strings.TrimSpace(string(output)), "\n")
	return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, lines[len(lines)-1])
}
