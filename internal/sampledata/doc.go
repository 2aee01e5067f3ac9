// Package sampledata finds photos for a new user. Photos looks, in this order, at the folder that was named,
// FX_DATA_DIR, folders called hymenoptera_data nearby, fx's cache, and the address of PyTorch's tutorial. Without a
// network it draws a small set of pictures and reports that it did. It reports every place that it could not use, with
// the reason.
//
// Photos in fx's cache must not change after their first use: the archive is checked against the publisher's SHA-256,
// the folder against that of all its files at first use.
package sampledata
