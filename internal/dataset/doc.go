// Package dataset finds the labelled photos of a folder or of a CSV list. Scan returns the splits, the classes, the
// photos in torchvision's order, and the other files with the reasons why they were skipped.
//
// # Which folders are splits
//
// A folder under the root counts only if it contains a photo at any depth.
//
//   - All such folders contain photos directly: they are the classes, and the only split has the name "".
//   - None of them contains photos directly: they are splits, whatever their names, and the folders in them are the
//     classes.
//   - Some do and some do not: they are splits if those with folders of photos have usual names of splits (train, val,
//     test …) and the others contain photos to predict (a flat test/, which is left out). They are classes if no folder
//     has such a name, as for ImageFolder. Anything else is an error, and so is a folder with a split's name that
//     contains both, because a guess might silently train "train" against "val".
//
// Photos anywhere in a class folder belong to the class, as in torchvision's ImageFolder. If the splits' names are
// unusual, at least one class folder must contain photos directly, so that a root one level too high is an error.
//
// ChooseSplits chooses the splits for training and evaluation, and lists those that are left out. EvaluationSplit
// chooses the split on which a trained model is evaluated. CheckLearnable returns an error for a class without enough
// photos.
//
// # Differences from torchvision's ImageFolder
//
// The extensions, the labels (classes sorted by name) and the order of the items are the same: the i-th item of a
// split is ImageFolder's i-th sample. Unlike ImageFolder, Scan skips hidden files and folders (.DS_Store, ._photo.jpg,
// .ipynb_checkpoints) and __MACOSX, names that are not valid UTF-8, broken links, and files that are not regular. It
// also skips a class folder without a photo, for which ImageFolder raises an exception. All of them are in Skipped.
// Files of 0 bytes are in Refused: special files of the system look like them, so none is opened.
//
// # Links
//
// Scan follows links, as ImageFolder does. A folder counts once within a class of a split. A link to a folder above it
// is skipped; ImageFolder never ends there. Notes list folders that count in two classes, and photos outside of the
// root. With Options.NoFollowLinks no link is followed.
//
// # Lists
//
// A path that ends in .csv is a list with the header path,label or path,label,split. Its paths are relative to the
// list's folder. Every listed file is an item, even if it does not exist or has another extension: the error follows
// when it is read. Files that must not be opened are in Refused here too.
//
// # Archives
//
// A path that ends in .tar or .zip is an archive. So is a table (.parquet, or an uncompressed .arrow file or stream)
// with a column of photos' bytes and one of labels, as Hugging Face's datasets write them. Several are named by a
// pattern (shards-{0000..0099}.tar, or with * and ?) or by a folder without photos that contains them, directly or in
// folders called as splits. If their names begin with a split's name (train-0001.tar), or that of their folder is one,
// their photos belong to it.
//
// With files beside the photos, as WebDataset has them (0001.jpg and 0001.cls), their texts are the labels: .cls, else
// a field of .json (cls, label, class or class_name), else .txt. An item's Rel is then the archive's name and the
// member's, or the number of the row. Else folders in the archives are splits and classes as those on disk are, and
// Rel is the same as for the unpacked folder, without a folder around everything. Members that lead out of the archive
// are skipped.
package dataset
