package extract

import (
	"fmt"
	"strconv"
	"strings"

	"fx/internal/fail"
)

// MaxBad is a limit for the number of rejected photos. The zero value is no limit.
type MaxBad struct {
	Limited bool
	Count   int     // most photos, if Percent is 0
	Percent float64 // of all photos
}

// Set reads a number of photos, or a share of them as in "0.5%".
func (m *MaxBad) Set(text string) error {
	share, isShare := strings.CutSuffix(text, "%")
	if isShare {
		if p, err := strconv.ParseFloat(strings.TrimSpace(share), 64); err == nil && p >= 0 && p <= 100 {
			*m = MaxBad{Limited: true, Percent: p}
			return nil
		}
	} else if n, err := strconv.Atoi(text); err == nil && n >= 0 {
		*m = MaxBad{Limited: true, Count: n}
		return nil
	}
	return fmt.Errorf("%q is no number of photos, and no share of them such as 0.5%%", text)
}

// String returns the text of Set.
func (m *MaxBad) String() string {
	switch {
	case m == nil || !m.Limited:
		return ""
	case m.Percent > 0:
		return strconv.FormatFloat(m.Percent, 'g', -1, 64) + "%"
	}
	return strconv.Itoa(m.Count)
}

// of returns how many of n photos may be rejected.
func (m MaxBad) of(n int) int {
	switch {
	case !m.Limited:
		return n
	case m.Percent > 0:
		return int(m.Percent / 100 * float64(n))
	}
	return m.Count
}

// reasonsShown is how many rejected photos an error names.
const reasonsShown = 3

// tooManyBad returns the error, of kind fail.Rejected, that more of the photos are rejected than allowed.
func tooManyBad(rejected []BadPhoto, photos, allowed int) error {
	var first strings.Builder
	for i, bad := range rejected {
		if i == reasonsShown {
			fmt.Fprintf(&first, "; and %d more", len(rejected)-i)
			break
		}
		if i > 0 {
			first.WriteString("; ")
		}
		fmt.Fprintf(&first, "%s: %s", bad.Path, bad.Reason)
	}
	return fail.New(fail.Rejected,
		"Repair or remove them, or allow more with --max-bad; what was finished is kept.",
		"%d of %d photos can't be used, and --max-bad allows %d: %s", len(rejected), photos, allowed, first.String())
}
