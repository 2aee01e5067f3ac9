// Package pretrained finds the official weights of a network. Find looks, in this order, at the file that --weights
// names, the folder FX_WEIGHTS_DIR, torch's hub cache or the user's cache of the Hugging Face hub, fx's cache, the
// official address or the Hugging Face hub, and the Python package that ships the weights, if there is one. It reports
// every place that it could not use, with the reason.
//
// A file with the official name must have the official SHA-256 wherever it is. If only the digits in its name are
// known, the full SHA-256 must equal the one that package fetch recorded at first use. If a lock (Request.Lock) names
// the file, it must match. A file of the hub must be the one of the commit that the lock names, or that package hub
// recorded at first use.
package pretrained
