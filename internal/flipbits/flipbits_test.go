package flipbits_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"fx/internal/flipbits"
)

func TestEachFile(t *testing.T) {
	dir := t.TempDir()
	small, large := filepath.Join(dir, "small"), filepath.Join(dir, "sub", "large")
	was := map[string][]byte{small: []byte("abc"), large: bytes.Repeat([]byte("x"), 5000)}
	for path, content := range was {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]bool{}
	n := flipbits.EachFile(t, dir, 1, func(string) {
		a, _ := os.ReadFile(small)
		b, _ := os.ReadFile(large)
		different := 0
		for _, x := range [][2][]byte{{a, was[small]}, {b, was[large]}} {
			for i := range x[0] {
				for d := x[0][i] ^ x[1][i]; d != 0; d &= d - 1 {
					different++
				}
			}
		}
		if different != 1 {
			t.Errorf("%d bits differ", different)
		}
		seen[string(a)+string(b)] = true
	})
	if n != 3*8+5000 || len(seen) != n {
		t.Errorf("%d flips, %d different ones", n, len(seen))
	}
	for path, content := range was {
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%s is not as before: %v", path, err)
		}
	}
}

func ExampleEachFile() {
	t := &testing.B{} // a test's own t
	dir, err := os.MkdirTemp("", "flip")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "name"), []byte("fx"), 0o644); err != nil {
		panic(err)
	}
	n := flipbits.EachFile(t, dir, 1, func(string) {
		text, _ := os.ReadFile(filepath.Join(dir, "name"))
		fmt.Printf("%q ", text)
	})
	fmt.Println(n)
	// Output: "gx" "dx" "bx" "nx" "vx" "Fx" "&x" "\xe6x" "fy" "fz" "f|" "fp" "fh" "fX" "f8" "f\xf8" 16
}
