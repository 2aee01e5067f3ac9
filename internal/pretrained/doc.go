// Package pretrained finds the official weights of a network.
//
//	found, err := source.Find(ctx, source.Request{Name: "resnet18", Official: pretrained.Official{
//		File:         "resnet18-f37072fd.pth",
//		URL:          "https://download.pytorch.org/models/resnet18-f37072fd.pth",
//		SHA256Prefix: "f37072fd",
//	}}, report)
//
// looks, in this order, at the file that --weights names, the folder
// FX_WEIGHTS_DIR, torch's own hub cache, fx's cache, the official address, and
// the Python package that ships the weights, where there is one. Every place
// that did not serve is told, with the reason.
//
// A file with the official name must have the official SHA-256 wherever it lies:
// all of it where that is known, else the digits in its name, and then the full
// one must be that which package fetch recorded at first use. What a lock names
// (Request.Lock) must be what is found.
package pretrained
