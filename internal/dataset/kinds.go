package dataset

import (
	"fmt"
	"strings"
)

// readable are formats that fx reads, by endings that DefaultExtensions lacks.
var readable = map[string]bool{
	".gif": true, ".jpe": true, ".jfif": true, ".jfi": true, ".jif": true,
	".pbm": true, ".pnm": true, ".dib": true, ".apng": true,
}

// unread are kinds of pictures that fx does not read, by ending. Naming them
// with --extensions would only turn a file that is left out into one that is rejected.
var unread = map[string]string{
	".heic": "HEIC", ".heif": "HEIF", ".hif": "HEIF", ".avif": "AVIF", ".jxl": "JPEG XL",
	".jp2": "JPEG 2000", ".j2k": "JPEG 2000", ".jpx": "JPEG 2000", ".jpf": "JPEG 2000", ".jxr": "JPEG XR",
	".svg": "SVG", ".svgz": "SVG", ".eps": "EPS", ".ai": "Illustrator", ".pdf": "PDF",
	".tga": "TGA", ".psd": "Photoshop", ".xcf": "GIMP", ".ico": "an icon", ".cur": "an icon", ".icns": "an icon",
	".exr": "OpenEXR", ".hdr": "Radiance HDR", ".pfm": "PFM", ".dds": "DDS", ".pcx": "PCX", ".sgi": "SGI", ".ras": "Sun raster", ".xbm": "XBM",
	".dcm": "DICOM", ".nii": "NIfTI",
	".dng": "a camera's raw format", ".cr2": "a camera's raw format", ".cr3": "a camera's raw format", ".nef": "a camera's raw format",
	".arw": "a camera's raw format", ".orf": "a camera's raw format", ".rw2": "a camera's raw format", ".raf": "a camera's raw format",
	".pef": "a camera's raw format", ".srw": "a camera's raw format",
}

// films are endings of videos.
var films = map[string]bool{
	".mp4": true, ".m4v": true, ".mov": true, ".avi": true, ".mkv": true, ".webm": true, ".mpg": true, ".mpeg": true, ".wmv": true, ".flv": true, ".3gp": true,
}

// companions are endings of files that people keep beside photos.
var companions = map[string]bool{
	".txt": true, ".md": true, ".rst": true, ".csv": true, ".tsv": true, ".json": true, ".jsonl": true, ".xml": true, ".yaml": true, ".yml": true,
	".html": true, ".htm": true, ".ini": true, ".cfg": true, ".log": true, ".db": true, ".sqlite": true, ".xmp": true, ".aae": true, ".thm": true,
	".py": true, ".ipynb": true, ".sh": true, ".js": true, ".url": true, ".lnk": true,
	".zip": true, ".tar": true, ".gz": true, ".tgz": true, ".bz2": true, ".xz": true, ".zst": true, ".7z": true, ".rar": true,
	".npy": true, ".npz": true, ".mat": true, ".h5": true, ".hdf5": true, ".pkl": true, ".pt": true, ".pth": true, ".safetensors": true, ".onnx": true,
	".parquet": true, ".arrow": true, ".tfrecord": true, ".doc": true, ".docx": true, ".xls": true, ".xlsx": true, ".ppt": true, ".pptx": true,
	".mp3": true, ".wav": true, ".m4a": true,
}

// foreign is the reason why a file is left out whose name has none of the
// extensions. It names --extensions only where that may help.
func foreign(extension string) string {
	lower := strings.ToLower(extension)
	if kind := unread[lower]; kind != "" {
		return kind + " is not read: convert it to JPEG or PNG"
	}
	switch {
	case extension == "" || extension == ".":
		return "the name has no extension"
	case films[lower]:
		return "a video is not read: save frames of it as JPEG or PNG"
	case companions[lower]:
		return fmt.Sprintf("%s is no photo's extension", extension)
	case readable[lower]:
		return fmt.Sprintf("extension %s (--extensions %[1]s adds it)", extension)
	}
	return fmt.Sprintf("extension %s (--extensions %[1]s adds it, where it is a photo's)", extension)
}

// adviceFor tells what to do about a folder whose files have these extensions
// only, none of which is taken.
func adviceFor(extensions []string) string {
	const photosEndIn = "Photos end in "
	known := photosEndIn + strings.Join(DefaultExtensions, " ")
	for _, e := range extensions {
		if unread[e] == "" && !films[e] && !companions[e] {
			return known + "; --extensions adds more."
		}
	}
	for _, e := range extensions {
		if kind := unread[e]; kind != "" {
			return known + ". " + upperFirst(kind) + " is not read: convert it to JPEG or PNG."
		}
	}
	return known + "."
}

func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
