package cli

import (
	"context"
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// flagNamed matches the flags that a hint tells to give. What stands in backquotes is another command.
var (
	flagNamed    = regexp.MustCompile(`--([a-z][a-z0-9-]*)`)
	inBackquotes = regexp.MustCompile("`[^`]*`")
)

// checkHint demands that the hint of a command names only flags which that command has.
func checkHint(t *testing.T, args []string, stderr string) {
	t.Helper()
	_, hint, failed := strings.Cut(stderr, "fx: error: ")
	if !failed {
		return
	}
	command, _ := commandOf(newApp(&output{}), append([]string{"fx"}, args...))
	if command == nil {
		return
	}
	_, hint, _ = strings.Cut(hint, "\nfx: ")
	for _, named := range flagNamed.FindAllStringSubmatch(inBackquotes.ReplaceAllString(hint, ""), -1) {
		if !hasFlag(command, named[1]) {
			t.Errorf("fx %s has no --%s, which its hint names: %s", strings.Join(args, " "), named[1], hint)
		}
	}
}

// A command that is interrupted says what to do, and nothing about what did not fail.
func TestAnInterruptedCommandSaysWhatToDo(t *testing.T) {
	dir := outputsDir(t)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	all := writers(dir)
	model, photos := filepath.Join(dir, "model"), filepath.Join(dir, "photos")
	all["fx predict"] = writer{args: []string{"predict", "--model", model, filepath.Join(photos, "val")}}
	all["fx eval by photos"] = writer{args: []string{"eval", "--model", model, "--data", photos}}
	features := filepath.Join(dir, "store")
	all["fx eval by a store"] = writer{args: []string{"eval", "--model", model, "--features", features}}
	interrupted := 0
	for name, w := range all {
		args := append([]string{"fx"}, w.args...)
		if w.folder || w.ending != "" {
			args = append(args, "--out", filepath.Join(t.TempDir(), "new"+w.ending))
		}
		var stdout, stderr strings.Builder
		code := Run(ended, append(args, "--json"), &stdout, &stderr)
		if code == 0 { // it was too fast
			continue
		}
		interrupted++
		var said struct{ Hint string }
		if err := json.Unmarshal([]byte(stdout.String()), &said); code != 130 || err != nil {
			t.Errorf("%s: exit code %d, %v: %s", name, code, err, stderr.String())
		}
		if !strings.Contains(said.Hint, "command") && !strings.Contains(said.Hint, "--resume") {
			t.Errorf("%s: hint %q", name, said.Hint)
		}
		checkHint(t, w.args, stderr.String())
	}
	if interrupted < 9 {
		t.Errorf("%d commands were interrupted", interrupted)
	}
}

// What --force does not mend, no hint says that it does.
func TestForceDoesWhatHintsSay(t *testing.T) {
	dir := outputsDir(t)
	fit := append(writers(dir)["fx fit-head"].args, "--out", filepath.Join(dir, "store"))
	if a := fx(t, fit...); a.code != 2 || !strings.Contains(a.stderr, "--force") {
		t.Errorf("a model in a store: exit code %d\n%s", a.code, a.stderr)
	}
	succeed(t, append(fit, "--force")...)
	emptySurroundings(t)
	a := fx(t, "backbones", "pull", "resnet18", "--quiet")
	if a.code != 4 {
		t.Errorf("pull without a network: exit code %d\n%s", a.code, a.stderr)
	}
}
