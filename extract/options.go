package extract

import (
	"time"

	"fx/internal/dataset"
	"fx/internal/lockfile"
	"fx/internal/userfile"
)

// Options says what to extract, and where to.
type Options struct {
	Embedder   EmbedderOptions
	Data       string   // folder of photos, or a .csv list
	Extensions []string // that count as photos besides torchvision's
	Splits     []string // names of those to extract; nil for all
	// NoFollowLinks leaves out photos behind links, see dataset.Options.
	NoFollowLinks bool

	Store string // folder to fill
	Force bool   // even where it holds something else or lies inside Data, see outpath.Prepare; with ReplaceData
	// ReplaceData drops rows of other photos than Data's, see store.WriteOptions.
	ReplaceData bool

	DType string // of the cached values: "float32" (also "") or "float16"
	Views int    // random augmentations of each photo of TrainSplit, besides the centre view
	Seed  uint64 // of the augmentations
	// whose photos are augmented, "" to let dataset.ChooseSplits choose; photos without a split are, too
	TrainSplit string

	Decoder    string // of JPEG: "auto" (also ""), "turbojpeg" or "go"
	EXIF       string // "ignore" (also "") or "apply"
	FastDecode bool   // JPEGs at a fraction of their size where that is enough, see imaging.Decoder.For
	OnBadImage string // "skip" (also "") or "fail"

	Shard         string        // "i/n", "auto", "auto/n", or "" for all photos
	Wait          time.Duration // for a store that another process holds
	VerifyContent bool          // hash every photo and every stored row, not only the files whose size or time changed
	RowsPerShard  int           // of the store's files; 0 for store's choice

	// besides the weights, such as photos that fx fetched: for the store's lock.json and Embedder.Network.Lock
	Inputs []lockfile.Input
}

// BadPhoto is a file that gave no row, and why.
type BadPhoto struct {
	Path      string `json:"path"`
	PathBytes string `json:"path_bytes,omitempty"` // Path in base64 where it is not UTF-8
	Reason    string `json:"reason"`
}

// SkippedFile describes a file that is no photo.
func SkippedFile(s dataset.Skipped) BadPhoto {
	return BadPhoto{Path: s.Path, PathBytes: userfile.PathBytes(s.Path), Reason: s.Reason}
}

// Summary is what Run did. Without Views, Computed + Cached + rejected = Images.
type Summary struct {
	Images   int `json:"images"`   // photos found, rejected ones included
	Computed int `json:"computed"` // embeddings computed by this run
	Cached   int `json:"cached"`   // embeddings that the store had
	Dropped  int `json:"dropped"`  // rows of photos or views that are gone or changed
	// rows that the store had in damaged files: those of photos that are still there are among Computed
	Damaged     int        `json:"damaged"`
	Rejected    []BadPhoto `json:"rejected"` // photos that can't be used
	Skipped     []BadPhoto `json:"skipped"`  // files that are no photos
	Seconds     float64    `json:"seconds"`  // of the whole run
	LoadSeconds float64    `json:"load_seconds"`
	// embeddings per second from the first photo read to the last row on disk
	ImagesPerSecond float64  `json:"images_per_second"`
	FeatureShape    []int    `json:"feature_shape"`
	Provider        string   `json:"provider"` // ONNX Runtime's name of it
	Why             string   `json:"why,omitempty"`
	Decoder         string   `json:"decoder"`
	Backbone        string   `json:"backbone"`
	Weights         string   `json:"weights"`
	WeightsSHA256   string   `json:"weights_sha256"`
	Classes         []string `json:"classes"`
	Store           string   `json:"store"`
	Notes           []string `json:"notes"`
}
