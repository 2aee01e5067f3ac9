package cli

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"

	urfave "github.com/urfave/cli/v2"

	"fx/internal/environment"
	"fx/internal/fail"
)

// Each of machineFlags is read into one field of the Environment, and each field has a flag.
func TestEnvironmentOfFlags(t *testing.T) {
	read := func(args ...string) (env environment.Environment) {
		app := &urfave.App{Flags: machineFlags(), Action: func(c *urfave.Context) (err error) {
			env, err = environmentOf(c)
			return err
		}}
		if err := app.Run(append([]string{"fx"}, args...)); err != nil {
			t.Fatal(err)
		}
		return env
	}
	other := map[string]string{
		"device": "cuda:1", "workers": "3", "ort-lib": "lib.so", "decoder": "go", "decode-memory": "2GiB",
	}
	unset := reflect.ValueOf(read())
	var fields []string
	for _, f := range machineFlags() {
		name := f.Names()[0]
		if other[name] == "" {
			t.Fatalf("name a value of --%s that is not the default", name)
		}
		set := reflect.ValueOf(read("--" + name + "=" + other[name]))
		var changed []string
		for i := range set.NumField() {
			if !set.Field(i).Equal(unset.Field(i)) {
				changed = append(changed, set.Type().Field(i).Name)
			}
		}
		if len(changed) != 1 {
			t.Errorf("--%s changes the fields %v", name, changed)
		}
		fields = append(fields, changed...)
	}
	for i := range unset.NumField() {
		if name := unset.Type().Field(i).Name; !slices.Contains(fields, name) {
			t.Errorf("no flag sets %s", name)
		}
	}
}

// Every command with --ort-lib hands its Environment to what runs the network, and with --workers refuses an impossible
// number for what it is.
func TestCommandsUseTheirEnvironment(t *testing.T) {
	args := map[string]string{
		"artifacts generate": "--backbone tiny.onnx --classes 2 --out new",
		"demo":               "--backbone tiny.onnx --data photos --out new",
		"eval":               "--model lbfgs --data photos --weights tiny.onnx",
		"experiment plan":    "decays.yaml --out new",
		"experiment run":     "decays.yaml --out new",
		"extract":            "--backbone tiny.onnx --data photos --out new",
		"finetune":           "--backbone tiny.onnx --data photos --all-params --out new",
		"lr-find":            "--backbone tiny.onnx --data photos --all-params",
		"predict":            "--model lbfgs --weights tiny.onnx photos",
		"quickstart":         "photos --backbone tiny.onnx --out new",
		"report":             "decays --data photos",
		"runtime doctor":     "",
		"worker":             "--backbone tiny.onnx",
	}
	var visit func(commands []*urfave.Command, above string)
	visit = func(commands []*urfave.Command, above string) {
		for _, c := range commands {
			name := above + c.Name
			visit(c.Subcommands, name+" ")
			has := func(flag string) bool {
				return slices.ContainsFunc(c.Flags, func(f urfave.Flag) bool { return f.Names()[0] == flag })
			}
			if !has("ort-lib") {
				continue
			}
			more, listed := args[name]
			if !listed {
				t.Errorf("give arguments for fx %s", name)
				continue
			}
			command := append(strings.Fields(name), strings.Fields(more)...)
			a := fxFrom(t, settingsFiles(t), with(command, "--ort-lib", "none.so")...)
			if !strings.Contains(a.stdout+a.stderr, "none.so") {
				t.Errorf("fx %s does not look for none.so: exit code %d\n%s%s", name, a.code, a.stdout, a.stderr)
			}
			if !has("workers") {
				continue
			}
			a = fxFrom(t, settingsFiles(t), with(command, "--workers", "-1")...)
			if a.code != int(fail.Usage) || !strings.HasPrefix(a.stderr, "fx: error: workers -1 must lie in ") {
				t.Errorf("fx %s with -1 workers: exit code %d\n%s%s", name, a.code, a.stdout, a.stderr)
			}
		}
	}
	visit(newApp(newOutput(new(bytes.Buffer), new(bytes.Buffer))).Commands, "")
}
