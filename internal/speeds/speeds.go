package speeds

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"time"

	"fx/internal/durable"
	"fx/internal/machine"
	"fx/internal/paths"
	"fx/internal/userfile"
)

// Speed is the last measurement of a network on a device in a precision.
type Speed struct {
	Network         string    `json:"network"` // its registered name
	Device          string    `json:"device"`  // cpu or cuda
	Precision       string    `json:"precision"`
	ImagesPerSecond float64   `json:"images_per_second"` // from files of photos to embeddings
	Measured        time.Time `json:"measured"`
}

// record is a Speed in the file. Machines may share a cache.
type record struct {
	Machine string `json:"machine"` // see machine.CPU
	Speed
}

func (r record) sameAs(o record) bool {
	return r.Machine == o.Machine && r.Network == o.Network && r.Device == o.Device && r.Precision == o.Precision
}

type document struct {
	FormatVersion int      `json:"format_version"`
	Speeds        []record `json:"speeds"` // the latest last
}

const (
	formatVersion = 1
	maxRecords    = 1000 // the oldest are dropped
)

// Record writes a measurement of this machine, which replaces an earlier one.
func Record(s Speed) {
	d, mine := read()
	if !mine {
		return
	}
	added := record{machine.CPU(), s}
	d.Speeds = append(slices.DeleteFunc(d.Speeds, added.sameAs), added)
	d.Speeds = d.Speeds[max(0, len(d.Speeds)-maxRecords):]
	content, err := json.MarshalIndent(d, "", "  ")
	if err != nil { // a value that is not finite
		return
	}
	if path, err := paths.Cache(fileName); err == nil && os.MkdirAll(filepath.Dir(path), 0o777) == nil {
		_ = durable.RemoveStaleOf(path) // errors are ignored: the cache may be read-only
		_ = durable.WriteBytes(path, append(content, '\n'))
	}
}

// Here returns the measurements of this machine, by network, device and precision.
func Here() []Speed {
	var here []Speed
	d, _ := read()
	for _, r := range d.Speeds {
		if r.Machine == machine.CPU() {
			here = append(here, r.Speed)
		}
	}
	slices.SortFunc(here, func(a, b Speed) int {
		return cmp.Or(cmp.Compare(a.Network, b.Network), cmp.Compare(a.Device, b.Device),
			cmp.Compare(a.Precision, b.Precision))
	})
	return here
}

const fileName = "speeds.json"

// read returns the file's content, or an empty document if there is none or it is damaged. mine is false if the file
// is one of a newer fx, which must not be replaced.
func read() (d document, mine bool) {
	empty := document{FormatVersion: formatVersion}
	path, err := paths.Cache(fileName)
	if err != nil {
		return empty, false
	}
	text, err := userfile.ReadJSON(path)
	if err != nil || json.Unmarshal(text, &d) != nil {
		return empty, true
	}
	if d.FormatVersion != formatVersion {
		return empty, d.FormatVersion < formatVersion
	}
	return d, true
}
