package training

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"fx/internal/fail"
)

// Check returns an error for settings that are out of range or that can't be combined. Its errors are of
// kind fail.Usage and name the flag.
func (s Settings) Check(by UsedBy) error {
	for _, f := range fields {
		if err := f.check(s); err != nil {
			return err
		}
	}
	if by&Network != 0 {
		return s.checkNetwork(by)
	}
	return nil
}

func (f Field) check(s Settings) error {
	value := f.value(s)
	if text, ok := value.(string); ok && len(f.Choices) > 0 && !slices.Contains(f.Choices, text) {
		return fail.New(fail.Usage, "It is "+oneOf(f.Choices)+".", "--%s %s", f.Name, text)
	}
	if f.interval == nil || value == nil {
		return nil
	}
	number, ok := value.(float64)
	if n, whole := value.(int); whole {
		number, ok = float64(n), true
	}
	if !ok || !f.interval.has(number) {
		return fail.New(fail.Usage, fmt.Sprintf("Give %s.", f.interval), "--%s %v is out of range", f.Name, value)
	}
	return nil
}

func oneOf(choices []string) string {
	last := len(choices) - 1
	return strings.Join(choices[:last], ", ") + " or " + choices[last]
}

// interval is an interval of numbers without its upper end.
type interval struct {
	low, high float64
	open      bool // low is excluded, as high always is
}

// parseInterval parses text such as "[0, 1)" from a tag. It panics if the text is invalid.
func parseInterval(text string) *interval {
	low, high, found := strings.Cut(text[1:len(text)-1], ", ")
	var in interval
	var lowErr, highErr error
	in.low, lowErr = strconv.ParseFloat(low, 64)
	in.high, highErr = strconv.ParseFloat(high, 64)
	in.open = text[0] == '('
	if !found || lowErr != nil || highErr != nil {
		panic(fmt.Sprintf("%q is not an interval", text))
	}
	return &in
}

// has reports whether the interval contains the number; it never contains NaN.
func (in *interval) has(v float64) bool {
	return (v > in.low || v == in.low && !in.open) && v < in.high
}

func (in *interval) String() string {
	if math.IsInf(in.high, 1) {
		if in.open {
			return fmt.Sprintf("a number above %g", in.low)
		}
		return fmt.Sprintf("%g or more", in.low)
	}
	left := "["
	if in.open {
		left = "("
	}
	return fmt.Sprintf("a number in %s%g, %g)", left, in.low, in.high)
}
