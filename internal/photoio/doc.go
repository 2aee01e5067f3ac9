// Package photoio reads photos: it tells photos that can't be used from a system that fails,
// and holds all decoders together to one number of bytes.
//
// The common case:
//
//	reader := photoio.NewReader(decoder, photoio.Options{})
//	...
//	photo, err := reader.Read(ctx, path)
//	var bad *photoio.Unusable
//	if errors.As(err, &bad) {
//		// go on without it: bad is the reason
//	} else if err != nil {
//		return err // the disk failed, the photo asks for more memory than there is, Ctrl+C
//	}
//	defer photo.Release()
//	err = photo.CenterView(spec, pixels)
//
// Only what is wrong with the photo itself is Unusable: its bytes, its name, its rights. An
// error of the system is tried again a few times and then returned, and says nothing about the
// photo. Every call ends soon after its context does, even where the system does not answer.
package photoio
