// Package dataset finds the labelled photos of a folder or of a CSV list.
// Scan returns the splits, the classes, the photos in torchvision's order, and everything
// else with the reason why it was skipped.
//
// # Which folders are splits
//
// A folder under the root counts only where a photo lies in it at any depth.
//
//   - Every such folder holds photos directly: they are the classes, and the
//     one split has the name "".
//   - None of them holds photos directly: they are splits, whatever their
//     names, and the folders inside them are the classes.
//   - Some do and some do not: splits where those with folders of photos are
//     called as splits are (train, val, test …) and the others hold photos to
//     predict (a flat test/, which is left out); classes where no folder is
//     called so, as for ImageFolder. Anything else is an error, and so is a
//     folder with a split's name that holds both, because a guess would
//     silently train "train" against "val".
//
// Photos anywhere inside a class folder belong to the class, as in torchvision's
// ImageFolder. Where the splits' names are unusual, at least one class folder must
// hold photos directly, so that a root given one level too high is an error too.
//
// ChooseSplits says which split a training learns from, which it evaluates on and
// which it leaves out; EvaluationSplit which one a trained model is evaluated on.
// CheckLearnable refuses a class that nothing can be learned of.
//
// # What is the same as torchvision's ImageFolder, and what is not
//
// The extensions, the labels (classes sorted by name) and the order of the
// items are the same: the i-th item of a split is ImageFolder's i-th sample.
// Unlike ImageFolder, Scan leaves out hidden files and folders (.DS_Store,
// ._photo.jpg, .ipynb_checkpoints) and __MACOSX, names that are not valid UTF-8,
// links to nothing and what is no regular file; a class folder without a photo is
// left out where ImageFolder raises. All of them are in Skipped. Files of 0 bytes
// are in Refused: special files of the system are among them, and none is opened.
//
// # Links
//
// Links are followed, as ImageFolder does, but a folder counts once within a
// class of a split, and a link to a folder above it is left out, where
// ImageFolder never ends. Notes tell of folders that count in two classes and of
// photos that lie outside of the root. Options.NoFollowLinks follows none.
//
// # Lists
//
// A path ending in .csv is a list with the header path,label or path,label,split,
// the paths relative to the list's own folder. Every listed file is an item,
// also one that does not exist or has a foreign extension: whoever reads it
// reports it. What must not be opened is in Refused here too.
package dataset
