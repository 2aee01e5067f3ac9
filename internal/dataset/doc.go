// Package dataset finds the labelled photos of a folder or of a CSV list.
//
//	d, err := dataset.Scan(ctx, "hymenoptera_data", dataset.Options{})
//	// d.Splits  [train val]
//	// d.Classes [ants bees]
//	// d.Items   397 photos in torchvision's order
//	// d.Skipped everything else, each with its reason
//
// # Which folders are splits
//
// A folder under the root counts only where a photo lies in it at any depth.
//
//   - Every such folder holds photos directly: they are the classes, and the
//     one split has the name "".
//   - None of them holds photos directly: they are splits, whatever their
//     names, and the folders inside them are the classes.
//   - Some do and some do not, or a folder with a split's customary name
//     (train, val, test …) holds both: an error, because a guess would
//     silently train "train" against "val".
//
// Photos anywhere inside a class folder belong to the class, as in torchvision's
// ImageFolder; at least one class folder must hold photos directly, so that a root
// given one level too high is an error too.
//
// # What is the same as torchvision's ImageFolder, and what is not
//
// The extensions, the labels (classes sorted by name) and the order of the
// items are the same: the i-th item of a split is ImageFolder's i-th sample.
// Unlike ImageFolder, Scan leaves out hidden files and folders (.DS_Store,
// ._photo.jpg, .ipynb_checkpoints) and __MACOSX, names that are not valid UTF-8,
// links to nothing and what is no regular file; a class folder without a photo
// is left out where ImageFolder raises; a folder that links to one of its own
// parents is left out where ImageFolder never ends. All of them are in Skipped.
//
// # Lists
//
// A path ending in .csv is a list with the header path,label or path,label,split,
// the paths relative to the list's own folder. Every listed file is an item,
// also one that does not exist or has a foreign extension: whoever reads it
// reports it.
package dataset
