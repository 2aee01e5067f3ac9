// Package fetch downloads one file so that it is whole, the right one, and the
// same ever after.
//
//	got, err := fetch.Get(ctx, fetch.File{
//		URL:          "https://download.pytorch.org/models/resnet18-f37072fd.pth",
//		Path:         "…/fx/weights/resnet18-f37072fd.pth",
//		SHA256Prefix: "f37072fd",
//	}, reporter)
//
// A download that breaks off leaves NAME.part and goes on from there, in this
// run or a later one, as long as the server still has the same file. The
// SHA-256 of a file is recorded at its first use, in an entry of the registry
// in fx's cache ([Record]); a file that differs from its entry is refused. Two
// processes that want the same file wait for each other.
//
// Every download ends, whatever the server does: it must send 1 KB/s over each
// minute, a few tries in a row that gain less than that are the last ones, and no
// more bytes are read than the file is known or said to have.
//
// Where there is no network the error is [ErrUnreachable], and its hint says
// how to supply the file by hand.
package fetch
