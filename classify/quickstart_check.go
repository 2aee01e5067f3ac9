package classify

import (
	"fx/internal/fail"
	"fx/internal/outpath"
)

// checkQuickstart checks that folders are what they should be.
func checkQuickstart(o QuickstartOptions) error {
	const photos = "Give the folder of your photos: one folder a class, with or without train/ and val/."
	for _, c := range []struct {
		kind *outpath.Folder
		what string
	}{
		{outpath.Store, "an embedding store"},
		{outpath.Model, "a MODEL"},
		{outpath.Experiment, "an experiment"},
		{outpath.Quickstart, "what an earlier quickstart made"},
	} {
		is := c.kind.In
		if c.kind == outpath.Quickstart { // which --force allows among photos
			is = c.kind.Alone
		}
		if is, err := is(o.Data); err != nil {
			return err
		} else if is {
			return fail.New(fail.Usage, photos, "%s is %s, not a folder of photos", o.Data, c.what)
		}
	}
	files := quickstartFilesIn(o.Out)
	if err := outpath.Prepare(o.Force,
		outpath.Target{Kind: outpath.Quickstart, Path: o.Out, Photos: o.Data},
		outpath.Target{Kind: outpath.Store, Path: files.Features, Nested: true},
		outpath.Target{Kind: outpath.Model, Path: files.Model, Nested: true},
		outpath.Target{Kind: outpath.ONNX, Path: files.Classifier, Nested: true},
		outpath.Target{Kind: outpath.PNG, Path: files.Picture, Nested: true}); err != nil {
		return err
	}
	return checkSameData(o.Force, o.Out, files.Model, o.Data)
}
