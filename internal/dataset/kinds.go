package dataset

import (
	"fmt"
	"strings"
)

// readable are formats that fx reads, by endings that DefaultExtensions lacks.
var readable = set(".gif .jpe .jfif .jfi .jif .pbm .pnm .dib .apng")

// unread are kinds of pictures that fx does not read, by ending. Naming them
// with --extensions would only turn a file that is left out into one that is rejected.
var unread = kinds(map[string]string{
	"HEIC": ".heic", "HEIF": ".heif .hif", "AVIF": ".avif", "JPEG XL": ".jxl", "JPEG XR": ".jxr", "JPEG 2000": ".jp2 .j2k .jpx .jpf",
	"SVG": ".svg .svgz", "EPS": ".eps", "Illustrator": ".ai", "PDF": ".pdf", "TGA": ".tga", "Photoshop": ".psd", "GIMP": ".xcf",
	"an icon": ".ico .cur .icns", "OpenEXR": ".exr", "Radiance HDR": ".hdr", "PFM": ".pfm", "DDS": ".dds", "PCX": ".pcx",
	"SGI": ".sgi", "Sun raster": ".ras", "XBM": ".xbm", "DICOM": ".dcm", "NIfTI": ".nii",
	"a camera's raw format": ".dng .cr2 .cr3 .nef .arw .orf .rw2 .raf .pef .srw",
})

// films are endings of videos.
var films = set(".mp4 .m4v .mov .avi .mkv .webm .mpg .mpeg .wmv .flv .3gp")

// companions are endings of files that people keep beside photos.
var companions = set(".txt .md .rst .csv .tsv .json .jsonl .xml .yaml .yml .html .htm .ini .cfg .log .db .sqlite .xmp " +
	".aae .thm .py .ipynb .sh .js .url .lnk .zip .tar .gz .tgz .bz2 .xz .zst .7z .rar .npy .npz .mat .h5 .hdf5 " +
	".pkl .pt .pth .safetensors .onnx .parquet .arrow .tfrecord .doc .docx .xls .xlsx .ppt .pptx .mp3 .wav .m4a")

// kinds turns lists of endings by kind into kinds by ending.
func kinds(endings map[string]string) map[string]string {
	byEnding := map[string]string{}
	for kind, list := range endings {
		for _, e := range strings.Fields(list) {
			byEnding[e] = kind
		}
	}
	return byEnding
}

func set(list string) map[string]bool {
	all := map[string]bool{}
	for _, e := range strings.Fields(list) {
		all[e] = true
	}
	return all
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
