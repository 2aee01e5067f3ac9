package dataset

import (
	"fmt"
	"strings"
)

// readable are the extensions of formats that fx reads, except imageFolderExtensions.
var readable = set(".gif .jpe .jfif .jfi .jif .pbm .pnm .dib .apng .heic .heif .hif .avif")

// unsupported are the kinds of pictures that fx does not read, by extension. Messages do not suggest --extensions for
// them: such files would be rejected instead of skipped.
var unsupported = kinds(map[string]string{
	"JPEG XL": ".jxl", "JPEG XR": ".jxr", "JPEG 2000": ".jp2 .j2k .jpx .jpf",
	"SVG": ".svg .svgz", "EPS": ".eps", "Illustrator": ".ai", "PDF": ".pdf", "TGA": ".tga",
	"Photoshop": ".psd", "GIMP": ".xcf",
	"an icon": ".ico .cur .icns", "OpenEXR": ".exr", "Radiance HDR": ".hdr", "PFM": ".pfm",
	"DDS": ".dds", "PCX": ".pcx",
	"SGI": ".sgi", "Sun raster": ".ras", "XBM": ".xbm", "DICOM": ".dcm", "NIfTI": ".nii",
	"a camera's raw format": ".dng .cr2 .cr3 .nef .arw .orf .rw2 .raf .pef .srw",
})

// videos are extensions of videos.
var videos = set(".mp4 .m4v .mov .avi .mkv .webm .mpg .mpeg .wmv .flv .3gp")

// companions are extensions of files that people keep beside photos.
var companions = set(".txt .md .rst .csv .tsv .json .jsonl .xml .yaml .yml .html .htm .ini .cfg .log .db .sqlite " +
	".xmp .aae .thm .py .ipynb .sh .js .url .lnk .zip .tar .gz .tgz .bz2 .xz .zst .7z .rar .npy .npz .mat .h5 .hdf5 " +
	".pkl .pt .pth .safetensors .onnx .parquet .arrow .tfrecord .doc .docx .xls .xlsx .ppt .pptx .mp3 .wav .m4a")

// kinds converts lists of extensions by kind to kinds by extension.
func kinds(extensions map[string]string) map[string]string {
	byExtension := map[string]string{}
	for kind, list := range extensions {
		for _, e := range strings.Fields(list) {
			byExtension[e] = kind
		}
	}
	return byExtension
}

func set(list string) map[string]bool {
	all := map[string]bool{}
	for _, e := range strings.Fields(list) {
		all[e] = true
	}
	return all
}

// foreign returns the reason why a file with another extension is skipped. It suggests --extensions only if that may
// help.
func foreign(extension string) string {
	lower := strings.ToLower(extension)
	if kind := unsupported[lower]; kind != "" {
		return kind + " is not read: convert it to JPEG or PNG"
	}
	switch {
	case extension == "" || extension == ".":
		return "the name has no extension"
	case videos[lower]:
		return "a video is not read: save frames of it as JPEG or PNG"
	case companions[lower]:
		return fmt.Sprintf("%s is no photo's extension", extension)
	case readable[lower]:
		return fmt.Sprintf("extension %s (--extensions %[1]s adds it)", extension)
	}
	return fmt.Sprintf("extension %s (--extensions %[1]s adds it, where it is a photo's)", extension)
}

// adviceFor returns the hint for a folder all of whose files have other extensions than photos.
func adviceFor(extensions []string) string {
	const photosEndIn = "Photos end in "
	known := photosEndIn + strings.Join(imageFolderExtensions, " ")
	for _, e := range extensions {
		if unsupported[e] == "" && !videos[e] && !companions[e] {
			return known + "; --extensions adds more."
		}
	}
	for _, e := range extensions {
		if kind := unsupported[e]; kind != "" {
			return known + ". " + upperFirst(kind) + " is not read: convert it to JPEG or PNG."
		}
	}
	return known + "."
}

func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
