// Package sampledata finds photos for somebody who has just arrived.
//
//	found, err := sample.Photos(ctx, sampledata.Options{}, report)
//
// looks, in this order, at the folder that was named, FX_DATA_DIR, folders
// called hymenoptera_data nearby, fx's cache, and the address of PyTorch's
// tutorial; without a network it draws a small set of pictures and says so.
// Every step that did not serve is told, with the reason.
//
// Photos in fx's cache are held to their first use: the archive by its SHA-256,
// which its publisher pins, the folder by that of all its files.
package sampledata
