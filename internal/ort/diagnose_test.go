package ort

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

func TestDiagnoseWithoutALibrary(t *testing.T) {
	isolate(t)
	old := fakeRuntime(t, filepath.Join(t.TempDir(), "libonnxruntime.so.1.18.0"), "1.18.0")
	r := Diagnose(t.Context(), old)
	if r.Library != nil || r.CPU.Works || !strings.Contains(r.CPU.Problem, "1.18.0") || !strings.Contains(r.CPU.Mend, "fx runtime install") {
		t.Errorf("report %+v", r)
	}
	if len(r.Candidates) == 0 || r.Candidates[0].Source != FromFlag || r.Candidates[0].Problem == "" {
		t.Errorf("candidates %+v", r.Candidates)
	}
}

func TestDiagnoseProvesTheCPU(t *testing.T) {
	rt := testRuntime(t)
	r := Diagnose(t.Context(), rt.Library().Path)
	if r.Library == nil || r.Library.Path != rt.Library().Path || !r.CPU.Works || r.CPU.Problem != "" {
		t.Fatalf("report %+v", r)
	}
	if r.CUDA.Works != (len(r.CUDA.GPUs) > 0 && rt.hasCUDA() && r.CUDA.Problem == "") || !r.CUDA.Works && r.CUDA.Mend == "" {
		t.Errorf("CUDA %+v", r.CUDA)
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"cpu":{"works":true}`, `"version":"` + rt.Library().Version + `"`, `"providers":[`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is not in %s", want, text)
		}
	}
}

func TestDiagnoseSeesADamagedInstallation(t *testing.T) {
	cache := isolate(t)
	wheels, options := cpuWheel(t)
	fakePip(t, wheels)
	if _, err := Install(t.Context(), options, &notes{}); err != nil {
		t.Fatal(err)
	}
	if all := installedIn(t.Context()); len(all) != 1 || !all[0].Works {
		t.Errorf("installed %+v", all)
	}
	fakeRuntime(t, filepath.Join(cache, "runtime", cpuBuild.folder(), "libonnxruntime.so."+Version), "1.30.0")
	if all := installedIn(t.Context()); len(all) != 1 || all[0].Works || all[0].Mend != "Run `fx runtime install`." {
		t.Errorf("installed %+v", all)
	}
}
