package extract

import (
	"fmt"
	"time"

	"fx/internal/dataset"
	"fx/internal/fail"
	"fx/internal/lockfile"
	"fx/internal/store"
	"fx/internal/userfile"
)

// Options of Run.
type Options struct {
	Embedder EmbedderOptions
	Data     string          // folder of photos, or a .csv list
	Photos   dataset.Options // which of its files are photos
	Splits   []string        // names of the splits to extract; nil for all

	Store string // folder to fill
	Force bool   // write to Store though outpath.Prepare refuses it, and ReplaceData
	// ReplaceData drops rows of other photos than Data's, see store.WriteOptions.
	ReplaceData bool

	DType string // of the stored values: "float32" (also "") or "float16"
	Views int    // random views of each photo of TrainSplit, in addition to the centre view
	Seed  uint64 // of the random views
	// TrainSplit is the split with random views; "" lets dataset.ChooseSplits choose. Photos without a split have them
	// too.
	TrainSplit string

	EXIF       string // "ignore" (also "") or "apply"
	FastDecode bool   // JPEGs at a fraction of their size if that suffices, see imaging.Decoder.For
	OnBadImage string // "skip" (also "") or "fail"
	// MaxBad ends the run with an error if more of this process's photos are rejected.
	MaxBad MaxBad
	// RetryRejected tries the photos again that an earlier run rejected, though their files have not changed.
	RetryRejected bool
	// TimeoutPerPhoto rejects a photo whose reading and decoding takes longer; 0 is no limit. See photoio.Options.
	TimeoutPerPhoto time.Duration

	Shard         string        // "i/n", "auto", "auto/n", or "" for all photos
	PartsFile     string        // the plan of Part
	Part          string        // number or ID of the only part to compute, or "auto"; "" for all photos
	Wait          time.Duration // for a store that another process holds
	VerifyContent bool          // compare every photo and every stored row with its hash, not only changed files
	RowsPerShard  int           // in a file of the store; 0 means the store's choice

	// Inputs are files besides the weights, such as downloaded photos, for the store's lock.json and
	// Embedder.Network.Lock.
	Inputs []lockfile.Input
}

// maxViews is a limit against mistyped numbers.
const maxViews = 1000

// CheckTimeout returns an error of kind fail.Usage for a negative timeout of a photo.
func CheckTimeout(d time.Duration) error {
	if d < 0 {
		return fail.New(fail.Usage, "Give a time such as 30s.", "--timeout-per-photo %s", d)
	}
	return nil
}

// check returns an error of kind fail.Usage for invalid options. Other fields are checked where they are used.
func (o Options) check() error {
	switch {
	case o.Views < 0 || o.Views > maxViews:
		return fail.New(fail.Usage, fmt.Sprintf("Give a number from 0 to %d.", maxViews), "--views %d", o.Views)
	case o.Wait < 0:
		return fail.New(fail.Usage, "Give a time such as 30s or 5m.", "--wait %s", o.Wait)
	case o.DType != "" && o.DType != string(store.Float32) && o.DType != string(store.Float16):
		return fail.New(fail.Usage, "It is float32 or float16.", "--dtype %s", o.DType)
	case CheckTimeout(o.TimeoutPerPhoto) != nil:
		return CheckTimeout(o.TimeoutPerPhoto)
	case (o.Part == "") != (o.PartsFile == ""):
		return fail.New(fail.Usage, "Give the plan with --parts and one of its parts with --part.",
			"--parts and --part belong together")
	case o.Part != "" && o.Shard != "":
		return fail.New(fail.Usage, "Leave out --shard: parts take its place.", "--part and --shard are given")
	case o.OnBadImage != "" && o.OnBadImage != "skip" && o.OnBadImage != "fail":
		return fail.New(fail.Usage, "It is skip or fail.", "--on-bad-image %s", o.OnBadImage)
	}
	return nil
}

// BadPhoto is a file that gave no row, with the reason.
type BadPhoto struct {
	Path      string `json:"path"`
	PathBytes string `json:"path_bytes,omitempty"` // Path in base64, if it is not UTF-8
	Reason    string `json:"reason"`
}

// SkippedFile returns the BadPhoto for a file that is no photo.
func SkippedFile(s dataset.Skipped) BadPhoto {
	return BadPhoto{Path: s.Path, PathBytes: userfile.PathBytes(s.Path), Reason: s.Reason}
}

// NoneUsable returns the error, of kind fail.Rejected, that no photo of data can be used, with the first reason.
func NoneUsable(data string, rejected []BadPhoto) error {
	reason := ""
	if len(rejected) > 0 {
		reason = fmt.Sprintf(": %s: %s", rejected[0].Path, rejected[0].Reason)
	}
	if len(rejected) > 1 {
		reason += fmt.Sprintf(", and %d more", len(rejected)-1)
	}
	return fail.New(fail.Rejected, "Repair the photos, or copy them again.", "no photo of %s can be used%s", data,
		reason)
}
