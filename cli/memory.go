package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	urfave "github.com/urfave/cli/v2"
)

// decodeMemoryFlag is for commands that decode photos.
func decodeMemoryFlag() urfave.Flag {
	return &urfave.GenericFlag{
		Name: "decode-memory", Value: new(byteSize),
		Usage:       "`SIZE` of the memory for decoding photos, such as 2GiB",
		DefaultText: "a quarter of the memory, and three quarters for a photo alone",
	}
}

// decodeMemory reads decodeMemoryFlag, in bytes; 0 where it is not given.
func decodeMemory(c *urfave.Context) int64 {
	if size, ok := c.Generic("decode-memory").(*byteSize); ok {
		return int64(*size)
	}
	return 0
}

// byteSize is a number of bytes on a command line.
type byteSize int64

// units of byteSize; the longer names come first.
var units = []struct {
	name  string
	bytes float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12},
	{"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {"T", 1 << 40}, {"B", 1},
}

// Set reads a number with a unit, such as 512MiB or 1.5G, or of bytes.
func (s *byteSize) Set(text string) error {
	number, factor := strings.TrimSpace(text), 1.0
	for _, u := range units {
		if n := len(number) - len(u.name); n > 0 && strings.EqualFold(number[n:], u.name) {
			number, factor = strings.TrimSpace(number[:n]), u.bytes
			break
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	if bytes := n * factor; err != nil || !(bytes >= 1 && bytes < math.MaxInt64) {
		return fmt.Errorf("%q is no size such as 512MiB or 2GiB", text)
	}
	*s = byteSize(n * factor)
	return nil
}

// String is the number of bytes.
func (s *byteSize) String() string {
	if s == nil || *s == 0 {
		return ""
	}
	return strconv.FormatInt(int64(*s), 10)
}
