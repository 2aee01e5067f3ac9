// Package photoio reads photos. It distinguishes unusable photos from system failures, and limits the memory of all
// decoders together.
//
// Reader.Read returns a Photo, whose memory Photo.Release frees. If the error is an *Unusable, the caller may continue
// without the photo; any other error (a failing disk, a photo larger than the memory limit, Ctrl+C) ends the run.
//
// Only faults of the photo itself are Unusable: its bytes, its name, its permissions. After a system error Read tries
// again a few times and then returns that error. Every call ends soon after its context does, even if the system does
// not answer.
//
// # Words
//
// All packages use these words:
//
//   - Unusable: a photo that can't be decoded, whatever the reason.
//   - rejected: an unusable photo that a command left out and listed, with the reason.
//   - refused: a photo that dataset found unusable by its name, size or kind, so that nothing opens it. Commands list
//     it as rejected.
//   - denied: a photo without the permission to read it. Its content is unknown, so a store keeps its rows
//     (store.Summary.Unread).
//   - skipped: a file that is no photo.
//   - unsupported: a kind of picture that fx does not decode.
package photoio
