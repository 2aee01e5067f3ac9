package cli

import "testing"

func TestByteSize(t *testing.T) {
	for text, want := range map[string]byteSize{
		"100": 100, "1KiB": 1024, "512mib": 512 << 20, "2 GiB": 2 << 30, "1.5G": 3 << 29, "2GB": 2e9, "7B": 7,
	} {
		var got byteSize
		if err := got.Set(text); err != nil || got != want {
			t.Errorf("%s: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "0", "-1GiB", "GiB", "much", "NaN", "Inf", "1e30", "1XiB"} {
		var got byteSize
		if err := got.Set(text); err == nil {
			t.Errorf("%q: %d", text, got)
		}
	}
}
