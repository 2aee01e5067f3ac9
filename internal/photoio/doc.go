// Package photoio reads photos. It distinguishes unusable photos from system failures, and limits the memory of all
// decoders together.
//
// Reader.Read returns a Photo, whose memory Photo.Release frees. If the error is an *Unusable, the caller may continue
// without the photo; any other error (a failing disk, a photo larger than the memory limit, Ctrl+C) ends the run.
//
// Only faults of the photo itself are Unusable: its bytes, its name, its permissions. After a system error Read tries
// again a few times and then returns that error. Every call ends soon after its context does, even if the system does
// not answer.
package photoio
